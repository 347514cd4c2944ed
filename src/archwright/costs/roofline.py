"""Roofline: the least time a step can take, part by part: arithmetic at peak or bytes at full bandwidth."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..arch.config import ArchitectureConfig
from .dtypes import Dtype
from .formulas.arithmetic import attention
from .formulas.traffic import cache_read, cache_written, read_by_weights, tokens_at_once
from .hardware import Device
from .tally import matrix_flops, tally


@dataclass(frozen=True, slots=True)
class Bound:
    """A lower bound of a time: the sum over parts of the larger of arithmetic and traffic."""

    seconds: Fraction
    arithmetic: Fraction
    """Seconds that the arithmetic alone takes."""
    traffic: Fraction
    """Seconds that the traffic alone takes."""

    @property
    def memory_bound(self) -> bool:
        """Whether traffic takes longer than arithmetic."""
        return self.traffic > self.arithmetic


@dataclass(frozen=True, slots=True)
class Work:
    """What a step does: phase, shapes, types, and whether the head runs at every position."""

    phase: str
    context: int
    batch: int
    weights_dtype: Dtype
    kv_dtype: Dtype
    activation_dtype: Dtype
    moe_dtype: Dtype
    head_at_last: bool = False
    """Only the last position of each sequence goes through the output head."""


def bound(a: ArchitectureConfig, device: Device, work: Work, efficiency: Fraction = Fraction(1)) -> Bound:
    """The least time of a step on one device, at a share of its peaks.

    Every part of every layer runs after the other: each takes the larger of FLOP / peak and bytes / bandwidth.
    """
    peak = device.peak(work.activation_dtype.name) * efficiency
    bandwidth = device.bandwidth * efficiency
    counted = tally(a)
    tokens = tokens_at_once(work.phase, work.context, work.batch)
    total = arithmetic = traffic = Fraction(0)

    def spend(times: int, flops: int, size: Fraction) -> None:
        nonlocal total, arithmetic, traffic
        compute, move = times * flops / peak, times * size / bandwidth
        total += max(compute, move)
        arithmetic += compute
        traffic += move

    flops_outside = matrix_flops(counted.outer)
    for part, size in read_by_weights(counted.outer, tokens, work.weights_dtype, work.moe_dtype).items():
        through = work.batch if part == "head" and work.head_at_last else tokens
        spend(1, through * flops_outside.get(part, 0), size)
    for group in counted.groups:
        read = read_by_weights(group.weights, tokens, work.weights_dtype, work.moe_dtype)
        for part, size in read.items():
            spend(group.count, tokens * group.flops.get(part, 0), size)
        cached = cache_read(group, work.phase, work.context) + cache_written(group, work.phase, work.context)
        scores = work.batch * attention(group, work.context, work.phase, "visible")
        spend(group.count, scores, work.batch * cached * work.kv_dtype.bytes)
    return Bound(total, arithmetic, traffic)
