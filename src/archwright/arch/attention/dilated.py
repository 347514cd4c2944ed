"""Dilated sliding-window attention: the same number of keys, spread over a longer distance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import Problem
from .base import attention
from .sliding import Sliding


@attention("dilated")
class Dilated(Sliding):
    """A sliding window that sees every `dilation`-th token, `window_size` of them on each side.

    Reach and cache grow with the dilation (window_size · dilation), visible keys do not.
    """

    dilation: int = 1
    """Distance between neighbouring visible keys; 1 is the plain sliding window."""

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        if self.dilation < 1:
            yield Problem("dilation", self.dilation, "must be positive", "Use 1 for no gaps")

    @property
    def step(self) -> int:
        return self.dilation

    def visible(self, q: Any, k: Any) -> Any:
        return (abs(q - k) <= self.window_size * self.dilation) & ((q - k) % self.dilation == 0)
