"""The cases M01, M02, N01 and N02 of the list of bad inputs, with its own numbers."""

from __future__ import annotations

import pytest
import torch

import archwright as aw
from archwright.nn import AttentionConfig, CustomAttentionFactory


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("backend", ["auto", "reference", "sdpa", "chunked"])
def test_m01_a_window_of_eight_counted_by_perturbation(causal, backend):
    """40 tokens: token j changes exactly the outputs j to j + 8 (two-sided j - 8 to j + 8); so do gradients."""
    config = AttentionConfig("sliding", 2, head_dim=8, window_size=8, causal=causal)
    torch.manual_seed(0)
    attn = CustomAttentionFactory.create(config, dtype=torch.float64, backend=backend).eval()
    x = torch.randn(1, 40, 16, dtype=torch.float64)
    before = attn(x)
    for j in (0, 5, 20, 39):
        changed = x.clone()
        changed[0, j] += 1
        rows = (attn(changed) != before).any(-1)[0].nonzero().flatten().tolist()
        assert rows == list(range(j if causal else max(0, j - 8), min(40, j + 9)))
        given = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(attn(given)[0, j].sum(), given)
        reached = (gradient != 0).any(-1)[0].nonzero().flatten().tolist()
        assert reached == list(range(max(0, j - 8), j + 1 if causal else min(40, j + 9)))


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_m02_rows_that_see_nothing(dtype):
    """A torch-free spec of one's own whose first token sees no key: exact zeros there, everything finite."""

    @aw.attention("before_for_m02")
    class Before(aw.AttentionSpec):
        """Strictly earlier tokens."""

        def visible(self, q, k):
            return k < q

    attn = CustomAttentionFactory.create(AttentionConfig("before_for_m02", 2, head_dim=8), dtype=dtype).train()
    x = torch.randn(2, 10, 16).to(dtype).requires_grad_()
    out = attn(x)
    out.float().square().sum().backward()
    assert (out[:, 0] == 0).all() and out.isfinite().all()
    assert all(t.grad is not None and t.grad.isfinite().all() for t in (x, *attn.parameters()))


@pytest.mark.parametrize("kind", ["full", "sliding"])
def test_n01_a_cache_filled_with_nan_before_use(kind):
    window = {"window_size": 4} if kind == "sliding" else {}
    attn = CustomAttentionFactory.create(AttentionConfig(kind, 2, head_dim=8, **window)).eval()
    x = torch.randn(2, 17, 16)
    cache = attn.new_cache(2, 32)
    cache.k.fill_(float("nan"))
    cache.v.fill_(float("nan"))
    with torch.no_grad():
        out = torch.cat([attn(x[:, :5], cache), *(attn(x[:, t : t + 1], cache) for t in range(5, 17))], 1)
        assert out.isfinite().all() and (out - attn(x)).abs().max() < 1e-5


def test_n02_chunks_longer_than_the_window_then_the_end_of_the_cache():
    attn = CustomAttentionFactory.create(AttentionConfig("sliding", 2, head_dim=8, window_size=8)).eval()
    x = torch.randn(1, 41, 16)
    cache = attn.new_cache(1, 40)
    with torch.no_grad():
        parts = [attn(x[:, :20], cache), attn(x[:, 20:29], cache)]
        parts += [attn(x[:, t : t + 1], cache) for t in range(29, 39)]
        with pytest.raises(ValueError, match="holds at most 40 tokens: sequence 0 has 39 and 2 more were given"):
            attn(x[:, 39:41], cache)
        parts.append(attn(x[:, 39:40], cache))
        assert (torch.cat(parts, 1) - attn(x[:, :40])).abs().max() < 1e-5
