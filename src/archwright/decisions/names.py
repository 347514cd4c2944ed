"""File names of records: the number in them, the date in them, and which names are no record's."""

from __future__ import annotations

import os
import re
from typing import NamedTuple


class NameParts(NamedTuple):
    """A record's file name taken apart: `adr-0040a-runtime.md` is ("adr-", "0040", "a", "runtime")."""

    prefix: str
    digits: str
    letter: str
    rest: str

    @property
    def number(self) -> str | None:
        """The number as people say it, without leading zeros: "40a"."""
        return str(int(self.digits)) + self.letter if self.digits else None


_DATE = re.compile(
    r"(?:19|20)\d\d-?(?:0[1-9]|1[0-2])(?:-?(?:0[1-9]|[12]\d|3[01]))?(?:[T_-]?\d{4}(?:\d\d)?)?(?=[-_ .]|$)"
)
_DAY = re.compile(r"((?:19|20)\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])")
_NUMBER = re.compile(
    r"(?P<prefix>(?:adrs?|decision|dr)[-_ .#]*)?(?P<digits>\d{1,9})(?P<letter>[a-z]?)(?=[-_ .]|$)", re.I
)
_PREFIX = re.compile(r"(?:adrs?|madr)?[-_ .]*(?:(?:\d+|n{2,}|x{2,}|y{4}m{2}d{2}))?[-_ .]*", re.I)
_SPLIT = re.compile(r"[-_ .]+")

_INDEX = re.compile(
    r"readme|_?index|toc|contents|table-of-contents|summary|changelog|contributing|license|code_of_conduct|_?sidebar|_navbar"
    r"|(?:adr|decisions?)-(?:index|list|log)"
)
_TEMPLATE = re.compile(
    r"(?=.*\btemplates?\b)(?:(?:templates?|bare|minimal|short|long|full|simple|default|basic|extended|new|blank|empty|example"
    r"|madr|nygard|adrs?|decisions?|records?|architectur\w+|the|our)(?:\s+|$))+"
)


def stem_of(path: str) -> str:
    """The file name without folder and `.md`."""
    name = path.replace("\\", "/").rpartition("/")[2]
    root, dot, extension = name.rpartition(".")
    return root if dot and root and extension.lower() in ("md", "markdown", "py", "txt") else name


def name_parts(stem: str, heading: str = "") -> NameParts:
    """Prefix, digits, letter and rest of a stem; no digits in a name that begins with a date or with words.

    A letter counts as part of the number where the name is plainly numbered (`0040a`, `adr-40a`); `32k-context` and
    `70b-model` are words, unless the record's own heading begins with that number.
    """
    found = _NUMBER.match(stem)
    if not found or _DATE.match(stem):
        return NameParts("", "", "", stem)
    prefix, digits, letter = found["prefix"] or "", found["digits"], found["letter"]
    plain = prefix or digits.startswith("0") or len(digits) > 3
    if letter and not plain and not (len(digits) > 1 and letter.lower() in "acef"):
        said = re.match(r"\W*(?:ADR[\s-]*)?0*(\d+[a-z])\b(?!-)", heading, re.I)
        if not said or said[1].lower() != f"{int(digits)}{letter.lower()}":
            return NameParts("", "", "", stem)
    return NameParts(prefix, digits, letter.lower(), stem[found.end() :].lstrip("-_ ."))


def number_of(stem: str, heading: str = "") -> str | None:
    """The number in a file name, as `"1"` or `"40a"`; None for a name without one, or one that begins with a date."""
    return name_parts(stem, heading).number


def date_of(stem: str) -> str | None:
    """The ISO date that a file name begins with."""
    found = _DAY.match(stem) if _DATE.match(stem) else None
    return f"{found[1]}-{found[2]}-{found[3]}" if found else None


def is_record_name(stem: str) -> bool:
    """Whether a file of this name can be a record: no index, README or template.

    >>> is_record_name("adr-template-bare"), is_record_name("adr-014-project-templates"), is_record_name("README")
    (False, True, False)
    """
    lower = stem.lower()
    if _INDEX.fullmatch(lower) or lower.startswith((".", "_")):
        return False
    rest = lower[_PREFIX.match(lower).end() :]  # type: ignore[union-attr]  # every part is optional: it always matches
    return not (_INDEX.fullmatch(rest) or ("template" in rest and _TEMPLATE.fullmatch(_SPLIT.sub(" ", rest).strip())))


def walk(folder: str) -> list[str]:
    """Every `.md` file below a folder whose name can be a record's, sorted; no hidden folders, no linked ones."""
    found: list[str] = []
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in ("node_modules", "__pycache__"))
        found += [os.path.join(here, f) for f in files if f[-3:].lower() == ".md" and is_record_name(f[:-3])]
    return sorted(found)
