"""What training keeps of the forward pass for the backward pass: of our modules exactly, or by Megatron's list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import TypedDict, Unpack

from ...arch.config import ArchitectureConfig
from ...errors import InvalidValue, Problem
from ...units import Quantity
from ..dtypes import Dtype
from ..metric import metric
from ..sharding import split, stages
from ..tally import Group, Layers, tally
from .cache import whole
from .kept import Pass, layer_bytes, outer_bytes

BACKENDS = ("auto", "chunked", "flash", "flex", "reference", "sdpa")
ACTIVATIONS_PER = ("model", "layer", "device")


class Trained(TypedDict):
    """The settings of one training step on a device."""

    context: int
    batch: int
    activation_dtype: Dtype
    checkpointing: str
    loss: str
    backend: str | None
    tp: int
    pp: int
    dp: int
    cp: int
    fsdp: int


def pass_of(asked: Trained, megatron: bool, whole_model: bool = False) -> Pass:
    """What goes through one device; through all of them as one, for a whole model."""
    ways = (1, 1, 1) if whole_model else (asked["dp"] * asked["fsdp"], asked["cp"], asked["tp"])
    return Pass(
        split(asked["batch"], ways[0]),
        split(asked["context"], ways[1]),
        asked["context"],
        asked["activation_dtype"].bytes,
        asked["backend"],
        asked["checkpointing"],
        asked["loss"],
        megatron,
        ways[2],
    )


def by_stage(a: ArchitectureConfig, run: Pass, pp: int) -> list[Fraction]:
    """Bytes on a device of each pipeline stage: stage i of p holds p - i micro-batches (one forward, one backward)."""
    kept: Callable[[Group], Fraction] = lambda group: layer_bytes(group.layer, run)  # noqa: E731
    return [Fraction(size) * (pp - i) for i, size in enumerate(stages(a, pp, kept, *outer_bytes(a, run)))]


def again(a: ArchitectureConfig, run: Pass) -> Fraction:
    """Bytes of the one layer that checkpointing computes again: what it keeps beyond what was kept."""
    if run.checkpointing == "none":
        return Fraction(0)
    plain = replace(run, checkpointing="none")
    return max(layer_bytes(g.layer, plain) - layer_bytes(g.layer, run) for g in tally(a).groups)


@metric(
    unit="B",
    better="less",
    choices={"per": ACTIVATIONS_PER, "approximation": ("megatron",), "backend": BACKENDS},
    takes=Trained,
)
def activations(
    a: ArchitectureConfig, *, approximation: str | None, per: str, where: Layers, **asked: Unpack[Trained]
) -> Quantity:
    """Memory of what a training step keeps of its forward pass for its backward pass.

    Formula: the sum over layers of the tensors that autograd saves in our modules, each storage once: the layer's
    input, sums and norms (4 bytes a statistic), queries, keys, values, the attention output (twice after rotary
    positions: as the kernel gave it and as its projection reads it), 4 bytes a head and token of the softmax, angles,
    and 4 hidden widths of a gated feed-forward part (2 of a plain one). Outside the layers: tokens, the final norm,
    the head's input, and the loss: `full` keeps float32 log-probabilities over the vocabulary, `fused` one number a
    token.
    Unit: B.
    Convention: everything computes in `activation_dtype`, without copies in another type; a norm is one kernel, as on
    an accelerator (on a CPU, RMSNorm keeps its normalised input as well, and a dropout's mask is as wide as what it
    masks). `backend: reference` keeps the scores as well; `sdpa` keeps a mask of window layers; the others keep none.
    `checkpointing: selective` keeps the results of projections and of fused attention, `full` the inputs of layers.
    `approximation: megatron` is the list of the paper: s b h (34 + 5 a s / h) bytes of a GPT layer in 16 bits, with
    unfused attention and three dropouts; its selective leaves out what has s x s elements. `per: device` is the
    fullest device: dp and fsdp split the batch, cp the context, tp heads and columns (not what norms and dropouts on
    the residual stream keep), and the first of pp stages holds pp micro-batches of `batch` sequences. `per: layer`
    is the mean of the layers.
    Source: the operators of each module; Korthikanti et al. 2022, "Reducing Activation Recomputation in Large
    Transformer Models", arXiv:2205.05198, equations 1 and 2 and section 4.3 (Megatron's list).
    """
    run = pass_of(asked, approximation == "megatron", per != "device")
    if per == "device":
        if where is not None:
            raise InvalidValue(Problem("where", "some layers", "cannot be combined with per=device", "Leave one out"))
        return Quantity(whole(max(by_stage(a, run, asked["pp"]))), "B")
    notes: tuple[str, ...] = ()
    if any(asked[name] > 1 for name in ("tp", "pp", "dp", "cp", "fsdp")):
        notes = (f"tp, pp, dp, cp and fsdp change nothing of an amount per {per}: per=device is split",)
    chosen = tally(a, frozenset(range(a.n_layers)) if per == "layer" and where is None else where)
    total = sum((g.count * layer_bytes(g.layer, run) for g in chosen.groups), Fraction(0))
    if per == "layer":
        if not chosen.layers:
            raise InvalidValue(Problem("where", "no layer", "selects no layer to average over"))
        if len({layer_bytes(g.layer, run) for g in chosen.groups}) > 1:
            notes += ("mean of layers that differ",)
        return Quantity(whole(total / chosen.layers), "B", notes=notes)
    if where is None:
        total += sum(outer_bytes(a, run))
    return Quantity(whole(total), "B", notes=notes)


@activations.explain
def _how(a: ArchitectureConfig, *, approximation: str | None, per: str, where: Layers, **asked: Unpack[Trained]) -> str:
    run = pass_of(asked, approximation == "megatron", per != "device")
    terms = []
    for group in tally(a, where).groups:
        each = Quantity(whole(layer_bytes(group.layer, run)), "B")
        layers = f"{group.count} layer{'s' if group.count != 1 else ''} x "
        terms.append(f"{layers}{each} ({int(each.value) // run.tokens:,} B a token)")
    if per == "layer":
        return f"({' + '.join(terms)}) / {tally(a, where).layers} layers"
    if where is None:
        first, last = (Quantity(whole(size), "B") for size in outer_bytes(a, run))
        terms.append(f"{first} before and {last} after the layers")
    text = " + ".join(terms)
    return f"{text}, on the fullest device" if per == "device" else text
