"""Evidence for people and programs: a row for each record, and one record on a screen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from .record import DERIVED, Evidence, Measure
from .statistics import Estimate
from .store import Stored
from .summary import compare_arms, estimate_arm, statistic_of
from .words import describe

LIST_SCHEMA = "archwright/evidence-list/1"


def rows(records: Iterable[Stored]) -> list[dict[str, Any]]:
    """A row for each record: name, kind, day, target, device, settings, arms, and each result in words."""
    return [
        {
            "name": stored.name,
            "kind": stored.evidence.kind,
            "created": stored.evidence.created,
            "target": stored.evidence.target,
            "device": stored.evidence.device,
            "settings": dict(stored.evidence.settings),
            "arms": [arm.name for arm in stored.evidence.arms],
            "results": list(results(stored.evidence)),
        }
        for stored in records
    ]


def to_json(records: Iterable[Stored]) -> dict[str, Any]:
    """What `evidence list --json` prints."""
    return {"schema": LIST_SCHEMA, "evidence": rows(records)}


def results(evidence: Evidence) -> Iterator[str]:
    """Each comparison with the first arm in words; of a single arm its values."""
    if len(evidence.arms) == 1:
        for name, measure in evidence.measures.items():
            estimate = estimate_arm(evidence, evidence.arms[0], name)
            if estimate is not None:
                yield f"{name} {describe(estimate, measure)}"
        return
    base = evidence.arms[0]
    for arm in evidence.arms[1:]:
        for name, measure in evidence.measures.items():
            estimate = compare_arms(evidence, base, evidence, arm, name, statistic_of(measure))
            if estimate is not None:
                yield f"{name} {base.name} -> {arm.name}: {describe(estimate, measure)}{_remark(estimate)}"


def _said(value: Any) -> str:
    """A condition of a run in words: `mha sdpa, decision chunked`."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(part)}" for name, part in value.items())
    return " and ".join(map(_said, value)) if isinstance(value, list) else str(value)


def _remark(estimate: Estimate) -> str:
    return "" if estimate.is_effect else ", within noise"


def table(evidence: Evidence) -> tuple[list[str], list[list[str]]]:
    """Head and lines of the record's table: a line for each arm and measure, with its value and the comparison."""
    head = ["arm", "measure", "value", "spread", "n", f"against {evidence.arms[0].name}"]
    lines = []
    for arm in evidence.arms:
        for name, measure in _all_measures(evidence):
            estimate = estimate_arm(evidence, arm, name)
            if estimate is None:
                continue
            against = ""
            if arm is not evidence.arms[0] and name in evidence.measures:
                compared = compare_arms(evidence, evidence.arms[0], evidence, arm, name, statistic_of(measure))
                against = f"{describe(compared, measure)}{_remark(compared)}" if compared else "not comparable"
            spread = _spread(evidence, arm.name, name, estimate)
            lines.append([arm.name, name, describe(estimate, measure), spread, str(estimate.n), against])
    return head, lines


def _all_measures(evidence: Evidence) -> Iterator[tuple[str, Measure]]:
    yield from evidence.measures.items()
    for name in DERIVED:
        measure = evidence.measure(name)
        if measure is not None and name not in evidence.measures:
            yield name, measure


def _spread(evidence: Evidence, arm: str, name: str, estimate: Estimate) -> str:
    quartiles = evidence.summary["arms"][arm].get(name, {}).get("quartiles")
    if not quartiles or not estimate.value or not math.isfinite(estimate.value):
        return ""
    return f"{(quartiles[1] - quartiles[0]) / estimate.value:.1%}"


def lines(stored: Stored) -> Iterator[str]:
    """What `evidence show` prints before the table: what ran, where, when, under which conditions."""
    evidence = stored.evidence
    yield f"{stored.name} · {evidence.kind} of {evidence.target} · {evidence.created}"
    if evidence.command:
        yield f"  ran      {' '.join(evidence.command)}"
    settings = ", ".join(f"{name} {value}" for name, value in evidence.settings.items())
    yield f"  on       {evidence.device or 'no device'}{', ' + settings if settings else ''}"
    where = evidence.environment
    versions = ", ".join(f"{name} {version}" for name, version in where.get("versions", {}).items())
    if versions:
        yield f"  with     {versions}"
    git = where.get("git", {})
    if git:
        yield f"  commit   {git.get('commit', '')[:12]}{', with uncommitted changes' if git.get('dirty') else ''}"
    for arm in evidence.arms:
        if arm.architecture:
            extra = ", ".join(f"{n} {v}" for n, v in arm.settings.items())
            known = arm.architecture
            tail = f", {extra}" if extra else ""
            yield f"  arm      {arm.name}: {known.name or 'architecture'} {known.fingerprint}{tail}"
    for name, value in evidence.conditions.items():
        yield f"  {name.replace('_', ' '):<8} {_said(value)}"
    for note in evidence.notes:
        yield f"  note     {note}"
