"""Plain feed-forward networks: two matrices around an activation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ...errors import Problem
from ..weights import Weight
from .activations import activation_problem
from .base import FeedForwardSpec, feed_forward


class Plain(FeedForwardSpec):
    """down(activation(up(x))): two matrices."""

    activation: ClassVar[str] = ""

    def weights(self) -> Iterator[Weight]:
        for name, shape in (("up_proj", (self.d_ff, self.d_model)), ("down_proj", (self.d_model, self.d_ff))):
            yield Weight(f"{name}.weight", "feed_forward", shape)
            if self.bias:
                yield Weight(f"{name}.bias", "feed_forward", shape[:1], "vector")


@feed_forward("gelu")
class GELU(Plain):
    """With the exact GELU."""

    activation = "gelu"


@feed_forward("plain")
class AnyPlain(Plain):
    """With an activation of choice; with gelu it is the type gelu."""

    activation: str = "relu"  # type: ignore[misc]  # an option here, a constant in the named variants
    """What the hidden layer passes through."""

    def problems(self) -> Iterator[Problem]:
        yield from activation_problem(self.activation, learned=True)

    def weights(self) -> Iterator[Weight]:
        yield from super().weights()
        if self.activation == "xielu":
            for name in ("alpha_p", "alpha_n"):
                yield Weight(f"activation.{name}", "feed_forward", (1,), "vector")
