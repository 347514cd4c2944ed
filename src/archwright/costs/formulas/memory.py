"""What the weights weigh, and what inference needs in all."""

from __future__ import annotations

from fractions import Fraction
from typing import TypedDict, Unpack

from ...arch.attention.base import AttentionSpec
from ...arch.config import ArchitectureConfig
from ...arch.weights import Weight
from ...errors import InvalidValue, Problem
from ...units import Number, Quantity
from ..dtypes import Dtype
from ..metric import metric
from ..sharding import cache_elements_on_device, elements_on_device, ends, fullest_stage
from ..tally import Group, Layers, in_part, tally
from .cache import bytes_text, elements, group_slots, whole

WEIGHT_PER = ("model", "layer", "device")


def type_of(weight: Weight, weights_dtype: Dtype, moe_dtype: Dtype) -> Dtype:
    """The type a tensor is stored in: `moe_dtype` for the matrices of routed experts.

    Of a model published quantised, vectors and the parts it leaves out keep their own type.
    """
    kind = moe_dtype if weight.part == "experts" and weight.role == "matrix" else weights_dtype
    return kind.stores(weight.part, weight.role)


def weight_bytes(
    a: ArchitectureConfig, weights_dtype: Dtype, moe_dtype: Dtype, part: str | None = None, where: Layers = None
) -> Fraction:
    """Bytes of all stored tensors, of a part or of some layers."""
    bits = Fraction(0)
    for times, weight in tally(a, where).weights():
        if weight.parameters and in_part(weight.part, part):
            bits += times * weight.parameters * type_of(weight, weights_dtype, moe_dtype).bits
    return bits / 8


class OnDevice:
    """Bytes on the fullest device of a sharded model, as a function of context and batch.

    The weights are summed once, so that a search over contexts or batches stays fast.
    """

    def __init__(
        self, a: ArchitectureConfig, weights_dtype: Dtype, moe_dtype: Dtype, tp: int, pp: int, ep: int = 1
    ) -> None:
        self.a, self.tp, self.pp = a, tp, pp

        def size(weight: Weight, attention: AttentionSpec | None) -> Fraction:
            return elements_on_device(weight, attention, tp, ep) * type_of(weight, weights_dtype, moe_dtype).bytes

        found = tally(a)
        self.layers = {
            id(g.layer): sum((size(w, g.layer.attention) for w in g.weights), Fraction(0)) for g in found.groups
        }
        first, last = ends(a, pp)
        self.first = sum((size(w, None) for w in first), Fraction(0))
        self.last = sum((size(w, None) for w in last), Fraction(0))

    def weights(self) -> Fraction:
        """Bytes of the weights."""
        return Fraction(
            fullest_stage(self.a, self.pp, lambda group: self.layers[id(group.layer)], self.first, self.last)
        )

    def all(self, context: int, batch: int, kv_dtype: Dtype, cache: str) -> Fraction:
        """Bytes of the weights and of the KV cache."""
        held = {id(g.layer): slots for g, slots in group_slots(self.a, context, cache)}
        size = kv_dtype.bytes * batch

        def of_layer(group: Group) -> Fraction:
            on_device = cache_elements_on_device(group.layer.attention, self.tp, cache)
            return self.layers[id(group.layer)] + held[id(group.layer)] * on_device * size

        return Fraction(fullest_stage(self.a, self.pp, of_layer, self.first, self.last))


def _unsplit_note(per: str, tp: int, pp: int, ep: int) -> tuple[str, ...]:
    return (f"tp, pp and ep change nothing of an amount per {per}: per=device is split",) if tp * pp * ep > 1 else ()


class Stored(TypedDict):
    """The settings of an amount of weights."""

    weights_dtype: Dtype
    moe_dtype: Dtype
    part: str | None
    where: Layers
    per: str
    tp: int
    pp: int
    ep: int


