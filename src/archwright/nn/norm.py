"""Norms: RMSNorm and LayerNorm over the last axis, from their specs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..arch.norm import LayerNorm as LayerNormSpec
from ..arch.norm import NormSpec
from ..arch.norm import RMSNorm as RMSNormSpec
from ..errors import NOTHING, NotSupported, Problem


class RMSNorm(nn.RMSNorm):
    """x / rms(x) * weight, (..., width) to the same; with `one_plus` the weight is stored less one."""

    def __init__(
        self,
        width: int,
        eps: float = 1e-5,
        *,
        one_plus: bool = False,
        weighted: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.one_plus = one_plus
        super().__init__(width, eps=eps, elementwise_affine=weighted, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """The identity: ones, or zeros where one is added."""
        if self.elementwise_affine:
            nn.init.constant_(self.weight, 0.0 if self.one_plus else 1.0)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight
        if not self.one_plus and (weight is None or weight.dtype == x.dtype):
            return F.rms_norm(x, self.normalized_shape, weight, self.eps)
        # one plus a small weight is rounded in half precision, and under autocast the types differ
        wide = torch.promote_types(x.dtype, torch.float32)
        scale = 1 + weight.to(wide) if self.one_plus else weight.to(wide)
        return F.rms_norm(x.to(wide), self.normalized_shape, scale, self.eps).to(x.dtype)


class LayerNorm(nn.LayerNorm):
    """(x - mean) / std * weight + bias, (..., width) to the same; with `one_plus` the weight is stored less one."""

    def __init__(
        self,
        width: int,
        eps: float = 1e-5,
        *,
        one_plus: bool = False,
        weighted: bool = True,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.one_plus = one_plus
        super().__init__(width, eps=eps, elementwise_affine=weighted, bias=bias, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """The identity: ones (zeros where one is added) and no shift."""
        if self.elementwise_affine:
            nn.init.constant_(self.weight, 0.0 if self.one_plus else 1.0)
            if self.bias is not None:
                nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        if not self.one_plus:
            return super().forward(x)
        wide = torch.promote_types(x.dtype, torch.float32)
        bias = None if self.bias is None else self.bias.to(wide)
        return F.layer_norm(x.to(wide), self.normalized_shape, 1 + self.weight.to(wide), bias, self.eps).to(x.dtype)


def build_norm(
    spec: NormSpec | None, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> nn.Module:
    """(..., width) to the same; None is the identity. NotSupported: a norm without a module."""
    if spec is None:
        return nn.Identity()
    common = {"one_plus": spec.one_plus, "weighted": not spec.without_weight}
    if type(spec) is RMSNormSpec:
        return RMSNorm(spec.width, spec.eps, **common, device=device, dtype=dtype)
    if type(spec) is LayerNormSpec:
        return LayerNorm(spec.width, spec.eps, **common, bias=not spec.without_bias, device=device, dtype=dtype)
    raise NotSupported(Problem(f"norm {spec.type}", NOTHING, "has no module here"))
