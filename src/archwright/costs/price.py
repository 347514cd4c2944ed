"""Price: what one device hour costs, on what day, and who said so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .settings import PRICE, Rejected, exact

FIELDS = ("amount", "date", "source")


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars of one device hour."""

    amount: Fraction
    date: str
    source: str

    def __str__(self) -> str:
        return f"${float(self.amount):g} a device hour on {self.date}: {self.source}"


def read_price(value: Any) -> Price:
    """From a map of amount, date and source, or a text with slashes between them; Rejected where one is missing."""
    remedy = f"Write {PRICE}"
    if isinstance(value, Price):
        return value
    if isinstance(value, str):
        value = dict(zip(FIELDS, (part.strip() for part in value.split("/", 2)), strict=False))
    elif not isinstance(value, Mapping):
        raise Rejected("has no date and no source", remedy)
    lacking = [name for name in FIELDS if not value.get(name)]
    if lacking:
        raise Rejected(f"lacks {' and '.join(lacking)}", remedy)
    unknown = [str(name) for name in value if name not in FIELDS]
    if unknown:
        raise Rejected(f"has {', '.join(unknown)}, which a price has not", remedy)
    from datetime import date

    try:
        day = date.fromisoformat(str(value["date"]))
    except ValueError:
        raise Rejected(f"has a date that is none: {value['date']}", remedy) from None
    amount = exact(value["amount"])
    if amount <= 0:
        raise Rejected("must be positive")
    return Price(amount, day.isoformat(), str(value["source"]))
