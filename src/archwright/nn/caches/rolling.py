"""RollingCache: a ring of the last tokens, for patterns that never look further back; and the choice between both.

A chunk longer than the ring attends to everything it needs before anything is evicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ...arch.attention import AttentionSpec
from ...arch.attention.mla import MLA
from ...errors import InvalidValue, Problem
from .base import Cache, Held, check_crop
from .dense import DenseCache


class RollingCache(Cache):
    """The first `pinned` positions have slots of their own, all later ones share a ring of `slots - pinned`.

    Position p of the ring lies in slot pinned + (p - pinned) mod ring. The rows may have different lengths.
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
        pinned: int = 0,
    ) -> None:
        super().__init__(batch, max_len, slots, n_kv_heads, widths, dtype, device)
        self.pinned = pinned
        self.ring = slots - pinned
        self._lost = [0] * batch  # ring positions before this were overwritten

    def slots_of(self, positions: Tensor) -> Tensor:
        turning = self.pinned + (positions - self.pinned) % self.ring
        return torch.where(positions < self.pinned, positions, turning) if self.pinned else turning

    def positions(self, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(rows, P): the position that each slot holds at those lengths (rows,), and whether it holds one."""
        slot = torch.arange(self.slots, device=self.k.device)
        last = lengths[:, None] - 1
        held = last - (last - slot) % self.ring  # (last - p) and (last - slot) agree modulo the ring: p = slot mod ring
        if self.pinned:
            held = torch.where(slot < self.pinned, slot, held)
            return held, (held < lengths[:, None]) & ((slot < self.pinned) | (held >= self.pinned))
        return held, held >= 0

    def _extend(self, k: Tensor, v: Tensor, counts: list[int]) -> Held:
        length, added = self.uniform, k.shape[2]
        if length is not None and all(c == added for c in counts):
            held = self._extend_evenly(k, v, length, added)
        else:
            held = self._extend_raggedly(k, v, counts)
        ends = (n + c for n, c in zip(self._lengths, counts, strict=True))
        self._lost = [max(lost, end - self.ring) for lost, end in zip(self._lost, ends, strict=True)]
        return held

    def _extend_evenly(self, k: Tensor, v: Tensor, length: int, added: int) -> Held:
        device, end = self.k.device, length + added
        if added == 1:
            slot = length if length < self.slots else self.pinned + (length - self.pinned) % self.ring
            self.k[:, :, slot : slot + 1].copy_(k)
            self.v[:, :, slot : slot + 1].copy_(v)
            if end <= self.slots:  # slots are still in the order of positions
                return Held(
                    self.k[:, :, :end], self.v[:, :, :end], torch.arange(end, device=device)[None], ordered=True
                )
            positions, _ = self.positions(torch.tensor([end], device=device))
            return Held(self.k, self.v, positions)
        fresh = torch.arange(length, end, device=device)
        if length == 0:
            held = Held(k, v, fresh[None], ordered=True)
        else:
            kept = min(length, self.slots)
            pinned = min(self.pinned, length)
            late = torch.arange(length - kept + pinned, length, device=device)
            old = torch.cat((torch.arange(pinned, device=device), late)) if pinned else late
            at = self.slots_of(old)
            held = Held(
                torch.cat((self.k.index_select(2, at), k.to(self.k.dtype)), 2),
                torch.cat((self.v.index_select(2, at), v.to(self.v.dtype)), 2),
                torch.cat((old, fresh))[None],
                ordered=not self.pinned or length <= self.slots,
            )
        stays = fresh if added <= self.ring else fresh[(fresh >= end - self.ring) | (fresh < self.pinned)]
        at = self.slots_of(stays)
        self.k.index_copy_(2, at, k.detach().index_select(2, stays - length).to(self.k.dtype))
        self.v.index_copy_(2, at, v.detach().index_select(2, stays - length).to(self.v.dtype))
        return held

    def _extend_raggedly(self, k: Tensor, v: Tensor, counts: list[int]) -> Held:
        device, added = self.k.device, k.shape[2]
        lengths, count = self.lengths, torch.tensor(counts, device=device)
        fresh = lengths[:, None] + torch.arange(added, device=device)
        arrives = torch.arange(added, device=device) < count[:, None]
        if added == 1 and all(counts):  # every row writes one token: the ring itself, no copy
            rows = torch.arange(self.batch, device=device)
            at = self.slots_of(fresh[:, 0])
            self.k[rows, :, at] = k[:, :, 0].to(self.k.dtype)
            self.v[rows, :, at] = v[:, :, 0].to(self.v.dtype)
            positions, valid = self.positions(lengths + 1)
            self._clear(valid, min(self._lengths) + 1)
            return Held(self.k, self.v, positions, valid)
        positions, valid = self.positions(lengths)
        self._clear(valid, min(self._lengths))
        held = Held(
            torch.cat((self.k, k.to(self.k.dtype)), 2),
            torch.cat((self.v, v.to(self.v.dtype)), 2),
            torch.cat((positions, fresh), 1),
            torch.cat((valid, arrives), 1),
        )
        stays = arrives & ((fresh >= (lengths + count)[:, None] - self.ring) | (fresh < self.pinned))
        rows, tokens = stays.nonzero(as_tuple=True)
        at = self.slots_of(fresh)[rows, tokens]
        self.k[rows, :, at] = k.transpose(1, 2)[rows, tokens].to(self.k.dtype)
        self.v[rows, :, at] = v.transpose(1, 2)[rows, tokens].to(self.v.dtype)
        return held

    def _clear(self, valid: Tensor, shortest: int) -> None:
        """Dead slots may be NaN, and NaN times zero is NaN."""
        if shortest < self.slots:
            dead = ~valid[:, None, :, None]
            self.k.masked_fill_(dead, 0)
            self.v.masked_fill_(dead, 0)

    def crop(self, n: int) -> None:
        check_crop(n)
        for row, (length, lost) in enumerate(zip(self._lengths, self._lost, strict=True)):
            least = lost + self.ring - 1  # the query at n needs the ring - 1 positions before it
            if n < length and lost > self.pinned and n < least:
                rule = f"the window has moved on: of {length} tokens, sequence {row} holds those from {lost} on"
                raise InvalidValue(Problem("n", n, rule, f"Crop to {least} or more, or run the prefix again"))
        self._lengths = [min(length, n) for length in self._lengths]

    def reset(self) -> None:
        super().reset()
        self._lost = [0] * self.batch

    def reorder(self, rows: Tensor | Sequence[int]) -> None:
        index = rows.tolist() if isinstance(rows, Tensor) else list(rows)
        super().reorder(index)
        self._lost = [self._lost[i] for i in index]


@lru_cache(maxsize=1024)
def layout_of(spec: AttentionSpec, max_len: int) -> tuple[int, int] | None:
    """(pinned, slots) of a rolling cache that holds every key a later query sees, or None: a dense one.

    A pattern rolls when, far from the start, it sees a fixed prefix and otherwise only keys within a fixed distance.
    """
    if not spec.causal or not spec.has_closed_form():
        return None
    slots = spec.cache_slots(max_len)
    if slots >= max_len:
        return None
    shapes = []
    far = max_len + 4 * slots
    for query in (*range(far, far + 9), 3 * far, 5 * far + 1):
        pinned, reach = 0, 0
        for part in spec.ranges(query) or ():
            keys = part[: max(0, -(-(query + 1 - part.start) // part.step))]
            if not len(keys) or keys[-1] < 0:
                continue
            if max(0, keys.start) == 0:
                pinned = max(pinned, keys[-1] + 1)
            else:
                reach = max(reach, query - keys.start)
        shapes.append((pinned, reach))
    pinned, reach = shapes[0]
    if len(set(shapes)) > 1 or pinned + reach + 1 != slots:
        return None
    return pinned, slots


def held_shape(spec: AttentionSpec) -> tuple[int, tuple[int, int]]:
    """Heads, and widths of what stands for keys and for values: of latent attention the rotary key and the latent."""
    if isinstance(spec, MLA):
        return 1, (spec.qk_rope_head_dim, spec.kv_lora_rank)
    return spec.n_kv_heads, (spec.key_dim, spec.value_dim)


def new_cache(spec: AttentionSpec, batch: int, max_len: int, dtype: torch.dtype, device: torch.device | str) -> Cache:
    """The smallest cache that serves a pattern: rolling where it never looks back further, else dense."""
    layout = layout_of(spec, max_len) if isinstance(max_len, int) and max_len > 0 else None
    heads, widths = held_shape(spec)
    if layout is None:
        return DenseCache(batch, max_len, max_len, heads, widths, dtype, device)
    pinned, slots = layout
    return RollingCache(batch, max_len, slots, heads, widths, dtype, device, pinned)
