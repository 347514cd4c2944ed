"""The KV cache: how many slots each layer holds, and what they weigh."""

from __future__ import annotations

from fractions import Fraction
from typing import TypedDict, Unpack

from ...arch.attention.base import AttentionSpec
from ...arch.config import ArchitectureConfig
from ...errors import InvalidValue, Problem
from ...units import Number, Quantity
from ..dtypes import Dtype
from ..metric import metric
from ..sharding import cache_elements_on_device, cached_elements, fullest_stage, split
from ..tally import Group, Layers, tally

PER = ("model", "layer", "device", "token", "sequence")
FOREVER = 2**61
"""A context beyond every window."""


def slots(spec: AttentionSpec, context: int, cache: str, most: int = 0) -> int:
    """Tokens that a layer holds once `context` were seen; `most` is what the fullest layer of the model needs."""
    if cache in ("needed", "materialised"):
        return spec.cache_slots(context)
    if cache == "full":
        return context
    if cache == "hybrid-unified":
        return most
    if cache == "transformers":
        limit = spec.cache_slots(FOREVER)
        return min(context, limit - 1) if limit < FOREVER else context
    page = int(cache.removeprefix("paged-"))
    return split(spec.cache_slots(context), page) * page


def group_slots(a: ArchitectureConfig, context: int, cache: str, where: Layers = None) -> list[tuple[Group, int]]:
    """The selected groups of layers, each with the slots that one of its layers holds."""
    most = 0
    if cache == "hybrid-unified":
        most = max(g.layer.attention.cache_slots(context) for g in tally(a).groups)
    return [(g, slots(g.layer.attention, context, cache, most)) for g in tally(a, where).groups]


def elements(a: ArchitectureConfig, context: int, cache: str, where: Layers = None) -> int:
    """Cached scalars of one sequence in the selected layers."""
    groups = group_slots(a, context, cache, where)
    return sum(g.count * held * cached_elements(g.layer.attention, cache) for g, held in groups)


def per_device_elements(a: ArchitectureConfig, context: int, cache: str, tp: int, pp: int) -> int:
    """Cached scalars of one sequence on the fullest device."""
    held = {id(g.layer): n for g, n in group_slots(a, context, cache)}

    def of_layer(group: Group) -> int:
        return held[id(group.layer)] * cache_elements_on_device(group.layer.attention, tp, cache)

    return int(fullest_stage(a, pp, of_layer, 0, 0))


class Cached(TypedDict):
    """The settings of an amount of cache."""

    context: int
    batch: int
    cache: str
    per: str
    where: Layers
    tp: int
    pp: int


def scaled(a: ArchitectureConfig, asked: Cached) -> tuple[Fraction, tuple[str, ...]]:
    """Cached scalars for a model, layer, device, token or sequence, with what has to be said beside the number."""
    context, batch, cache, where = asked["context"], asked["batch"], asked["cache"], asked["where"]
    per, tp, pp = asked["per"], asked["tp"], asked["pp"]
    notes: tuple[str, ...] = ()
    if per == "device":
        if where is not None:
            raise InvalidValue(Problem("where", "some layers", "cannot be combined with per=device", "Leave one out"))
        return Fraction(batch * per_device_elements(a, context, cache, tp, pp)), ()
    if tp * pp > 1:
        notes = (f"tp and pp change nothing of an amount per {per}: per=device is split",)
    whole = elements(a, context, cache, where)
    if per == "sequence":
        return Fraction(whole), notes
    if per == "token":
        return Fraction(whole, context), notes
    if per == "layer":
        groups = tally(a, where)
        if not groups.layers:
            raise InvalidValue(Problem("where", "no layer", "selects no layer to average over"))
        held = {n * cached_elements(g.layer.attention, cache) for g, n in group_slots(a, context, cache, where)}
        if len(held) > 1:
            notes += ("mean of layers that differ",)
        return Fraction(batch * whole, groups.layers), notes
    return Fraction(batch * whole), notes


def whole(number: Number) -> Number:
    """An exact number as an int where it is one."""
    return int(number) if number.denominator == 1 else number


