"""Latent attention: what it caches, and that comparing in the latent equals expanding first."""

from __future__ import annotations

import pytest
import torch

from archwright.arch.attention.mla import MLA
from archwright.arch.position import Rope
from archwright.errors import InvalidValue
from archwright.nn.attention import FullAttention, LatentAttention
from archwright.nn.segments import Segments

SIZES = {"d_model": 24, "n_heads": 4, "n_kv_heads": 4, "head_dim": 12, "kv_lora_rank": 10, "qk_nope_head_dim": 8}
SPECS = {
    "wide values": MLA(**SIZES, qk_rope_head_dim=4, v_head_dim=14, q_lora_rank=9),
    "narrow values": MLA(**SIZES, qk_rope_head_dim=4, v_head_dim=6, latent_bias=True, bias=("o",), scale=0.4),
}


def made(case: str) -> LatentAttention:
    return LatentAttention(SPECS[case], position=Rope(dims=4, interleaved=True), dtype=torch.float64).eval()


@pytest.mark.parametrize("case", SPECS)
@torch.no_grad()
def test_a_cache_holds_the_latent_and_the_rotary_key_alone(case):
    """Bytes are those that the spec counts, whatever the number of heads."""
    module, spec = made(case), SPECS[case]
    cache = module.new_cache(3, 40)
    assert cache.nbytes == 3 * 40 * spec.cache_elements * 8
    assert cache.k.shape == (3, 1, 40, 4)
    assert cache.v.shape == (3, 1, 40, 10)


@pytest.mark.parametrize("case", SPECS)
@torch.no_grad()
def test_absorbed_and_expanded_are_the_same(case):
    """One call, pieces through a cache, rows of unequal length, packed rows: the same outputs."""
    module = made(case)
    x = torch.randn(2, 26, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    wanted = module(x)
    cache = module.new_cache(2, 26)
    parts = [module(x[:, :11], cache), module(x[:, 11:15], cache)]  # the second compares in the latent
    parts += [module(x[:, at : at + 1], cache) for at in range(15, 26)]
    assert torch.allclose(torch.cat(parts, 1), wanted, atol=1e-12)
    ragged = module.new_cache(2, 26)
    module(torch.cat((x[0, :20], x[1, :7])), ragged, cu_seqlens=Segments.of([20, 7]))
    step = module(torch.stack((x[0, 20:21], x[1, 7:8])), ragged)
    assert torch.allclose(step[0, 0], wanted[0, 20], atol=1e-12)
    assert torch.allclose(step[1, 0], wanted[1, 7], atol=1e-12)
    packed = module(x.flatten(0, 1), cu_seqlens=Segments.of([26, 26]))
    assert torch.allclose(packed.view(2, 26, 24), wanted, atol=1e-12)


@torch.no_grad()
def test_what_is_dead_in_a_cache_has_no_effect():
    """NaN in slots that no row has reached."""
    module = made("wide values")
    x = torch.randn(2, 9, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    cache = module.new_cache(2, 30)
    cache.k.fill_(float("nan"))
    cache.v.fill_(float("nan"))
    module(torch.cat((x[0, :8], x[1, :3])), cache, cu_seqlens=Segments.of([8, 3]))
    assert module(x[:, 8:9], cache).isfinite().all()


@torch.no_grad()
def test_rows_of_its_weights_sum_to_one():
    """The probabilities that `weights` shows are those that it sums with."""
    module = made("narrow values")
    x = torch.randn(1, 9, 24, dtype=torch.float64)
    weights = module.weights(x)
    assert torch.allclose(weights.sum(-1), torch.ones(1, 4, 9, dtype=torch.float64))
    assert not weights.triu(1).any()


def test_modules_refuse_specs_of_others():
    """A latent spec is no full attention for the module of that name, and the reverse."""
    with pytest.raises(InvalidValue, match="not the type of LatentAttention"):
        LatentAttention(FullAttention(n_heads=2, n_kv_heads=2, head_dim=8).spec)
