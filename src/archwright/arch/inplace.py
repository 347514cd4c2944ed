"""One value of a file changed where it stands, so that comments, order and layout stay."""

from __future__ import annotations

import copy
import json
import math
import re
from typing import TYPE_CHECKING, Any

from ..errors import NOTHING, InvalidValue, Problem, Unreadable
from ..textio import Edit, apply_edits
from .literals import BadNumber, plain
from .places import Entry, Keys, Place, name_of

if TYPE_CHECKING:
    from .files import Document

_BARE = re.compile(r"[A-Za-z_](?:[\w./+ -]*[\w./+-])?", re.ASCII)


def edit_value(document: Document, keys: Keys, value: Any) -> Edit:
    """See `files.edit_value`. The result is proved: the edited text is read again and compared."""
    if not keys or document.text is None:
        raise ValueError("a value is set by its keys in a document with a text")
    edit = _edit(document, document.text, keys, value)
    try:
        again = type(document)(None, apply_edits(document.text, [edit]), format=document.format)
        if _same(_read(again), _with(document.data, keys, value)):
            return edit
    except Unreadable:
        pass
    rule = "cannot be changed in place without changing something else"
    raise InvalidValue(Problem(name_of(keys), NOTHING, rule, "edit the file by hand", document.where(keys)))


def _read(document: Document) -> Any:
    from .files import parse_json, parse_yaml

    text = document.text or ""
    return (parse_json(text) if document.format == "json" else parse_yaml(text)).data


def _edit(document: Document, text: str, keys: Keys, value: Any) -> Edit:
    as_json = document.format == "json"
    place = document.place()
    for depth, step in enumerate(keys):
        entry = place.entry(step) if place else None
        if entry is not None:
            place = entry.place
            continue
        for later in reversed(keys[depth + 1 :]):
            value = {later: value} if isinstance(later, str) else [value]
        if place is None or (place.kind == "scalar" and text[place.start : place.end] in ("", "~", "null")):
            member = {step: value} if isinstance(step, str) else [value]
            if place is not None:
                return _replace(text, place, render(member, as_json))
            line = "" if not text or text.endswith("\n") else "\n"
            return Edit(len(text), len(text), f"{line}{_member(step, value, False)}\n")
        wanted = "map" if isinstance(step, str) else "list"
        if place.kind != wanted or (isinstance(step, int) and step != len(place.entries)):
            rule = f"cannot be set: what holds it is no {wanted}"
            if place.kind == "list" == wanted:
                rule = f"cannot be set: the list has {len(place.entries)} entries"
            raise InvalidValue(Problem(name_of(keys), NOTHING, rule, where=document.where(keys[:depth])))
        return _insert(text, place, step, value, as_json)
    if place is None:
        raise ValueError("a value is set by its keys")
    return _replace(text, place, render(value, as_json))


def _replace(text: str, place: Place, written: str) -> Edit:
    start = place.start
    if not place.flow:
        # A block stands on lines of its own; what replaces it in one line moves up to its key.
        before = len(text[:start].rstrip())
        if text[before - 1 : before] in (":", "-") and "\n" in text[before:start]:
            return Edit(before, place.end, " " + written)
    if start == place.end and text[start - 1 : start] not in (" ", "\n", ""):
        written = " " + written
    return Edit(start, place.end, written)


def _insert(text: str, place: Place, step: str | int, value: Any, as_json: bool) -> Edit:
    quoted = as_json or (bool(place.entries) and text[place.entries[0].key_start] == '"' and isinstance(step, str))
    member = _member(step, value, as_json, quoted)
    if not place.entries:
        return Edit(place.start + 1, place.start + 1, member)
    if place.flow:
        last = place.entries[-1]
        begin, indent = _indent(text, last.key_start)
        own_line = begin > place.start and not text[begin : last.key_start].strip()
        return Edit(last.place.end, last.place.end, f",\n{indent}{member}" if own_line else f", {member}")
    sibling = _last_flat(place)
    begin = sibling.key_start
    if place.kind == "list":
        begin = text.rindex("-", 0, begin)
        member = f"- {member}"
    elif text[:begin].rstrip(" ").endswith("?"):  # the long form of a key
        begin = text.rindex("?", 0, begin)
    _, indent = _indent(text, begin)
    end = max(sibling.place.end, sibling.key_end)
    end = text.find("\n", end) if "\n" in text[end:] else len(text)
    return Edit(end, end, f"\n{indent}{member}")


def _indent(text: str, offset: int) -> tuple[int, str]:
    begin = text.rfind("\n", 0, offset) + 1
    before = text[begin:offset]
    return begin, before if not before.strip() else " " * len(before)


def _last_flat(place: Place) -> Entry:
    """The member after which a new one goes: the last plain field of a map, so that fields stay together."""
    if place.kind == "map":
        for entry in reversed(place.entries):
            if entry.place.flow:
                return entry
    return place.entries[-1]


def _member(step: str | int, value: Any, as_json: bool, quoted: bool = False) -> str:
    written = render(value, as_json)
    if isinstance(step, int):
        return written
    return f"{json.dumps(step, ensure_ascii=False) if quoted else render(step, as_json)}: {written}"


def render(value: Any, as_json: bool = False) -> str:
    """A value in one line of YAML or JSON that reads back as the same value; TypeError for what is not plain data."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value, as_json)
    if isinstance(value, str):
        return _text(value, as_json)
    if isinstance(value, dict):
        if not all(isinstance(k, str) for k in value):
            raise TypeError("the keys of a map in a file are text")
        return "{" + ", ".join(f"{_text(k, as_json)}: {render(v, as_json)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(render(v, as_json) for v in value) + "]"
    raise TypeError(f"{type(value).__name__} cannot be written to a file")


def _float(value: float, as_json: bool) -> str:
    if not math.isfinite(value):
        if as_json:
            raise TypeError("JSON has no NaN and no infinity")
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    # An exponent with a whole value would be read as an integer.
    return f"{value:.1f}" if value.is_integer() and abs(value) < 1e20 else repr(value)


def _text(value: str, as_json: bool) -> str:
    if as_json:
        return json.dumps(value, ensure_ascii=False)
    if _BARE.fullmatch(value):
        try:
            if plain(value) is value or plain(value) == value:
                return value
        except BadNumber:
            pass
    escaped = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escape(c) for c in escaped)


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def _with(data: Any, keys: Keys, value: Any) -> Any:
    """A copy of the data with the value set; missing collections on the way are made."""
    step, rest = keys[0], keys[1:]
    made: Any = copy.copy(data) if data is not None else ({} if isinstance(step, str) else [])
    if isinstance(made, list) and isinstance(step, int) and step == len(made):
        made.append(None)
    inner = made.get(step) if isinstance(made, dict) else made[step]
    made[step] = _with(inner, rest, value) if rest else value
    return made


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and (a == b or (a != a and b != b))
