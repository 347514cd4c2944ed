"""Bytes between memory and chip: what a phase reads and writes at the least."""

from __future__ import annotations

from fractions import Fraction
from math import prod

from ...arch.config import ArchitectureConfig
from ...arch.weights import Weight
from ...units import Number
from ..dtypes import Dtype
from ..metric import metric
from ..tally import Group, Layers, in_part, tally
from .arithmetic import by_part
from .cache import whole
from .experts import touched
from .memory import type_of

PHASES = ("prefill", "decode")


def elements_read(weight: Weight, tokens: int) -> int | Fraction:
    """Scalars of a tensor that `tokens` tokens at once read.

    A matrix is read once, tied or not; a table one row a token, at most all rows; of routed experts, those that the
    tokens touch.
    """
    if weight.role == "table":
        return min(tokens, weight.shape[0]) * prod(weight.shape[1:])
    if weight.copies == 1:
        return prod(weight.shape)
    return prod(weight.shape) * touched(weight.copies, weight.active, tokens)


def read_by_weights(
    weights: tuple[Weight, ...], tokens: int, weights_dtype: Dtype, moe_dtype: Dtype
) -> dict[str, Fraction]:
    """Bytes of the weights read, by part."""
    found: dict[str, Fraction] = {}
    for weight in weights:
        size = elements_read(weight, tokens) * type_of(weight, weights_dtype, moe_dtype).bytes
        found[weight.part] = found.get(weight.part, Fraction(0)) + size
    return found


def tokens_at_once(phase: str, context: int, batch: int) -> int:
    """Tokens that go through the weights together: one of each sequence, or all of them."""
    return batch if phase == "decode" else batch * context


def cache_read(group: Group, phase: str, context: int) -> int:
    """Cached scalars that one layer reads for one sequence: the keys seen, or every token's keys and values once."""
    spec = group.layer.attention
    keys = spec.visible_keys(context - 1) if phase == "decode" else context
    return keys * spec.cache_elements


def cache_written(group: Group, phase: str, context: int) -> int:
    """Cached scalars that one layer writes for one sequence: those of the new tokens that it must hold."""
    spec = group.layer.attention
    return (1 if phase == "decode" else spec.cache_slots(context)) * spec.cache_elements


def weights_read(
    a: ArchitectureConfig, phase: str, context: int, batch: int, weights_dtype: Dtype, moe_dtype: Dtype, where: Layers
) -> dict[str, Fraction]:
    """Bytes of weights read by one step of a phase, by part."""
    counted = tally(a, where)
    tokens = tokens_at_once(phase, context, batch)
    found = read_by_weights(counted.outer, tokens, weights_dtype, moe_dtype)
    for group in counted.groups:
        for part, size in read_by_weights(group.weights, tokens, weights_dtype, moe_dtype).items():
            found[part] = found.get(part, Fraction(0)) + group.count * size
    return found


def _cache_bytes_read(
    a: ArchitectureConfig, phase: str, context: int, batch: int, kv_dtype: Dtype, where: Layers
) -> Fraction:
    groups = tally(a, where).groups
    return sum((g.count * cache_read(g, phase, context) * kv_dtype.bytes for g in groups), Fraction(0)) * batch


def _cache_bytes_written(
    a: ArchitectureConfig, phase: str, context: int, batch: int, kv_dtype: Dtype, where: Layers
) -> Fraction:
    groups = tally(a, where).groups
    return sum((g.count * cache_written(g, phase, context) * kv_dtype.bytes for g in groups), Fraction(0)) * batch


@metric(unit="B", better="less", label="weights read", choices={"phase": PHASES})
def weight_bytes_read(
    a: ArchitectureConfig,
    *,
    context: int,
    batch: int,
    phase: str,
    weights_dtype: Dtype,
    moe_dtype: Dtype,
    part: str | None,
    where: Layers,
) -> Number:
    """Bytes of weights that one step reads at the least: a whole prefill, or one decoded token of every sequence.

    Formula: the sum over matrices and vectors of elements x bits / 8, each once; one row of the embedding a token,
    at most the whole table.
    Unit: B.
    Convention: a tied table is read whole by the output head. Each weight is read once a step, whatever the batch;
    of routed experts those that the tokens touch (`experts_touched`).
    Source: Williams et al. 2009, "Roofline" (compulsory traffic).
    """
    found = weights_read(a, phase, context, batch, weights_dtype, moe_dtype, where)
    return whole(sum((size for name, size in found.items() if in_part(name, part)), Fraction(0)))


