"""Estimates with intervals from samples: medians, means, ratios and differences of pairs, pooled runs.

Medians have the exact order-statistic interval (the sign test's), which assumes no shape of the noise; means have
Student's; values that came with a standard error have the normal one. No interval depends on a random seed, so that
every summary can be recomputed to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from .quantiles import LEVELS, NORMAL, fewest, median_rank, student

Statistic = Literal["value", "ratio", "difference"]
Summary = Literal["median", "mean", "range"]
"""How samples become one number: timings by the median, accuracies and losses by the mean, counts by their range."""

SMALLEST_EFFECT = 0.02
"""The relative effect that a gain or loss of a timing must exceed: below it, placement in memory alone decides."""

_METHODS = {
    "median": "median, exact order-statistic interval",
    "mean": "mean, Student interval",
    "range": "median, range of all samples",
    "stated": "stated value, normal interval of its standard error",
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its intervals, of a value, of a ratio (second over first) or of a difference (second minus first).

    `low` and `high` are the 95 % interval, `low99` and `high99` the 99 % one; infinite where the samples are too few.
    `n` counts independent samples (pairs, for a comparison). `smallest` is the relative effect that counts as one.
    """

    value: float
    low: float
    high: float
    low99: float
    high99: float
    n: int
    method: str
    statistic: Statistic = "value"
    smallest: float = 0.0

    @property
    def no_effect(self) -> float:
        """The value that means "no effect": 1 of a ratio, 0 of a difference."""
        return 1.0 if self.statistic == "ratio" else 0.0

    @property
    def is_effect(self) -> bool:
        """Whether the 99 % interval leaves out "no effect" and the effect is large enough to be one."""
        if self.low99 <= self.no_effect <= self.high99:
            return False
        if self.statistic != "ratio":
            return True
        # The last bits of a division must not make an effect of exactly 2 % one of more.
        return self.value <= 0 or max(self.value, 1 / self.value) > (1 + self.smallest) * (1 + 1e-12)

    @property
    def leaves_out_no_effect(self) -> bool:
        """Whether the 95 % interval leaves out "no effect"."""
        return not self.low <= self.no_effect <= self.high

    @property
    def bounded(self) -> bool:
        """Whether there were samples enough for a 95 % interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def of(self, statistic: Statistic, smallest: float = 0.0) -> Estimate:
        """The same numbers as an estimate of something else."""
        return replace(self, statistic=statistic, smallest=smallest)


# Of one arm ---------------------------------------------------------------------------------------------------


def median(ordered: Sequence[float]) -> float:
    """The median of ascending numbers."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def quartiles(samples: Iterable[float]) -> tuple[float, float]:
    """The lower and the upper quartile: the medians of the lower and the upper half."""
    ordered = sorted(samples)
    half = (len(ordered) + 1) // 2
    return median(ordered[:half]), median(ordered[-half:])


def _estimate(value: float, ends: Sequence[float], n: int, method: str) -> Estimate:
    low, high, low99, high99 = ends
    return Estimate(value, low, high, low99, high99, n, method)


def median_of(samples: Iterable[float]) -> Estimate:
    """The median with the interval between two order statistics that encloses it with the stated confidence."""
    ordered = sorted(samples)
    n = len(ordered)
    ends: list[float] = []
    for level in LEVELS:
        k = median_rank(n, level)
        ends += (ordered[k - 1], ordered[n - k]) if k else (-math.inf, math.inf)
    return _estimate(median(ordered), ends, n, _METHODS["median"])


def mean_of(samples: Iterable[float]) -> Estimate:
    """The arithmetic mean with Student's interval."""
    numbers = list(samples)
    n = len(numbers)
    mean = math.fsum(numbers) / n
    if n < 2:
        return Estimate(mean, -math.inf, math.inf, -math.inf, math.inf, n, _METHODS["mean"])
    error = math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / (n - 1) / n)
    ends: list[float] = []
    for level in LEVELS:
        ends += (mean - student(n - 1, level) * error, mean + student(n - 1, level) * error)
    return _estimate(mean, ends, n, _METHODS["mean"])


def range_of(samples: Iterable[float]) -> Estimate:
    """The median of repeated exact readings (bytes allocated) with all of their range."""
    ordered = sorted(samples)
    low, high = ordered[0], ordered[-1]
    return Estimate(median(ordered), low, high, low, high, len(ordered), _METHODS["range"])


def stated_value(value: float, stderr: float, n: int) -> Estimate:
    """A value that came with its standard error, with the normal interval."""
    ends: list[float] = []
    for level in LEVELS:
        ends += (value - NORMAL[level] * stderr, value + NORMAL[level] * stderr)
    return _estimate(value, ends, n, _METHODS["stated"])


OF: dict[str, Callable[[Iterable[float]], Estimate]] = {"median": median_of, "mean": mean_of, "range": range_of}
"""From the name of a summary to its estimate."""


def standard_error(estimate: Estimate) -> float:
    """Half the 95 % interval in units of the normal quantile."""
    return (estimate.high - estimate.low) / (2 * NORMAL[0.95])


# Of two arms --------------------------------------------------------------------------------------------------


