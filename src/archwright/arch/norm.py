"""NormSpec: RMSNorm or LayerNorm, with its epsilon."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import ClassVar

from ..errors import Problem
from .spec import Spec
from .weights import Weight


@dataclasses.dataclass(frozen=True)
class NormSpec(Spec):
    """Base of the norms over the last axis of (..., width)."""

    TIED_TO_MODEL: ClassVar[frozenset[str]] = frozenset({"width", "eps"})
    has_bias: ClassVar[bool] = False

    width: int
    """Length of the normalised axis."""
    eps: float = 1e-5
    """Added to the mean square (RMSNorm) or the variance (LayerNorm)."""
    one_plus: bool = False
    """Whether the weight is stored less one, so that zeros are the identity."""
    without_weight: bool = False
    """Whether there is no weight (and no bias)."""
    without_bias: bool = False
    """Whether a LayerNorm has no bias; RMSNorm never has one."""

    def base_problems(self) -> Iterator[Problem]:
        if self.width < 1:
            yield Problem("width", self.width, "must be positive")
        if self.eps <= 0:
            yield Problem("eps", self.eps, "must be positive")
        if self.without_bias and not self.has_bias:
            yield Problem("without_bias", True, f"means nothing: {self.type} has no bias", "Leave it out")
        if self.without_weight and (self.one_plus or self.without_bias):
            yield Problem("without_weight", True, "leaves nothing for one_plus or without_bias", "Keep one of them")

    def weights(self) -> Iterator[Weight]:
        if self.without_weight:
            return
        yield Weight("weight", "norms", (self.width,), "vector")
        if self.has_bias and not self.without_bias:
            yield Weight("bias", "norms", (self.width,), "vector")


@dataclasses.dataclass(frozen=True)
class RMSNorm(NormSpec):
    """x / rms(x) * weight. Source: Zhang and Sennrich 2019."""

    type = "rms"


@dataclasses.dataclass(frozen=True)
class LayerNorm(NormSpec):
    """(x - mean) / std * weight + bias. Source: Ba et al. 2016."""

    type = "layer"
    has_bias = True
