"""What training holds: weights, gradients, master weights, optimizer state, activations, and buffers of sharding."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import NamedTuple, TypedDict, Unpack

from ...arch.attention.base import AttentionSpec
from ...arch.config import ArchitectureConfig
from ...arch.weights import Weight
from ...errors import InvalidValue, Problem
from ...units import Number, Quantity
from ..dtypes import Dtype
from ..metric import metric
from ..sharding import elements_on_device, ends, split, stages
from ..tally import Group, Layers, in_part, tally
from .activations import BACKENDS, Trained, again, by_stage, pass_of
from .cache import whole
from .memory import WEIGHT_PER, type_of

BLOCK = 256
"""Elements of an 8-bit state that share one float32 scale."""
SMALLEST = 4096
"""Tensors with fewer elements keep float32 states."""
SCALE = 4
"""Bytes of a scale, and of an element of a small tensor's state."""

Bytes = Callable[[Weight, int], Fraction]
"""Bytes of a tensor of which a device stores that many scalars."""


# Bytes of one tensor ---------------------------------------------------------------------------------------------


def moment_bytes(elements: int, optimizer: str, matrix: bool, kind: Dtype) -> Fraction:
    """Bytes of an optimizer's running averages for one tensor.

    adamw has two; adamw8bit two of one byte with a scale a block; muon one for matrices of layers and adamw's two for
    all else; sgd, without momentum, none.
    """
    if optimizer == "sgd":
        return Fraction(0)
    if optimizer == "adamw8bit":
        if elements < SMALLEST:
            return Fraction(2 * SCALE * elements)
        return Fraction(2 * (elements + SCALE * split(elements, BLOCK)))
    return elements * kind.bytes * (1 if optimizer == "muon" and matrix else 2)


def moments(optimizer: str, kind: Dtype) -> Bytes:
    """The same as a function of a tensor; the expert networks of a layer are tensors of their own."""

    def size(weight: Weight, stored: int) -> Fraction:
        inside = weight.role == "matrix" and weight.part not in ("embedding", "head")
        if weight.copies == 1 or stored % prod(weight.shape):
            return moment_bytes(stored, optimizer, inside, kind)
        one = prod(weight.shape)
        return stored // one * moment_bytes(one, optimizer, inside, kind)

    return size


def masters(weights_dtype: Dtype, master_dtype: Dtype) -> Bytes:
    """Bytes of a copy that the optimizer updates, where it is wider than the weights themselves."""

    def size(weight: Weight, stored: int) -> Fraction:
        wider = master_dtype.bits > type_of(weight, weights_dtype, weights_dtype).bits
        return stored * master_dtype.bytes if wider else Fraction(0)

    return size


def plain(kind: Dtype) -> Bytes:
    """Bytes of a tensor of a type; a model published quantised keeps what it leaves out."""
    return lambda weight, stored: stored * type_of(weight, kind, kind).bytes


# Sums over a model -----------------------------------------------------------------------------------------------


class Split(NamedTuple):
    """How a tensor is split: by heads and columns, experts, and evenly over the devices that share it."""

    tp: int = 1
    ep: int = 1
    ways: int = 1

    def stored(self, weight: Weight, attention: AttentionSpec | None) -> int:
        """Scalars of a tensor on the fullest device."""
        return split(elements_on_device(weight, attention, self.tp, self.ep), self.ways)


def total(a: ArchitectureConfig, size: Bytes, part: str | None = None, where: Layers = None) -> Fraction:
    """Bytes over all tensors, a part or some layers."""
    found = Fraction(0)
    for times, weight in tally(a, where).weights():
        if weight.parameters and in_part(weight.part, part):
            found += times * size(weight, weight.parameters)
    return found


def on_stages(a: ArchitectureConfig, pp: int, size: Bytes, by: Split) -> list[Fraction]:
    """Bytes on a device of each pipeline stage."""

    def of(weights: list[Weight] | tuple[Weight, ...], attention: AttentionSpec | None) -> Fraction:
        return sum((size(w, by.stored(w, attention)) for w in weights if w.parameters), Fraction(0))

    def of_layer(group: Group) -> Fraction:
        return of(group.weights, group.layer.attention)

    first, last = ends(a, pp)
    return [Fraction(found) for found in stages(a, pp, of_layer, of(first, None), of(last, None))]


class Sharded(TypedDict):
    """How the states of training are split."""

    part: str | None
    where: Layers
    per: str
    tp: int
    pp: int
    dp: int
    ep: int
    fsdp: int
    zero: str


