"""The front matter of a record: its YAML, and for each top-level key where it stands and how it is written."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from archwright.errors import NOTHING, ArchwrightError, Location, Problem

OUR_KEYS = frozenset(("base", "decision", "alternatives", "settings", "claims", "proxy", "decided_on"))
"""Keys that only our own records have."""


class Raw(NamedTuple):
    """A top-level key as written: `value` is the scalar on its line, `items` the entries of a list below it.

    Lines count from 0; `start` and `end` are the offsets of the scalar, quotes included.
    """

    line: int
    value: str
    start: int
    end: int
    items: tuple[tuple[str, int], ...]


class Front(NamedTuple):
    """A front matter: `body` is the line (from 0) after it, `close` that of its closing mark."""

    data: dict[str, Any]
    raw: dict[str, Raw]
    body: int
    close: int
    problems: tuple[Problem, ...]
    document: Any

    def where(self, path: str, keys: tuple[str | int, ...]) -> Location:
        """The place of a value inside the YAML."""
        place: Location | None = self.document.where(keys) if self.document is not None else None
        if (place is None or not place.line) and keys and (raw := self.raw.get(canonical(str(keys[0])))):
            place = Location(path, raw.line + 1, 1)
        return place if place is not None and place.line else Location(path, 1, 1)


_KEY = re.compile(r"([A-Za-z][\w .-]{0,60}?)[ \t]*:(?:[ \t]+|$)")
_ITEM = re.compile(r"[ \t]*-[ \t]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def canonical(key: str) -> str:
    """A key with its spelling evened out: `supersededBy`, `Superseded-By` and `superseded by` are `superseded_by`."""
    if key.isascii() and key.isalpha() and key.islower():
        return key
    return _CAMEL.sub("_", key).replace("-", "_").replace(" ", "_").replace(".", "_").lower()


def read_front(text: str, path: str) -> Front | None:
    """The front matter of a text with "\\n" line ends; None if there is none. Never raises: problems are listed."""
    if not text.startswith("---"):
        return None
    first = text.find("\n")
    if first < 0 or text[3:first].strip():
        return None
    lines: list[str] = []
    at, n = first + 1, 1
    close = -1
    size = len(text)
    while at < size:
        end = text.find("\n", at)
        line = text[at:] if end < 0 else text[at:end]
        if line[:3] in ("---", "...") and not line[3:].strip():
            close = n
            break
        lines.append(line)
        n += 1
        if end < 0:
            break
        at = end + 1
    if close < 0:
        return _never_closed(lines, path)
    block = text[first + 1 : at]
    raw = _raw_keys(lines, first + 1)
    data, document, problems = _load(block, path)
    return Front(data, raw, close + 1, close, problems, document)


def _never_closed(lines: list[str], path: str) -> Front | None:
    keys = [line for line in lines[:3] if line.strip() and not line.startswith("#")]
    if not keys or not _KEY.match(keys[0]):
        return None  # a horizontal rule on the first line
    end = next((n for n, line in enumerate(lines) if line.startswith("#") or not line.strip()), len(lines))
    rule = "is never closed: no line --- ends the front matter that begins here"
    problem = Problem("", NOTHING, rule, f"write --- on a line of its own before line {end + 2}", Location(path, 1, 1))
    return Front({}, {}, end + 1, -1, (problem,), None)


def _raw_keys(lines: list[str], offset: int) -> dict[str, Raw]:
    raw: dict[str, Raw] = {}
    current = ""
    for n, line in enumerate(lines, 1):
        if line[:1] in (" ", "\t", "-"):
            if current and (item := _ITEM.match(line)):
                value, begin, _ = _scalar(line, item.end())
                old = raw[current]
                raw[current] = old._replace(items=(*old.items, (value, offset + begin)))
        elif found := _KEY.match(line):
            key = canonical(found[1])
            if key in raw:
                current = ""  # the YAML reader reports the duplicate; the first one counts
            else:
                current = key
                value, begin, end = _scalar(line, found.end())
                raw[key] = Raw(n, value, offset + begin, offset + end, ())
        offset += len(line) + 1
    return raw


def _scalar(line: str, at: int) -> tuple[str, int, int]:
    """The scalar that begins at a column, without a comment after it, and its columns."""
    value = line[at:].rstrip()
    lead = len(value) - len(value.lstrip())
    at += lead
    value = value[lead:]
    if value[:1] in "\"'" and value:
        close = value.find(value[0], 1)
        while close > 0 and (value[close - 1] == "\\" if value[0] == '"' else value[close + 1 : close + 2] == "'"):
            close = value.find(value[0], close + (1 if value[0] == '"' else 2))
        if close > 0 and (not value[close + 1 :].strip() or value[close + 1 :].lstrip().startswith("#")):
            value = value[: close + 1]
    elif value.startswith("#"):
        value = ""
    elif (hash_at := value.find(" #")) >= 0:
        value = value[:hash_at].rstrip()
    return value, at, at + len(value)


def unquoted(value: str) -> str:
    """A scalar without the YAML quotes around it."""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def _load(block: str, path: str) -> tuple[dict[str, Any], Any, tuple[Problem, ...]]:
    if not block.strip():
        return {}, None, ()
    from archwright.arch.files import parse_yaml

    try:
        document = parse_yaml(block, path, 2)
    except ArchwrightError as error:
        return {}, None, error.problems
    data = document.data
    if data is None:
        return {}, document, ()
    if not isinstance(data, dict):
        problem = Problem("", NOTHING, "the front matter is no map of keys to values", "write `key: value` lines")
        return {}, None, (problem.at(Location(path, 2, 1)),)
    return data, document, ()
