"""Whether a claim's text is true of a computed value."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from ..units import Quantity
from .compared import judge_comparison
from .paste import right_value, show, show_like
from .sets import Better, Mismatch, plainly_rounds, written_set
from .texts import Refused, Written
from .verdicts import Judgement, Note, note_of, quoted, refused, unfilled, wrong_kind

__all__ = ["Judgement", "Note", "judge", "judge_comparison"]

_YES = frozenset({"yes", "true", "on"})
_NO = frozenset({"no", "false", "off"})


FITS = ("fits", "does not fit")
FLAG = ("true", "false")
"""The words for a truth value, of capacity and of a field; `yes` and `no` mean the same."""


def judge(
    written: Written | Refused,
    value: Quantity | str | bool,
    *,
    better: Better | None = None,
    per: str | None = None,
    words: tuple[str, str] = FITS,
) -> Judgement:
    """Whether `written` is true of `value`. `per` is what the value is per (model, layer, ...) where that is known.

    `words` are those for true and false, where the value is a truth value.

    >>> from archwright.claims.texts import parse_text
    >>> j = judge(parse_text("8.0 GB"), Quantity(17179869184, "B")); j.verdict, j.message, j.right
    ('fails', 'is 16.0 GiB (17.2 GB), not 8.0 GB', '16.0 GiB')
    """
    if isinstance(value, Quantity):
        return _judge_quantity(written, value, per)
    right = words[0 if value else 1] if isinstance(value, bool) else value
    if isinstance(written, Refused):
        return refused(written, right, right) if isinstance(value, bool) else _judge_name(written.source, value)
    if written.kind == "open":
        return unfilled(right, right)
    if isinstance(value, bool):
        return _judge_flag(written, value, right, words)
    return _judge_name(written.source, value)


def _judge_flag(written: Written, value: bool, right: str, words: tuple[str, str]) -> Judgement:
    said = written.word.casefold()
    if said in words and words == FITS:
        if (said == words[0]) == value:
            return Judgement("holds", right, right, right)
        return Judgement("fails", f"{right}, although {quoted(written.source)} says otherwise", right, right)
    if said in _YES or said in _NO:
        right = FLAG[0 if value else 1]
        if (said in _YES) == value:
            return Judgement("holds", f"is {right}", right, right)
        return Judgement("fails", f"is {right}, not {written.source}", right, right)
    stated = right if words == FITS else f"is {right}"
    rule = f"{stated}, but {quoted(written.source)} is neither '{words[0]}' nor '{words[1]}'"
    return Judgement("error", rule, right, right, f"Write {right}")


def _judge_name(source: str, value: str) -> Judgement:
    if _folded(source) == _folded(value):
        return Judgement("holds", f"is {value}", value, value)
    return Judgement("fails", f"is {value}, not {source}", value, value)


def _folded(text: str) -> str:
    return text.casefold().replace("-", "").replace("_", "").replace(" ", "")


@lru_cache(maxsize=8192)
def _judge_quantity(written: Written | Refused, value: Quantity, per: str | None) -> Judgement:
    shown = show(value, written.unit if isinstance(written, Written) else None)
    if isinstance(written, Refused):
        return refused(written, shown, shown)
    if written.kind == "open":
        return unfilled(shown, shown)
    if written.kind in ("word", "text"):
        return wrong_kind(written, "holds no figure", "Write {right}", shown, shown)
    unit = written.unit
    if per and unit is not None and unit.per and unit.per != per:
        remedy = f"Write {{right}}, or add per={unit.per} to the label"
        return wrong_kind(written, f"is per {unit.per}, and the value is per {per}", remedy, shown, shown)
    if written.kind == "of":
        return _judge_of(written, value, shown)
    if not written.direction and written.sign >= 0 and plainly_rounds(written, value.value, value.unit):
        return Judgement("holds", f"is {shown}", written.source, shown)
    target = written_set(written, value.unit)
    if isinstance(target, Mismatch):
        return wrong_kind(written, target.rule, target.remedy, right_value(written, value), shown)
    hit = target.find(Fraction(value.value))
    if hit is None:
        return Judgement(
            "fails", f"is {show_like(written, value)}, not {written.source}", right_value(written, value), shown
        )
    notes = note_of(hit.code, written, right_value(written, value)) if hit.code else ()
    return Judgement("holds", f"is {shown}", written.source, shown, notes=notes)


def _judge_of(written: Written, value: Quantity, shown: str) -> Judgement:
    """`8 of 32`: a share where the value is one, else the first figure, with a note that the second is not held."""
    part, whole = written.figure, written.second
    assert part is not None and whole is not None
    n, m = part.number * part.multiplier, whole.number * whole.multiplier
    if value.unit == "%" or (value.unit == "" and Fraction(value.value).denominator != 1):
        if not m:
            return wrong_kind(written, "is a share of nothing", "Write {right}", shown, shown)
        of_one = Fraction(value.value) / (100 if value.unit == "%" else 1)
        slack = (part.place * part.multiplier / 2) / m
        verdict = abs(of_one - n / m) <= slack
        if verdict:
            return Judgement("holds", f"is {shown}", written.source, shown)
        return Judgement("fails", f"is {shown}, not {written.source}", shown, shown)
    first = Written(written.source, "amount", written.raw, part, None, written.unit, written.unit_text, written.hedge)
    judged = judge(first, value)
    if judged.verdict != "holds":
        return judged
    note = Note(
        "one-of-two",
        f"{quoted(written.source)} is held for its first figure only: bind the second in a link of its own",
    )
    return Judgement(judged.verdict, judged.message, judged.right, shown, notes=(*judged.notes, note))
