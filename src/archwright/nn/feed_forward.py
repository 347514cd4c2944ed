"""Feed-forward modules: GEGLU, SwiGLU and plain GELU. B batch, T tokens, D d_model, F d_ff."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..arch.feed_forward import FeedForwardSpec
from ..arch.feed_forward.gated import Gated
from ..arch.feed_forward.plain import Plain
from ..errors import NOTHING, NotSupported, Problem
from .initialisation import empty_linear, initialise

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "silu": F.silu}
"""What an activation's name in a spec means; `gelu` is the exact one."""


class FeedForward(nn.Module):
    """down(activation(gate(x)) * up(x)), or down(activation(up(x))) without a gate; (..., D) to (..., D)."""

    def __init__(
        self, spec: FeedForwardSpec, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        if not isinstance(spec, Gated | Plain) or spec.activation not in ACTIVATIONS:
            raise NotSupported(Problem(f"feed-forward type {spec.type}", NOTHING, "has no module here"))
        self.spec = spec
        self.activation = ACTIVATIONS[spec.activation]
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
