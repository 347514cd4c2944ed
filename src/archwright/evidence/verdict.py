"""The verdict algebra: an interval from observation held against the set of values that a sentence allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from .observation import Observation, Stale
from .record import Measure
from .request import command
from .statistics import Estimate, Statistic, samples_needed
from .words import describe

VerdictName = Literal[
    "holds", "fails", "plausible", "undecided", "within-noise", "stale", "unproven", "uninformative"
]  # fmt: skip
PASSES: frozenset[str] = frozenset({"holds", "plausible"})
"""Verdicts that are no finding."""


class Span(NamedTuple):
    """An interval of values that a sentence allows; its ends may be infinite, closed or open."""

    low: Any
    high: Any
    low_closed: bool = True
    high_closed: bool = True

    def __contains__(self, x: object) -> bool:
        after = x > self.low or (self.low_closed and x == self.low)
        before = x < self.high or (self.high_closed and x == self.high)
        return bool(after and before)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What observation says about a sentence.

    `message` follows the label (`is 2.61x faster (2.57 to 2.66): ...`); `shown` is the estimate alone. `more` is how
    many more samples would settle a `plausible`. `evidence` names the files that count. `at` names a proxy.
    """

    name: VerdictName
    message: str
    shown: str = ""
    estimate: Estimate | None = None
    more: int | None = None
    remedy: str = ""
    notes: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    at: str = ""

    @property
    def passes(self) -> bool:
        """Whether it is no finding."""
        return self.name in PASSES

    @property
    def label(self) -> str:
        """The verdict as it is said: `holds`, or `holds at proxy (0.03 B params, 0.6 B tokens)`."""
        return f"{self.name} at {self.at}" if self.at else self.name


# Interval against set -------------------------------------------------------------------------------------------


def merge(spans: Sequence[Sequence[Any]]) -> list[Span]:
    """The same set as spans that neither overlap nor touch, ascending. Only the first four parts of each count."""
    merged: list[Span] = []
    for span in sorted((Span(*s[:4]) for s in spans), key=lambda s: (s.low, not s.low_closed)):
        last = merged[-1] if merged else None
        if last and (span.low < last.high or (span.low == last.high and (span.low_closed or last.high_closed))):
            if span.high > last.high or (span.high == last.high and span.high_closed):
                merged[-1] = last._replace(high=span.high, high_closed=span.high_closed)
        else:
            merged.append(span)
    return merged


def hold(estimate: Estimate, spans: Sequence[Sequence[Any]], measure: Measure) -> Verdict:
    """The verdict of an estimate on a set of values of its statistic.

    Interval inside the set: holds. Apart: fails. Estimate inside, interval not: plausible. Estimate outside, interval
    overlaps: undecided. A sentence that states a gain or loss (its set leaves out "no effect") needs a 99 % interval
    without "no effect" and an effect over `estimate.smallest`; otherwise it is within-noise.
    """
    allowed = merge(spans)
    shown = describe(estimate, measure)
    if estimate.statistic != "value":
        allowed = _equivalence(estimate, allowed)
        states_effect = not any(estimate.no_effect in span for span in allowed)
        if states_effect and not estimate.is_effect:
            return _within_noise(estimate, shown)
    home = next((span for span in allowed if estimate.value in span), None)
    if home is not None and estimate.low in home and estimate.high in home:
        return Verdict("holds", f"is {shown}", shown, estimate)
    if not any(_meets(span, estimate.low, estimate.high) for span in allowed):
        return Verdict("fails", f"is {shown}", shown, estimate, remedy="Write what was observed")
    if home is not None:
        more = samples_needed(estimate, [(float(s.low), float(s.high)) for s in allowed])
        reach = "its interval reaches outside what is written"
        tail = f"{more:,} more sample{'s' * (more != 1)} would settle it" if more else "no number of samples settles it"
        return Verdict("plausible", f"is {shown}: {reach}; {tail}", shown, estimate, more)
    reach = "the estimate is outside what is written, its interval is not"
    return Verdict(
        "undecided", f"is {shown}: {reach}", shown, estimate, remedy="Measure longer, or write what was observed"
    )


def _equivalence(estimate: Estimate, allowed: list[Span]) -> list[Span]:
    """`unchanged` allows a point alone, which no interval can lie in: it means less than the smallest effect."""
    if (
        allowed == [Span(estimate.no_effect, estimate.no_effect)]
        and estimate.statistic == "ratio"
        and estimate.smallest
    ):
        return [Span(1 / (1 + estimate.smallest), 1 + estimate.smallest)]
    return allowed


