"""Cache: keys and values of earlier tokens, changed in place; rows may have different lengths.

B batch, K key/value heads, T new tokens, S keys to attend to, H head_dim, P slots.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import NOTHING, InvalidValue, Problem


@dataclass(frozen=True)
class Held:
    """What the new queries attend to: k and v (B, K, S, H), their positions (B or 1, S) and validity (B, S) or None.

    `ordered`: positions are consecutive in every row and all valid, the new tokens last.
    """

    k: Tensor
    v: Tensor
    positions: Tensor
    valid: Tensor | None = None
    ordered: bool = False


class Cache(ABC):
    """Keys and values of one layer for B sequences of at most `max_len` tokens.

    `k` and `v` are (B, K, P, H) and never move or grow. Slots that hold no key may contain anything, NaN too:
    they are not read, or cleared before they are.
    """

    def __init__(
        self,
        batch: int,
        max_len: int,
        slots: int,
        n_kv_heads: int,
        widths: tuple[int, int],
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> None:
        problems = [
            Problem(name, value, "must be positive")
            for name, value in (("batch", batch), ("max_len", max_len))
            if not isinstance(value, int) or isinstance(value, bool) or value < 1
        ]
        if problems:
            raise InvalidValue(problems)
        self.max_len = max_len
        key_dim, value_dim = widths
        self.k = torch.zeros((batch, n_kv_heads, slots, key_dim), dtype=dtype, device=device)
        self.v = torch.zeros((batch, n_kv_heads, slots, value_dim), dtype=dtype, device=device)
        self._lengths = [0] * batch

    @property
    def batch(self) -> int:
        """B, the number of sequences."""
        return len(self._lengths)

    @property
    def slots(self) -> int:
        """P, tokens that fit at once."""
        return self.k.shape[2]

    @property
    def lengths(self) -> Tensor:
        """(B,) int64: tokens that each sequence has seen."""
        return torch.tensor(self._lengths, dtype=torch.int64, device=self.k.device)

    @property
    def host_lengths(self) -> tuple[int, ...]:
        """The same on the host, without waiting for the device."""
        return tuple(self._lengths)

    @property
    def uniform(self) -> int | None:
        """The length of every sequence, or None where they differ."""
        first = self._lengths[0]
        return first if all(n == first for n in self._lengths) else None

    @property
    def nbytes(self) -> int:
        """Bytes of the key and value tensors."""
        return self.k.nbytes + self.v.nbytes

    def check_room(self, counts: Sequence[int]) -> None:
        """InvalidValue where the new tokens (one count a row) would run past `max_len`; nothing is changed."""
        for row, (length, count) in enumerate(zip(self._lengths, counts, strict=True)):
            if length + count > self.max_len:
                rule = f"holds at most {self.max_len} tokens: sequence {row} has {length} and {count} more were given"
                raise InvalidValue(Problem("kv_cache", NOTHING, rule, "Make it with a larger max_len, or crop it"))

    def extend(self, k: Tensor, v: Tensor, counts: Sequence[int] | None = None) -> Held:
        """Add new keys and values (B, K, T, H), the first `counts[b]` of each row; returns what they attend to."""
        new = [k.shape[2]] * self.batch if counts is None else list(counts)
        self.check_room(new)
        with torch.no_grad():
            held = self._extend(k, v, new)
        self._lengths = [n + c for n, c in zip(self._lengths, new, strict=True)]
        return held

    @abstractmethod
    def _extend(self, k: Tensor, v: Tensor, counts: list[int]) -> Held:
        """Write and tell, without touching the lengths."""

    @abstractmethod
    def slots_of(self, positions: Tensor) -> Tensor:
        """The slot of each position that is held."""

    @abstractmethod
    def crop(self, n: int) -> None:
        """Forget every token from position n on. InvalidValue where the tokens before n are no longer held."""

    def reset(self) -> None:
        """Forget everything."""
        self._lengths = [0] * self.batch

    def reorder(self, rows: Tensor | Sequence[int]) -> None:
        """Row b becomes what row `rows[b]` was (beam search); B stays."""
        index = rows.tolist() if isinstance(rows, Tensor) else list(rows)
        if len(index) != self.batch or not all(isinstance(i, int) and 0 <= i < self.batch for i in index):
            rule = f"must be {self.batch} row numbers from 0 to {self.batch - 1}"
            raise InvalidValue(Problem("rows", index, rule))
        at = torch.tensor(index, device=self.k.device)
        with torch.no_grad():
            self.k.copy_(self.k.index_select(0, at))
            self.v.copy_(self.v.index_select(0, at))
        self._lengths = [self._lengths[i] for i in index]

    def __repr__(self) -> str:
        shape = f"batch={self.batch}, slots={self.slots}, max_len={self.max_len}"
        return f"{type(self).__name__}({shape}, lengths={self._lengths}, nbytes={self.nbytes})"


def check_crop(n: int) -> None:
    """InvalidValue unless n is a whole number of at least 0."""
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise InvalidValue(Problem("n", n, "must be a whole number and not negative"))
