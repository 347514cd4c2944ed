"""Tables of figures for terminals, notebooks and files: cells as text, columns aligned."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ..units import PLAIN_UNITS, Quantity, decimal_places, scales, to_fixed


def plain_text(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Columns two spaces apart; `right` says which are aligned to the right."""
    every = [list(header), *map(list, rows)] if any(header) else list(map(list, rows))
    widths = [max(len(row[i]) for row in every) for i in range(len(right))]
    lines = []
    for row in every:
        cells = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """A Markdown table; bars in cells are escaped."""
    ruler = ["--:" if r else "---" for r in right]
    lines = ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in (header, *rows)]
    return "\n".join([lines[0], "|" + "|".join(ruler) + "|", *lines[1:]]) + "\n"


def as_html(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], caption: str = "") -> str:
    """An HTML table for notebooks."""
    import html  # its table of entities is large, and terminals need none of it

    def line(cells: Sequence[str], tag: str) -> str:
        made = (
            f"<{tag} style='text-align:{'right' if r else 'left'}'>{html.escape(c)}</{tag}>"
            for c, r in zip(cells, right, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    top = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    body = "".join(line(row, "td") for row in rows)
    return f"<table>{top}<thead>{line(header, 'th')}</thead><tbody>{body}</tbody></table>"


def as_csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Comma-separated values with a header, numbers unrounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def number(value: int | Fraction) -> int | float:
    """A value as JSON holds it: integers exactly, everything else as a decimal number."""
    return int(value) if Fraction(value).denominator == 1 else float(value)


HUGE = 10**21
"""From here on a number is a power of ten: nobody reads millions of exa."""


def shown(quantity: Quantity) -> str:
    """A quantity as a table has it; a huge one as a power of ten.

    >>> shown(Quantity(38 * 10**24, "FLOP")), shown(Quantity(2**30, "B"))
    ('3.80e25 FLOP', '1.00 GiB')
    """
    if quantity.unit == "B" or abs(Fraction(quantity.value)) < HUGE:
        return str(quantity)
    exponent = len(str(abs(int(quantity.value)))) - 1
    mantissa = to_fixed(Fraction(quantity.value) / 10**exponent, 2)
    if mantissa.lstrip("-").startswith("10"):
        exponent, mantissa = exponent + 1, to_fixed(Fraction(quantity.value) / 10 ** (exponent + 1), 2)
    return f"{mantissa}e{exponent} {quantity.unit}".rstrip()


def shared(quantities: Sequence[Quantity]) -> list[str]:
    """Quantities of one row in one unit with the same decimals: three significant digits of the first.

    The unit is the largest in which the largest of them is at least one. A value that this would print as zero, and
    that is not zero, has its own unit.

    >>> shared([Quantity(4 * 2**30, "B"), Quantity(2**29, "B"), Quantity(1024, "B")])
    ['4.00 GiB', '0.50 GiB', '1.00 KiB']
    """
    first = quantities[0]
    if first.unit != "B" and any(abs(Fraction(q.value)) >= HUGE for q in quantities):
        return [shown(q) for q in quantities]
    if first.unit in PLAIN_UNITS and all(Fraction(q.value).denominator == 1 for q in quantities):
        return [str(q) for q in quantities]
    largest = max(quantities, key=lambda q: abs(Fraction(q.value)))
    unit = largest.best_unit()
    base = first.amount(unit) or largest.amount(unit)
    decimals = min(decimal_places(base), 4) if scales(first.unit) else 0
    cells = []
    for quantity in quantities:
        amount = quantity.amount(unit)
        text = to_fixed(amount, decimals)
        if amount and not any(c in "123456789" for c in text):
            cells.append(str(quantity))
        elif quantity.unit == "%":
            cells.append(f"{text} %")
        else:
            cells.append(f"{text} {unit}".rstrip())
    return cells


def change(base: Quantity, other: Quantity) -> str:
    """How a value relates to the base's: `-2.3 %`, `2.0x less`, `same`; percentages in points; else empty.

    >>> change(Quantity(4, "B"), Quantity(2, "B")), change(Quantity(100, "B"), Quantity(98, "B"))
    ('2.0x less', '-2.0 %')
    """
    if base.value == other.value:
        return "same"
    if base.unit == "%":
        points = Fraction(other.value) - base.value
        return f"{'+' if points > 0 else ''}{to_fixed(points, 1)} pp"
    if not base.value or not other.value or (base.value < 0) != (other.value < 0):
        return ""
    ratio = Fraction(other.value) / base.value
    if ratio >= 2:
        return f"{to_fixed(ratio, 1)}x more"
    if ratio <= Fraction(1, 2):
        return f"{to_fixed(1 / ratio, 1)}x less"
    percent = 100 * (ratio - 1)
    decimals = 1 if abs(percent) >= Fraction(1, 20) else max(1, decimal_places(percent, 1))
    sign = "+" if percent > 0 else ""
    return f"{sign}{to_fixed(percent, decimals)} %"
