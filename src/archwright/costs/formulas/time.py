"""Times and rates on a device: bounds that no implementation can beat."""

from __future__ import annotations

from fractions import Fraction
from typing import TypedDict, Unpack

from ...arch.config import ArchitectureConfig
from ...errors import InvalidValue, Problem
from ...units import Quantity
from ..dtypes import Dtype
from ..hardware import Device
from ..metric import metric
from ..roofline import Bound, Work, bound
from .cache import elements
from .memory import weight_bytes


class Step(TypedDict):
    """The settings of one step on a device."""

    device: Device
    context: int
    batch: int
    weights_dtype: Dtype
    kv_dtype: Dtype
    activation_dtype: Dtype
    moe_dtype: Dtype
    efficiency: Fraction


@metric(unit="FLOP/B", better=None, label="ridge point")
def ridge_point(a: ArchitectureConfig, *, device: Device, activation_dtype: Dtype) -> Fraction:
    """Arithmetic intensity from which a device is bound by arithmetic instead of memory.

    Formula: dense peak FLOP/s of the type / memory bandwidth.
    Unit: FLOP/B.
    Convention: dense peaks, never those for structured sparsity. The same for every architecture.
    Source: Williams et al. 2009, "Roofline"; the device's file.
    """
    return device.peak(activation_dtype.name) / device.bandwidth


def step_bound(a: ArchitectureConfig, phase: str, step: Step, head_at_last: bool = False) -> Bound:
    """The bound of one prefill or of one decoded token of every sequence."""
    work = Work(
        phase,
        step["context"],
        step["batch"],
        step["weights_dtype"],
        step["kv_dtype"],
        step["activation_dtype"],
        step["moe_dtype"],
        head_at_last,
    )
    return bound(a, step["device"], work, step["efficiency"])


def _notes(a: ArchitectureConfig, found: Bound, step: Step) -> tuple[str, ...]:
    """What binds, and whether the model could be there at all."""
    device = step["device"]
    binds = f"memory-bound, {Quantity(device.bandwidth, 'B/s')}" if found.memory_bound else "compute-bound"
    held = weight_bytes(a, step["weights_dtype"], step["moe_dtype"])
    held += step["batch"] * elements(a, step["context"], "needed") * step["kv_dtype"].bytes
    if held <= device.memory:
        return (binds,)
    return (binds, f"{Quantity(held, 'B')} of weights and cache do not fit one {device.name}")


def _time(a: ArchitectureConfig, phase: str, step: Step, head_at_last: bool = False) -> Quantity:
    found = step_bound(a, phase, step, head_at_last)
    return Quantity(found.seconds, "s", notes=_notes(a, found, step))


def _rate(a: ArchitectureConfig, phase: str, step: Step, tokens: int) -> Quantity:
    found = step_bound(a, phase, step)
    return Quantity(tokens / found.seconds, "tokens/s", notes=_notes(a, found, step))


@metric(unit="s", better="less", label="prefill time, at least", takes=Step)
def prefill_time(a: ArchitectureConfig, **step: Unpack[Step]) -> Quantity:
    """The least time of reading whole prompts on one device.

    Formula: the sum over the parts of every layer of max(FLOP / (peak x efficiency), bytes / (bandwidth x
    efficiency)).
    Unit: s; a lower bound.
    Convention: the FLOP of `prefill_flops`, visible pairs, the output head at every position; compulsory traffic.
    Source: Williams et al. 2009, "Roofline", part by part.
    """
    return _time(a, "prefill", step)


@metric(unit="s", better="less", label="time to first token, at least", takes=Step)
def time_to_first_token(a: ArchitectureConfig, **step: Unpack[Step]) -> Quantity:
    """The least time from a prompt of `context` tokens to its first new token.

    Formula: as `prefill_time`, with the output head at the last position alone, as engines run it.
    Unit: s; a lower bound.
    Convention: no waiting, no tokenisation.
    Source: as `prefill_time`.
    """
    return _time(a, "prefill", step, head_at_last=True)


@metric(unit="s", better="less", label="decode time, at least", takes=Step)
def decode_time(a: ArchitectureConfig, **step: Unpack[Step]) -> Quantity:
    """The least time of one decoding step on one device: one token of every sequence, at position context - 1.

    Formula: as `prefill_time`, with the work of one token of each sequence.
    Unit: s; a lower bound.
    Convention: weights are read once a step, the cache of every sequence once.
    Source: as `prefill_time`.
    """
    return _time(a, "decode", step)


@metric(unit="s", better="less", label="time per output token, at least", takes=Step)
def time_per_output_token(a: ArchitectureConfig, **step: Unpack[Step]) -> Quantity:
    """The least time between two tokens of one sequence, at `context` tokens.

    Formula: `decode_time`.
    Unit: s; a lower bound.
    Convention: one token a step (no speculation).
    Source: as `prefill_time`.
    """
    return _time(a, "decode", step)


@metric(unit="tokens/s", better="more", label="decode throughput, at most", takes=Step)
def decode_throughput(a: ArchitectureConfig, **step: Unpack[Step]) -> Quantity:
    """The most tokens a second that one device can decode, over all sequences.

    Formula: batch / `decode_time`.
    Unit: tokens/s; an upper bound. As evidence (`bench:`) the same name is a measurement.
    Convention: that of `decode_time`.
    Source: as `prefill_time`.
    """
    return _rate(a, "decode", step, step["batch"])


@metric(unit="tokens/s", better="more", label="prefill throughput, at most", takes=Step)
def prefill_throughput(a: ArchitectureConfig, **step: Unpack[Step]) -> Quantity:
    """The most prompt tokens a second that one device can read, over all sequences.

    Formula: batch x context / `prefill_time`.
    Unit: tokens/s; an upper bound. As evidence (`bench:`) the same name is a measurement.
    Convention: that of `prefill_time`.
    Source: as `prefill_time`.
    """
    return _rate(a, "prefill", step, step["batch"] * step["context"])


def refuse_beyond_peak(achieved: Fraction, peak: Fraction, device: Device, dtype: Dtype) -> None:
    """A measurement above the dense peak is an error of the measurement or of its type."""
    if achieved > peak:
        raise InvalidValue(
            Problem(
                "achieved",
                str(Quantity(achieved, "FLOP/s")),
                f"is more than the dense {dtype} peak of {device.name} ({Quantity(peak, 'FLOP/s')})",
                "Check the measurement, and that activation_dtype is the type it ran in",
            )
        )
