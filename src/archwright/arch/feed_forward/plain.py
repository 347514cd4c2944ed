"""Plain feed-forward networks: two matrices around an activation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ..weights import Weight
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
