"""What is wrong with one record apart from its claims: front matter, status, sides, links that are not rendered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..claims.resolve import alternative
from ..errors import Location, Problem, did_you_mean
from .claims_of import severity_of
from .frame import MISSHAPEN, Frame
from .record import status_problem
from .report import ClaimResult, Finding
from .rules import RULES, Severity

UNRENDERED = {
    "code": "stands in code",
    "html": "stands in raw HTML",
    "image": "is an image's text",
    "space": "has a space between its brackets",
    "brackets": "has square brackets in its label",
}
"""Why something that looks like a claim is no link."""


def of_problem(code: str, problem: Problem, path: str) -> Finding:
    """A problem that was met on reading as a finding of that code."""
    place = problem.where or Location(path)
    return Finding(code, RULES[code].severity, path, place.line, place.column, problem.message)


def frame_findings(frame: Frame, claims: list[ClaimResult]) -> Iterator[Finding]:
    """Everything wrong with a record but its claims, which must have been resolved before."""
    record = frame.record
    for problem in record.problems:
        yield of_problem("front-matter", problem, record.path)
    unknown = status_problem(record)
    if unknown is not None and record.is_record and (frame.readable or record.status_raw):
        level: Severity = "error" if frame.relevant else "warning"
        yield replace(of_problem("unknown-status", unknown, record.path), severity=level)
    if not frame.relevant or not frame.readable:
        return
    quiet = severity_of(record.status) is None
    if not quiet:
        yield from _broken_sides(frame, claims)
        yield from _unknown_settings(frame)
        yield from _unused(frame)
    yield from _unrendered(frame)
    for line in _merges(frame):
        message = "a merge conflict that was never resolved begins here"
        in_block = line >= frame.document.place(frame.document.block_start)[0]
        remedy = "archwright check --fix writes the definitions anew" if in_block else "Keep one side, remove the marks"
        yield Finding("merge-conflict", "error", record.path, line, 1, message, remedy)


def _broken_sides(frame: Frame, claims: list[ClaimResult]) -> Iterator[Finding]:
    """The base, decision and alternatives that cannot be computed; what only follows from the base is not repeated."""
    record, sides = frame.record, frame.context.sides
    base = sides["base"].problem
    if not record.base and any(problem.field == "base" for problem in record.problems):
        return
    if not record.base:
        # Only sides without a base of their own miss it, and only where a claim asks for one.
        if any(claim.verdict == "error" and base in claim.message for claim in claims):
            place = record.place("decision") if record.decision is not None else record.place()
            yield Finding("broken-base", "error", record.path, place.line, place.column, base)
        sides = {name: side for name, side in sides.items() if side.problem != base}
    for name, side in sides.items():
        if side.problem in ("", MISSHAPEN) or (name != "base" and side.problem == base):
            continue
        place = record.place(*((name,) if name in ("base", "decision") else ("alternatives", name)))
        yield Finding("broken-base", "error", record.path, place.line, place.column, f"{name}: {side.problem}")


def _unknown_settings(frame: Frame) -> Iterator[Finding]:
    """Settings of the record or an alternative that nothing has; what only some metrics have is ignored by others."""
    from ..costs.metric import known_setting

    record = frame.record
    given: list[tuple[tuple[str, ...], str]] = [(("settings", key), key) for key in record.settings]
    for name, data in record.alternatives.items():
        given += [(("alternatives", name, "settings", key), key) for key in alternative(data)[1]]
    for keys, key in given:
        if known_setting(key):
            continue
        from ..costs.settings import SETTINGS
        from ..evidence.request import BENCH_SETTINGS

        if key in BENCH_SETTINGS:
            continue

        place = record.place(*keys)
        message = f"{'.'.join(keys)} is a setting of no metric"
        remedy = did_you_mean(key, SETTINGS, "Settings")
        yield Finding("bad-setting", "error", record.path, place.line, place.column, message, remedy)


def _unrendered(frame: Frame) -> Iterator[Finding]:
    for item in frame.document.unrendered:
        message = f"[{item.text}][{item.label}] {UNRENDERED[item.reason]}, so it is no link"
        remedy = (
            "Give the path a name under claims:" if item.reason == "brackets" else "Write [text][label] in the prose"
        )
        yield Finding("claim-not-rendered", "error", frame.record.path, item.line, item.column, message, remedy)


def _merges(frame: Frame) -> list[int]:
    """The line of the first mark of each conflict."""
    first = frame.document.first_line
    lines = frame.document.text.split("\n")
    opening = [line for line in frame.document.conflicts if lines[line - first].startswith("<")]
    return opening or frame.document.conflicts[:1]


def _unused(frame: Frame) -> Iterator[Finding]:
    for name in frame.record.claims_entries:
        if name not in frame.context.used:
            place = frame.record.place("claims", name)
            message = f"claims.{name} is used by no label"
            remedy = f"Bind a figure: [text][{name}]"
            yield Finding("unused-claim", "warning", frame.record.path, place.line, place.column, message, remedy)
