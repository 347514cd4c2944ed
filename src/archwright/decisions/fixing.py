"""Fixing: the definitions block and binary unit prefixes, the only things that `check --fix` writes."""

from __future__ import annotations

from ..claims.definitions import Wanted, by_hand, edits
from ..claims.document import Document
from ..claims.labels import fold
from ..textio import Text, apply_edits, write_text
from .claims_of import judged_claims
from .frame import Frame, Frames
from .report import Finding


def with_definitions(frames: Frames, text: str, path: str) -> str:
    """The text with the definitions that its claims need, and nothing else changed."""
    frame = frames.of(text, path)
    wanted = [
        Wanted(claim.label, claim.target, claim.title)
        for claim, _ in judged_claims(frame.document, frame.context, frame.record.status, frame.target, frame.anchor)
    ]
    return apply_edits(text, edits(frame.document, wanted))


def definition_findings(document: Document, wanted: list[Wanted]) -> list[Finding]:
    """What is wrong with the definitions of a document: written by hand, missing or out of date."""
    found: list[Finding] = []
    by_label = {fold(w.label): w for w in wanted}
    hand_written = by_hand(document, [w.label for w in wanted], {w.target for w in wanted})
    for d in hand_written:
        message = f"[{d.label}] is a claim's label, and its definition is written by hand"
        remedy = "Remove it: the tool writes its own at the end of the file"
        found.append(Finding("hand-written-definition", "error", document.path, d.line, d.column, message, remedy))
    if hand_written or not edits(document, wanted):
        return found
    present = {fold(d.label): d for d in document.definitions}
    missing = [w.label for key, w in by_label.items() if key not in present]
    stale = [
        w.label
        for key, w in by_label.items()
        if key in present and (present[key].title, present[key].target) != (w.title, w.target)
    ]
    line = document.text.count("\n", 0, document.block_start) + document.first_line
    what = []
    if missing:
        what.append(f"{len(missing)} missing ({', '.join(missing[:3])}{', …' if len(missing) > 3 else ''})")
    if stale:
        what.append(f"{len(stale)} out of date ({', '.join(stale[:3])}{', …' if len(stale) > 3 else ''})")
    message = f"link definitions: {' and '.join(what) or 'others stand there than the claims need'}"
    found.append(
        Finding("outdated-definition", "warning", document.path, line, 1, message, "archwright check --fix writes them")
    )
    return found


def fixed_text(source: Text, frame: Frame, frames: Frames, path: str) -> str:
    """The text with binary unit prefixes and definitions as they should be."""
    spans = {(link.line, link.column): link for link in frame.document.claims}
    units: list[tuple[int, int, str]] = []
    wanted: list[Wanted] = []
    for claim, findings in judged_claims(
        frame.document, frame.context, frame.record.status, frame.target, frame.anchor
    ):
        wanted.append(Wanted(claim.label, claim.target, claim.title))
        link = spans[claim.line, claim.column]
        units += [(link.start, link.end, f.fix) for f in findings if f.code == "binary-unit" and f.fix]
    if units:
        return with_definitions(frames, apply_edits(source.text, units), path)
    return apply_edits(source.text, edits(frame.document, wanted))


def write_fixed(source: Text, text: str, path: str) -> bool:
    """Write the text where it differs; whether it did."""
    if text == source.text:
        return False
    write_text(path, text, like=source)
    return True
