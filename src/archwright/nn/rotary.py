"""Rotary positions applied to queries and keys.

B batch, T tokens, N heads, H head_dim, D rotated dimensions. Dimension i is paired with i + D / 2 as in the Hugging
Face llama family, or, where the spec is interleaved, 2 i with 2 i + 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..arch.position import DynamicScaling, LongRopeScaling, Rope


class Rotary(nn.Module):
    """Cosines and sines of a `Rope`; angles are float32 whatever the type of the model."""

    inverse_frequencies: Tensor

    def __init__(self, spec: Rope, device: torch.device | str | None = None) -> None:
        super().__init__()
        self.spec = spec
        made = torch.tensor(spec.inverse_frequencies(), dtype=torch.float32, device=device)
        self.register_buffer("inverse_frequencies", made, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        # .to(bfloat16) would round the frequencies and to_empty() would lose them: make them anew where they landed
        parent: Any = super()
        parent._apply(fn, recurse)
        device = self.inverse_frequencies.device
        self.inverse_frequencies = torch.tensor(self.spec.inverse_frequencies(), dtype=torch.float32, device=device)
        return self

    @property
    def grows(self) -> bool:
        """Whether the frequencies depend on the length of the sequence."""
        return isinstance(self.spec.scaling, DynamicScaling | LongRopeScaling)

    def forward(self, positions: Tensor, context: int = 0) -> tuple[Tensor, Tensor]:
        """cos and sin, (B or 1, 1, T, D / 2) float32, of positions (B or 1, T) in a sequence of `context` tokens."""
        frequencies = self.inverse_frequencies
        if self.grows:
            frequencies = torch.tensor(self.spec.inverse_frequencies(context), device=frequencies.device)
        angles = positions[:, None, :, None].float() * frequencies
        factor, scaling = self.spec.attention_factor, self.spec.scaling
        if isinstance(scaling, LongRopeScaling) and context > scaling.original_max_position:
            factor = factor if scaling.long_attention_scale is None else scaling.long_attention_scale
        return angles.cos() * factor, angles.sin() * factor

    def extra_repr(self) -> str:
        return f"dims={self.spec.dims}, theta={self.spec.theta:g}" + (
            f", scaling={self.spec.scaling.type}" if self.spec.scaling else ""
        )


def rotate(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool = False) -> Tensor:
    """x (B, N, T, H) with its first D dimensions turned by the angles; computed in at least float32."""
    half = cos.shape[-1]
    wide = torch.promote_types(x.dtype, torch.float32)
    if interleaved:
        pairs = x[..., : 2 * half].to(wide).unflatten(-1, (half, 2))
        even, odd = pairs[..., 0], pairs[..., 1]
        turned = torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2).to(x.dtype)
        return torch.cat((turned, x[..., 2 * half :]), -1) if x.shape[-1] > 2 * half else turned
    first, second, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    first, second = first.to(wide), second.to(wide)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), -1).to(x.dtype)
    return torch.cat((turned, rest), -1) if rest.shape[-1] else turned
