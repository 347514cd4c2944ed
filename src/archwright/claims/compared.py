"""Whether a claim's text is true of two values compared, from one to the other."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from ..units import Quantity, significant, to_fixed
from .paste import amount_like, direction_text, replaced, show
from .sets import Better, Mismatch, WrittenSet, plainly_rounds, says_less, speed_direction, unit_factors, written_set
from .texts import Refused, Written
from .verdicts import Judgement, Note, note_of, refused, unfilled, wrong_kind
from .vocabulary import NOUNS

_WORDS = {
    "B": ("smaller", "larger"), "s": ("shorter", "longer"),
    "%": ("lower", "higher"), "tokens/s": ("lower", "higher"), "B/s": ("lower", "higher"),
    "FLOP/s": ("lower", "higher"), "$": ("cheaper", "dearer"),
} | dict.fromkeys((*NOUNS,), ("fewer", "more"))  # fmt: skip
"""The words for less and more of a value in that unit, as a factor."""


class Change(NamedTuple):
    """Two values and what lies between them."""

    a: Quantity
    b: Quantity
    names: tuple[str, str]
    better: Better | None

    @property
    def ratio(self) -> Fraction | None:
        """`b` over `a`; None where a ratio has no meaning."""
        a, b = Fraction(self.a.value), Fraction(self.b.value)
        return b / a if a > 0 and b >= 0 else None

    @property
    def difference(self) -> Fraction:
        """`b` minus `a` in their base unit."""
        return Fraction(self.b.value) - Fraction(self.a.value)


@lru_cache(maxsize=8192)
def judge_comparison(
    written: Written | Refused,
    a: Quantity,
    b: Quantity,
    *,
    better: Better | None = None,
    names: tuple[str, str] = ("from", "to"),
) -> Judgement:
    """Whether `written` is true of the step from `a` to `b`, which have the same unit and are called `names`.

    >>> from archwright.claims.texts import parse_text
    >>> j = judge_comparison(parse_text("4x larger"), Quantity(2**34, "B"), Quantity(2**32, "B"))
    >>> j.verdict, j.message, j.right
    ('fails', 'is 16.0 GiB to 4.00 GiB, 4.00x smaller: it is smaller, not larger', '4x smaller')
    """
    change = Change(a, b, names, better)
    if a.unit != b.unit:
        shown = f"{show(a)} to {show(b)}"
        return Judgement(
            "error", f"is {shown}, which are of different kinds", "", shown, "Compare two values of one metric"
        )
    if isinstance(written, Refused):
        default = best_words(change)
        return refused(written, default, _shown(None, change))
    if written.kind == "open":
        return unfilled(best_words(change), _shown(None, change))
    shown = _shown(written, change)
    if written.kind == "text" or written.word in ("fits", "does not fit"):
        return wrong_kind(written, "holds no figure", "Write {right}", best_words(change), shown)
    if written.kind == "of":
        return _judge_of(written, change, shown)
    if written.kind == "range" and not written.direction and not written.sign and _are_operands(written, change):
        return Judgement("holds", f"is {shown}", written.source, shown)
    if _plainly_holds(written, change):
        return Judgement("holds", f"is {shown}", written.source, shown)
    target = written_set(written, a.unit, compares=True, better=better)
    if isinstance(target, Mismatch):
        return wrong_kind(written, target.rule, target.remedy, best_words(change), shown)
    return _judge(written, change, target, shown)


def _plainly_holds(written: Written, change: Change) -> bool:
    """Whether `4x smaller`, `75 % less` or `+3 %` simply rounds: the common case, decided early."""
    unit = written.unit
    if unit is None or not change.difference or unit.base not in ("x", "%") or change.a.unit == "%":
        return False
    less = written.direction == "less" or written.sign < 0
    if not less and written.direction != "more" and written.sign <= 0:
        return False
    ratio = change.ratio
    if not ratio or (ratio < 1) != less or (unit.base == "x" and written.sign):
        return False
    size = (1 / ratio if less else ratio) if unit.base == "x" else abs(ratio - 1) * 100
    return plainly_rounds(written, size, unit.base)


def _judge(written: Written, change: Change, target: WrittenSet, shown: str) -> Judgement:
    x = change.ratio if target.statistic == "ratio" else change.difference
    if x is None and not change.difference:
        x = Fraction(1)
    if x is None:
        return wrong_kind(
            written,
            "is a ratio, which these values do not have",
            "Write the difference: {right}",
            _difference_words(None, change),
            shown,
        )
    notes = _points_note(written, change)
    less = says_less(written, change.a.unit, change.better)
    moved = change.difference
    if isinstance(less, bool) and moved and (moved < 0) != less and written.hedge not in ("at most", "under"):
        truth, said = _opposites(written, change, less)
        message = f"is {shown}: it is {truth}, not {said}"
        return Judgement("fails", message, right_words(written, change), shown, notes=notes)
    hit = target.find(x)
    if hit is None:
        return Judgement("fails", f"is {shown}, not {written.source}", right_words(written, change), shown, notes=notes)
    message = f"is {shown}"
    if less is None and written.unit is not None and written.unit.base == "x" and moved:
        message = _which_is_which(change)
    if hit.code:
        notes += note_of(hit.code, written, right_words(written, change))
    return Judgement("holds", message, written.source, shown, notes=notes)


def _opposites(written: Written, change: Change, less: bool) -> tuple[str, str]:
    if written.direction in ("faster", "slower"):
        return ("slower", "faster") if written.direction == "faster" else ("faster", "slower")
    if written.direction_word:
        return direction_text(written, not less).lower(), written.direction_word.lower()
    words = _WORDS.get(change.a.unit, ("smaller", "larger"))
    return (words[1], words[0]) if less else words


def _which_is_which(change: Change) -> str:
    (large, one), (small, two) = sorted(
        zip((change.a, change.b), change.names, strict=True), key=lambda p: -Fraction(p[0].value)
    )
    factor = significant(Fraction(large.value) / Fraction(small.value)) if small.value else "more than any number of "
    return f"is {show(large)} ({one}), {factor}x {show(small)} ({two})"


def _points_note(written: Written, change: Change) -> tuple[Note, ...]:
    if change.a.unit != "%" or written.unit is None or written.unit.base != "%":
        return ()
    points = written.source.replace("percent", "pp").replace("%", "pp")
    relative = ""
    if change.ratio is not None:
        relative = f" or {_tenths(abs(change.ratio - 1) * 100)} % relative"
    message = f"{written.source} of a percentage is read as points: write {points}{relative}"
    return (Note("ambiguous-percent", message, written.raw.replace("percent", "pp").replace("%", "pp")),)


def _are_operands(written: Written, change: Change) -> bool:
    """Whether a range names the two values themselves: `16.0 GiB to 4.00 GiB`."""
    if written.unit is not None and written.unit.base in ("x", "pp", "% relative"):
        return False
    if isinstance(unit_factors(written, change.a.unit), Mismatch):
        return False
    for figure, value in ((written.figure, change.a), (written.second, change.b)):
        single = written_set(replace(written, kind="amount", figure=figure, second=None), value.unit)
        if isinstance(single, Mismatch) or single.find(Fraction(value.value)) is None:
            return False
    return True


def _judge_of(written: Written, change: Change, shown: str) -> Judgement:
    """`8 of 32`: the part is the second value and the whole the first (or the other way round)."""
    part, unit, whole = *show(change.b).partition(" ")[::2], show(change.a)
    counts = change.a.unit in NOUNS and whole.partition(" ")[2] == unit
    right = f"{part} of {whole}" if counts else best_words(change)
    sets = []
    for figure in (written.figure, written.second):
        single = written_set(replace(written, kind="amount", figure=figure, second=None), change.a.unit)
        if isinstance(single, Mismatch):
            return wrong_kind(written, single.rule, single.remedy, right, shown)
        sets.append(single)
    a, b = Fraction(change.a.value), Fraction(change.b.value)
    if (sets[0].find(b) and sets[1].find(a)) or (sets[0].find(a) and sets[1].find(b)):
        return Judgement("holds", f"is {shown}", right, shown)
    return Judgement("fails", f"is {shown}, not {written.source}", right, shown)


def _shown(written: Written | None, change: Change) -> str:
    """`16.0 GiB to 4.00 GiB, 4.00x smaller`: both operands, and the step in the author's terms."""
    if not change.difference:
        return f"{show(change.a)} on both sides, unchanged"
    operands = f"{show(change.a)} to {show(change.b)}"
    if written is not None and written.unit is not None:
        base = written.unit.base
        if base == "pp" or (base == "%" and change.a.unit == "%"):
            return f"{operands}, {_difference_words(None, change)}"
        if base in ("%", "% relative"):
            return f"{operands}, {_percent_words(None, change)}"
        if base != "x":
            return f"{operands}, {_difference_words(None, change)}"
        if written.direction in ("faster", "slower") and change.ratio and speed_direction(change.a.unit, change.better):
            return f"{operands}, {_factor_words(written, change, exact=True)}"
    return f"{operands}, {best_words(change)}"


