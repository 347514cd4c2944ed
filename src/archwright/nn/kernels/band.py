"""Band: which keys a query of a sliding window sees, and how a sequence of them is cut into blocks.

T query tokens are the last T of S key tokens: query i sits at key position offset + i.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

EDGE = 256
"""Queries in a block where the window runs over an end of the sequence."""


@dataclass(frozen=True, slots=True)
class Band:
    """A window in one sequence of consecutive tokens: query i sees keys offset + i - left to offset + i + right."""

    left: int
    right: int
    queries: int
    keys: int

    @property
    def offset(self) -> int:
        """Key position of the first query."""
        return self.keys - self.queries

    @property
    def width(self) -> int:
        """Keys around a query, the query's own not counted."""
        return self.left + self.right

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """First and one past the last key that queries `start` to `stop` see."""
        first, last = self.offset + start - self.left, self.offset + stop + self.right
        return max(0, first), min(self.keys, last)

    def hidden(self, start: int, stop: int, first: int, last: int, device: torch.device) -> Tensor | None:
        """(stop - start, last - first) bool: True where the query does not see the key; None if all are seen."""
        if self.offset + stop - 1 - self.left <= first and last - 1 <= self.offset + start + self.right:
            return None
        q = torch.arange(self.offset + start, self.offset + stop, device=device)[:, None]
        k = torch.arange(first, last, device=device)[None]
        return (k < q - self.left) | (k > q + self.right)

    def blocks(self, size: int) -> Blocks:
        """The largest run of equal blocks of `size` queries whose keys all exist, and the pieces around it."""
        first = min(self.queries, max(0, self.left - self.offset))
        last = min(self.queries, self.queries - self.right)
        count = max(0, (last - first) // size)
        if count == 0:
            return Blocks(self, size, 0, 0)
        return Blocks(self, size, first, count)

    def seen(self, marks: Tensor) -> Tensor:
        """(..., T) bool: which queries see a marked key; `marks` is (..., S) bool."""
        at = torch.arange(self.queries, device=marks.device) + self.offset
        return _window_any(marks, at - self.left, at + self.right)

    def seen_by(self, marks: Tensor) -> Tensor:
        """(..., S) bool: which keys a marked query sees; `marks` is (..., T) bool."""
        at = torch.arange(self.keys, device=marks.device) - self.offset
        return _window_any(marks, at - self.right, at + self.left)


@dataclass(frozen=True, slots=True)
class Blocks:
    """`count` blocks of `size` queries from query `first` on, and pieces for what is left at both ends."""

    band: Band
    size: int
    first: int
    count: int

    @property
    def keys(self) -> int:
        """Keys of one block."""
        return self.size + self.band.width

    @property
    def first_key(self) -> int:
        """First key of the first block."""
        return self.band.offset + self.first - self.band.left

    @property
    def pieces(self) -> Iterator[tuple[int, int]]:
        """(start, stop) of the queries outside the run, at most `EDGE` of them each."""
        end = self.first + self.count * self.size
        for start, stop in ((0, self.first), (end, self.band.queries)):
            for at in range(start, stop, EDGE):
                yield at, min(at + EDGE, stop)


def _window_any(marks: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Whether any mark lies in low..high, both counted; bounds are clipped."""
    size = marks.shape[-1]
    sums = torch.nn.functional.pad(marks.to(torch.int32).cumsum(-1), (1, 0))
    upper = sums.index_select(-1, (high + 1).clamp(0, size))
    return upper > sums.index_select(-1, low.clamp(0, size))
