"""Activations of feed-forward networks: what each name of a spec computes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x)."""
    return x * torch.sigmoid(1.702 * x)


def relu2(x: Tensor) -> Tensor:
    """max(x, 0) squared."""
    return F.relu(x).square()


class XIELU(nn.Module):
    """xIELU with two learned scalars. Source: Huang and Schlag 2024, arXiv 2411.13010, equation 9.

    a x^2 + b x for x > 0, a = softplus(alpha_p); (exp(min(x, eps)) - 1 - x) c + b x below, c = b + softplus(alpha_n).
    """

    BETA = 0.5
    EPS = -1e-6

    def __init__(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.alpha_p = nn.Parameter(torch.empty(1, device=device, dtype=dtype))
        self.alpha_n = nn.Parameter(torch.empty(1, device=device, dtype=dtype))
        self.start()

    @torch.no_grad()
    def start(self) -> None:
        """Both slopes of the parabolas begin at 0.8."""
        if not self.alpha_p.is_meta:
            self.alpha_p.fill_(torch.expm1(torch.tensor(0.8)).log().item())
            self.alpha_n.fill_(torch.expm1(torch.tensor(0.8 - self.BETA)).log().item())

    def forward(self, x: Tensor) -> Tensor:
        positive, negative = F.softplus(self.alpha_p), self.BETA + F.softplus(self.alpha_n)
        above = positive * x * x
        below = (torch.expm1(x.clamp(max=self.EPS)) - x) * negative
        return torch.where(x > 0, above, below) + self.BETA * x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "quick_gelu": quick_gelu,
    "relu": F.relu,
    "relu2": relu2,
    "silu": F.silu,
}
"""Those without parameters; `gelu` is the exact one."""


def build_activation(
    name: str, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> Callable[[Tensor], Tensor]:
    """The function, or the module where it has parameters. KeyError: no such activation."""
    return XIELU(device, dtype) if name == "xielu" else ACTIVATIONS[name]
