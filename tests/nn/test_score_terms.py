"""Softcap, sinks and slopes: what they do to scores, in every layout, in blocks and against a loop over pairs."""

from __future__ import annotations

import math

import pytest
import torch

from archwright.arch.attention.full import Full
from archwright.arch.attention.sliding import Sliding
from archwright.arch.position import Alibi, NoPosition
from archwright.errors import NotSupported
from archwright.nn import CustomAttentionFactory
from archwright.nn.attention import AttentionModule
from archwright.nn.attention.module import alibi_slopes
from archwright.nn.backends import reference
from archwright.nn.segments import Segments

SIZES = {"d_model": 32, "n_heads": 4, "n_kv_heads": 2, "head_dim": 8}
CASES = {
    "softcap": (Full(**SIZES, softcap=0.5), None),
    "sinks": (Full(**SIZES, sinks=True), None),
    "slopes": (Full(**SIZES), Alibi()),
    "all in a window": (Sliding(**SIZES, softcap=0.5, sinks=True, scale=0.7, window_size=6), Alibi(scaled=True)),
}


def made(case: str) -> AttentionModule:
    spec, position = CASES[case]
    module = CustomAttentionFactory.create(spec, position=position, dtype=torch.float64)
    assert isinstance(module, AttentionModule)
    if module.sinks is not None:
        with torch.no_grad():
            module.sinks.copy_(torch.tensor([0.5, -1.0, 2.0, 0.0]))
    return module.eval()


def by_pairs(module: AttentionModule, x: torch.Tensor) -> torch.Tensor:
    """The definition, one query and one key at a time."""
    spec = module.spec
    q, k, v = module._project(x)
    slopes = alibi_slopes(module.alibi, spec) if module.alibi else [0.0] * spec.n_heads
    scale = spec.head_dim**-0.5 if spec.scale is None else spec.scale
    out = torch.zeros_like(q)
    for b in range(x.shape[0]):
        for h in range(spec.n_heads):
            for i in range(x.shape[1]):
                shares = []
                for j in range(i + 1):
                    if spec.visible(i, j):
                        score = float(q[b, h, i] @ k[b, h // 2, j]) * scale
                        if spec.softcap is not None:
                            score = spec.softcap * math.tanh(score / spec.softcap)
                        shares.append((math.exp(score - slopes[h] * (i - j)), j))
                total = sum(s for s, _ in shares)
                if module.sinks is not None:
                    total += math.exp(float(module.sinks[h]))
                for share, j in shares:
                    out[b, h, i] += share / total * v[b, h // 2, j]
    return module.o_proj(out.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_scores_are_those_of_the_definition(case):
    """A batch, a packed row, and a cache: all as the loop over pairs."""
    module = made(case)
    x = torch.randn(2, 17, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    wanted = by_pairs(module, x)
    assert torch.allclose(module(x), wanted, atol=1e-10)
    packed = module(x.flatten(0, 1), cu_seqlens=Segments.of([17, 17]))
    assert torch.allclose(packed.view(2, 17, 32), wanted, atol=1e-10)
    cache = module.new_cache(2, 32, torch.float64)
    parts = [module(x[:, :9], cache)] + [module(x[:, i : i + 1], cache) for i in range(9, 17)]
    assert torch.allclose(torch.cat(parts, 1), wanted, atol=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_blocks_give_the_same_numbers_and_gradients(case, monkeypatch):
    """What bounds memory changes nothing, forward and backward."""
    module = made(case)
    x = torch.randn(1, 70, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    wanted = module(x)
    wanted.sum().backward()
    gradient, x.grad = x.grad, None
    monkeypatch.setattr(reference, "BLOCK_BYTES", 1)
    found = module(x)
    found.sum().backward()
    assert torch.allclose(found, wanted, atol=1e-12)
    assert torch.allclose(x.grad, gradient, atol=1e-12)


def test_no_backend_ignores_them_in_silence():
    """auto takes the reference and says why not the others; a named one refuses."""
    module = made("softcap")
    told = module.explain(64)
    assert told.chosen == "reference"
    assert "computes no softcap of scores" in str(told)
    module.backend = "sdpa"
    with pytest.raises(NotSupported, match="computes no softcap"):
        module(torch.zeros(1, 4, 32, dtype=torch.float64))


def test_a_kernel_of_its_own_must_say_that_it_computes_them():
    """A module that overrides attend is refused with fields that only the base computes."""

    class Own(AttentionModule):
        kind = "full"

        def attend(self, q, k, v, view):
            return q

    with pytest.raises(NotSupported, match="has a kernel of its own"):
        Own(CASES["sinks"][0])
    with pytest.raises(NotSupported, match="alibi"):
        Own(Full(**SIZES), position=Alibi())
    Own(Full(**SIZES), position=NoPosition())


@pytest.mark.parametrize(
    ("heads", "slopes"), [(4, [0.25, 0.0625, 0.015625, 0.00390625]), (3, [0.0625, 0.00390625, 0.25]), (1, [2.0**-8])]
)
def test_slopes_are_those_of_the_paper(heads, slopes):
    """Between powers of two every other slope of the next power follows."""
    spec = Full(d_model=heads * 8, n_heads=heads, n_kv_heads=heads, head_dim=8)
    assert alibi_slopes(Alibi(), spec) == pytest.approx(slopes)
