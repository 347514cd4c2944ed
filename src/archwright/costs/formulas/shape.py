"""What the stack looks like and what it can see: ratios, visible keys, reach, coverage, rotary wavelengths."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TypeVar

from ...arch.attention.base import AttentionSpec
from ...arch.attention.dilated import Dilated
from ...arch.attention.full import Full
from ...arch.attention.sliding import Sliding
from ...arch.config import ArchitectureConfig
from ...arch.position import Rope
from ...errors import NOTHING, InvalidValue, Problem
from ...units import Quantity
from ..metric import metric
from ..tally import Group, Layers, tally

T = TypeVar("T", int, Fraction)


@metric(unit="layers", better=None, label="layers")
def layer_count(a: ArchitectureConfig, *, where: Layers) -> int:
    """Layers, or those of them that `where` selects.

    Formula: a count.
    Unit: layers.
    Convention: `where: layers[type=sliding]` asks the attention type; no such layer is 0.
    Source: definition.
    """
    return a.n_layers if where is None else len(where)


@metric(unit="", better=None, label="depth / width")
def depth_width_ratio(a: ArchitectureConfig) -> Fraction:
    """Layers for each channel of the residual stream.

    Formula: n_layers / d_model.
    Unit: a plain number.
    Convention: depth over width; Kaplan et al. 2020 give the inverse, "aspect ratio".
    Source: definition.
    """
    return Fraction(a.n_layers, a.d_model)


def _mean(groups: Iterable[Group], value: Callable[[Group], int | Fraction], unit: str) -> Quantity:
    """The mean over layers, with a note where they differ."""
    found = [(g, value(g)) for g in groups]
    layers = sum(g.count for g, _ in found)
    if not layers:
        raise InvalidValue(_no_layer())
    mean = sum((Fraction(v) * g.count for g, v in found), Fraction(0)) / layers
    whole = int(mean) if mean.denominator == 1 else mean
    return Quantity(whole, unit, notes=_spread([v for _, v in found], "mean of layers that differ"))


def _no_layer() -> Problem:
    return Problem("where", NOTHING, "selects no layer", "Write layers[0-15] or layers[type=sliding]")


def _spread(values: list[T] | list[int | Fraction], what: str) -> tuple[str, ...]:
    low, high = min(values), max(values)
    return () if low == high else (f"{what}: {_plain(low)} to {_plain(high)}",)


def _plain(value: int | Fraction) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{float(value):,.3g}"


@metric(unit="", better=None, label="d_ff / d_model")
def ffn_ratio(a: ArchitectureConfig, *, where: Layers) -> Quantity:
    """How much wider the feed-forward hidden layer is than the residual stream.

    Formula: d_ff / d_model; the mean where layers differ.
    Unit: a plain number.
    Convention: the width of one hidden vector, gated or not.
    Source: definition; 4 in Vaswani et al. 2017, 8/3 keeps the parameters when a third matrix gates (Shazeer 2020).
    """
    return _mean(tally(a, where).groups, lambda g: Fraction(g.layer.feed_forward.d_ff, a.d_model), "")


@metric(unit="keys", better="more", label="visible keys")
def visible_keys(a: ArchitectureConfig, *, context: int, where: Layers) -> Quantity:
    """Keys that the query at position `context` - 1 sees, itself among them.

    Formula: full: context. sliding and dilated: min(window_size, (context - 1) // dilation) + 1.
    Unit: keys.
    Convention: `window_size` counts neighbours, the token itself not among them. Where layers differ, the largest
    number, with a note; `where` selects layers.
    Source: the pattern of each attention variant.
    """
    counts = [g.layer.attention.visible_keys(context - 1) for g in tally(a, where).groups]
    if not counts:
        raise InvalidValue(_no_layer())
    return Quantity(max(counts), "keys", notes=_spread(counts, "the most of layers that differ"))


# Reach and coverage: the distances from which information can arrive at the last position, as bits -------------


def _window(bits: int, steps: int, step: int, everything: int) -> int:
    """The distances that are 0 to `steps` steps beyond those in `bits`: by doubling, log2(steps) shifts."""
    covered = 0
    while covered < steps:
        more = min(covered + 1, steps - covered)
        bits = (bits | bits << more * step) & everything
        covered += more
    return bits


def _through(spec: AttentionSpec, bits: int, context: int) -> int:
    """The distances that one layer adds: bit i is set when the token i before the last can influence it."""
    everything = (1 << context) - 1
    pattern = type(spec).visible  # a subclass with a pattern of its own is not its parent
    if pattern is Full.visible:
        return everything
    if spec.type == "chunked" and spec.causal:
        return _chunks(bits, getattr(spec, "chunk_size"), context)  # noqa: B009  (a field of that variant alone)
    if isinstance(spec, Sliding) and pattern in (Sliding.visible, Dilated.visible):
        steps = min(spec.window_size, (context - 1) // spec.step)
        seen = _window(bits, steps, spec.step, everything)
        if not spec.causal:
            seen |= _towards_the_end(bits, steps, spec.step, context)
        return seen
    if context > spec.COUNTED:
        raise InvalidValue(
            Problem(
                f"{spec.type} attention",
                NOTHING,
                f"has no closed form of what a stack of it sees, and {context:,} tokens are more than the "
                f"{spec.COUNTED:,} that are counted",
                f"Ask with context={spec.COUNTED}",
            )
        )
    seen = 0
    for distance in range(context):
        if bits >> distance & 1:
            for part in spec.key_set(context - 1 - distance, context):
                for key in part:
                    seen |= 1 << (context - 1 - key)
    return seen


def _chunks(bits: int, size: int, context: int) -> int:
    """From the latest reachable token of each chunk, everything back to the chunk's start."""
    seen = 0
    for start in range(0, context, size):
        near, far = context - min(start + size, context), context - 1 - start
        inside = bits >> near & ((1 << (far - near + 1)) - 1)
        if inside:
            lowest = (inside & -inside).bit_length() - 1
            seen |= ((1 << (far - near + 1 - lowest)) - 1) << (near + lowest)
    return seen


def _towards_the_end(bits: int, steps: int, step: int, context: int) -> int:
    """The mirror of `_window`: distances reduced, where attention looks both ways."""
    mirrored = int(format(bits, f"0{context}b")[::-1], 2)
    seen = _window(mirrored, steps, step, (1 << context) - 1)
    return int(format(seen, f"0{context}b")[::-1], 2)


LONGEST = 2**24
"""The longest context for which sets of tokens are built: two megabytes each."""


def distances(a: ArchitectureConfig, context: int, where: Layers) -> int:
    """The set of distances from which a token can influence the last position, as bits of an integer."""
    if context > LONGEST:
        raise InvalidValue(
            Problem(
                "context", context, f"is more than the {LONGEST:,} tokens for which sets are built", "Ask for fewer"
            )
        )
    everything = (1 << context) - 1
    bits = 1
    for number in reversed(range(a.n_layers)):
        if where is None or number in where:
            bits = _through(a.layers[number].attention, bits, context)
            if bits == everything:
                break
    return bits


@metric(unit="tokens", better="more")
def reach(a: ArchitectureConfig, *, context: int, where: Layers) -> int:
    """Distance to the farthest earlier token that can influence the last of `context` tokens, through all layers.

    Formula: the sum over layers of the distance that each looks back (window_size x dilation), at most context - 1,
    the distance of the first token. Steps of a dilation that do not fit before the first token count as far as
    they go.
    Unit: tokens.
    Convention: a distance, so that the token itself is 0; a single full layer reaches everything.
    Source: Jiang et al. 2023, "Mistral 7B", section 2 (window x layers).
    """
    return distances(a, context, where).bit_length() - 1


@metric(unit="%", better="more")
def coverage(a: ArchitectureConfig, *, context: int, where: Layers) -> Fraction:
    """Share of the earlier tokens within reach from which some path leads to the last position.

    Formula: 100 x tokens that can influence the last position / reach, the token itself not counted.
    Unit: %.
    Convention: 100 % where the reach is 0, because nothing is missed. A dilation without a layer that fills its
    gaps covers less than all.
    Source: set propagation through the layers, exact.
    """
    bits = distances(a, context, where)
    far = bits.bit_length() - 1
    return Fraction(100 * (bits.bit_count() - 1), far) if far else Fraction(100)


@metric(unit="", better=None, label="equivalent KV heads")
def equivalent_kv_heads(a: ArchitectureConfig, *, where: Layers) -> Quantity:
    """KV heads of a grouped-query layer that would cache as much for one token.

    Formula: cached elements of a token and layer / (2 x width of a value head); the mean where layers differ.
    Unit: a plain number (2.25 for a latent of 512 + 64 beside heads of 128).
    Convention: keys and values of equal width.
    Source: DeepSeek-AI 2024, "DeepSeek-V2", table 1.
    """
    groups = tally(a, where).groups
    return _mean(groups, lambda g: Fraction(g.layer.attention.cache_elements, 2 * g.layer.attention.value_dim), "")


# Rotary wavelengths ------------------------------------------------------------------------------------------


def _wavelengths(a: ArchitectureConfig, context: int, where: Layers) -> list[tuple[Group, list[float]]]:
    found = []
    for group in tally(a, where).groups:
        if isinstance(group.layer.position, Rope):
            frequencies = group.layer.position.inverse_frequencies(context)
            found.append((group, [2 * math.pi / f for f in frequencies]))
    if not found:
        raise InvalidValue(Problem("rope", NOTHING, "is absent: no selected layer has rotary positions"))
    return found


@metric(unit="tokens", better=None, label="longest RoPE wavelength")
def rope_wavelength_max(a: ArchitectureConfig, *, context: int, where: Layers) -> Fraction:
    """Tokens in which the slowest rotary pair turns once.

    Formula: 2 pi / the smallest inverse frequency, after scaling.
    Unit: tokens.
    Convention: `context` matters to dynamic scaling alone. Wavelengths are computed in double precision.
    Source: Su et al. 2021, "RoFormer", equation 15; Peng et al. 2023, "YaRN", section 3.2.
    """
    return Fraction(max(max(lengths) for _, lengths in _wavelengths(a, context, where)))


@metric(unit="tokens", better=None, label="shortest RoPE wavelength")
def rope_wavelength_min(a: ArchitectureConfig, *, context: int, where: Layers) -> Fraction:
    """Tokens in which the fastest rotary pair turns once.

    Formula: 2 pi / the largest inverse frequency, after scaling.
    Unit: tokens.
    Convention: that of `rope_wavelength_max`.
    Source: Su et al. 2021, "RoFormer", equation 15.
    """
    return Fraction(min(min(lengths) for _, lengths in _wavelengths(a, context, where)))


@metric(unit="pairs", better="less", label="incomplete RoPE pairs")
def rope_incomplete_pairs(a: ArchitectureConfig, *, context: int, where: Layers) -> Quantity:
    """Rotary pairs that do not complete one turn within `context` tokens.

    Formula: the number of wavelengths over `context`.
    Unit: pairs of one head.
    Convention: where layers differ, the largest number, with a note.
    Source: Peng et al. 2023, "YaRN", section 3.2.
    """
    counts = [sum(length > context for length in lengths) for _, lengths in _wavelengths(a, context, where)]
    return Quantity(max(counts), "pairs", notes=_spread(counts, "the most of layers that differ"))