def compare_pairs(a: Sequence[float], b: Sequence[float], statistic: Statistic, summary: Summary) -> Estimate:
    """From paired samples (the n-th of each belong together), the ratio b / a or the difference b - a.

    Median: of the pairs' own ratios or differences. Mean: of the differences, or of the logarithms of the ratios.
    Range: of all combinations, since readings of a count are not paired by noise.
    """
    if summary == "range":
        return _compare_ranges(a, b, statistic)
    if statistic == "difference":
        made = OF[summary]([y - x for x, y in zip(a, b, strict=True)])
        return replace(made, statistic=statistic, method=f"differences of pairs: {made.method}")
    if summary == "median":
        made = median_of([y / x for x, y in zip(a, b, strict=True)])
        method = f"ratios of pairs: {made.method}"
        return replace(made, statistic="ratio", smallest=SMALLEST_EFFECT, method=method)
    made = mean_of([math.log(y / x) for x, y in zip(a, b, strict=True)])
    return replace(_exp(made), statistic="ratio", method=f"ratios of pairs: geometric {made.method}")


def _compare_ranges(a: Sequence[float], b: Sequence[float], statistic: Statistic) -> Estimate:
    first, second = range_of(a), range_of(b)
    if statistic == "difference":
        low, high = second.low - first.high, second.high - first.low
        value = second.value - first.value
    else:
        low, high = second.low / first.high, second.high / first.low
        value = second.value / first.value
    return Estimate(value, low, high, low, high, min(len(a), len(b)), _METHODS["range"], statistic)


def compare_estimates(a: Estimate, b: Estimate, statistic: Statistic) -> Estimate:
    """From two independent estimates: the ratio or the difference, standard errors added in quadrature."""
    n = min(a.n, b.n)
    method = "two independent values, normal interval"
    if statistic == "difference":
        error = math.hypot(standard_error(a), standard_error(b))
        return replace(stated_value(b.value - a.value, error, n), statistic=statistic, method=method)
    error = math.hypot(standard_error(a) / a.value, standard_error(b) / b.value)
    made = _exp(stated_value(math.log(b.value / a.value), error, n))
    return replace(made, statistic="ratio", method=method)


def _exp(e: Estimate) -> Estimate:
    def exp(x: float) -> float:
        return math.inf if x == math.inf else math.exp(x)

    return replace(e, value=exp(e.value), low=exp(e.low), high=exp(e.high), low99=exp(e.low99), high99=exp(e.high99))


def _log(e: Estimate) -> Estimate:
    def log(x: float) -> float:
        return x if x == math.inf else math.log(x) if x > 0 else -math.inf

    return replace(e, value=log(e.value), low=log(e.low), high=log(e.high), low99=log(e.low99), high99=log(e.high99))


# Of several runs ----------------------------------------------------------------------------------------------


def contradictions(runs: Sequence[Estimate]) -> list[tuple[int, int]]:
    """The pairs of runs whose 95 % intervals lie apart, by more than the smallest effect."""
    found = []
    for (i, a), (j, b) in combinations(enumerate(runs), 2):
        low, high = max(a.low, b.low), min(a.high, b.high)
        if low <= high:
            continue
        smallest = max(a.smallest, b.smallest)
        if smallest and high > 0 and low / high <= 1 + smallest:
            continue
        found.append((i, j))
    return found


def pool(runs: Sequence[Estimate]) -> Estimate:
    """One estimate from several runs of the same thing, wider where the runs differ by more than their noise.

    Random effects (DerSimonian and Laird 1986): the variance between runs is added to each run's own; ratios and
    positive values are pooled as logarithms. One run is itself.
    """
    if len(runs) == 1:
        return runs[0]
    first = runs[0]
    positive = all(r.value > 0 and r.low > 0 for r in runs)
    logs = first.statistic != "difference" and positive
    parts = [_log(r) for r in runs] if logs else list(runs)
    parts = [p for p in parts if p.bounded] or parts
    if not all(p.bounded for p in parts):  # every run alone is too short to say anything
        widest = max(runs, key=lambda r: r.n)
        return replace(widest, n=sum(r.n for r in runs))
    size = max(abs(p.value) for p in parts) or 1.0
    variances = [max(standard_error(p), 1e-12 * size) ** 2 for p in parts]
    weights = [1 / v for v in variances]
    total = math.fsum(weights)
    centre = math.fsum(w * p.value for w, p in zip(weights, parts, strict=True)) / total
    excess = math.fsum(w * (p.value - centre) ** 2 for w, p in zip(weights, parts, strict=True)) - (len(parts) - 1)
    scale = total - math.fsum(w * w for w in weights) / total
    between = max(0.0, excess / scale) if scale > 0 else 0.0
    weights = [1 / (v + between) for v in variances]
    total = math.fsum(weights)
    centre = math.fsum(w * p.value for w, p in zip(weights, parts, strict=True)) / total
    made = stated_value(centre, math.sqrt(1 / total), sum(r.n for r in runs))
    made = _exp(made) if logs else made
    method = f"random effects over {len(runs)} runs"
    return replace(made, statistic=first.statistic, smallest=max(r.smallest for r in runs), method=method)


def samples_needed(estimate: Estimate, bounds: Iterable[tuple[float, float]]) -> int | None:
    """How many more samples would bring the interval inside the bounds around the estimate, if it stays where it is.

    None: no number would (the estimate lies on a bound, or outside). The half-width shrinks with the root of n.
    """
    inside = next(((low, high) for low, high in bounds if low <= estimate.value <= high), None)
    if inside is None:
        return None
    if not estimate.bounded:
        wanted = fewest(0.95) if estimate.method.find("order-statistic") >= 0 else 3
        return max(1, wanted - estimate.n)
    needed = 1.0
    for end, bound in ((estimate.low, inside[0]), (estimate.high, inside[1])):
        reach, room = abs(end - estimate.value), abs(bound - estimate.value)
        if reach <= room:
            continue
        if not room:
            return None
        needed = max(needed, (reach / room) ** 2)
    more = math.ceil(estimate.n * needed) - estimate.n
    return more if more < 10**9 else None
