"""A true figure made false: the number altered, in the direction that makes its sentence untrue, and nothing else."""

from __future__ import annotations

from fractions import Fraction

from ..claims.texts import Figure, Written, parse_text
from ..units import to_fixed

LARGER, SMALLER = Fraction(3), Fraction(1, 3)
"""Factors beyond every tolerance: hedges, either reading of K and of GB, and rounding to one digit."""
WORDS = {
    "fits": "does not fit",
    "does not fit": "fits",
    "unchanged": "3x larger",
    "true": "false",
    "false": "true",
    "yes": "no",
    "no": "yes",
    "on": "off",
    "off": "on",
    "met": "not met",
    "holds": "broken",
}


def falsified(text: str, factor: Fraction | None = None) -> str | None:
    """The text of a true claim with its number altered so that it is false; None where it holds none.

    Without `factor` it is one that no tolerance covers, in the direction against which the text is a bound.

    >>> falsified("4.00 GiB"), falsified("at most **3.5 ms**"), falsified("75 % less"), falsified("8 of 32 heads")
    ('12.00 GiB', 'at most **1.2 ms**', '25 % less', '24 of 32 heads')
    """
    written = parse_text(text)
    if not isinstance(written, Written):
        return f"x{text}" if text.strip() else None  # a name in a field's value
    if written.kind in ("word", "text"):
        word = written.word.casefold()
        return WORDS.get(word, f"x{text}")
    if written.kind == "open" or written.figure is None:
        return None
    if written.hedge in ("at most", "under") and not written.figure.number:
        return None  # nothing that is counted is less than none
    by = factor or _factor(written)
    made = _altered(text, written.figure, by)
    if made is not None and written.kind == "range" and written.second is not None:
        made = _altered(made, written.second, by, last=True)
    return made


def _factor(written: Written) -> Fraction:
    figure = written.figure
    assert figure is not None
    if written.hedge in ("at most", "under"):
        return SMALLER
    if written.hedge in ("at least", "over"):
        return LARGER
    share = written.unit is not None and written.unit.base in ("%", "pp")
    if share and (written.direction in ("less", "faster") or written.sign < 0) and figure.number * LARGER > 99:
        return SMALLER  # nothing is 225 % less
    return LARGER


def _altered(text: str, figure: Figure, factor: Fraction, last: bool = False) -> str | None:
    at = text.rfind(figure.digits) if last else text.find(figure.digits)
    if at < 0:
        return None
    return text[:at] + _digits(figure, factor) + text[at + len(figure.digits) :]


def _digits(figure: Figure, factor: Fraction) -> str:
    """Another number in the notation of a figure: its decimals, separators and power of ten."""
    mantissa, power, exponent = figure.digits.partition("e") if "e" in figure.digits else figure.digits.partition("E")
    plain = mantissa.replace(",", "").replace("_", "")
    number = Fraction(plain)
    decimals = len(plain.partition(".")[2])
    made = to_fixed(number * factor, decimals)
    if Fraction(made.replace(",", "")) == number:  # 0, or a change that rounding hides
        step = Fraction(1, 10**decimals)
        made = to_fixed(number + 2 * step if factor > 1 or number < 2 * step else number - 2 * step, decimals)
    separator = "," if "," in mantissa else "_" if "_" in mantissa else ""
    return made.replace(",", separator) + power + exponent
