"""JSON as plain data, strictly: no key twice, no NaN, no endless nesting; and where each value stands."""

from __future__ import annotations

import json
import re
from typing import Any

from ..errors import NOTHING, Problem, Unreadable
from .literals import MAX_DIGITS, BadNumber, from_decimal
from .places import MAX_DEPTH, MAX_PROBLEMS, At, Entry, Place, name_of, refuse, twice, walk

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_SPACE = re.compile(r"[ \t\n\r]*+")
_SCALAR = re.compile(r"[^\s,\]}]++")
_string = json.JSONDecoder(strict=False).raw_decode
"""The text that begins at an offset, and the offset after it."""
_LONE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]")


def read_json(text: str, at: At) -> Any:
    """The data of a JSON text. Unreadable: all problems of content, or the one of syntax.

    A number with an exponent and a whole value is an integer, as in YAML: `1e6` is 1000000, `1.0` stays a float.
    """
    _refuse_depth(text, at)
    flags: set[str] = set()

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(members)
        if len(made) != len(members):
            flags.add("twice")
        return made

    def constant(name: str) -> None:
        flags.add("constant")

    def decimal(written: str) -> int | float:
        try:
            return from_decimal(written)
        except BadNumber:
            flags.add("number")
            return 0

    try:
        data = json.loads(text, object_pairs_hook=pairs, parse_constant=constant, parse_float=decimal)
    except json.JSONDecodeError as error:
        raise Unreadable(_fault(error, text, at)) from None
    except ValueError:  # Python's limit on the digits of an integer
        flags.add("number")
        data = None
    if _LONE.search(text):
        flags.add("surrogate")
    if flags:
        problems = _look(text, at)
        if problems:
            raise refuse(problems)
    return data


def _refuse_depth(text: str, at: At) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                rule = f"is nested more than {MAX_DEPTH} deep"
                raise Unreadable(Problem("", NOTHING, rule, "flatten it", at(match.start())))
        elif token in ("]", "}"):
            depth -= 1


def _look(text: str, at: At) -> list[Problem]:
    """Everything that JSON's grammar allows, or Python's reader lets pass, and that is refused here."""
    root = json_places(text)
    problems = twice(root, text, at)
    for keys, place in walk(root):
        faults = [(e.key_start, _LONE_HALF) for e in place.entries if place.kind == "map" and _is_lone(str(e.key))]
        if place.kind == "scalar" and (found := _scalar_fault(text[place.start : place.end])):
            faults.append((place.start, found))
        problems += [Problem(name_of(keys), NOTHING, *fault, at(start)) for start, fault in faults]
        if len(problems) > MAX_PROBLEMS:
            break
    return problems


_LONE_HALF = ("holds half of a character (a lone \\ud...)", "write the character itself")


def _scalar_fault(written: str) -> tuple[str, str] | None:
    """The rule that a scalar breaks, and the remedy."""
    if written.lstrip("-") in ("NaN", "Infinity"):
        return f"is {written}, which JSON does not know", "write a finite number or leave the key out"
    if written[0] == '"':
        return _LONE_HALF if "\\" in written and _is_lone(json.loads(written, strict=False)) else None
    if written[0] in "-0123456789" and (len(written) > MAX_DIGITS or not written.lstrip("-").isdecimal()):
        try:
            from_decimal(written)
        except BadNumber as error:
            return str(error), "write a number that a computer can hold"
    return None


def _is_lone(value: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in value)


_FAULTS = {
    "Expecting value": ("has no value here", "write a number, a quoted text, true, false, null, [ ] or { }"),
    "Expecting ',' delimiter": ("lacks a comma", "add a comma, or close the bracket"),
    "Expecting ':' delimiter": ("lacks a colon after a key", 'write "key": value'),
    "Expecting property name enclosed in double quotes": (
        "has no key in double quotes here",
        'write "key": value, without a comma after the last one',
    ),
    "Illegal trailing comma before end of object": ("has a comma after the last entry", "remove the comma"),
    "Illegal trailing comma before end of array": ("has a comma after the last entry", "remove the comma"),
    "Extra data": ("goes on after its end", "remove what follows, or join both into one"),
    "Invalid control character at": (
        "has a line end or control character within quotes",
        "write \\n, or close the quote",
    ),
    "Unterminated string starting at": ("has a quoted text that is not closed", "add the closing quote"),
    "Invalid \\escape": ("has an unknown escape in quotes", "write \\\\ for a backslash"),
    "Invalid \\uXXXX escape": ("has a \\u without four hexadecimal digits", "write the character itself"),
}


def _fault(error: json.JSONDecodeError, text: str, at: At) -> Problem:
    end = len(text.rstrip())
    said = next((key for key in _FAULTS if error.msg.startswith(key)), "")
    rule, remedy = _FAULTS.get(said, (error.msg, "mend this line"))
    if not text.strip():
        return Problem("", NOTHING, "is empty", "write a JSON object", at(0))
    if error.pos >= end or said.startswith("Unterminated"):
        begun = f" within a text that begins in column {at(error.pos).column}" if error.pos < end else ""
        rule, remedy = f"ends in the middle{begun}: the file was cut off", "get it again, whole"
        return Problem("", NOTHING, f"is not JSON: it {rule}", remedy, at(min(error.pos, max(end - 1, 0))))
    line = text[text.rfind("\n", 0, error.pos) + 1 :].partition("\n")[0].strip()
    found = line if len(line) <= 40 else line[:39] + "…"
    return Problem("", NOTHING, f"is not JSON: it {rule} ({found})", remedy, at(error.pos))


def json_places(text: str) -> Place:
    """The spans of a JSON text that has no fault of syntax and is not nested too deep."""
    place, _ = _place(text, _skip(text, 0))
    return place


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _place(text: str, start: int) -> tuple[Place, int]:
    opener = text[start]
    if opener == '"':
        end = _string(text, start)[1]
        return Place(start, end), end
    if opener not in "[{":
        match = _SCALAR.match(text, start)
        end = match.end() if match else start + 1
        return Place(start, end), end
    entries: list[Entry] = []
    place = Place(start, start, "map" if opener == "{" else "list", True, entries)
    at = _skip(text, start + 1)
    while text[at] not in "]}":
        key: str | int = len(entries)
        key_start = key_end = at
        if opener == "{":
            key, key_end = _string(text, at)
            at = _skip(text, _skip(text, key_end) + 1)
        member, at = _place(text, at)
        entries.append(Entry(key, key_start, key_end, member))
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
    place.end = at + 1
    return place, place.end