def _meets(span: Span, low: float, high: float) -> bool:
    starts = span.low < high or (span.low_closed and span.low == high)
    ends = span.high > low or (span.high_closed and span.high == low)
    return bool(starts and ends)


def _within_noise(estimate: Estimate, shown: str) -> Verdict:
    remedy = "Write a bound (at most ..., within ...), or measure longer"
    if not math.isfinite(estimate.low99):
        why = f"{estimate.n} samples are too few to tell a gain or loss"
    elif estimate.low99 <= estimate.no_effect <= estimate.high99:
        why = "no effect lies within its 99 % interval"
    else:
        why = f"an effect of at most {estimate.smallest:.0%} is not told from none"
    return Verdict("within-noise", f"is {shown}: {why}, so it is neither gain nor loss", shown, estimate, remedy=remedy)


# Observation against set ----------------------------------------------------------------------------------------


def judge(
    observation: Observation, spans: Sequence[Sequence[Any]], statistic: Statistic, *, age_counts: bool = False
) -> Verdict:
    """The verdict of all that was observed on what a sentence allows.

    `spans` are tuples that begin (low, high, low_closed, high_closed), of the value, of the ratio (second over first)
    or of the difference (second minus first), in the unit of the measure.
    """
    request = observation.request
    made = _without_estimate(observation, statistic, age_counts)
    if made is None:
        estimate, measure = observation.estimate(statistic), observation.measure
        assert estimate is not None and measure is not None
        made = hold(estimate, spans, measure)
        against = observation.contradicting(statistic)
        if against:
            message = f"is {made.shown} over all, but its runs contradict each other: {'; '.join(against)}"
            remedy = "Find out what differs between them, or measure again"
            made = Verdict("undecided", message, made.shown, estimate, remedy=remedy)
    return replace(
        made, notes=(*made.notes, *_notes(observation)), evidence=observation.files(statistic), at=request.at
    )


def _without_estimate(observation: Observation, statistic: Statistic, age_counts: bool) -> Verdict | None:
    """The verdict where there is nothing, or nothing that counts; None where there is an estimate to hold."""
    request = observation.request
    remedy = f"Get it: {command(request)}"
    if age_counts and observation.aged:
        return Verdict("stale", f"was observed with other versions: {'; '.join(observation.aged)}", remedy=remedy)
    if not all(observation.fresh):
        lacking = [n for n, fresh in enumerate(observation.fresh) if not fresh]
        old = [stale[0] for n, stale in enumerate(observation.stale) if n in lacking and stale]
        if len(old) == len(lacking):
            return Verdict("stale", f"was observed before a change: {'; '.join(map(_nearest, old))}", remedy=remedy)
        sides = [request.sides[n].name for n in lacking] if len(lacking) < len(request.sides) else []
        of = f" of {' and '.join(sides)}" if sides else ""
        return Verdict("unproven", f"no {_WORDS.get(request.kind, 'evidence')} of {request.name}{of}", remedy=remedy)
    runs = observation.runs(statistic)
    if not runs:
        if request.kind == "bench":
            message = f"{request.name} was measured for each side, but never side by side"
        else:
            message = f"{request.name} of the two sides cannot be compared"
        return Verdict("unproven", message, remedy=remedy)
    chance = observation.at_chance()
    if len(chance) == len(request.sides) and chance:
        values = "; ".join(f"{n} {e.value:.4g} %" for n, e in observation.side_estimates())
        message = f"is within two standard errors of guessing ({values}): it tells nothing"
        return Verdict("uninformative", message, remedy="Evaluate a larger model, or a task that this one can do")
    estimate = observation.estimate(statistic)
    if estimate is not None and not estimate.bounded and "no standard error" in " ".join(_methods(observation)):
        message = "has no standard error, so no difference can be told from noise"
        remedy = "Evaluate again with --log_samples and import that, or state a standard error"
        return Verdict("unproven", message, remedy=remedy)
    return None


_WORDS = {"bench": "benchmark", "eval": "evaluation", "ablation": "training run"}


def _nearest(stale: Stale) -> str:
    return str(stale)


def _methods(observation: Observation) -> list[str]:
    from .summary import estimate_arm

    found = []
    for side in observation.fresh:
        for each in side:
            estimate = estimate_arm(each.stored.evidence, each.arm, observation.request.measure)
            found.append(estimate.method if estimate else "")
    return found


def _notes(observation: Observation) -> list[str]:
    notes = [f"aged: {text}" for text in observation.aged]
    chance = observation.at_chance()
    if chance and len(chance) < len(observation.request.sides):
        notes.append(f"{' and '.join(chance)} is within two standard errors of guessing")
    return notes