def best_words(change: Change) -> str:
    """The step as one would say it: a factor, a small one in per cent, points between percentages."""
    ratio = change.ratio
    if not change.difference:
        return "unchanged"
    if change.a.unit == "%" or ratio is None or ratio == 0:
        return _difference_words(None, change)
    if Fraction(10, 11) < ratio < Fraction(11, 10):
        return _percent_words(None, change)
    return _factor_words(None, change)


def right_words(written: Written, change: Change) -> str:
    """What to paste: the author's own way of saying it, with the right figure and the right direction."""
    if not change.difference:
        return "unchanged"
    if written.figure is None or written.unit is None or written.kind != "amount" or change.ratio is None:
        return best_words(change)
    base = written.unit.base
    if base == "pp" or (base == "%" and change.a.unit == "%"):
        return _difference_words(written, change)
    if base in ("%", "% relative"):
        return _percent_words(written, change)
    if base == "x":
        return _factor_words(written, change) if change.ratio else best_words(change)
    return _difference_words(written, change)


def _factor_words(written: Written | None, change: Change, exact: bool = False) -> str:
    ratio = change.ratio
    assert ratio
    less = ratio < 1
    if written is None or written.figure is None:
        size = 1 / ratio if less else ratio
        return f"{significant(size)}x {_WORDS.get(change.a.unit, ('smaller', 'larger'))[0 if less else 1]}"
    undirected = not written.direction
    share = undirected and written.figure.number < 1
    size = ratio if share or not less else 1 / ratio
    number = significant(size) if exact else amount_like(written.figure, size)
    if exact:
        return f"{number}x {_turned(written, change, less)}"
    return _say(written, number, "" if undirected else _turned(written, change, less))