def _amount(a: ArchitectureConfig, size: Bytes, stage: int, asked: Sharded) -> Quantity:
    """Bytes of a state for a model, layer or device; `stage` is the ZeRO stage from which replicas share it."""
    per, part, where = asked["per"], asked["part"], asked["where"]
    if per == "device":
        if part is not None or where is not None:
            raise InvalidValue(Problem("per", per, "cannot be combined with part or where", "Leave one of them out"))
        by = Split(asked["tp"], asked["ep"], asked["fsdp"] * _shared(asked["zero"], stage, asked["dp"]))
        return Quantity(whole(max(on_stages(a, asked["pp"], size, by))), "B")
    notes: tuple[str, ...] = ()
    if max(asked["tp"], asked["pp"], asked["dp"], asked["ep"], asked["fsdp"]) > 1:
        notes = (f"tp, pp, dp, ep, fsdp and zero change nothing of an amount per {per}: per=device is split",)
    if per == "layer":
        every = frozenset(range(a.n_layers)) if where is None else where
        if not every:
            raise InvalidValue(Problem("where", "no layer", "selects no layer to average over"))
        if len(tally(a, every).groups) > 1:
            notes += ("mean of layers that differ",)
        return Quantity(whole(total(a, size, part, every) / len(every)), "B", notes=notes)
    return Quantity(whole(total(a, size, part, where)), "B", notes=notes)


def _shared(zero: str, stage: int, dp: int) -> int:
    """Over how many replicas something is spread that ZeRO spreads from a stage on."""
    if zero != "0" and dp == 1:
        raise InvalidValue(Problem("zero", zero, "needs replicas to share between", "Give dp, or use fsdp"))
    return dp if int(zero) >= stage else 1


OPTIMIZER_STATE, GRADIENTS, WEIGHTS = 1, 2, 3
"""The ZeRO stages that spread them (and master weights with the optimizer's state)."""


@metric(unit="B", better="less", choices={"per": WEIGHT_PER}, takes=Sharded)
def gradients(a: ArchitectureConfig, *, grad_dtype: Dtype, **asked: Unpack[Sharded]) -> Quantity:
    """Memory of the gradients of all parameters.

    Formula: parameters x bits / 8, a tied matrix once.
    Unit: B.
    Convention: every parameter is trained, and its gradient is in `grad_dtype`. `per: device` is the fullest device:
    tp, ep and pp split as in `weights`, fsdp (and dp with `zero: 2` or 3) splits every tensor evenly, to the next
    whole scalar.
    Source: Rajbhandari et al. 2020, "ZeRO", section 3.1 and figure 1.
    """
    return _amount(a, plain(grad_dtype), GRADIENTS, asked)


@metric(unit="B", better="less", label="master weights", choices={"per": WEIGHT_PER}, takes=Sharded)
def master_weights(
    a: ArchitectureConfig, *, weights_dtype: Dtype, master_dtype: Dtype, **asked: Unpack[Sharded]
) -> Quantity:
    """Memory of the copy of the weights that the optimizer updates.

    Formula: parameters x bits / 8 where `master_dtype` is wider than the weights, else 0: the weights are that copy.
    Unit: B.
    Convention: that of `gradients`; split with the optimizer's state, from `zero: 1` on.
    Source: Micikevicius et al. 2018, "Mixed Precision Training", section 3.1; Rajbhandari et al. 2020, section 3.1.
    """
    return _amount(a, masters(weights_dtype, master_dtype), OPTIMIZER_STATE, asked)


@metric(unit="B", better="less", label="optimizer state", choices={"per": WEIGHT_PER}, takes=Sharded)
def optimizer_state(
    a: ArchitectureConfig, *, optimizer: str, optimizer_dtype: Dtype, **asked: Unpack[Sharded]
) -> Quantity:
    """Memory of an optimizer's running averages, without the master weights.

    Formula: adamw: 2 x parameters x bits / 8. adamw8bit: 2 x (parameters + 4 for every block of 256), and 8 bytes a
    scalar for tensors under 4,096 scalars. muon: 1 x for matrices inside the layers, 2 x for the rest, which adamw
    trains. sgd: 0.
    Unit: B.
    Convention: that of `gradients`; sgd is without momentum; step counters (a number a tensor) are not counted.
    Split over dp from `zero: 1` on.
    Source: Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2 (adamw); Dettmers et al.
    2022, "8-bit Optimizers via Block-wise Quantization", section 2, with the block of 256 of bitsandbytes; Jordan et
    al. 2024, "Muon" (muon).
    """
    return _amount(a, moments(optimizer, optimizer_dtype), OPTIMIZER_STATE, asked)


# All of it -------------------------------------------------------------------------------------------------------


class Training(Trained):
    """The settings of all that training holds."""

    weights_dtype: Dtype
    grad_dtype: Dtype
    master_dtype: Dtype
    optimizer_dtype: Dtype
    optimizer: str
    approximation: str | None
    ep: int
    zero: str


