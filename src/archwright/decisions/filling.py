"""fill: question marks replaced by figures, and on request wrong figures of a proposed record too."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import NOTHING, Problem, UsageError
from ..textio import apply_edits, read_text, write_text
from .claims_of import judged_claims
from .fixing import with_definitions
from .frame import Frames, shown


@dataclass(frozen=True, slots=True)
class Filled:
    """One figure that was written."""

    line: int
    column: int
    label: str
    before: str
    after: str


def filled(frames: Frames, text: str, path: str, *, wrong: bool = False) -> tuple[str, list[Filled], list[str]]:
    """The text with its question marks filled in, what was filled, and why others could not be."""
    frame = frames.of(text, path, shown(path))
    if wrong and frame.record.status not in ("proposed", "unknown"):
        rule = f"is {frame.record.status}: its figures are what was decided on"
        raise UsageError(
            Problem(frame.record.label, NOTHING, rule, "Write a new record that supersedes it", frame.record.where)
        )
    edits: list[tuple[int, int, str]] = []
    done: list[Filled] = []
    left: list[str] = []
    spans = {(link.line, link.column): link for link in frame.document.claims}
    for claim, _ in judged_claims(frame.document, frame.context, "proposed", frame.target, frame.anchor):
        is_open = claim.text.strip(" *_") == "?"
        if not is_open and not (wrong and claim.verdict == "fails"):
            continue
        link = spans[claim.line, claim.column]
        if claim.verdict not in ("open", "fails") or not claim.right:
            left.append(f"{claim.line}:{claim.column}  [{claim.label}]: {claim.message}")
            continue
        edits.append((link.start, link.end, claim.right))
        done.append(Filled(claim.line, claim.column, claim.label, claim.text, claim.right))
    made = apply_edits(text, edits)
    return (with_definitions(frames, made, path) if edits else text), done, left


def fill(path: str, *, wrong: bool = False) -> tuple[list[Filled], list[str]]:
    """Fill a record's file in place; every byte outside the figures and the definitions stays."""
    source = read_text(path)
    text, done, left = filled(Frames(), source.text, path, wrong=wrong)
    if text != source.text:
        write_text(path, text, like=source)
    return done, left
