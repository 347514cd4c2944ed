"""Gated feed-forward networks: the hidden layer is an activation times a second projection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ...errors import Problem
from ..weights import Weight
from .activations import activation_problem
from .base import FeedForwardSpec, feed_forward


class Gated(FeedForwardSpec):
    """down(activation(gate(x)) * up(x)): three matrices. Source: Shazeer 2020, "GLU Variants Improve Transformer"."""

    activation: ClassVar[str] = ""

    def weights(self) -> Iterator[Weight]:
        yield from gated_weights(self.d_model, self.d_ff, self.bias)


def gated_weights(
    d_model: int, d_ff: int, bias: bool, name: str = "", part: str = "feed_forward", copies: int = 1, active: int = 1
) -> Iterator[Weight]:
    """The tensors of a gated network, or of `copies` like it of which a token uses `active`."""
    for matrix, shape in (
        ("gate_proj", (d_ff, d_model)),
        ("up_proj", (d_ff, d_model)),
        ("down_proj", (d_model, d_ff)),
    ):
        yield Weight(f"{name}{matrix}.weight", part, shape, "matrix", copies, active)
        if bias:
            yield Weight(f"{name}{matrix}.bias", part, shape[:1], "vector", copies, active)


@feed_forward("geglu")
class GEGLU(Gated):
    """Gated by the exact GELU."""

    activation = "gelu"


@feed_forward("swiglu")
class SwiGLU(Gated):
    """Gated by SiLU."""

    activation = "silu"


@feed_forward("gated")
class AnyGated(Gated):
    """Gated by an activation of choice; with silu or gelu it is swiglu or geglu."""

    activation: str = "silu"  # type: ignore[misc]  # an option here, a constant in the named variants
    """What the gate passes through."""

    def problems(self) -> Iterator[Problem]:
        yield from activation_problem(self.activation)
