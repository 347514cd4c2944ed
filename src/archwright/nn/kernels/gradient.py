"""Gradients of a sliding window by matrix products: each block's probabilities computed once more, nothing saved.

B batch, T query tokens, S key tokens, N query heads, K key/value heads, G = N / K, H head_dim.
For C queries and the L keys they see: P = softmax(scale Q K^T), dV += P^T dO, dP = dO V^T,
dS = P (dP - rowsum(P dP)), dQ = scale dS K, dK += scale dS^T Q. The row sum is taken of P dP and not of dO O, and P
from the scores and not from a saved logsumexp: as exact as the dense softmax, and not slower.
Half-precision inputs are computed in float32, one group of heads at a time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .band import Band

ROWS = {"cpu": 64}
"""Rows of a block by device: fewer multiply badly, more compute more hidden pairs."""

OTHER_ROWS = 256
"""Rows of a block on other devices, where every operation has to be launched."""

SCORES = 2**18
"""Elements of the scores held at once on a CPU, so that they stay in its cache."""


def backward(grad: Tensor, q: Tensor, k: Tensor, v: Tensor, band: Band, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q (B, N, T, H) and of k and v (B, K, S, H)."""
    dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
    wide = torch.promote_types(q.dtype, torch.float32)
    batch, kv_heads = k.shape[:2]
    group = q.shape[1] // kv_heads
    size = min(band.queries, max(16, ROWS.get(q.device.type, OTHER_ROWS) // group))
    keys = min(band.keys, size + band.width)
    at_once = kv_heads
    if q.device.type == "cpu":
        threads = torch.get_num_threads()
        at_once = min(kv_heads, max(1, threads, SCORES // (group * size * keys) // threads * threads))
    work = _Work(q.new_empty(2, at_once * group * size * keys, dtype=wide))
    for b in range(batch):
        for first in range(0, kv_heads, at_once):
            heads = slice(first, first + at_once)
            mine = slice(first * group, (first + at_once) * group)
            grad_, q_, dq_ = (x[b, mine].unflatten(0, (-1, group)) for x in (grad, q, dq))
            k_, v_, dk_, dv_ = (x[b, heads] for x in (k, v, dk, dv))
            if wide == q.dtype:
                _heads(grad_, q_, dq_, k_, v_, dk_, dv_, band, scale, size, work)
                continue
            sums = torch.zeros_like(k_, dtype=wide), torch.zeros_like(v_, dtype=wide)
            _heads(grad_.to(wide), q_.to(wide), dq_, k_.to(wide), v_.to(wide), *sums, band, scale, size, work)
            dk_.copy_(sums[0])
            dv_.copy_(sums[1])
    return dq, dk, dv


class _Work:
    """Memory for scores and their gradients, used again by every block, and the masks of its ends."""

    def __init__(self, memory: Tensor) -> None:
        self.memory = memory
        self.masks: dict[tuple[int, int, int], Tensor | None] = {}

    def pair(self, heads: int, rows: int, keys: int) -> tuple[Tensor, Tensor]:
        used = self.memory[:, : heads * rows * keys].view(2, heads, rows, keys)
        return used[0], used[1]

    def hide(self, scores: Tensor, band: Band, start: int, stop: int, first: int, last: int) -> None:
        """Put -inf where queries start..stop do not see keys first..last; scores (K, G, C, L)."""
        seen_by_all = band.offset + stop - band.left, band.offset + start + band.right + 1
        for low, high in ((first, min(last, seen_by_all[0] - 1)), (max(first, seen_by_all[1]), last)):
            if low >= high:
                continue
            key = (stop - start, high - low, low - start)
            if key not in self.masks:
                self.masks[key] = band.hidden(start, stop, low, high, scores.device)
            mask = self.masks[key]
            if mask is not None:
                scores[..., low - first : high - first].masked_fill_(mask, float("-inf"))


def _heads(
    grad: Tensor,
    q: Tensor,
    dq: Tensor,
    k: Tensor,
    v: Tensor,
    dk: Tensor,
    dv: Tensor,
    band: Band,
    scale: float,
    size: int,
    work: _Work,
) -> None:
    """Some heads of one sequence: grad, q and dq (K, G, T, H), the others (K, S, H)."""
    heads, group, tokens, _ = q.shape
    for start in range(0, tokens, size):
        stop = min(tokens, start + size)
        first, last = band.span(start, stop)
        rows_q, rows_grad = q[:, :, start:stop].flatten(1, 2), grad[:, :, start:stop].flatten(1, 2)
        some_k, some_v, some_dk, some_dv = (x[:, first:last] for x in (k, v, dk, dv))
        probs, dscores = work.pair(heads, rows_q.shape[1], last - first)
        torch.baddbmm(probs, rows_q, some_k.transpose(1, 2), beta=0, alpha=scale, out=probs)
        work.hide(probs.unflatten(1, (group, -1)), band, start, stop, first, last)
        torch.softmax(probs, -1, out=probs)
        torch.bmm(rows_grad, some_v.transpose(1, 2), out=dscores)
        torch.baddbmm(some_dv, probs.transpose(1, 2), rows_grad, out=some_dv)
        torch._softmax_backward_data(dscores, probs, -1, probs.dtype, grad_input=dscores)
        part = torch.bmm(dscores, some_k).mul_(scale)
        dq[:, :, start:stop] = part.unflatten(1, (group, -1))
        torch.baddbmm(some_dk, dscores.transpose(1, 2), rows_q, alpha=scale, out=some_dk)
