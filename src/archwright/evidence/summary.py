"""The summary of a record: each arm's estimate, and each arm compared with the first; always recomputable."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from .statistics import OF, Estimate, Statistic, compare_estimates, compare_pairs, quartiles, stated_value

if TYPE_CHECKING:
    from .record import Arm, Evidence, Measure


def estimate_arm(evidence: Evidence, arm: Arm, name: str) -> Estimate | None:
    """The estimate of one measure of one arm, in the measure's unit; None where it was not taken.

    A stated value without a standard error has an endless interval.
    """
    measure = evidence.measure(name)
    values = evidence.values(arm, name)
    if measure is not None and values:
        return OF[measure.summary](values)
    stated = arm.stated.get(name)
    if measure is None or stated is None:
        return None
    if stated.stderr is None:
        value = stated.value * measure.scale
        return Estimate(value, -math.inf, math.inf, -math.inf, math.inf, stated.n, "stated value, no standard error")
    return stated_value(stated.value * measure.scale, stated.stderr * measure.scale, stated.n)


def compare_arms(first: Evidence, a: Arm, second: Evidence, b: Arm, name: str, statistic: Statistic) -> Estimate | None:
    """Two arms compared, of one run or of two.

    Side by side where the run was paired, item by item where both name their items (documents, seeds), otherwise as
    independent values; timings of different runs are not compared at all (None).
    """
    measure = first.measure(name)
    if measure is None or second.measure(name) is None:
        return None
    pairs = paired_values(first, a, second, b, name)
    if pairs is not None:
        if statistic == "ratio" and not all(x > 0 and y > 0 for x, y in zip(*pairs, strict=True)):
            return _independent(first, a, second, b, name, statistic)
        return compare_pairs(*pairs, statistic, measure.summary)
    if measure.summary == "range":
        x, y = first.values(a, name), second.values(b, name)
        return compare_pairs(x, y, statistic, "range") if x and y else None
    if measure.summary == "median":
        return None
    return _independent(first, a, second, b, name, statistic)


def _independent(first: Evidence, a: Arm, second: Evidence, b: Arm, name: str, statistic: Statistic) -> Estimate | None:
    x, y = estimate_arm(first, a, name), estimate_arm(second, b, name)
    if x is None or y is None or (statistic == "ratio" and (x.value <= 0 or y.value <= 0)):
        return None
    return compare_estimates(x, y, statistic)


def paired_values(
    first: Evidence, a: Arm, second: Evidence, b: Arm, name: str
) -> tuple[Sequence[float], Sequence[float]] | None:
    """The samples that belong together; None where nothing pairs them."""
    x, y = first.values(a, name), second.values(b, name)
    if not x or not y:
        return None
    if first is second and first.paired:
        return x, y
    keys_a, keys_b = a.keys.get(name), b.keys.get(name)
    if not keys_a or not keys_b:
        return None
    other = dict(zip(keys_b, y, strict=True))
    shared = [(value, other[key]) for key, value in zip(keys_a, x, strict=True) if key in other]
    if len(shared) < 2 or 2 * len(shared) < min(len(x), len(y)):
        return None
    return [p[0] for p in shared], [p[1] for p in shared]


def statistic_of(measure: Measure) -> Statistic:
    """How a summary compares arms: times and bytes by their ratio, accuracies and losses by their difference."""
    return "difference" if measure.summary == "mean" else "ratio"


def summarise(evidence: Evidence) -> dict[str, Any]:
    """The summary as it stands in the file."""
    arms: dict[str, Any] = {}
    for arm in evidence.arms:
        entry: dict[str, Any] = {}
        for name, measure in evidence.measures.items():
            estimate = estimate_arm(evidence, arm, name)
            if estimate is not None:
                entry[name] = _entry(estimate)
                if measure.summary == "median":
                    entry[name]["quartiles"] = list(quartiles(evidence.values(arm, name) or ()))
        arms[arm.name] = entry
    return {"confidence": 0.95, "arms": arms, "compared": list(_comparisons(evidence))}


def _comparisons(evidence: Evidence) -> Iterator[dict[str, Any]]:
    base = evidence.arms[0]
    for arm in evidence.arms[1:]:
        for name, measure in evidence.measures.items():
            statistic = statistic_of(measure)
            estimate = compare_arms(evidence, base, evidence, arm, name, statistic)
            if estimate is not None:
                named = {"measure": name, "from": base.name, "to": arm.name, "statistic": statistic}
                yield named | _entry(estimate)


def _entry(estimate: Estimate) -> dict[str, Any]:
    def end(x: float) -> float | None:
        return x if math.isfinite(x) else None

    return {
        "n": estimate.n,
        "value": estimate.value,
        "low": end(estimate.low),
        "high": end(estimate.high),
        "method": estimate.method,
    }


def differences(evidence: Evidence) -> Iterator[Problem]:
    """Where the stored summary does not follow from the samples."""
    yield from _unequal(evidence.summary, summarise(evidence), "summary")


def _unequal(stored: Any, right: Any, path: str) -> Iterator[Problem]:
    if stored == right:
        return
    remedy = "Restore the file, or run it again: a summary follows from the samples"
    if isinstance(stored, dict) and isinstance(right, dict) and stored.keys() == right.keys():
        for key, value in right.items():
            yield from _unequal(stored[key], value, f"{path}.{key}")
    elif isinstance(stored, list) and isinstance(right, list) and len(stored) == len(right):
        for number, value in enumerate(right):
            yield from _unequal(stored[number], value, f"{path}[{number}]")
    elif not (isinstance(stored, float) and isinstance(right, float) and math.isclose(stored, right, rel_tol=1e-9)):
        yield Problem(path, stored, f"does not follow from the samples, which give {right}", remedy)
