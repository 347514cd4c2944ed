"""Chunked attention: the sequence is cut into chunks, and a token sees its own chunk alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import Problem
from .base import attention
from .full import Full


@attention("chunked")
class Chunked(Full):
    """Attention within chunks of `chunk_size` tokens, counted from the start of the sequence.

    The cache is a buffer of one chunk. Source: the Llama 4 model card and code.
    """

    type = "chunked"

    chunk_size: int = 8192
    """Tokens of a chunk."""

    def problems(self) -> Iterator[Problem]:
        if self.chunk_size < 1:
            yield Problem("chunk_size", self.chunk_size, "must be positive")

    def visible(self, q: Any, k: Any) -> Any:
        return q // self.chunk_size == k // self.chunk_size

    def ranges(self, q: int) -> Iterator[range]:
        start = q // self.chunk_size * self.chunk_size
        yield range(start, start + self.chunk_size)

    def pairs(self, context: int) -> int:
        """Whole chunks and the begun one, each as full attention of its length."""
        whole, rest = divmod(context, self.chunk_size)
        return whole * super().pairs(self.chunk_size) + super().pairs(rest)

    def cache_slots(self, context: int) -> int:
        return min(max(0, context), self.chunk_size)
