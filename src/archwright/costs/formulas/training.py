"""Training: its FLOP, its time, and how well it uses the hardware."""

from __future__ import annotations

from fractions import Fraction
from typing import TypedDict, Unpack

from ...arch.config import ArchitectureConfig
from ...errors import NOTHING, InvalidValue, Problem
from ...units import Quantity
from ..dtypes import Dtype
from ..hardware import Device
from ..metric import metric
from .arithmetic import SCORES, by_part
from .parameters import by_part as parameters_by_part
from .time import refuse_beyond_peak

HOUR = 3600


def per_token(
    a: ArchitectureConfig,
    context: int,
    convention: str,
    approximation: str | None,
    hardware: bool = False,
    checkpointing: str = "none",
) -> Fraction:
    """Training FLOP of one token: forward, twice that backward, and what is recomputed where that counts."""
    if approximation is not None:
        if hardware:
            raise InvalidValue(
                Problem("hardware", True, "cannot be combined with an approximation", "Leave out one of them")
            )
        return Fraction(6 * sum(parameters_by_part(a, active=True).values()))
    forward = by_part(a, context, "prefill", convention)
    total = 3 * sum(forward.values())
    if hardware and checkpointing == "full":
        total += sum(by_part(a, context, "prefill", convention, frozenset(range(a.n_layers))).values())
    elif hardware and checkpointing == "selective":
        total += forward.get(SCORES, 0)
    return Fraction(total, context)


@metric(unit="FLOP", better="less", label="training")
def training_flops(
    a: ArchitectureConfig,
    *,
    tokens: int,
    context: int,
    flops_convention: str,
    approximation: str | None,
    hardware: bool,
    checkpointing: str,
) -> Fraction:
    """FLOP of training on a number of tokens.

    Formula: 3 x `flops_per_token` x tokens: the backward pass takes twice the forward pass.
    Unit: FLOP.
    Convention: `approximation: 6N` is 6 x active parameters x tokens, both vocabulary matrices counted, attention
    scores not. `hardware: true` adds what `checkpointing` computes again: the scores (selective) or the forward pass
    of the layers (full).
    Source: Kaplan et al. 2020, "Scaling Laws", section 2.1 (6N); Korthikanti et al. 2022, section 5 (recompute).
    """
    return tokens * per_token(a, context, flops_convention, approximation, hardware, checkpointing)


@training_flops.explain
def _how(
    a: ArchitectureConfig,
    *,
    tokens: int,
    context: int,
    flops_convention: str,
    approximation: str | None,
    hardware: bool,
    checkpointing: str,
) -> str:
    if approximation is not None:
        return f"6 x {sum(parameters_by_part(a, active=True).values()):,} parameters x {tokens:,} tokens"
    one = Quantity(per_token(a, context, flops_convention, None, hardware, checkpointing), "FLOP")
    what = "with recomputation" if hardware and checkpointing != "none" else "3 x forward"
    return f"{one} a token ({what}, at {context:,} tokens) x {tokens:,} tokens"


@metric(unit="", better=None, label="tokens a parameter")
def chinchilla_ratio(a: ArchitectureConfig, *, tokens: int, embedding: str) -> Fraction:
    """Training tokens for each parameter.

    Formula: tokens / `parameters`.
    Unit: a plain number; about 20 is compute-optimal by the source.
    Convention: `embedding` as in `parameters`.
    Source: Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models", table 3.
    """
    return Fraction(tokens, sum(parameters_by_part(a, embedding).values()))


def _achieved(
    a: ArchitectureConfig,
    device: Device,
    dtype: Dtype,
    throughput: Fraction | None,
    achieved: Fraction | None,
    per: Fraction,
) -> Fraction:
    """FLOP/s of one device, as measured; refused where it is more than the device can do."""
    if (throughput is None) == (achieved is None):
        rule = "and achieved exclude each other" if achieved is not None else "is required"
        raise InvalidValue(
            Problem("throughput", NOTHING, rule, "Give tokens/s of one device, or achieved=400e12 in FLOP/s")
        )
    rate = achieved if achieved is not None else (throughput or 0) * per
    refuse_beyond_peak(rate, device.peak(dtype.name), device, dtype)
    return rate


