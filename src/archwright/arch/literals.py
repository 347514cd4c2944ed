"""Numbers as files write them: YAML 1.2 core with digit groups, JSON, and counts of tokens."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from ..errors import InvalidValue, Problem

MAX_DIGITS = 4300
"""Longest number that is read; Python's own limit between text and integers."""

_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_GROUPS = r"[0-9]+(?:_[0-9]+)*"
_INT = re.compile(rf"[-+]?{_GROUPS}")
_RADIX = re.compile(r"0x[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|0o[0-7]+(?:_[0-7]+)*")
_FLOAT = re.compile(rf"([-+]?)(?:({_GROUPS})(?:\.((?:{_GROUPS})?))?|\.({_GROUPS}))(?:[eE]([-+]?[0-9]+))?")
_SPECIAL = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

MAYBE = frozenset(["", *"~nNtTfF-+.0123456789"])
"""First characters (or none) of every plain text that is not simply text: the rest need not be looked at."""


class BadNumber(ValueError):
    """A text that is a number by its shape but cannot be held; the message is the rule it breaks."""


def plain(text: str) -> str | int | float | bool | None:
    """What an unquoted YAML scalar means: YAML 1.2 core, with `_` between digits.

    `yes`, `on`, dates and `1:30` are text; `010` is ten. `BadNumber`: too long or too large.

    >>> plain("1e6"), plain("100_000"), plain("010"), plain("0x1F"), plain("1.0"), plain("on"), plain("~")
    (1000000, 100000, 10, 31, 1.0, 'on', None)
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise BadNumber(f"is a number of {len(text):,} characters; at most {MAX_DIGITS:,} are read")
        return int(text)
    if _RADIX.fullmatch(text):
        if len(text) > MAX_DIGITS // 2:  # a hexadecimal digit is worth 1.2 decimal ones
            raise BadNumber(f"is a number of {len(text):,} characters; at most {MAX_DIGITS // 2:,} of these are read")
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return from_decimal(text)
    if special := _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1)) if special[1] is not None or "i" in text.lower() else math.nan
    return text


def from_decimal(text: str) -> int | float:
    """The number that a text with a point or an exponent writes.

    With an exponent of 0 to 18 and a whole value it is an integer: `1e6` tokens are exactly 1,000,000, whereas a
    point alone says that a fraction is meant, so `1.0` and `10000.0` stay floating-point.
    """
    if len(text) > MAX_DIGITS:
        raise BadNumber(f"is a number of {len(text):,} characters; at most {MAX_DIGITS:,} are read")
    match = _FLOAT.fullmatch(text)
    if match and (exponent := match[5]) and len(exponent) <= 3 and 0 <= int(exponent) <= 18:
        whole, part = match[2] or "", (match[3] or match[4] or "").replace("_", "").rstrip("0")
        if len(part) <= int(exponent):
            return int(f"{match[1]}{whole}{part}{'0' * (int(exponent) - len(part))}")
    value = float(text.replace("_", ""))
    if math.isinf(value):
        raise BadNumber("is larger than a floating-point number can be")
    return value


_TOKENS = re.compile(rf"([-+]?)({_GROUPS}(?:\.[0-9]+)?|{_GROUPS}[eE][0-9]{{1,2}})(?: ?([A-Za-z]+))?")
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_AMBIGUOUS = {"k": 1, "m": 2, "b": 3, "g": 3, "t": 4}


def parse_tokens(value: str | int, field: str = "", bare: bool = True) -> int:
    """A count of tokens: `32768`, `32_768`, `1e6` or `32Ki`.

    InvalidValue: not whole, not a number, or with `K`, which could be 1,000 or 1,024. `bare=False` refuses a text
    without a suffix: in a file that is a quoted number, and quoted text is never a number.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _TOKENS.fullmatch(value.strip()) if isinstance(value, str) and len(value) < 100 else None
    rule, remedy = "is not a count of tokens", "write a whole number such as 32768, 32_768 or 32Ki"
    if match and (match[3] in _BINARY or (match[3] is None and bare)):
        number = Fraction(match[2].replace("_", "")) * _BINARY.get(match[3] or "", 1)
        if number.denominator == 1:
            return int(number) if match[1] != "-" else -int(number)
        rule = "is not a whole number of tokens"
    elif match and match[3] is None:
        rule, remedy = "is text, and quoted text is never a number", "remove the quotes"
    elif match and (power := _AMBIGUOUS.get(match[3].lower())):
        number = Fraction(match[2].replace("_", ""))
        decimal, binary = int(number * 1000**power), int(number * 1024**power)
        suffix = "KMGT"[power - 1]
        rule = f"could mean {decimal:,} or {binary:,} tokens"
        remedy = f"write {decimal:_} or {match[2]}{suffix}i"
    elif isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+", value):
        rule, remedy = "has commas", f"write {value.replace(',', '_')}"
    raise InvalidValue(Problem(field, value, rule, remedy))