@metric(unit="B", better="less", label="KV cache read", choices={"phase": PHASES})
def kv_bytes_read(
    a: ArchitectureConfig, *, context: int, batch: int, phase: str, kv_dtype: Dtype, where: Layers
) -> Number:
    """Bytes of keys and values that one step reads at the least.

    Formula: decode: batch x the sum over layers of visible keys x elements x bits / 8. prefill: every token's keys
    and values once.
    Unit: B.
    Convention: a window layer reads its window; a dilated one the keys it sees, not its gaps.
    Source: as `weight_bytes_read`.
    """
    return whole(_cache_bytes_read(a, phase, context, batch, kv_dtype, where))


@metric(unit="B", better="less", label="bytes read", choices={"phase": PHASES})
def bytes_read(
    a: ArchitectureConfig,
    *,
    context: int,
    batch: int,
    phase: str,
    weights_dtype: Dtype,
    kv_dtype: Dtype,
    moe_dtype: Dtype,
    where: Layers,
) -> Number:
    """Bytes that one step reads from memory at the least.

    Formula: `weight_bytes_read` + `kv_bytes_read`.
    Unit: B.
    Convention: activations are taken to stay on the chip, so that it is a lower bound.
    Source: as `weight_bytes_read`.
    """
    read = sum(weights_read(a, phase, context, batch, weights_dtype, moe_dtype, where).values(), Fraction(0))
    return whole(read + _cache_bytes_read(a, phase, context, batch, kv_dtype, where))


@metric(unit="B", better="less", label="bytes written", choices={"phase": PHASES})
def bytes_written(
    a: ArchitectureConfig, *, context: int, batch: int, phase: str, kv_dtype: Dtype, where: Layers
) -> Number:
    """Bytes that one step writes to memory at the least: keys and values.

    Formula: decode: those of one token; prefill: those of the slots that the cache holds.
    Unit: B.
    Convention: activations and logits are not counted.
    Source: as `weight_bytes_read`.
    """
    return whole(_cache_bytes_written(a, phase, context, batch, kv_dtype, where))


@metric(unit="FLOP/B", better=None, label="arithmetic intensity", choices={"phase": PHASES})
def arithmetic_intensity(
    a: ArchitectureConfig,
    *,
    context: int,
    batch: int,
    phase: str,
    weights_dtype: Dtype,
    kv_dtype: Dtype,
    moe_dtype: Dtype,
    where: Layers,
) -> Fraction:
    """FLOP for each byte that moves between memory and chip.

    Formula: matrix-product FLOP of the step / (`bytes_read` + `bytes_written`).
    Unit: FLOP/B.
    Convention: visible pairs; compulsory traffic alone, so that real kernels have less. Under the device's
    `ridge_point` a step is bound by memory.
    Source: Williams et al. 2009, "Roofline".
    """
    flops = batch * sum(by_part(a, context, phase, "visible", where).values())
    moved = sum(weights_read(a, phase, context, batch, weights_dtype, moe_dtype, where).values(), Fraction(0))
    moved += _cache_bytes_read(a, phase, context, batch, kv_dtype, where)
    moved += _cache_bytes_written(a, phase, context, batch, kv_dtype, where)
    return Fraction(flops) / (moved or 1)


@weight_bytes_read.explain
def _how_weights(
    a: ArchitectureConfig,
    *,
    context: int,
    batch: int,
    phase: str,
    weights_dtype: Dtype,
    moe_dtype: Dtype,
    part: str | None,
    where: Layers,
) -> str:
    found = weights_read(a, phase, context, batch, weights_dtype, moe_dtype, where)
    return " + ".join(f"{int(size):,} B {name}" for name, size in found.items() if size and in_part(name, part))
