"""Hugging Face's attention_mask turned into segments and back: padded tokens are taken out, not masked.

B batch, T tokens, V the width of what is restored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import NOTHING, InvalidValue, Problem
from .saying import device_of, shape_of, type_of
from .segments import Segments


@dataclass(frozen=True)
class Unpadded:
    """The real tokens of a padded batch in one row, and where each came from."""

    tokens: Tensor
    segments: Segments
    lengths: list[int]
    places: Tensor
    shape: tuple[int, int]

    def restore(self, values: Tensor) -> Tensor:
        """(total, V) back to (B, T, V), zeros where padding was."""
        out = values.new_zeros(self.shape[0] * self.shape[1], values.shape[-1])
        return out.index_copy(0, self.places, values).view(*self.shape, -1)


def unpad(tokens: Tensor, attention_mask: Tensor, earlier: Sequence[int] | None = None) -> Unpadded | None:
    """The tokens (B, T) without padding; None where there is none.

    `attention_mask` is (B, T), or longer on the left by what came before; `earlier` says how many tokens of each
    row a cache holds. InvalidValue: another shape, values beside 0 and 1, a hole inside a row.
    """
    batch, length = tokens.shape
    if not isinstance(attention_mask, Tensor):
        raise InvalidValue(Problem("attention_mask", type_of(attention_mask), "must be a tensor"))
    shape = tuple(attention_mask.shape)
    wide = len(shape) == 2 and shape[0] == batch and shape[1] > length and earlier is not None
    if shape != (batch, length) and not wide:
        raise InvalidValue(Problem("attention_mask", shape_of(attention_mask), f"must be {(batch, length)}"))
    if attention_mask.device != tokens.device:
        rule = f"must be on the device of tokens ({tokens.device})"
        raise InvalidValue(Problem("attention_mask", device_of(attention_mask), rule))
    table = attention_mask.to("cpu", torch.float32)
    if not bool(((table == 0) | (table == 1)).all()):
        raise InvalidValue(Problem("attention_mask", NOTHING, "must hold 0 and 1 alone"))
    before, now = table[:, : shape[1] - length], table[:, shape[1] - length :].bool()
    if wide and earlier is not None and before.sum(1).int().tolist() != list(earlier):
        rule = f"marks {before.sum(1).int().tolist()} earlier tokens, and the caches hold {list(earlier)}"
        raise InvalidValue(Problem("attention_mask", NOTHING, rule, "Give the mask of the new tokens alone"))
    edges = (now[:, 1:] != now[:, :-1]).sum(1) + now[:, :1].any(1) + now[:, -1:].any(1)
    holes = (edges > 2).nonzero().flatten().tolist()
    if holes:
        rule = f"row {holes[0]} has a hole: padding must be on the left or on the right"
        raise InvalidValue(Problem("attention_mask", NOTHING, rule))
    if bool(now.all()):
        return None
    lengths = now.sum(1).tolist()
    places = now.flatten().nonzero().flatten().to(tokens.device)
    segments = Segments.of(lengths, tokens.device)
    return Unpadded(tokens.flatten()[places], segments, lengths, places, (batch, length))
