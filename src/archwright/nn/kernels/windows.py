"""Sliding windows in plain torch: equal blocks as one batch of overlapping views, nothing copied, nothing quadratic.

B batch, T query tokens, S key tokens, N query heads, K key/value heads, G = N / K, H head_dim.
A block of C queries needs C + window keys. Consecutive blocks overlap in memory as strided views, so that one fused
call computes them all; the G heads of a group are further rows of the same block, and keys are read once for them.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .band import Band, Blocks
from .primitives import attend

ROWS = {"cpu": 32}
"""Rows of a block by device: on a CPU the fewest that torch's kernel multiplies well, for few masked keys."""

OTHER_ROWS = 128
"""Rows of a block on other devices."""


def forward(q: Tensor, k: Tensor, v: Tensor, band: Band, scale: float, out: Tensor) -> None:
    """Fill out (B, N, T, H)."""
    group = q.shape[1] // k.shape[1]
    blocks = band.blocks(max(16, ROWS.get(q.device.type, OTHER_ROWS) // group))
    runs = list(_runs(blocks, group, q.device))
    for q_, k_, v_, out_ in _rows(q, k, v, out):
        for run, hidden in runs:
            run.put(out_, attend(run.queries(q_), run.keys(k_), run.keys(v_), hidden, scale))


def _runs(blocks: Blocks, group: int, device: torch.device) -> Iterator[tuple[_Run, Tensor | None]]:
    """The equal blocks, then the pieces at both ends, each with its mask."""
    if blocks.count:
        run = _Run(blocks, group, blocks.first_key, blocks.keys)
        yield run, run.hidden(device)
    for start, stop in blocks.pieces:
        first, last = blocks.band.span(start, stop)
        run = _Run(Blocks(blocks.band, stop - start, start, 1), group, first, last - first)
        yield run, run.hidden(device)


class _Run:
    """Consecutive blocks as views of one sequence's tensors (heads, tokens, H).

    The blocks of a head come one after the other: what one leaves in the cache, the next one needs again.
    """

    def __init__(self, blocks: Blocks, group: int, first_key: int, keys: int) -> None:
        self.blocks, self.group = blocks, group
        self.first_key, self.n_keys = first_key, keys

    def queries(self, x: Tensor) -> Tensor:
        """(K, count, G * size, H) of x (K * G, T, H): the group's heads become rows."""
        return self._grouped(x).flatten(2, 3)

    def put(self, x: Tensor, rows: Tensor) -> None:
        """Write rows (K, count, G * size, H) to their places in x (K * G, T, H)."""
        self._grouped(x).copy_(rows.unflatten(2, (self.group, self.blocks.size)))

    def keys(self, x: Tensor) -> Tensor:
        """(K, count, keys of a block, H) of x (K, S, H)."""
        heads, tokens, width = x.stride()
        return x.as_strided(
            (x.shape[0], self.blocks.count, self.n_keys, x.shape[2]),
            (heads, self.blocks.size * tokens, tokens, width),
            x.storage_offset() + self.first_key * tokens,
        )

    def hidden(self, device: torch.device) -> Tensor | None:
        """The mask of every block, with the group's heads as rows."""
        start, stop = self.blocks.first, self.blocks.first + self.blocks.size
        mask = self.blocks.band.hidden(start, stop, self.first_key, self.first_key + self.n_keys, device)
        return mask if mask is None or self.group == 1 else mask.repeat(self.group, 1)

    def _grouped(self, x: Tensor) -> Tensor:
        heads, tokens, width = x.stride()
        return x.as_strided(
            (x.shape[0] // self.group, self.blocks.count, self.group, self.blocks.size, x.shape[2]),
            (heads * self.group, self.blocks.size * tokens, heads, tokens, width),
            x.storage_offset() + self.blocks.first * tokens,
        )


def _rows(q: Tensor, k: Tensor, v: Tensor, out: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """The tensors (B, heads, tokens, H) row by row; as one row of B * heads where memory allows for all."""
    every = (q, k, v, out)
    if q.shape[1] == k.shape[1] and all(x.stride(0) == x.shape[1] * x.stride(1) for x in every):
        yield q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), out.flatten(0, 1)
    else:
        yield from zip(q, k, v, out, strict=True)
