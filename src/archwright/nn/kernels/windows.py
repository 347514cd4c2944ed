"""Sliding windows in plain torch: equal blocks as one batch of overlapping views, nothing copied, nothing quadratic.

B batch, T query tokens, S key tokens, N query heads, K key/value heads, G = N / K, H head_dim.
A block of C queries needs C + window keys. Consecutive blocks overlap in memory as strided views, so that one fused
call computes them all; the G heads of a group are further rows of the same block, and keys are read once for them.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from . import gradient
from .band import Band, Blocks
from .primitives import attend, attend_backward

FORWARD_ROWS = 32
"""Rows of a block forward: the smallest that torch's kernel multiplies well; fewer masked keys than larger ones."""

BACKWARD_ROWS = 96
"""Rows of a block backward: smaller ones write the gradients of keys too often."""


def forward(q: Tensor, k: Tensor, v: Tensor, band: Band, scale: float, out: Tensor, logsumexp: Tensor | None) -> None:
    """Fill out (B, N, T, H) and, where there is one, logsumexp (B, N, T)."""
    group = q.shape[1] // k.shape[1]
    blocks = band.blocks(_block_size(FORWARD_ROWS, group, q.device))
    hidden = _for_group(blocks.hidden(q.device), group) if blocks.count else None
    for q_, k_, v_, out_, lse_ in _rows(q, k, v, out, logsumexp):
        if blocks.count:
            run = _Run(blocks, group, blocks.first, blocks.first_key, blocks.size, blocks.count)
            got, sums = attend(run.queries(q_), run.keys(k_), run.keys(v_), hidden, scale)
            run.put(out_, got)
            if lse_ is not None and sums is not None:
                run.put(lse_, sums)
        for start, stop in blocks.pieces:
            run = _piece(band, group, start, stop)
            got, sums = attend(run.queries(q_), run.keys(k_), run.keys(v_), run.hidden(q.device), scale)
            run.put(out_, got)
            if lse_ is not None and sums is not None:
                run.put(lse_, sums)


def backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, logsumexp: Tensor | None, band: Band, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q, k and v. Scores are computed once more, block by block; key gradients are summed in float32."""
    if q.device.type == "cpu" and q.dtype in (torch.float32, torch.float64):
        return gradient.backward(grad, q, k, v, band, scale)
    kv_heads = k.shape[1]
    group = q.shape[1] // kv_heads
    wide = torch.promote_types(k.dtype, torch.float32)
    dq = torch.empty_like(q)
    dk = torch.zeros(k.shape, dtype=wide, device=k.device)
    dv = torch.zeros(v.shape, dtype=wide, device=v.device)
    rows = min(BACKWARD_ROWS, max(FORWARD_ROWS, 32 * (band.width // 128)))
    blocks = band.blocks(_block_size(rows, group, q.device))
    hidden = _for_group(blocks.hidden(q.device), group) if blocks.count else None
    # a few heads at a time: the gradients of overlapping keys, before they are added up, then stay in the cache
    at_once = min(kv_heads, -(-4 * torch.get_num_threads() * blocks.phases // max(1, blocks.count)))
    if q.device.type != "cpu":
        at_once = kv_heads
    for first in range(0, kv_heads, at_once):
        heads = slice(first, first + at_once)
        rows_of = slice(first * group, (first + at_once) * group)
        of_queries = [None if x is None else x[:, rows_of] for x in (q, grad, out, logsumexp, dq)]
        of_keys = [x[:, heads] for x in (k, v, dk, dv)]
        for q_, grad_, out_, lse_, dq_, k_, v_, dk_, dv_ in _rows(*of_queries, *of_keys):
            for run, mask in _steps(blocks, group, hidden, q.device):
                sums = None if lse_ is None else run.queries(lse_)
                given = (run.queries(q_), run.keys(k_), run.keys(v_), run.queries(out_), sums)
                got = attend_backward(run.queries(grad_), *given, mask, scale)
                run.put(dq_, got[0])
                run.keys(dk_).add_(got[1])
                run.keys(dv_).add_(got[2])
    return dq, dk.to(k.dtype), dv.to(v.dtype)


def _steps(
    blocks: Blocks, group: int, hidden: Tensor | None, device: torch.device
) -> Iterator[tuple[_Run, Tensor | None]]:
    """Runs of blocks that share no key, so that their key gradients can be added as one view; then the pieces."""
    for phase in range(min(blocks.phases, blocks.count)):
        count = -(-(blocks.count - phase) // blocks.phases)
        shift, stride = phase * blocks.size, blocks.phases * blocks.size
        yield _Run(blocks, group, blocks.first + shift, blocks.first_key + shift, stride, count), hidden
    for start, stop in blocks.pieces:
        run = _piece(blocks.band, group, start, stop)
        yield run, run.hidden(device)


class _Run:
    """`count` blocks, `stride` tokens apart, as views of one sequence's tensors (heads, tokens, ...)."""

    def __init__(self, blocks: Blocks, group: int, first: int, first_key: int, stride: int, count: int) -> None:
        self.band, self.group = blocks.band, group
        self.first, self.first_key = first, first_key
        self.size, self.n_keys = blocks.size, blocks.keys
        self.stride, self.count = stride, count

    def queries(self, x: Tensor) -> Tensor:
        """(count, K, G * size, ...) of x (K * G, T, ...): the group's heads become rows."""
        return self._grouped(x).flatten(2, 3)

    def put(self, x: Tensor, rows: Tensor) -> None:
        """Write rows (count, K, G * size, ...) to their places in x (K * G, T, ...)."""
        target = self._grouped(x)
        target.copy_(rows.reshape(target.shape))

    def keys(self, x: Tensor) -> Tensor:
        """(count, K, keys of a block, H) of x (K, S, H)."""
        heads, tokens, width = x.stride()
        return x.as_strided(
            (self.count, x.shape[0], self.n_keys, x.shape[2]),
            (self.stride * tokens, heads, tokens, width),
            x.storage_offset() + self.first_key * tokens,
        )

    def hidden(self, device: torch.device) -> Tensor | None:
        """The mask of the first block with the group's heads as rows."""
        stop, last = self.first + self.size, self.first_key + self.n_keys
        return _for_group(self.band.hidden(self.first, stop, self.first_key, last, device), self.group)

    def _grouped(self, x: Tensor) -> Tensor:
        heads, tokens = x.stride()[:2]
        return x.as_strided(
            (self.count, x.shape[0] // self.group, self.group, self.size, *x.shape[2:]),
            (self.stride * tokens, heads * self.group, heads, tokens, *x.stride()[2:]),
            x.storage_offset() + self.first * tokens,
        )


def _piece(band: Band, group: int, start: int, stop: int) -> _Run:
    first, last = band.span(start, stop)
    run = _Run(Blocks(band, stop - start, start, 1), group, start, first, 0, 1)
    run.n_keys = last - first
    return run


def _block_size(rows: int, group: int, device: torch.device) -> int:
    if device.type != "cpu":
        return 128
    return max(16, rows // group)


def _for_group(hidden: Tensor | None, group: int) -> Tensor | None:
    return hidden if hidden is None or group == 1 else hidden.repeat(group, 1)


def _rows(*tensors: Tensor | None) -> Iterator[tuple[Tensor, ...]]:
    """The tensors (B, heads, ...) row by row; as one row of B * heads where memory allows for all."""
    given = [x for x in tensors if x is not None]
    if len({x.shape[1] for x in given}) == 1 and all(x.stride(0) == x.shape[1] * x.stride(1) for x in given):
        tensors = tuple(None if x is None else x.flatten(0, 1)[None] for x in tensors)
        given = given[:1]
        batch = 1
    else:
        batch = given[0].shape[0]
    for b in range(batch):
        yield tuple(None if x is None else x[b] for x in tensors)  # type: ignore[misc]
