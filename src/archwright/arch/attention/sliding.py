"""Sliding-window attention: every token sees its nearest neighbours, and the cache stops growing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import Problem
from .base import AttentionSpec, attention


@attention("sliding")
class Sliding(AttentionSpec):
    """Attention to the `window_size` nearest tokens on each side and the token itself.

    Causal: `window_size + 1` visible keys. Two-sided (`causal=False`): `2 * window_size + 1`.
    """

    window_size: int = 512
    """Neighbours visible on each side, the token itself not counted."""

    def problems(self) -> Iterator[Problem]:
        if self.window_size < 0:
            yield Problem("window_size", self.window_size, "must not be negative", "Use 0 for the token alone")

    @property
    def step(self) -> int:
        """Distance between neighbouring visible keys."""
        return 1

    def visible(self, q: Any, k: Any) -> Any:
        return abs(q - k) <= self.window_size

    def ranges(self, q: int) -> Iterator[range]:
        width = self.window_size * self.step
        yield range(q - width, q + width + 1, self.step)

    def pairs(self, context: int) -> int:
        """One-sided: sum over the W + 1 offsets o·d of the context - o·d queries that have such a key."""
        width = min(self.window_size, max(0, context - 1) // self.step)
        earlier = width * context - self.step * width * (width + 1) // 2
        return context + earlier if self.causal else context + 2 * earlier

    def cache_slots(self, context: int) -> int:
        return min(max(0, context), self.window_size * self.step + 1)
