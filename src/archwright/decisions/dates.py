"""Dates as people write them, read into ISO form; an ambiguous or incomplete one is no date."""

from __future__ import annotations

import re

_FULL_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_MONTHS = {name: n for n, full in enumerate(_FULL_MONTHS, 1) for name in (full, full[:3])} | {"sept": 9}
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?![\d-])")
_NUMERIC = re.compile(r"(?<![\d.])(?:(\d{4})([-/.])(\d{1,2})\2(\d{1,2})|(\d{1,2})([-/.])(\d{1,2})\6(\d{4}))(?![\d-])")
_COMPACT = re.compile(r"(?<!\d)((?:19|20)\d\d)(\d\d)(\d\d)(?!\d)")
_NAME = "(" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b\.?"
_DAY_FIRST = re.compile(rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th)?(?:[ ]+of)?[ ,-]+{_NAME}[ ,-]+(\d{{4}})(?!\d)", re.I)
_MONTH_FIRST = re.compile(rf"\b{_NAME}[ -]+(\d{{1,2}})(?:st|nd|rd|th)?[ ,-]+(\d{{4}})(?!\d)", re.I)
_YEAR_FIRST = re.compile(rf"(?<!\d)(\d{{4}})[ ,-]+{_NAME}[ -]+(\d{{1,2}})(?:st|nd|rd|th)?(?!\d)", re.I)


def iso_date(text: str) -> str | None:
    """The first date in a text as YYYY-MM-DD; None where there is none, or it is malformed, ambiguous or has no day.

    >>> iso_date("21.07.2017"), iso_date("September 20, 2024"), iso_date("03/04/2020"), iso_date("2024-12")
    ('2017-07-21', '2024-09-20', None, None)
    """
    text = text[:200]
    if found := _ISO.match(text):
        return _checked(int(found[1]), int(found[2]), int(found[3]))
    firsts: list[tuple[int, tuple[int, int, int] | None]] = []
    if found := _NUMERIC.search(text):
        firsts.append((found.start(), _numeric(found)))
    if found := _COMPACT.search(text):
        firsts.append((found.start(), (int(found[1]), int(found[2]), int(found[3]))))
    if found := _DAY_FIRST.search(text):
        firsts.append((found.start(), (int(found[3]), _MONTHS[found[2].lower()], int(found[1]))))
    if found := _MONTH_FIRST.search(text):
        firsts.append((found.start(), (int(found[3]), _MONTHS[found[1].lower()], int(found[2]))))
    if found := _YEAR_FIRST.search(text):
        firsts.append((found.start(), (int(found[1]), _MONTHS[found[2].lower()], int(found[3]))))
    if not firsts:
        return None
    parts = min(firsts, key=lambda f: f[0])[1]
    return _checked(*parts) if parts else None


def _numeric(found: re.Match[str]) -> tuple[int, int, int] | None:
    if found[1]:
        return int(found[1]), int(found[3]), int(found[4])
    first, second, year = int(found[5]), int(found[7]), int(found[8])
    # Dots are used for day.month.year alone; with slashes and dashes the order differs between countries.
    if found[6] == "." or first > 12 or first == second:
        return year, second, first
    return (year, first, second) if second > 12 else None


def _checked(year: int, month: int, day: int) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31 and year >= 1000):
        return None
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = (29 if leap else 28) if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    return f"{year:04}-{month:02}-{day:02}" if day <= longest else None
