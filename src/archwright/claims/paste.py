"""Figures as people paste them: a value in the unit and precision of the text that it corrects."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from ..units import Quantity, significant, to_fixed
from .texts import Figure, Written
from .vocabulary import DIRECTIONS, NOUNS, OPPOSITE, UNITS, Unit

_DECIMAL_PREFIX = re.compile(r"(?<![A-Za-z])([kKMGTP])B(?![A-Za-z])")


def with_binary_unit(text: str) -> str:
    """A link's text with its SI prefix made binary, everything else kept.

    >>> with_binary_unit("**128 MB**"), with_binary_unit("4KB")
    ('**128 MiB**', '4KiB')
    """
    return _DECIMAL_PREFIX.sub(lambda m: m[1].upper() + "iB", text)


def show(quantity: Quantity, like: Unit | None = None) -> str:
    """A quantity with three significant digits; bytes in binary units, a very large number as a power of ten.

    A time is shown in the unit `like`, where that is one of time.

    >>> show(Quantity(10**10, "B")), show(Quantity(38 * 10**24, "FLOP")), show(Quantity(8, "heads"))
    ('9.31 GiB', '3.80e25 FLOP', '8 heads')
    """
    size = abs(Fraction(quantity.value))
    if size >= 10**21 and quantity.unit not in ("B", "B/s"):
        return f"{scientific(Fraction(quantity.value), 2)} {quantity.unit}".rstrip()
    if quantity.unit == "s":
        if like is not None and like.base == "s":
            return quantity.in_unit(like.name)
        if size >= 120:
            return quantity.in_unit("days" if size >= 2 * 86400 else "h" if size >= 7200 else "min")
    return str(quantity)


def show_like(written: Written, quantity: Quantity) -> str:
    """A quantity beside a text that it contradicts: with as many digits as it takes to see the difference.

    Bytes written in decimal units are followed by what the value is in those.
    """
    base = show(quantity, written.unit)
    if quantity.unit == "B" and written.unit and written.unit.base == "B" and "i" not in written.unit.name:
        decimal = Quantity(quantity.value, "B").in_unit(_decimal_unit(Fraction(quantity.value)))
        return f"{base} ({decimal})" if quantity.value >= 1000 else base
    number = base.split(" ")[0].replace(",", "")
    if written.figure is not None and Fraction(number) == written.figure.number:
        return _finer(written, quantity) or base
    return base


def _finer(written: Written, quantity: Quantity) -> str | None:
    """The quantity with enough digits to differ from the figure that was written; None where it is that figure."""
    amount = _author_amount(written, quantity)
    figure = written.figure
    if amount is None or figure is None or amount == figure.number:
        return None
    for digits in range(3, 9):
        number = significant(amount, digits)
        if Fraction(number.replace(",", "")) != figure.number:
            return replaced(replace(written, hedge=""), number)
    if Fraction(quantity.value).denominator == 1:
        return f"{int(quantity.value):,} {quantity.unit}".rstrip()
    return None


def _decimal_unit(size: Fraction) -> str:
    names = [(n, u.factor) for n, u in UNITS.items() if n in ("B", "kB", "MB", "GB", "TB", "PB")]
    return max((n for n in names if abs(size) >= n[1]), key=lambda n: n[1], default=("B", 1))[0]


def scientific(value: Fraction, decimals: int) -> str:
    """`3.80e25`: a power of ten with that many decimals before it."""
    if value == 0:
        return "0e0"
    size, exponent = abs(value), 0
    while size >= 10**30:
        size, exponent = size / 10**30, exponent + 30
    while size >= 10:
        size, exponent = size / 10, exponent + 1
    while size < 1:
        size, exponent = size * 10, exponent - 1
    mantissa = to_fixed(size, decimals)
    if mantissa.startswith("10"):
        mantissa, exponent = to_fixed(size / 10, decimals), exponent + 1
    return f"{'-' if value < 0 else ''}{mantissa}e{exponent}"


def amount_like(figure: Figure, amount: Fraction) -> str:
    """A number with the decimals of `figure`; three significant digits where those would leave fewer than two."""
    if figure.scientific:
        return scientific(amount, max(figure.decimals, 1))
    text = to_fixed(amount, figure.decimals)
    digits = text.replace(",", "").replace(".", "").lstrip("-0")
    if len(digits) < 2 and Fraction(text.replace(",", "")) != amount:
        return significant(amount)
    return text


def _in_author_unit(written: Written, quantity: Quantity) -> str | None:
    """The quantity in the written unit, suffix and precision; None where the kinds differ or the unit is far off."""
    figure, amount = written.figure, _author_amount(written, quantity)
    if figure is None or amount is None:
        return None
    scaled = figure.suffix or (written.unit is not None and written.unit.factor != 1)
    if scaled and amount and not figure.scientific and not Fraction(1, 10) <= abs(amount) < 10**5:
        return None
    number = amount_like(figure, amount)
    plain = number.replace(",", "")
    if written.hedge and written.hedge != "about" and Fraction(plain) != amount:
        # beside a bound, and for an exact figure, the author's precision would hide the difference
        return _finer(written, quantity)
    return replaced(written, number)


def _author_amount(written: Written, quantity: Quantity) -> Fraction | None:
    """How many of the written unit and suffix a quantity is; None where they are of different kinds."""
    figure, unit, base = written.figure, written.unit, quantity.unit
    if figure is None:
        return None
    value = Fraction(quantity.value)
    if unit is None:
        if base not in ("params", "elements", "tokens", "keys", ""):
            return None
    elif unit.base == base or {unit.base, base} == {"tokens", "keys"}:
        value /= unit.factor
    elif base == "" and unit.base == "%":
        value *= 100
    elif base != "" or (unit.base != "x" and unit.base not in NOUNS):
        return None
    return value / (1024 if figure.suffix in ("K", "k") and value % 1024 == 0 else figure.multiplier)


def replaced(written: Written, number: str) -> str:
    """The source with its figure replaced: the author's spacing, suffix and unit stay, the hedge of a bound goes."""
    figure = written.figure
    assert figure is not None
    start = written.source.find(figure.digits)
    after = written.source[start + len(figure.digits) :]
    if start < 0 or written.kind != "amount":
        space = " " if written.unit_text and written.unit_text != "x" else ""
        after = f"{figure.suffix}{space}{written.unit_text}"
    money = "$" if written.unit_text.startswith("$") else ""
    sign = "+" if written.sign > 0 and not number.startswith("-") else ""
    return f"{hedge_text(written)}{sign}{money}{number}{after}"


