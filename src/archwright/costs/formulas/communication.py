"""Bytes that a device sends to others in one step, by the collectives that its parallelism needs."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypedDict, Unpack

from ...arch.config import ArchitectureConfig
from ...units import Number
from ..dtypes import Dtype
from ..metric import metric
from ..sharding import cache_elements_on_device, split, stages
from ..tally import Group
from .cache import whole
from .training_memory import Split, on_stages, plain


class Sent(TypedDict):
    """The settings of one step over several devices."""

    context: int
    batch: int
    phase: str
    weights_dtype: Dtype
    activation_dtype: Dtype
    grad_dtype: Dtype
    tp: int
    pp: int
    dp: int
    ep: int
    cp: int
    fsdp: int
    zero: str


@dataclass(frozen=True, slots=True)
class Ring:
    """Collectives over a number of devices, each sending as little as any algorithm can."""

    ways: int

    @property
    def gather(self) -> Fraction:
        """Share of the whole that a device sends in an all-gather, a reduce-scatter or an all-to-all."""
        return Fraction(self.ways - 1, self.ways)

    @property
    def reduce(self) -> Fraction:
        """The same in an all-reduce: a reduce-scatter and an all-gather."""
        return 2 * self.gather


def in_layer(group: Group, asked: Sent, tokens: int, backward: bool = False) -> Fraction:
    """Bytes that a layer sends in one direction: sums of split products, experts' tokens, keys and values."""
    layer = group.layer
    stream = tokens * layer.attention.d_model * asked["activation_dtype"].bytes
    sums = 1 if layer.residual == "parallel" else 2
    total = sums * stream * Ring(asked["tp"]).reduce
    top_k = max((w.active for w in group.weights if w.part == "experts"), default=0)
    total += 2 * top_k * stream * Ring(asked["ep"]).gather  # out to the experts, and back
    if asked["cp"] > 1 and asked["phase"] != "decode":
        one = cache_elements_on_device(layer.attention, asked["tp"]) * asked["activation_dtype"].bytes
        round_trip = (asked["cp"] - 1) * tokens * one  # every device's keys and values go round the ring
        total += round_trip * (2 if backward else 1)  # and their gradients with them
    return total


@metric(unit="B", better="less", label="communication", takes=Sent)
def communication_bytes(a: ArchitectureConfig, **asked: Unpack[Sent]) -> Number:
    """Bytes that the busiest device sends in one step: a prefill, a decoded token of every sequence, or a micro-batch.

    Formula: with N = tokens on the device x d_model x bits / 8, and (n - 1) / n of a tensor for an all-gather, a
    reduce-scatter or an all-to-all over n devices, twice that for an all-reduce: tp: 2 all-reduces of N a layer (1
    with parallel parts) and 1 for the split embedding; ep: 2 all-to-alls of top_k x N a layer; cp: keys and values
    cp - 1 times; pp: N between stages. `phase: train` takes these twice (keys and values three times, the gradients
    with them), and adds: dp an all-reduce of the gradients (with `zero` a reduce-scatter and an all-gather of the
    weights, with `zero: 3` another all-gather), fsdp two all-gathers of the weights and a reduce-scatter of gradients.
    Unit: B, sent; as many are received.
    Convention: algorithms that send the least (rings), everything in `activation_dtype`, weights and gradients in
    theirs; the logits stay split. Experts are spread evenly. `cp` decodes without communication of keys. Tokens on
    the device are batch / (dp x fsdp) x context / cp.
    Source: Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms"; Shoeybi et al. 2019, "Megatron-LM",
    section 3; Rajbhandari et al. 2020, "ZeRO", section 7; Liu et al. 2023, "Ring Attention", section 3.
    """
    sequences = split(asked["batch"], asked["dp"] * asked["fsdp"])
    queries = 1 if asked["phase"] == "decode" else split(asked["context"], asked["cp"])
    tokens = sequences * queries
    stream = tokens * a.d_model * asked["activation_dtype"].bytes
    first = stream * Ring(asked["tp"]).reduce
    between = stream if asked["pp"] > 1 else Fraction(0)
    none = Fraction(0)
    sent = stages(a, asked["pp"], lambda group: in_layer(group, asked, tokens), first, none)
    back = stages(a, asked["pp"], lambda group: in_layer(group, asked, tokens, True), none, first)
    by = Split(asked["tp"], asked["ep"])
    training = asked["phase"] == "train"
    totals = []
    states = zip(
        on_stages(a, asked["pp"], plain(asked["weights_dtype"]), by),
        on_stages(a, asked["pp"], plain(asked["grad_dtype"]), by),
        strict=True,
    )
    for stage, (own, returned, (weights, gradients)) in enumerate(zip(sent, back, states, strict=True)):
        forward = own + (between if stage < asked["pp"] - 1 else none)
        if not training:
            totals.append(forward)
            continue
        backward = returned + (between if stage > 0 else none)
        totals.append(forward + backward + _replicas(asked, weights, gradients))
    return whole(max(totals))


def _replicas(asked: Sent, weights: Fraction, gradients: Fraction) -> Fraction:
    """Bytes that replicas send each other in a training step."""
    shards, replicas = Ring(asked["fsdp"]), Ring(asked["dp"])
    total = shards.gather * (2 * weights + gradients)
    weights, gradients = weights / asked["fsdp"], gradients / asked["fsdp"]
    if asked["zero"] == "0":
        return total + replicas.reduce * gradients
    gathers = 2 if asked["zero"] == "3" else 1
    return total + replicas.gather * (gradients + gathers * weights)
