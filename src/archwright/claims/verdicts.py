"""What a judgement says: the verdict on a text, in words, with the figure to paste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .paste import with_binary_unit
from .texts import Refused, Written

Verdict = Literal["holds", "fails", "error", "open"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something to say of a figure that holds: `binary-unit`, `rounds-to`, `ambiguous-percent` or `one-of-two`.

    `replacement` is the link's whole text as it should read, where that is known.
    """

    code: str
    message: str
    replacement: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a text is true of a value.

    `message` follows the label (`is 16.0 GiB (17.2 GB), not 8.0 GB`); `right` is what to paste instead of the text;
    `shown` is the value alone, as a definition's title has it; `open` is the verdict on `?`.
    """

    verdict: Verdict
    message: str
    right: str = ""
    shown: str = ""
    remedy: str = ""
    notes: tuple[Note, ...] = ()


def refused(written: Refused, right: str, shown: str) -> Judgement:
    """The judgement of a text outside the grammar."""
    remedy = written.remedy + (f"; the value is {shown}" if shown else "")
    return Judgement("error", f"reads {quoted(written.source)}, which {written.rule}", right, shown, remedy)


def unfilled(right: str, shown: str) -> Judgement:
    """The judgement of `?`."""
    return Judgement("open", f"is {shown}, not yet filled in", right, shown, f"archwright adr fill writes {right}")


def wrong_kind(written: Written, rule: str, remedy: str, right: str, shown: str) -> Judgement:
    """The judgement of a text that says a thing of another kind than the value is."""
    filled = remedy.replace("{right}", right)
    return Judgement("error", f"is {shown}, but {quoted(written.source)} {rule}", right, shown, filled)


def note_of(code: str, written: Written, right: str) -> tuple[Note, ...]:
    """The notes that go with the interval a value was found in."""
    if code == "rounds-to":
        return (Note(code, f"rounds to {right}"),)
    if code == "binary-unit":
        mended = with_binary_unit(written.source)
        return (
            Note(
                code, f"{written.source} is right only in binary units: write {mended}", with_binary_unit(written.raw)
            ),
        )
    if code == "ambiguous-percent":
        return (Note(code, f"{written.source} is read as that much less time: write {right}", right),)
    return ()


def quoted(text: str) -> str:
    """A link's text between brackets, cut where it is long."""
    return f"[{text if len(text) <= 60 else text[:59] + '…'}]"
