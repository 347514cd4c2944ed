"""QKNorm: the norm of queries or keys, over a head or over all of them at once.

B batch, N heads, T tokens, H width of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...arch.attention import AttentionSpec


class QKNorm(nn.Module):
    """(B, N, T, H) to the same. `head`: one weight (H,) for all heads; `heads`: (N, H); `width`: over N * H at once."""

    def __init__(
        self,
        spec: AttentionSpec,
        heads: int,
        eps: float,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.over, self.kind, self.eps = str(spec.qk_norm), spec.qk_norm_type, eps
        width = spec.key_dim
        shape = {"head": (width,), "heads": (heads, width), "width": (heads * width,)}[self.over]
        weighted, shifted = self.kind != "unit", self.kind == "layer"
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype)) if weighted else None
        self.bias = nn.Parameter(torch.empty(shape, device=device, dtype=dtype)) if shifted else None
        self.start()

    @torch.no_grad()
    def start(self) -> None:
        """The identity."""
        if self.weight is not None and not self.weight.is_meta:
            self.weight.fill_(0.0 if self.kind == "rms_one_plus" else 1.0)
        if self.bias is not None and not self.bias.is_meta:
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        if self.over == "width":
            rows = x.transpose(1, 2)
            return self._normed(rows.flatten(2)).view(rows.shape).transpose(1, 2)
        return self._normed(x)

    def _normed(self, x: Tensor) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        shape = x.shape[-1:]
        out = F.layer_norm(wide, shape, eps=self.eps) if "layer" in self.kind else F.rms_norm(wide, shape, eps=self.eps)
        if self.weight is not None:
            weight = self.weight[:, None] if self.over == "heads" else self.weight
            out = out * (1 + weight.to(out.dtype) if self.kind == "rms_one_plus" else weight.to(out.dtype))
        if self.bias is not None:
            out = out + (self.bias[:, None] if self.over == "heads" else self.bias).to(out.dtype)
        return out.to(x.dtype)

    def extra_repr(self) -> str:
        return f"over={self.over}, kind={self.kind}, eps={self.eps:g}"