@metric(unit="B", better="less", label="KV cache", choices={"per": PER}, takes=Cached)
def kv_cache(a: ArchitectureConfig, *, kv_dtype: Dtype, **asked: Unpack[Cached]) -> Quantity:
    """Memory of the cached keys and values.

    Formula: batch x the sum over layers of slots x elements of a token x bits / 8. Grouped-query attention has
    2 x n_kv_heads x head_dim elements.
    Unit: B.
    Convention: `cache: needed` holds what a rolling buffer must: min(T, window_size x dilation + 1) slots of a
    window layer, T of a full one. `full` holds T everywhere; `paged-N` rounds up to pages of N tokens;
    `hybrid-unified` gives every layer the slots of the layer that needs most; `transformers` holds one less in
    window layers, as its cache does after a long prompt. Latent attention holds its latents; `materialised` holds
    keys and values expanded for every head. `per: device` is the fullest device: tp splits KV heads and
    replicates them beyond their number, pp splits layers. `per: token` divides by the context.
    Source: Ainslie et al. 2023, "GQA", section 2.2; Jiang et al. 2023, "Mistral 7B", section 2 (rolling buffer).
    """
    count, notes = scaled(a, asked)
    return Quantity(whole(count * kv_dtype.bytes), "B", notes=notes)


@metric(unit="elements", better="less", label="KV cache elements", choices={"per": PER}, takes=Cached)
def kv_cache_elements(a: ArchitectureConfig, **asked: Unpack[Cached]) -> Quantity:
    """Scalars in the cache of keys and values.

    Formula: `kv_cache` before it is multiplied by the bytes of an element.
    Unit: elements.
    Convention: that of `kv_cache`.
    Source: as `kv_cache`.
    """
    count, notes = scaled(a, asked)
    return Quantity(whole(count), "elements", notes=notes)


@metric(unit="B", better="less", label="KV cache growth")
def kv_cache_growth(
    a: ArchitectureConfig, *, context: int, batch: int, kv_dtype: Dtype, cache: str, where: Layers
) -> Number:
    """Memory that one more token adds to the KV cache at `context` tokens.

    Formula: `kv_cache` at context + 1 less `kv_cache` at context.
    Unit: B.
    Convention: for every sequence of the batch; 0 once all windows are full.
    Source: definition.
    """
    more = elements(a, context + 1, cache, where) - elements(a, context, cache, where)
    return whole(batch * more * kv_dtype.bytes)


@metric(unit="B", better="less", label="recurrent state")
def recurrent_state(a: ArchitectureConfig, *, batch: int) -> int:
    """Memory of states that do not grow with the context.

    Formula: 0: no kind of layer that an architecture can have here keeps one.
    Unit: B.
    Convention: state-space and linear-attention layers, which have one, are refused when a config is read.
    Source: definition.
    """
    return 0


def bytes_text(dtype: Dtype) -> str:
    """`2 bytes`, `0.5 bytes`, `4.125 bits / 8`."""
    size = dtype.bytes
    if size.denominator == 1:
        return f"{size} byte{'s' if size != 1 else ''}"
    return f"{float(dtype.bits):g} bits / 8"


def _cached(spec: AttentionSpec, cache: str) -> str:
    if cache == "materialised" and cached_elements(spec, cache) != spec.cache_elements:
        return f"{spec.n_heads} heads x {spec.key_dim + spec.value_dim}"
    if spec.cache_elements == 2 * spec.n_kv_heads * spec.head_dim:
        return f"2 (K, V) x {spec.n_kv_heads} heads x {spec.head_dim}"
    return f"{spec.cache_elements:,} elements"


def _spelled(a: ArchitectureConfig, asked: Cached, size: str = "") -> str:
    """The elements of a cache in words, times the size of one."""
    context, batch, per = asked["context"], asked["batch"], asked["per"]
    counted = tally(a, asked["where"])
    one_layer = per == "layer" and len(counted.groups) == 1
    terms = []
    for group, held in group_slots(a, context, asked["cache"], asked["where"]):
        layers = "" if one_layer else f"{group.count} layer{'s' if group.count != 1 else ''} x "
        terms.append(f"{layers}{_cached(group.layer.attention, asked['cache'])} x {held:,} tokens")
    text = " + ".join(terms) or "0 layers"
    text = f"({text})" if len(terms) > 1 else text
    text += size
    if batch != 1 and per not in ("token", "sequence"):
        text += f" x {batch:,} sequences"
    if per == "layer" and not one_layer:
        text += f" / {counted.layers} layers"
    if per == "token":
        text += f" / {context:,} tokens"
    if per == "device":
        text += f", the fullest of {asked['tp'] * asked['pp']} devices"
    return text


@kv_cache.explain
def _how(a: ArchitectureConfig, *, kv_dtype: Dtype, **asked: Unpack[Cached]) -> str:
    return _spelled(a, asked, f" x {bytes_text(kv_dtype)}")


@kv_cache_elements.explain
def _how_elements(a: ArchitectureConfig, **asked: Unpack[Cached]) -> str:
    return _spelled(a, asked)
