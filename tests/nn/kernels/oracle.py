"""Independent references: a float64 loop that follows the definition, and dense attention in low precision.

B batch, T query tokens, S key tokens, N query heads, K key/value heads, H head_dim.
"""

from __future__ import annotations

import torch
from torch import Tensor

from archwright.testing.accuracy import assert_accurate


def sees(query: int, key: int, window: int, dilation: int, causal: bool) -> bool:
    """The definition of a window with gaps, on absolute positions."""
    distance = query - key
    if causal and distance < 0:
        return False
    return abs(distance) <= window * dilation and distance % dilation == 0


def mask(tokens: int, keys: int, window: int, dilation: int, causal: bool) -> Tensor:
    """(T, S) bool: True where seen; the queries are the last of the keys' tokens."""
    rows = [[sees(q, k, window, dilation, causal) for k in range(keys)] for q in range(keys - tokens, keys)]
    return torch.tensor(rows)


def by_loop(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    """(B, N, T, H) in float64, one query at a time over the keys it sees; differentiable."""
    q, k, v = q.double(), k.double(), v.double()
    group = q.shape[1] // k.shape[1]
    rows = []
    for t in range(q.shape[2]):
        keys = torch.nonzero(seen[t]).flatten()
        heads = []
        for n in range(q.shape[1]):
            some_k, some_v = k[:, n // group, keys], v[:, n // group, keys]
            scores = (some_k * q[:, n, t, None]).sum(-1) / q.shape[-1] ** 0.5
            heads.append((torch.softmax(scores, -1)[..., None] * some_v).sum(1))
        rows.append(torch.stack(heads, 1))
    return torch.stack(rows, 2)


def dense(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    """(B, N, T, H) in the type of the inputs, with every score in memory; differentiable."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return torch.softmax(scores.masked_fill(~seen, float("-inf")), -1) @ v


def random_inputs(
    batch: int, n_heads: int, kv_heads: int, tokens: int, keys: int, width: int, dtype: torch.dtype, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """q, k and v that ask for gradients."""
    source = torch.Generator().manual_seed(seed)
    shapes = ((batch, n_heads, tokens, width), (batch, kv_heads, keys, width), (batch, kv_heads, keys, width))
    made = [torch.randn(shape, generator=source).to(dtype).requires_grad_() for shape in shapes]
    return made[0], made[1], made[2]


def check(got: Tensor, exact: Tensor, low: Tensor | list[Tensor], what: str = "result") -> None:
    """The accuracy rule; in float64, where the loop is no better than what it judges, a few units of rounding."""
    if got.dtype == torch.float64:
        torch.testing.assert_close(got, exact, rtol=1e-12, atol=1e-12, msg=what)
    else:
        assert_accurate(got, exact, low, what)