@metric(unit="%", better="more", label="model FLOP utilisation")
def mfu(
    a: ArchitectureConfig,
    *,
    device: Device,
    activation_dtype: Dtype,
    context: int,
    throughput: Fraction | None,
    achieved: Fraction | None,
    flops_convention: str,
    approximation: str | None,
) -> Fraction:
    """Share of a device's dense peak that a training run uses for the model's own FLOP.

    Formula: 100 x tokens/s of one device x training FLOP of a token / peak; or 100 x achieved FLOP/s / peak.
    Unit: %.
    Convention: dense peaks; recomputation does not count. A rate above the peak is refused. PaLM's figure needs
    `flops_convention: dense`.
    Source: Chowdhery et al. 2022, "PaLM", appendix B.
    """
    one = per_token(a, context, flops_convention, approximation)
    rate = _achieved(a, device, activation_dtype, throughput, achieved, one)
    return 100 * rate / device.peak(activation_dtype.name)


@metric(unit="%", better="more", label="hardware FLOP utilisation")
def hfu(
    a: ArchitectureConfig,
    *,
    device: Device,
    activation_dtype: Dtype,
    context: int,
    throughput: Fraction | None,
    achieved: Fraction | None,
    flops_convention: str,
    checkpointing: str,
) -> Fraction:
    """Share of a device's dense peak that a training run uses, recomputation counted.

    Formula: as `mfu`, with what `checkpointing` computes again.
    Unit: %.
    Convention: that of `mfu`.
    Source: Korthikanti et al. 2022, "Reducing Activation Recomputation", section 6.
    """
    one = per_token(a, context, flops_convention, None, True, checkpointing)
    rate = _achieved(a, device, activation_dtype, throughput, achieved, one)
    return 100 * rate / device.peak(activation_dtype.name)


class Rate(TypedDict):
    """How fast one device trains: measured, published as device hours, or from its peak and a share of it."""

    context: int
    activation_dtype: Dtype
    throughput: Fraction | None
    hours: Fraction | None
    efficiency: Fraction
    flops_convention: str
    approximation: str | None


def device_seconds(a: ArchitectureConfig, tokens: int | None, device: Device | None, rate: Rate) -> Fraction:
    """Seconds that one device would take to train on the tokens."""
    hours, throughput = rate["hours"], rate["throughput"]
    if hours is not None:
        if throughput is not None:
            raise InvalidValue(Problem("hours", NOTHING, "and throughput exclude each other", "Keep one of them"))
        return hours * HOUR
    problems = []
    if tokens is None:
        problems.append(Problem("tokens", NOTHING, "is required", "Give the tokens trained on, or published hours"))
    if throughput is None and device is None:
        from ..hardware import names

        remedy = f"Give throughput (tokens/s of one device), or one of {', '.join(names())}"
        problems.append(Problem("device", NOTHING, "or throughput is required", remedy))
    if problems or tokens is None:
        raise InvalidValue(problems)
    if throughput is not None:
        return tokens / throughput
    assert device is not None
    flops = tokens * per_token(a, rate["context"], rate["flops_convention"], rate["approximation"])
    return flops / (device.peak(rate["activation_dtype"].name) * rate["efficiency"])


@metric(unit="s", better="less", label="training time", shown_in="days", takes=Rate)
def training_time(
    a: ArchitectureConfig,
    *,
    tokens: int | None = None,
    device: Device | None = None,
    n_devices: int,
    **rate: Unpack[Rate],
) -> Fraction:
    """Time to train on a number of tokens.

    Formula: tokens / (throughput of one device x n_devices); without a throughput, training FLOP /
    (peak x efficiency x n_devices); or published device `hours` / n_devices.
    Unit: s, shown in days. With a peak and `efficiency: 1` it is a lower bound; `efficiency` is then the MFU.
    Convention: no restarts.
    Source: Touvron et al. 2023, "LLaMA", section 2.4 (380 tokens/s and device on 2,048 devices).
    """
    return device_seconds(a, tokens, device, rate) / n_devices


@metric(unit="s", better="less", label="device hours", shown_in="h", takes=Rate)
def device_hours(
    a: ArchitectureConfig, *, tokens: int | None = None, device: Device | None = None, **rate: Unpack[Rate]
) -> Fraction:
    """Time of one device that training on a number of tokens takes: hours of all devices added up.

    Formula: `training_time` with one device.
    Unit: s, shown in h.
    Convention: that of `training_time`.
    Source: definition.
    """
    return device_seconds(a, tokens, device, rate)