@metric(unit="B", better="less", choices={"per": WEIGHT_PER}, takes=Stored)
def weights(a: ArchitectureConfig, **asked: Unpack[Stored]) -> Quantity:
    """Memory of the stored weights.

    Formula: the sum over tensors of scalars x bits / 8, a tied matrix once.
    Unit: B.
    Convention: every tensor is stored in `weights_dtype`, scales included in its bits; the matrices of routed
    experts in `moe_dtype` where that is given. `per: device` is the fullest device: tp splits heads and columns
    (KV heads are replicated beyond their number; norms and routers are held whole), ep splits routed experts, pp
    splits layers; the embedding lies on the first stage and the head on the last. `per: layer` is the mean of the
    layers, without what is outside them.
    Source: Shoeybi et al. 2019, "Megatron-LM", section 3 (which matrices are split).
    """
    weights_dtype, moe_dtype, per = asked["weights_dtype"], asked["moe_dtype"], asked["per"]
    part, where, tp, pp, ep = asked["part"], asked["where"], asked["tp"], asked["pp"], asked["ep"]
    if per == "device":
        if part is not None or where is not None:
            raise InvalidValue(Problem("per", per, "cannot be combined with part or where", "Leave one of them out"))
        return Quantity(whole(OnDevice(a, weights_dtype, moe_dtype, tp, pp, ep).weights()), "B")
    notes = _unsplit_note(per, tp, pp, ep)
    if per == "layer":
        every = frozenset(range(a.n_layers)) if where is None else where
        if not every:
            raise InvalidValue(Problem("where", "no layer", "selects no layer to average over"))
        if len(tally(a, every).groups) > 1:
            notes += ("mean of layers that differ",)
        found = weight_bytes(a, weights_dtype, moe_dtype, part, every) / len(every)
        return Quantity(whole(found), "B", notes=notes)
    return Quantity(whole(weight_bytes(a, weights_dtype, moe_dtype, part, where)), "B", notes=notes)


class Inference(TypedDict):
    """The settings of what inference holds."""

    context: int
    batch: int
    weights_dtype: Dtype
    kv_dtype: Dtype
    moe_dtype: Dtype
    cache: str
    per: str
    tp: int
    pp: int
    ep: int


@metric(unit="B", better="less", label="weights + KV cache", choices={"per": ("model", "device")}, takes=Inference)
def inference_memory(a: ArchitectureConfig, **asked: Unpack[Inference]) -> Quantity:
    """Memory that inference must hold: weights and KV cache.

    Formula: `weights` + `kv_cache`.
    Unit: B.
    Convention: workspace and activations are what `usable` leaves of a device. `per: device` is the fullest
    device of tp x pp, which need not be the fullest of both addends.
    Source: definition.
    """
    context, batch, kv_dtype, cache = asked["context"], asked["batch"], asked["kv_dtype"], asked["cache"]
    if asked["per"] == "device":
        held = OnDevice(a, asked["weights_dtype"], asked["moe_dtype"], asked["tp"], asked["pp"], asked["ep"])
        return Quantity(whole(held.all(context, batch, kv_dtype, cache)), "B")
    cached: Number = batch * elements(a, context, cache) * kv_dtype.bytes
    total = weight_bytes(a, asked["weights_dtype"], asked["moe_dtype"]) + cached
    return Quantity(whole(total), "B", notes=_unsplit_note(asked["per"], asked["tp"], asked["pp"], asked["ep"]))


def _stored(a: ArchitectureConfig, weights_dtype: Dtype, moe_dtype: Dtype, part: str | None, where: Layers) -> str:
    counts: dict[str, tuple[int, Dtype]] = {}
    for times, weight in tally(a, where).weights():
        if weight.parameters and in_part(weight.part, part):
            kind = type_of(weight, weights_dtype, moe_dtype)
            counts[kind.name] = (counts.get(kind.name, (0, kind))[0] + times * weight.parameters, kind)
    return " + ".join(f"{n:,} parameters x {bytes_text(kind)}" for n, kind in counts.values()) or "0 parameters"


@weights.explain
def _how_weights(a: ArchitectureConfig, **asked: Unpack[Stored]) -> str:
    every = asked["where"]
    if asked["per"] == "layer" and every is None:
        every = frozenset(range(a.n_layers))
    text = _stored(a, asked["weights_dtype"], asked["moe_dtype"], asked["part"], every)
    if asked["per"] == "layer" and every:
        text += f" / {len(every)} layers"
    if asked["per"] == "device":
        text += f", the fullest of {asked['tp'] * asked['pp']} devices"
    return text


@inference_memory.explain
def _how_memory(a: ArchitectureConfig, **asked: Unpack[Inference]) -> str:
    held = Quantity(whole(weight_bytes(a, asked["weights_dtype"], asked["moe_dtype"])), "B")
    cached = asked["batch"] * elements(a, asked["context"], asked["cache"]) * asked["kv_dtype"].bytes
    device = f", the fullest of {asked['tp'] * asked['pp']} devices" if asked["per"] == "device" else ""
    return f"{held} weights + {Quantity(whole(cached), 'B')} KV cache{device}"