def hedge_text(written: Written) -> str:
    """`about` or `exactly` as the author wrote it; nothing for a bound, which a right figure does not need."""
    if written.hedge not in ("about", "exactly") or written.figure is None:
        return ""
    start = written.source.find(written.figure.digits)
    return written.source[: max(start, 0)].rstrip("+-–$ ") + (" " if written.source[max(start - 1, 0)] == " " else "")


def right_value(written: Written | None, quantity: Quantity) -> str:
    """The figure to paste for a value: in the author's unit and precision where they suit, bytes in binary units.

    >>> from archwright.claims.texts import parse_text
    >>> right_value(parse_text("8.0 GB"), Quantity(16 * 2**30, "B"))
    '16.0 GiB'
    >>> right_value(parse_text("8 GB"), Quantity(9 * 10**9, "B"))
    '9 GB'
    """
    if written is None or written.figure is None or written.kind != "amount":
        return show(quantity)
    hedge = hedge_text(written) if written.hedge == "about" else ""
    unit = written.unit
    if (
        quantity.unit == "B"
        and unit is not None
        and unit.base == "B"
        and unit.name not in ("B",)
        and "i" not in unit.name
    ):
        exact = to_fixed(Fraction(quantity.value) / unit.factor, written.figure.decimals)
        if Fraction(exact.replace(",", "")) * unit.factor != quantity.value:
            return hedge + show(quantity)
    return _in_author_unit(written, quantity) or hedge + show(quantity)


def direction_text(written: Written, less: bool) -> str:
    """The author's direction word, turned round where the truth is the other one; `less` or `more` for none."""
    word = written.direction_word
    if not word:
        return "less" if less else "more"
    canonical = DIRECTIONS[word.lower()]
    if canonical in ("less", "more"):
        return word if (canonical == "less") == less else OPPOSITE[word.lower()]
    return word
