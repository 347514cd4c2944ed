"""Estimates in words: values with units, ratios with a direction, always with their interval."""

from __future__ import annotations

import math
from fractions import Fraction

from ..units import Quantity, significant
from .record import Measure
from .statistics import Estimate

_DIRECTIONS = {"s": ("faster", "slower"), "tokens/s": ("slower", "faster"), "B": ("smaller", "larger")}
"""The words for a ratio under and over 1."""


def describe(estimate: Estimate, measure: Measure) -> str:
    """`2.61x faster (2.57 to 2.66)`, `0.3 pp lower (0.9 lower to 0.3 higher)`, `42.3 tokens/s (41.9 to 42.7)`."""
    if estimate.statistic == "value":
        return f"{_value(estimate.value, measure.unit)}{_interval(estimate, measure.unit)}"
    if estimate.statistic == "ratio":
        return _ratio(estimate, measure)
    return _difference(estimate, measure)


def _value(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "unbounded"
    if unit in ("", "nats"):
        return significant(Fraction(value), 4) + (f" {unit}" if unit else "")
    return str(Quantity(Fraction(value), unit))


def _interval(estimate: Estimate, unit: str) -> str:
    if not estimate.bounded:
        return f" (no interval: {estimate.n} sample{'s' * (estimate.n != 1)})"
    if estimate.low == estimate.high:
        return ""
    return f" ({_value(estimate.low, unit)} to {_value(estimate.high, unit)})"


def _ratio(estimate: Estimate, measure: Measure) -> str:
    less, more = _DIRECTIONS.get(measure.unit, ("lower", "higher"))
    down = estimate.value < 1
    ends = (estimate.high, estimate.low) if down else (estimate.low, estimate.high)
    turned = [_turn(x, down) for x in (estimate.value, *ends)]
    if not estimate.bounded:
        return f"{turned[0]}x {less if down else more} (no interval: {estimate.n} pairs)"
    if estimate.low == estimate.high:
        return f"{turned[0]}x {less if down else more}"
    return f"{turned[0]}x {less if down else more} ({turned[1]} to {turned[2]})"


def _turn(x: float, down: bool) -> str:
    if not math.isfinite(x) or (down and x <= 0):
        return "unbounded"
    return significant(1 / Fraction(x) if down else Fraction(x))


def _difference(estimate: Estimate, measure: Measure) -> str:
    unit = "pp" if measure.unit == "%" else measure.unit

    def said(x: float) -> str:
        amount = f"{abs(x):.2g} {unit}".rstrip() if unit in ("pp", "", "nats") else _value(abs(x), unit)
        return f"{amount} {'higher' if x > 0 else 'lower'}" if x else f"0 {unit}".rstrip()

    if not estimate.bounded:
        return f"{said(estimate.value)} (no interval: {estimate.n} sample{'s' * (estimate.n != 1)})"
    return f"{said(estimate.value)} ({said(estimate.low)} to {said(estimate.high)})"
