"""Positions inside attention: rotary with the published ways to stretch it, linear biases, or none."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ..errors import Problem
from ..registry import Registry
from .spec import Spec


@dataclasses.dataclass(frozen=True)
class RopeScaling(Spec):
    """Base of the scalings: from the plain inverse frequencies to the used ones."""

    factor: float = 1.0
    """How many times longer the context gets."""

    def base_problems(self) -> Iterator[Problem]:
        if self.factor < 1:
            yield Problem("factor", self.factor, "must be at least 1")

    def inverse_frequencies(self, plain: list[float], theta: float, dims: int, context: int) -> list[float]:
        """The used inverse frequencies (dims / 2 of them, radians per token) for a sequence of `context` tokens."""
        raise NotImplementedError

    def attention_factor(self) -> float:
        """By what cosine and sine are multiplied."""
        return 1.0


@dataclasses.dataclass(frozen=True)
class LinearScaling(RopeScaling):
    """Positions divided by the factor. Source: Chen et al. 2023, arXiv:2306.15595."""

    type = "linear"

    def inverse_frequencies(self, plain: list[float], theta: float, dims: int, context: int) -> list[float]:
        return [f / self.factor for f in plain]


@dataclasses.dataclass(frozen=True)
class DynamicScaling(RopeScaling):
    """The base grows with the sequence once it is longer than the trained length ("dynamic NTK").

    base = theta * (factor * T / L - (factor - 1)) ** (d / (d - 2)) for T > L tokens.
    """

    type = "dynamic"

    original_max_position: int = 2048
    """L, the trained length."""

    def inverse_frequencies(self, plain: list[float], theta: float, dims: int, context: int) -> list[float]:
        length = max(context, self.original_max_position)
        stretch = self.factor * length / self.original_max_position - (self.factor - 1)
        return plain_frequencies(theta * stretch ** (dims / (dims - 2)) if dims > 2 else theta, dims)


@dataclasses.dataclass(frozen=True)
class YarnScaling(RopeScaling):
    """Long wavelengths interpolated, short ones kept, a ramp between. Source: Peng et al. 2023, "YaRN", section 3."""

    type = "yarn"

    original_max_position: int = 2048
    """The trained length."""
    beta_fast: float = 32.0
    """Rotations over the trained length from which a pair is kept."""
    beta_slow: float = 1.0
    """Rotations under which a pair is interpolated."""
    mscale: float | None = None
    """Scale of the attention temperature's logarithm."""
    mscale_all_dim: float | None = None
    """The same for all dimensions; with `mscale` the factor is their ratio."""
    attention_scale: float | None = None
    """The temperature itself, where it is stated."""
    truncate: bool = True
    """Whether the ramp's ends are rounded to whole pairs."""

    def inverse_frequencies(self, plain: list[float], theta: float, dims: int, context: int) -> list[float]:
        def pair_of(rotations: float) -> float:
            return dims * math.log(self.original_max_position / (rotations * 2 * math.pi)) / (2 * math.log(theta))

        low, high = pair_of(self.beta_fast), pair_of(self.beta_slow)
        if self.truncate:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, dims - 1)
        width = max(high - low, 0.001)
        out = []
        for pair, frequency in enumerate(plain):
            ramp = min(1.0, max(0.0, (pair - low) / width))
            out.append(frequency / self.factor * ramp + frequency * (1 - ramp))
        return out

    def attention_factor(self) -> float:
        def temperature(scale: float) -> float:
            return 0.1 * scale * math.log(self.factor) + 1.0 if self.factor > 1 else 1.0

        if self.attention_scale is not None:
            return self.attention_scale
        if self.mscale and self.mscale_all_dim:
            return temperature(self.mscale) / temperature(self.mscale_all_dim)
        return temperature(1.0)


@dataclasses.dataclass(frozen=True)
class Llama3Scaling(RopeScaling):
    """Long wavelengths divided by the factor, with a smooth band. Source: the Llama 3.1 model card and code."""

    type = "llama3"

    original_max_position: int = 8192
    """The trained length."""
    low_freq_factor: float = 1.0
    """Wavelengths over length / this are stretched by the whole factor."""
    high_freq_factor: float = 4.0
    """Wavelengths under length / this stay."""

    def problems(self) -> Iterator[Problem]:
        if self.high_freq_factor <= self.low_freq_factor:
            yield Problem(
                "high_freq_factor", self.high_freq_factor, f"must be over low_freq_factor ({self.low_freq_factor})"
            )

    def inverse_frequencies(self, plain: list[float], theta: float, dims: int, context: int) -> list[float]:
        out = []
        for frequency in plain:
            turns = self.original_max_position * frequency / (2 * math.pi)
            smooth = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
            smooth = min(1.0, max(0.0, smooth))
            out.append((1 - smooth) * frequency / self.factor + smooth * frequency)
        return out


