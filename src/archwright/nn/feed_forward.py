"""Feed-forward modules: gated and plain networks, and mixtures of experts. B batch, T tokens, D d_model, F d_ff."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..arch.feed_forward import FeedForwardSpec
from ..arch.feed_forward.gated import Gated
from ..arch.feed_forward.moe import MoE
from ..arch.feed_forward.plain import Plain
from ..errors import NOTHING, NotSupported, Problem
from .activations import ACTIVATIONS, build_activation
from .experts import MixtureOfExperts
from .initialisation import empty_linear, initialise


class GatedNetwork(nn.Module):
    """down(activation(gate(x)) * up(x)); (..., D) to (..., D)."""

    def __init__(
        self, narrow: int, wide: int, activation: str, bias: bool, dropout: float, device: Any, dtype: Any
    ) -> None:
        super().__init__()
        self.activation = build_activation(activation, device, dtype)
        self.gate_proj = empty_linear(narrow, wide, bias, device, dtype)
        self.up_proj = empty_linear(narrow, wide, bias, device, dtype)
        self.down_proj = empty_linear(wide, narrow, bias, device, dtype)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(self.dropout(self.activation(self.gate_proj(x)) * self.up_proj(x)))
        return out


class FeedForward(nn.Module):
    """down(activation(gate(x)) * up(x)), or down(activation(up(x))) without a gate; (..., D) to (..., D)."""

    def __init__(
        self, spec: FeedForwardSpec, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        known = isinstance(spec, Gated | Plain) and spec.activation in (*ACTIVATIONS, "xielu")
        if not isinstance(spec, Gated | Plain) or not known:
            raise NotSupported(Problem(f"feed-forward type {spec.type}", NOTHING, "has no module here"))
        self.spec = spec
        self.activation = build_activation(spec.activation, device, dtype)
        gated = isinstance(spec, Gated)
        wide, narrow, bias = spec.d_ff, spec.d_model, spec.bias
        self.gate_proj = empty_linear(narrow, wide, bias, device, dtype) if gated else None
        self.up_proj = empty_linear(narrow, wide, bias, device, dtype)
        self.down_proj = empty_linear(wide, narrow, bias, device, dtype)
        self.dropout = nn.Dropout(spec.dropout)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        up = self.up_proj(x)
        hidden = self.activation(up) if self.gate_proj is None else self.activation(self.gate_proj(x)) * up
        out: Tensor = self.down_proj(self.dropout(hidden))
        return out


def build_feed_forward(
    spec: FeedForwardSpec, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> nn.Module:
    """The module of a feed-forward spec, (..., D) to (..., D). NotSupported: there is none."""
    if isinstance(spec, MoE):
        return MixtureOfExperts(spec, device=device, dtype=dtype)
    return FeedForward(spec, device=device, dtype=dtype)