def _parts(a: ArchitectureConfig, asked: Training) -> dict[str, list[Fraction]]:
    """Bytes on a device of each pipeline stage, by what they are."""
    weights_dtype, tp, pp, ep = asked["weights_dtype"], asked["tp"], asked["pp"], asked["ep"]
    dp, fsdp, zero = asked["dp"], asked["fsdp"], asked["zero"]
    sizes: tuple[tuple[str, Bytes, int], ...] = (
        ("weights", plain(weights_dtype), WEIGHTS),
        ("gradients", plain(asked["grad_dtype"]), GRADIENTS),
        ("master weights", masters(weights_dtype, asked["master_dtype"]), OPTIMIZER_STATE),
        ("optimizer state", moments(asked["optimizer"], asked["optimizer_dtype"]), OPTIMIZER_STATE),
    )
    found = {
        name: on_stages(a, pp, size, Split(tp, ep, fsdp * _shared(zero, stage, dp))) for name, size, stage in sizes
    }
    if asked["approximation"] == "states":
        return found
    run = pass_of(asked, megatron=False)
    repeated = again(a, run)
    found["activations"] = [kept + repeated for kept in by_stage(a, run, pp)]
    if fsdp > 1 or (zero == "3" and dp > 1):
        found["buffers"] = _buffers(a, asked)
    return found


def _buffers(a: ArchitectureConfig, asked: Training) -> list[Fraction]:
    """What sharded weights need whole: two layers and the ends, and the gradient of one layer."""
    by = Split(asked["tp"], asked["ep"])
    used, slope = plain(asked["weights_dtype"]), plain(asked["grad_dtype"])
    layer = gradient = Fraction(0)
    for group in tally(a).groups:
        stored = [(w, by.stored(w, group.layer.attention)) for w in group.weights if w.parameters]
        layer = max(layer, sum((used(w, n) for w, n in stored), Fraction(0)))
        gradient = max(gradient, sum((slope(w, n) for w, n in stored), Fraction(0)))
    first, last = (
        sum((used(w, by.stored(w, None)) for w in end if w.parameters), Fraction(0)) for end in ends(a, asked["pp"])
    )
    none: Callable[[Group], Number] = lambda group: 0  # noqa: E731
    return [Fraction(end) + 2 * layer + gradient for end in stages(a, asked["pp"], none, first, last)]


@metric(
    unit="B",
    better="less",
    label="training memory",
    choices={"per": ("model", "device"), "approximation": ("states",), "backend": BACKENDS},
    takes=Training,
)
def training_memory(a: ArchitectureConfig, *, per: str = "device", **asked: Unpack[Training]) -> Quantity:
    """Memory that one device holds in training: weights, gradients, master weights, optimizer state, activations.

    Formula: `weights` + `gradients` + `master_weights` + `optimizer_state` + `activations`, each as it is split; with
    checkpointing the activations of one layer more, which is computed again; where weights are sharded (fsdp, or
    `zero: 3`) the buffers: two layers and what lies outside the layers whole in the weights' type, and the gradient
    of one layer.
    Unit: B.
    Convention: the fullest device. tp splits heads and columns, ep routed experts, pp layers (stage i of p holds p - i
    micro-batches of `batch` sequences), cp the context; dp and fsdp split the batch, fsdp every tensor of every state
    as well; `zero` says which states dp splits too: 1 optimizer state and master weights, 2 gradients, 3 weights.
    `approximation: states` leaves activations and buffers out, as the ZeRO paper's figures do. What the backward pass
    computes with (the gradient of the logits above all), communication and fragmentation are not counted.
    `per: model` is all of it on one device.
    Source: Rajbhandari et al. 2020, "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models",
    arXiv:1910.02054, sections 3 and 5; Zhao et al. 2023, "PyTorch FSDP", arXiv:2304.11277, section 3 (what is whole).
    """
    alone = _alone(asked)
    changed = per == "model" and alone != asked
    notes = ("tp, pp, dp, ep, cp and fsdp change nothing of an amount per model",) if changed else ()
    sums = [sum(found, Fraction(0)) for found in _by_stage(a, alone if per == "model" else asked)]
    return Quantity(whole(max(sums)), "B", notes=notes)


def _alone(asked: Training) -> Training:
    """The same on one device."""
    return {**asked, "tp": 1, "pp": 1, "dp": 1, "ep": 1, "cp": 1, "fsdp": 1, "zero": "0"}


def _by_stage(a: ArchitectureConfig, asked: Training) -> list[tuple[Fraction, ...]]:
    return list(zip(*_parts(a, asked).values(), strict=True))


@training_memory.explain
def _how(a: ArchitectureConfig, *, per: str = "device", **asked: Unpack[Training]) -> str:
    parts = _parts(a, _alone(asked) if per == "model" else asked)
    fullest = max(zip(*parts.values(), strict=True), key=sum)
    return " + ".join(f"{Quantity(whole(size), 'B')} {name}" for name, size in zip(parts, fullest, strict=True))


@gradients.explain
def _how_gradients(a: ArchitectureConfig, *, grad_dtype: Dtype, **asked: Unpack[Sharded]) -> str:
    if asked["per"] != "model":
        return ""
    count = sum(
        times * w.parameters for times, w in tally(a, asked["where"]).weights() if in_part(w.part, asked["part"])
    )
    return f"{count:,} parameters x {grad_dtype.bits} bits / 8"
