"""DenseCache: every token has its own slot."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Cache, Held, check_crop


class DenseCache(Cache):
    """Slot p holds position p; as many slots as `max_len`.

    Rows of one length are read as a slice, so that slots not yet written are never touched.
    """

    def _extend(self, k: Tensor, v: Tensor, counts: list[int]) -> Held:
        length, added = self.uniform, k.shape[2]
        if length is not None and all(c == added for c in counts):
            end = length + added
            self.k[:, :, length:end].copy_(k)
            self.v[:, :, length:end].copy_(v)
            positions = torch.arange(end, device=self.k.device)[None]
            if length == 0:  # nothing earlier: the new keys themselves, so that gradients pass
                return Held(k, v, positions, ordered=True)
            return Held(self.k[:, :, :end], self.v[:, :, :end], positions, ordered=True)
        lengths = self.lengths
        place = torch.arange(added, device=self.k.device)
        kept = place < torch.tensor(counts, device=self.k.device)[:, None]
        rows, tokens = kept.nonzero(as_tuple=True)
        slots = lengths[rows] + tokens
        self.k[rows, :, slots] = k.transpose(1, 2)[rows, tokens].to(self.k.dtype)
        self.v[rows, :, slots] = v.transpose(1, 2)[rows, tokens].to(self.v.dtype)
        ends = [n + c for n, c in zip(self._lengths, counts, strict=True)]
        last, least = max(ends), min(ends)
        positions = torch.arange(last, device=self.k.device)[None]
        valid = positions < torch.tensor(ends, device=self.k.device)[:, None]
        if least < last:  # what is read and dead may be NaN, and NaN times zero is NaN
            dead = ~valid[:, None, least:last, None]
            self.k[:, :, least:last].masked_fill_(dead, 0)
            self.v[:, :, least:last].masked_fill_(dead, 0)
        return Held(self.k[:, :, :last], self.v[:, :, :last], positions, valid if least < last else None)

    def slots_of(self, positions: Tensor) -> Tensor:
        return positions

    def crop(self, n: int) -> None:
        check_crop(n)
        self._lengths = [min(length, n) for length in self._lengths]
