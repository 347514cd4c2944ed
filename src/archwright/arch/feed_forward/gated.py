"""Gated feed-forward networks: the hidden layer is an activation times a second projection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ..weights import Weight
from .base import FeedForwardSpec, feed_forward


class Gated(FeedForwardSpec):
    """down(activation(gate(x)) * up(x)): three matrices. Source: Shazeer 2020, "GLU Variants Improve Transformer"."""

    activation: ClassVar[str] = ""

    def weights(self) -> Iterator[Weight]:
        for name, shape in (
            ("gate_proj", (self.d_ff, self.d_model)),
            ("up_proj", (self.d_ff, self.d_model)),
            ("down_proj", (self.d_model, self.d_ff)),
        ):
            yield Weight(f"{name}.weight", "feed_forward", shape)
            if self.bias:
                yield Weight(f"{name}.bias", "feed_forward", shape[:1], "vector")


@feed_forward("geglu")
class GEGLU(Gated):
    """Gated by the exact GELU."""

    activation = "gelu"


@feed_forward("swiglu")
class SwiGLU(Gated):
    """Gated by SiLU."""

    activation = "silu"
