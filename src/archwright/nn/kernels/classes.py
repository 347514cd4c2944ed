"""Residue classes: a window with gaps is as many plain windows as the dilation, each over every d-th token.

T query tokens are the last T of S key tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from .band import Band


@dataclass(frozen=True, slots=True)
class ResidueClass:
    """The tokens at positions first_key, first_key + step, ...: a plain window among themselves."""

    step: int
    first_query: int
    first_key: int
    band: Band

    def queries(self, x: Tensor) -> Tensor:
        """Its part of x (B, heads, T, ...), a view."""
        return x if self.step == 1 else x[:, :, self.first_query :: self.step]

    def keys(self, x: Tensor) -> Tensor:
        """Its part of x (B, heads, S, ...), a view."""
        return x if self.step == 1 else x[:, :, self.first_key :: self.step]


def classes(queries: int, keys: int, left: int, right: int, dilation: int) -> Iterator[ResidueClass]:
    """Every class that has a query."""
    for residue in range(dilation):
        first = (residue - (keys - queries)) % dilation
        mine = len(range(first, queries, dilation))
        if mine:
            yield ResidueClass(dilation, first, residue, Band(left, right, mine, len(range(residue, keys, dilation))))
