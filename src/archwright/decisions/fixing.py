"""Fixing: the definitions block and binary unit prefixes, the only things that `check --fix` writes."""

from __future__ import annotations

from collections.abc import Sequence

from ..claims.definitions import Wanted, by_hand, edits
from ..claims.document import Definition, Document
from ..claims.labels import fold
from ..textio import Text, apply_edits, write_text
from .claims_of import judged_claims, severity_of
from .frame import Frame, Frames
from .report import ClaimResult, Finding

Edits = list[tuple[int, int, str]]


def upkeep(document: Document, claims: Sequence[ClaimResult], status: str) -> tuple[list[Definition], Edits]:
    """The definitions that people wrote under claims' labels, and the edits that mend the others.

    What people wrote stays, and no second definition is written for it. In a record whose claims no longer matter
    (rejected, superseded) definitions are written where one is missing, but never brought up to date.
    """
    wanted = [Wanted(claim.label, claim.target, claim.title) for claim in claims if claim.title]
    hand_written = by_hand(document, [w.label for w in wanted], {w.target for w in wanted})
    if hand_written:
        taken = {fold(d.label) for d in hand_written}
        wanted = [w for w in wanted if fold(w.label) not in taken]
    if severity_of(status) is None and not document.conflicts:
        present = {fold(d.label) for d in document.definitions}
        if all(fold(w.label) in present for w in wanted):
            return hand_written, []
    return hand_written, [(edit.start, edit.end, edit.text) for edit in edits(document, wanted)]


def claims_in(frame: Frame) -> tuple[list[ClaimResult], list[Finding]]:
    """All claims of a record, judged, and what there is to say about them."""
    claims: list[ClaimResult] = []
    findings: list[Finding] = []
    for claim, found in judged_claims(frame.document, frame.context, frame.record.status, frame.target, frame.anchor):
        claims.append(claim)
        findings += found
    return claims, findings


def with_definitions(frames: Frames, text: str, path: str) -> str:
    """The text with the definitions that its claims need, and nothing else changed."""
    frame = frames.of(text, path)
    claims, _ = claims_in(frame)
    return apply_edits(text, upkeep(frame.document, claims, frame.record.status)[1])


def definition_findings(document: Document, claims: Sequence[ClaimResult], status: str) -> list[Finding]:
    """What is wrong with the definitions of a document: written by hand, missing or out of date."""
    hand_written, mending = upkeep(document, claims, status)
    found: list[Finding] = []
    for d in hand_written:
        message = f"[{d.label}] is a claim's label, and its definition is written by hand"
        remedy = "Remove it, or give that link another label: the tool writes its own at the end of the file"
        found.append(Finding("hand-written-definition", "error", document.path, d.line, d.column, message, remedy))
    if mending:
        line = document.text.rstrip("\n").count("\n", 0, document.block_start) + document.first_line
        message = f"link definitions: {_mended(document, claims) or 'others stand there than the claims need'}"
        remedy = "archwright check --fix writes them"
        found.append(Finding("outdated-definition", "warning", document.path, line, 1, message, remedy))
    return found


def _mended(document: Document, claims: Sequence[ClaimResult]) -> str:
    """How many definitions are missing and out of date, and which."""
    present = {fold(d.label): (d.target, d.title) for d in reversed(document.definitions)}
    missing: list[str] = []
    stale: list[str] = []
    seen: set[str] = set()
    for claim in claims:
        key = fold(claim.label)
        if key not in seen and claim.title:
            seen.add(key)
            if key not in present:
                missing.append(claim.label)
            elif present[key] != (claim.target, claim.title):
                stale.append(claim.label)
    said = []
    for labels, words in ((missing, "missing"), (stale, "out of date")):
        if labels:
            said.append(f"{len(labels)} {words} ({', '.join(labels[:3])}{', …' if len(labels) > 3 else ''})")
    return " and ".join(said)


PASSES = 3
"""Mending may bring something to light that it hid, such as a front matter behind a definition; then again."""


def fixed_text(frame: Frame, frames: Frames, path: str) -> str:
    """The record's text with binary unit prefixes and definitions as they should be."""
    text = frame.document.text
    for _ in range(PASSES):
        mended = _mend(frame, frames, path) if frame.relevant and frame.readable else text
        if mended == text:
            break
        text = mended
        frame = frames.of(text, path)
    return text


def _mend(frame: Frame, frames: Frames, path: str) -> str:
    document = frame.document
    claims, findings = claims_in(frame)
    spans = {(link.line, link.column): link for link in document.claims}
    units: Edits = []
    for finding in findings:
        if finding.code == "binary-unit" and finding.fix:
            link = spans[finding.line, finding.column]
            units.append((link.start, link.end, finding.fix))
    if units:
        return with_definitions(frames, apply_edits(document.text, units), path)
    return apply_edits(document.text, upkeep(document, claims, frame.record.status)[1])


def write_fixed(source: Text, text: str, path: str) -> bool:
    """Write the text where it differs; whether it did."""
    if text == source.text:
        return False
    write_text(path, text, like=source)
    return True
