"""FeedForwardSpec: the position-wise part of a layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import ClassVar

from ...errors import Problem
from ...registry import Registry
from ..spec import Spec


@dataclasses.dataclass(frozen=True)
class FeedForwardSpec(Spec):
    """Base of all feed-forward variants: (B, T, d_model) to (B, T, d_model)."""

    TIED_TO_MODEL: ClassVar[frozenset[str]] = frozenset({"d_model"})

    d_model: int
    """Width of the residual stream."""
    d_ff: int
    """Width of the hidden layer."""
    dropout: float = 0.0
    """Share of hidden activations dropped in training."""
    bias: bool = False
    """Whether the matrices have biases."""

    def base_problems(self) -> Iterator[Problem]:
        for name in ("d_model", "d_ff"):
            if getattr(self, name) < 1:
                yield Problem(name, getattr(self, name), "must be positive")
        if not 0 <= self.dropout <= 1:
            yield Problem("dropout", self.dropout, "must be in [0, 1]")


def _load_builtin() -> None:
    from . import gated, moe, plain  # noqa: F401  (each registers itself)


feed_forward_types: Registry[type[FeedForwardSpec]] = Registry("feed-forward type", None, _load_builtin)
"""Every feed-forward variant by its name in files."""


def feed_forward(name: str) -> Callable[[type[FeedForwardSpec]], type[FeedForwardSpec]]:
    """Class decorator: makes a feed-forward variant known by name."""

    def register(cls: type[FeedForwardSpec]) -> type[FeedForwardSpec]:
        cls = dataclasses.dataclass(frozen=True, eq=True)(cls)
        cls.type = name
        feed_forward_types.register(name, cls)
        return cls

    return register