def _tenths(percent: Fraction) -> str:
    """A percentage with one decimal, a tiny one with two digits."""
    return to_fixed(percent, 1) if percent >= Fraction(1, 10) else significant(percent, 2)


def _turned(written: Written, change: Change, less: bool) -> str:
    """The author's direction word, or its opposite where the step goes the other way."""
    if written.direction in ("faster", "slower"):
        lower_is_faster = speed_direction(change.a.unit, change.better) == "lower"
        return "faster" if less == lower_is_faster else "slower"
    return direction_text(written, less)


def _percent_words(written: Written | None, change: Change) -> str:
    ratio = change.ratio
    if ratio is None:
        return _difference_words(written, change)
    less = ratio < 1
    size = abs(ratio - 1) * 100
    if written is None or written.figure is None:
        return f"{_tenths(size)} % {'less' if less else 'more'}"
    if written.direction in ("faster", "slower") and speed_direction(change.a.unit, change.better) == "lower":
        size = abs(1 / ratio - 1) * 100 if less and ratio else size
    return _say(written, amount_like(written.figure, size), _turned(written, change, less), less)


def _difference_words(written: Written | None, change: Change) -> str:
    moved = change.difference
    less = moved < 0
    size = Quantity(abs(moved), change.a.unit)
    if change.a.unit == "%":
        words = ("lower", "higher")
        if written is None or written.figure is None:
            return f"{_tenths(abs(moved))} pp {words[0 if less else 1]}"
        text = _say(written, amount_like(written.figure, abs(moved)), _turned(written, change, less), less)
        return text.replace("percent", "pp").replace("%", "pp")
    if written is None or written.figure is None or written.unit is None:
        word = _WORDS[change.a.unit][0 if less else 1] if change.a.unit in NOUNS else "less" if less else "more"
        return f"{show(size)} {word}"
    factors = unit_factors(written, change.a.unit)
    word = _turned(written, change, less)
    if isinstance(factors, Mismatch):
        return f"{show(size)} {word}"
    amount = Fraction(size.value) / factors[0][0] / written.figure.multiplier
    binary = len(factors) > 1 and amount_like(written.figure, amount) != str(amount)
    if binary or not Fraction(1, 10) <= amount < 10**5:
        return f"{show(size)} {word}"
    return _say(written, amount_like(written.figure, amount), word, less)


def _say(written: Written, number: str, word: str, less: bool = False) -> str:
    """The source with another figure, and the direction word or sign that is true; no longer called exact."""
    text = replaced(replace(written, sign=0, hedge=written.hedge if written.hedge == "about" else ""), number)
    if written.direction_word:
        return text.replace(written.direction_word, word) if word else text
    if written.sign:
        return ("-" if less else "+") + text
    return text
