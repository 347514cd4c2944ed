"""Norms: RMSNorm and LayerNorm over the last axis, from their specs."""

from __future__ import annotations

import torch
from torch import nn

from ..arch.norm import LayerNorm as LayerNormSpec
from ..arch.norm import NormSpec
from ..arch.norm import RMSNorm as RMSNormSpec
from ..errors import NOTHING, NotSupported, Problem

RMSNorm = nn.RMSNorm
LayerNorm = nn.LayerNorm


def build_norm(
    spec: NormSpec | None, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> nn.Module:
    """(..., width) to the same; None is the identity. NotSupported: a norm without a module."""
    if spec is None:
        return nn.Identity()
    if type(spec) is RMSNormSpec:
        return RMSNorm(spec.width, eps=spec.eps, device=device, dtype=dtype)
    if type(spec) is LayerNormSpec:
        return LayerNorm(spec.width, eps=spec.eps, device=device, dtype=dtype)
    raise NotSupported(Problem(f"norm {spec.type}", NOTHING, "has no module here"))