@dataclasses.dataclass(frozen=True)
class LongRopeScaling(RopeScaling):
    """Each pair has its own factor, one for short and one for long sequences. Source: Ding et al. 2024, "LongRoPE"."""

    type = "longrope"

    original_max_position: int = 4096
    """The trained length; longer sequences take the long factors."""
    short_factor: tuple[float, ...] = ()
    """Divisors of the plain frequencies up to the trained length."""
    long_factor: tuple[float, ...] = ()
    """Divisors of the plain frequencies beyond it."""
    attention_scale: float | None = None
    """By what cosine and sine are multiplied; null: sqrt(1 + ln factor / ln trained length)."""
    long_attention_scale: float | None = None
    """The same beyond the trained length, where it differs."""

    def problems(self) -> Iterator[Problem]:
        if len(self.short_factor) != len(self.long_factor) or not self.short_factor:
            found = f"{len(self.short_factor)} and {len(self.long_factor)}"
            yield Problem("short_factor", found, "and long_factor must have one number for each rotated pair")
        elif min(*self.short_factor, *self.long_factor) <= 0:
            yield Problem("short_factor", min(*self.short_factor, *self.long_factor), "must be positive throughout")

    def inverse_frequencies(self, plain: list[float], theta: float, dims: int, context: int) -> list[float]:
        factors = self.long_factor if context > self.original_max_position else self.short_factor
        return [frequency / factor for frequency, factor in zip(plain, factors, strict=True)]

    def attention_factor(self) -> float:
        if self.attention_scale is not None:
            return self.attention_scale
        return math.sqrt(1 + math.log(self.factor) / math.log(self.original_max_position)) if self.factor > 1 else 1.0


rope_scalings: Registry[type[RopeScaling]] = Registry("RoPE scaling")
"""Every scaling by its name in files."""
for _cls in (LinearScaling, DynamicScaling, YarnScaling, Llama3Scaling, LongRopeScaling):
    rope_scalings.register(_cls.type, _cls)


def plain_frequencies(theta: float, dims: int) -> list[float]:
    """theta ** (-2 i / dims) for each pair i. Source: Su et al. 2021, "RoFormer", equation 15."""
    return [theta ** (-2 * i / dims) for i in range(dims // 2)]


@dataclasses.dataclass(frozen=True)
class PositionSpec(Spec):
    """Base of the ways in which queries and keys know their distance."""


@dataclasses.dataclass(frozen=True)
class Rope(PositionSpec):
    """Rotary position embedding of the first `dims` dimensions of each head."""

    type = "rope"
    TIED_TO_MODEL: ClassVar[frozenset[str]] = frozenset({"theta", "scaling"})

    dims: int
    """Rotated dimensions of a head; by default all."""
    theta: float = 10000.0
    """Base of the wavelengths."""
    scaling: RopeScaling | None = None
    """How it is stretched, or null."""
    interleaved: bool = False
    """Whether neighbours form the pairs (0 and 1), not the halves (0 and dims / 2)."""

    def base_problems(self) -> Iterator[Problem]:
        if self.dims < 2 or self.dims % 2:
            yield Problem("dims", self.dims, "must be even and at least 2", "Choose an even head_dim")
        if self.theta <= 0:
            yield Problem("rope_theta", self.theta, "must be positive")
        pairs = len(self.scaling.short_factor) if isinstance(self.scaling, LongRopeScaling) else self.dims // 2
        if pairs != self.dims // 2:
            rule = f"must have one number for each of the {self.dims // 2} rotated pairs"
            yield Problem("rope_scaling.short_factor", f"a list of {pairs}", rule)

    def inverse_frequencies(self, context: int = 0) -> list[float]:
        """Radians a token of each of the dims / 2 pairs, for `context` tokens (which matter to `dynamic` alone)."""
        plain = plain_frequencies(self.theta, self.dims)
        return self.scaling.inverse_frequencies(plain, self.theta, self.dims, context) if self.scaling else plain

    @property
    def attention_factor(self) -> float:
        """By what cosine and sine are multiplied."""
        return self.scaling.attention_factor() if self.scaling else 1.0


@dataclasses.dataclass(frozen=True)
class Alibi(PositionSpec):
    """A bias on the scores that falls linearly with the distance, steeper in each head. Source: Press et al. 2022."""

    type = "alibi"

    max_bias: float = 8.0
    """Head h of n has the slope 2 ** (-max_bias * (h + 1) / n) for n a power of two."""
    scaled: bool = False
    """Whether the bias is multiplied by the factor of the scores, as the scores are."""

    def base_problems(self) -> Iterator[Problem]:
        if self.max_bias <= 0:
            yield Problem("max_bias", self.max_bias, "must be positive")


@dataclasses.dataclass(frozen=True)
class NoPosition(PositionSpec):
    """No positions in this layer: tokens tell their order by causality, or from the embedding."""

    type = "none"


position_types: Registry[type[PositionSpec]] = Registry("position type")
"""Every kind of position by its name in files."""
for _kind in (Rope, Alibi, NoPosition):
    position_types.register(_kind.type, _kind)


def read_scaling(
    data: Mapping[str, Any], path: str, keys: tuple[str | int, ...], where: Any, max_position: int
) -> tuple[RopeScaling | None, list[Problem]]:
    """A scaling from its map `{type: ..., factor: ...}`."""
    from .spec import build

    name = data.get("type")
    if not isinstance(name, str) or name not in rope_scalings:
        known = ", ".join(rope_scalings.names())
        found = Problem(f"{path}type", name, "is not a known RoPE scaling", f"Known: {known}")
        return None, [found.at(where((*keys, "type"), False))]
    cls = rope_scalings.get(name)
    given = {"original_max_position": max_position} if name == "dynamic" else {}
    spec, problems = build(cls, data, given, path, keys, where)
    return spec, problems
