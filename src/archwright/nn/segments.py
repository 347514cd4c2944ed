"""Segments: several sequences packed into one row, checked once on the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import NOTHING, InvalidValue, Problem
from .saying import Said, device_of, shape_of, type_of


@dataclass(frozen=True)
class Segments:
    """Boundaries of N sequences in one row of `total` tokens.

    `cu_seqlens` (N + 1,) int32 starts at 0 and ends at `total`; `lengths` are the same on the host, so that no
    synchronisation hides in a step. A segment may be empty. `values_checked` is False where the values lie on a
    device and were not read.
    """

    cu_seqlens: Tensor
    max_seqlen: int
    total: int
    lengths: tuple[int, ...] | None = None

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device | str | None = None) -> Segments:
        """From the lengths of the sequences."""
        bad = [n for n in lengths if not isinstance(n, int) or isinstance(n, bool) or n < 0]
        if bad:
            raise InvalidValue(Problem("lengths", bad[0], "must be whole numbers and not negative"))
        if not lengths or not sum(lengths):
            raise InvalidValue(Problem("lengths", list(lengths), "there must be at least one token"))
        ends = [0]
        for n in lengths:
            ends.append(ends[-1] + n)
        made = torch.tensor(ends, dtype=torch.int32, device=device)
        return cls(made, max(lengths), ends[-1], tuple(lengths))

    @classmethod
    def read(cls, cu_seqlens: Tensor, max_seqlen: int | None, total: int, device: torch.device) -> Segments:
        """From a `cu_seqlens` tensor for `total` tokens on `device`.

        InvalidValue: wrong type, shape or device always; wrong values where reading them does not synchronise
        (on a CPU). On a GPU `max_seqlen` must be given, or make a Segments object once: `Segments.from_tensor`.
        """
        problems = list(_form(cu_seqlens, device))
        if max_seqlen is not None and (not isinstance(max_seqlen, int) or isinstance(max_seqlen, bool)):
            problems.append(Problem("max_seqlen", max_seqlen, "must be a whole number"))
        if problems:
            raise InvalidValue(problems)
        if cu_seqlens.device.type == "cpu":
            return cls._from_values(cu_seqlens, cu_seqlens.tolist(), max_seqlen, total)
        if max_seqlen is None:
            rule = "is needed on a device, where reading cu_seqlens would wait for it"
            raise InvalidValue(Problem("max_seqlen", NOTHING, rule, "Give it, or pass a Segments object"))
        return cls(cu_seqlens, max_seqlen, total)

    @classmethod
    def from_tensor(cls, cu_seqlens: Tensor) -> Segments:
        """From a `cu_seqlens` tensor anywhere; reads it once on the host and checks every value."""
        problems = list(_form(cu_seqlens, cu_seqlens.device if isinstance(cu_seqlens, Tensor) else None))
        if problems:
            raise InvalidValue(problems)
        values = cu_seqlens.tolist()
        return cls._from_values(cu_seqlens, values, None, values[-1])

    @classmethod
    def _from_values(cls, cu_seqlens: Tensor, values: list[int], max_seqlen: int | None, total: int) -> Segments:
        problems = []
        if values[0] != 0:
            problems.append(Problem("cu_seqlens", values[0], "must start at 0"))
        falls = [i for i in range(1, len(values)) if values[i] < values[i - 1]]
        if falls:
            at = falls[0]
            rule = f"must not fall: entry {at - 1} is {values[at - 1]}, entry {at} is {values[at]}"
            problems.append(Problem("cu_seqlens", values[at], rule))
        if values[-1] != total:
            problems.append(Problem("cu_seqlens", values[-1], f"must end at the number of tokens ({total})"))
        lengths = tuple(b - a for a, b in pairwise(values))
        longest = max(lengths)
        if not falls and max_seqlen is not None and max_seqlen < longest:
            problems.append(Problem("max_seqlen", max_seqlen, f"is too small: a segment has {longest} tokens"))
        if not problems and total == 0:
            problems.append(Problem("cu_seqlens", values, "there must be at least one token"))
        if problems:
            raise InvalidValue(problems)
        return cls(cu_seqlens, longest if max_seqlen is None else max_seqlen, total, lengths)

    @property
    def count(self) -> int:
        """N, the number of sequences."""
        return self.cu_seqlens.shape[0] - 1

    @property
    def values_checked(self) -> bool:
        """Whether the values were read on the host."""
        return self.lengths is not None

    @cached_property
    def numbers(self) -> Tensor:
        """(total,) the number of each token's sequence, int64."""
        tokens = torch.arange(self.total, device=self.cu_seqlens.device)
        return torch.searchsorted(self.cu_seqlens[1:].contiguous(), tokens, right=True)

    @cached_property
    def positions(self) -> Tensor:
        """(total,) the place of each token in its own sequence, int64."""
        tokens = torch.arange(self.total, device=self.cu_seqlens.device)
        return tokens - self.cu_seqlens[self.numbers].long()


def _form(cu_seqlens: object, device: torch.device | None) -> list[Problem]:
    if not isinstance(cu_seqlens, Tensor):
        return [Problem("cu_seqlens", type_of(cu_seqlens), "must be an int32 tensor or a Segments object")]
    found = []
    if cu_seqlens.dtype != torch.int32:
        remedy = "Convert it: cu_seqlens.to(torch.int32)"
        found.append(Problem("cu_seqlens", Said(str(cu_seqlens.dtype)), "must be torch.int32", remedy))
    if cu_seqlens.dim() != 1 or cu_seqlens.shape[0] < 2:
        rule = "must have one axis of N + 1 entries for N sequences"
        found.append(Problem("cu_seqlens", shape_of(cu_seqlens), rule))
    if device is not None and cu_seqlens.device != device:
        found.append(Problem("cu_seqlens", device_of(cu_seqlens), f"must be on the device of x ({device})"))
    return found
