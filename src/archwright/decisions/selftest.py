"""Self-test: every computed number of a project made false, one at a time, and `check` must report exactly that one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from ..arch.config import ArchitectureConfig
from ..arch.loading import Requirement, load
from ..errors import ArchwrightError
from ..project import find as find_project
from ..textio import apply_edits, read_text
from .claims_of import severity_of
from .documents import check_python, components_folder, page_frame
from .falsify import falsified
from .fixing import claims_in
from .frame import Frame, Frames, shown
from .framed import frame_findings
from .report import ClaimResult, Finding, Report
from .requirements import outcome, requirement_claims

Falsify = Callable[[str], str | None]
Framed = Callable[[str, str, str, Frames], Frame]


@dataclass(slots=True)
class SelfTest:
    """How many numbers were altered, and what `check` got wrong about them."""

    altered: int = 0
    left: int = 0
    """Claims that hold but have no number of ours: cited, assumed, observed."""
    findings: list[Finding] = field(default_factory=list)


def self_test(paths: list[str], falsify: Falsify = falsified) -> SelfTest:
    """Alter each computed number of records and architecture files in memory; nothing is written."""
    result = SelfTest()
    frames = Frames()
    for path in paths:
        if path.lower().endswith((".yaml", ".yml", ".json")):
            _requirements(path, result)
            continue
        try:
            text = read_text(path).text
        except ArchwrightError:
            continue  # check reports it
        if path.endswith(".py"):
            _python(text, path, frames, falsify, result)
        else:
            page = os.path.realpath(path).startswith(os.path.join(_pages(path), ""))
            _document(text, path, page_frame if page else _record_frame, frames, falsify, result)
    return result


def _pages(path: str) -> str:
    return os.path.realpath(components_folder(find_project(path).root))


def _record_frame(text: str, path: str, name: str, frames: Frames) -> Frame:
    return frames.of(text, path, name)


def as_report(result: SelfTest, checked: Report) -> Report:
    """The outcome as a report, after the report of the plain check."""
    count = result.altered
    numbers = f"{count:,} computed number{'s' * (count != 1)} made false one at a time"
    verdict = "each was reported, and nothing else" if not result.findings else f"{len(result.findings)} went wrong"
    about = f"self-test: {numbers}: {verdict}" if count else "self-test: there is no computed number to alter"
    return Report(files=checked.files, general=[*checked.general, *result.findings], about=about)


# Documents --------------------------------------------------------------------------------------------------------


def _document(text: str, path: str, framed: Framed, frames: Frames, falsify: Falsify, result: SelfTest) -> None:
    frame = framed(text, path, shown(path), frames)
    if not frame.relevant or not frame.readable or severity_of(frame.record.status) is None:
        return
    claims, findings = _checked(frame)
    before = [*findings, *frame_findings(frame, claims)]
    links = {(link.line, link.column): link for link in frame.document.claims}
    for number, claim in enumerate(claims):
        link = links.get((claim.line, claim.column))
        if claim.verdict != "holds" or link is None or not _computed(claim):
            result.left += claim.verdict != "holds"
            continue
        false = falsify(claim.text)
        if false is None or false == claim.text:
            result.left += 1
            continue
        result.altered += 1
        made = framed(apply_edits(text, [(link.start, link.end, false)]), path, shown(path), frames)
        after, found = _checked(made)
        every = [*found, *frame_findings(made, after)]
        result.findings += _wrong(false, number, claims, before, after, every)


def _checked(frame: Frame) -> tuple[list[ClaimResult], list[Finding]]:
    return claims_in(frame)


def _computed(claim: ClaimResult) -> bool:
    return claim.title.startswith(("computed:", "requirement:"))


def _wrong(
    false: str,
    number: int,
    claims: list[ClaimResult],
    before: list[Finding],
    after: list[ClaimResult],
    findings: list[Finding],
) -> Iterator[Finding]:
    """What `check` gets wrong about a document in which one claim was made false."""
    claim = claims[number]
    said = f"[{claim.text}][{claim.label}] was made [{false}]"

    def wrong(message: str) -> Finding:
        return Finding("self-test", "error", claim.path, claim.line, claim.column, f"{said}, and {message}")

    if len(after) != len(claims):
        yield wrong(f"{len(after)} claims were read instead of {len(claims)}")
        return
    if after[number].verdict != "fails":
        yield wrong(f"its verdict is {after[number].verdict}")
    for other, was in zip(after, claims, strict=True):
        if other is not after[number] and other.verdict != was.verdict:
            yield wrong(f"[{other.text}][{other.label}] {other.verdict} instead of {was.verdict}")
    known = {(f.code, f.line, f.message) for f in before}
    news = [f for f in findings if (f.code, f.line, f.message) not in known and f.severity != "note"]
    here = (after[number].line, after[number].column)
    mine = [f for f in news if (f.line, f.column) == here and f.code == "claim-fails"]
    if len(mine) != 1:
        yield wrong(f"it was reported {len(mine)} times")
    for finding in news:
        if finding not in mine:
            yield wrong(f"{finding.code} was reported at {finding.line}:{finding.column}")


def _python(text: str, path: str, frames: Frames, falsify: Falsify, result: SelfTest) -> None:
    """The docstrings of a file; a figure is altered wherever its text stands, so it must be that of one claim."""
    file = check_python(path, frames, text)
    for number, claim in enumerate(file.claims if file is not None else ()):
        assert file is not None
        false = falsify(claim.text) if claim.verdict == "holds" and _computed(claim) else None
        if false is None or sum(claim.text in c.text for c in file.claims) > 1:
            result.left += 1
            continue
        result.altered += 1
        altered = re.sub(rf"(?<![\w.]){re.escape(claim.text)}(?!\w)", false.replace("\\", r"\\"), text)
        made = check_python(path, frames, altered)
        after, findings = (made.claims, made.findings) if made is not None else ([], [])
        result.findings += _wrong(false, number, file.claims, file.findings, after, findings)


# Architecture files -----------------------------------------------------------------------------------------------


def _requirements(path: str, result: SelfTest) -> None:
    try:
        config = load(Path(path))
    except ArchwrightError:
        return
    for number, requirement in enumerate(config.source.requirements):
        for bound in range(len(requirement.bounds)):
            false = _broken(requirement, bound, config)
            if false is None:
                continue
            result.altered += 1
            needs = list(config.source.requirements)
            needs[number] = false
            other = config.sourced(replace(config.source, requirements=tuple(needs)))
            before = [c.verdict for c in requirement_claims(config, path)[0]]
            after = [c.verdict for c in requirement_claims(other, path)[0]]
            expected = ["fails" if i == number else v for i, v in enumerate(before)]
            if after != expected:
                place = requirement.where
                at = (place.line, place.column) if place else (0, 0)
                key, value = false.bounds[bound]
                message = f"requirement {requirement.name} was made {key}: {value}, and the verdicts are {after}"
                result.findings.append(Finding("self-test", "error", shown(path), *at, message))


def _broken(requirement: Requirement, number: int, config: ArchitectureConfig) -> Requirement | None:
    """The requirement with a bound that the architecture cannot keep."""
    found = outcome(requirement, config)
    if not found.met:
        return None
    key, _ = requirement.bounds[number]
    bound: bool | int | float = not found.value
    if not isinstance(found.value, bool):
        value = Fraction(found.value.value)
        step = max(abs(value), Fraction(1))
        false = value - step / 2 if key == "at_most" else value + step / 2
        bound = int(false) if false.denominator == 1 else float(false)
    every = list(requirement.bounds)
    every[number] = key, bound
    return replace(requirement, bounds=tuple(every))
