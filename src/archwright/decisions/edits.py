"""Edits of a record's text that change its status or add a link, each in the record's own dialect."""

from __future__ import annotations

import re

from archwright.decisions.dialects import outline_of
from archwright.decisions.front import Raw
from archwright.decisions.record import Record
from archwright.decisions.references import NONE_WORDS
from archwright.decisions.statuses import is_choice
from archwright.errors import NOTHING, Location, NotSupported, Problem
from archwright.textio import Edit

FRONT = ("archwright", "front-matter")
"""The dialects whose status stands in a front matter."""
_KEY = re.compile(r"(?:adr |decision |current )?status", re.I)
_WRAPPED = re.compile(r"\[[^\[\]\n]*\](?:\([^()\s]*\))?")
_PREFIX = re.compile(r"[\s>]*(?:[-*+][ \t]+|\d{1,3}[.)][ \t]+)?")
_HARD_BREAK = re.compile(r"(?:[ \t]*(?:\\|<br ?/?>)|[ \t]+)?")


def status_edits(record: Record, status: str, successor: str | None = None) -> list[Edit]:
    """The edits of `record.text` that give a status; `successor` is how the text names the record that supersedes it.

    NotSupported: the text has no place for it.
    """
    spot = record.spot
    if record.path.endswith(".py"):
        raise _refused(record, "a docstring is read, never edited", f"archwright adr import {record.path}")
    if spot is None:
        return [_new_front_line(record, f"status: {_value(record, status, successor, lower=True)}")]
    text = record.text
    old = text[spot.start : spot.end]
    linked = [link for link in record.links if link.kind == "superseded_by"]
    if status == "superseded" and record.status == "superseded" and successor is not None and linked:
        at = _end_of_successors(record)
        if at is None:
            raise _refused(record, "the records that supersede it do not stand beside its status", _BY_HAND)
        return [Edit(at, at, f", {successor}")]
    lower = record.dialect in (*FRONT, "bullet")
    if spot.word_start < spot.word_end:
        start, end = spot.word_start, spot.word_end
        written = text[start:end]
        new = _cased(_value(record, status, successor, lower=True), written, successor)
        if successor is not None and (bracket := _around(text, start, end, spot.start)):
            start, end = bracket
        return [Edit(start, end, new)]
    new = _value(record, status, successor, lower)
    if not old.strip():
        before = text[spot.start - 1 : spot.start]
        if record.dialect == "section":
            return [Edit(spot.start, spot.start, f"\n\n{new}")]
        return [Edit(spot.start, spot.end, new if before in (" ", "\t") else f" {new}")]
    if len(old) > 60 and not is_choice(old):
        raise _refused(record, f"its status is a sentence: {old[:40]!r} ...", _BY_HAND)
    quote = old[0] if record.dialect in FRONT and old[:1] in "\"'" and old[:1] == old[-1:] else ""
    return [Edit(spot.start, spot.end, f"{quote}{new}{quote}")]


def supersedes_edits(record: Record, reference: str) -> list[Edit]:
    """The edits of `record.text` that add "supersedes X"; `reference` names X. NotSupported as above."""
    if record.path.endswith(".py"):
        raise _refused(record, "a docstring is read, never edited", f"archwright adr import {record.path}")
    spot = record.spot
    front = record.front
    if front is not None and front.close > 0 and (spot is None or record.dialect in FRONT):
        raw = front.raw.get("supersedes") or front.raw.get("replaces")
        if raw is not None:
            return [_longer_list(record, raw, reference)]
        if "status" in front.raw:
            line = front.raw["status"].line
            if spot is None:  # a block scalar takes several lines
                return [_new_front_line(record, f"supersedes: {reference}")]
            at = _line_end(record.text, _offset_of_line(record.text, line))
            return [Edit(at, at, f"\nsupersedes: {reference}")]
        return [_new_front_line(record, f"supersedes: {reference}")]
    if spot is None:
        raise _refused(record, "it has no status and no front matter to hold the link", _ADD_STATUS)
    outline, _ = outline_of(record.text, record.front)
    for field in outline.fields:
        if field.key == "supersedes" and field.form != "column":
            if field.value.strip("*_ `").lower() in NONE_WORDS:
                return [Edit(field.start, field.end, reference)]
            return [Edit(field.end, field.end, f", {reference}")]
    text = record.text
    line_start = text.rfind("\n", 0, spot.start) + 1
    lead = text[line_start : spot.start]
    key = _KEY.search(lead)
    if record.dialect == "column" or (key and ":" in lead[: key.start()]):
        return [Edit(spot.end, spot.end, f"; supersedes {reference}")]
    if record.dialect in ("section", "heading") or key is None:
        return [_new_statement(record, reference)]
    line_end = _line_end(text, spot.end)
    new = lead[: key.start()] + _cased("supersedes", key[0], None) + lead[key.end() :] + reference
    if record.dialect == "table":
        row = new + text[spot.end : line_end]
        below = text[line_end + 1 : _line_end(text, line_end + 1)]
        header = "|" in below and set(below) <= set(" \t|:-") and "-" in below
        at = line_end + 1 + len(below) if header else line_end
        return [Edit(at, at, f"\n{row}")]
    rest = text[spot.end : line_end]
    after = rest if _HARD_BREAK.fullmatch(rest) else ""
    return [Edit(line_end, line_end, f"\n{new}{after}")]


def front_edit(record: Record, key: str, value: str) -> Edit:
    """The edit that gives a key of the front matter a scalar (YAML text). NotSupported: there is no front matter."""
    raw = record.front.raw.get(key) if record.front is not None else None
    if raw is None:
        return _new_front_line(record, f"{key}: {value}", last=True)
    if raw.items or (raw.value and raw.value[0] in "[{>|&*!"):
        raise _refused(record, f"{key} is written over several lines or as a collection", _BY_HAND)
    space = "" if record.text[raw.start - 1 : raw.start] in (" ", "\t") else " "
    return Edit(raw.start, raw.end, f"{space}{value}")


_BY_HAND = "write it by hand, then run this again"
_ADD_STATUS = "write a line `Status: proposed` below the title, then run this again"


def _refused(record: Record, rule: str, remedy: str) -> NotSupported:
    return NotSupported(Problem("", NOTHING, f"the status cannot be changed in place: {rule}", remedy, record.where))


def _value(record: Record, status: str, successor: str | None, lower: bool) -> str:
    word = status if lower else status.capitalize()
    value = f"{word} by {successor}" if successor is not None else word
    if record.dialect in FRONT and not re.fullmatch(r"[\w][\w. -]*", value):
        quoted = record.spot is not None and record.text[record.spot.start : record.spot.start + 1] in ('"', "'")
        return value if quoted else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return value


def _cased(new: str, old: str, successor: str | None) -> str:
    """Words in the case of those they replace; the name of a record keeps its own."""
    words, named = (new[: -len(successor)], successor) if successor and new.endswith(successor) else (new, "")
    letters = [c for c in old if c.isalpha()]
    if letters and all(c.isupper() for c in letters) and len(letters) > 1:
        return words.upper() + named
    return (words[:1].upper() + words[1:] if old[:1].isupper() else words) + named


def _around(text: str, start: int, end: int, least: int) -> tuple[int, int] | None:
    """The link or brackets around a status word: they cannot hold another link."""
    begin = text.rfind("[", least, start)
    if begin < 0 or text[begin + 1 : start].strip("*_` "):
        return None
    found = _WRAPPED.match(text, begin)
    return found.span() if found and found.end() > end else None


def _end_of_successors(record: Record) -> int | None:
    """Where the row of records after "superseded by" ends, in the status itself."""
    from archwright.decisions.references import chain
    from archwright.decisions.statuses import read_status

    spot = record.spot
    assert spot is not None
    value = record.text[spot.start : spot.tail].replace("\n", " ")
    reading = read_status(value[:1000])
    if not reading.superseded_by:
        found = re.search(r"(?:superseded|replaced)\s+by\b", value, re.I)
        if found and (chained := chain(value, found.end()))[0]:
            return spot.start + chained[1]
        return None
    return spot.start + max(r.end for r in reading.superseded_by)


def _new_statement(record: Record, reference: str) -> Edit:
    spot = record.spot
    assert spot is not None
    text = record.text
    at = _line_end(text, spot.tail)
    line_start = text.rfind("\n", 0, spot.start) + 1
    prefix = text[line_start : spot.start]
    said = f"Supersedes {reference}"
    if record.dialect != "heading" and prefix.strip() and _PREFIX.fullmatch(prefix):
        if prefix.strip()[-1] == ">":
            return Edit(at, at, f"\n{prefix.rstrip()}\n{prefix}{said}")
        return Edit(at, at, f"\n{prefix}{said}")
    below = "" if text[at : at + 2] in ("", "\n", "\n\n") else "\n"
    return Edit(at, at, f"\n\n{said}{below}")


def _longer_list(record: Record, raw: Raw, reference: str) -> Edit:
    value = raw.value
    if raw.items:
        last_start = raw.items[-1][1]
        line_start = record.text.rfind("\n", 0, last_start) + 1
        at = _line_end(record.text, last_start)
        lead = record.text[line_start:last_start]
        return Edit(at, at, f"\n{lead[: len(lead) - len(lead.lstrip())]}- {reference}")
    if value.startswith("[") and value.endswith("]") and not value.startswith("[["):
        inside = value[1:-1].strip()
        at = raw.start + len(value[:-1].rstrip())
        return Edit(at, at, f", {reference}" if inside else reference)
    if value.strip("\"'").lower() in NONE_WORDS:
        space = "" if record.text[raw.start - 1 : raw.start] in (" ", "\t") else " "
        return Edit(raw.start, raw.end, f"{space}{reference}")
    if value[0] in "[{>|&*!":
        raise _refused(record, "supersedes is written over several lines", _BY_HAND)
    return Edit(raw.start, raw.end, f"[{value}, {reference}]")


def _new_front_line(record: Record, line: str, last: bool = False) -> Edit:
    front = record.front
    if front is None or front.close < 0:
        rule = "it has no status to change" if front is None else "its front matter is never closed"
        remedy = _ADD_STATUS if front is None else "close it with a line ---"
        raise NotSupported(Problem("", NOTHING, rule, remedy, Location(record.path, 1, 1)))
    at = _offset_of_line(record.text, front.close if last else 1)
    return Edit(at, at, f"{line}\n")


def _offset_of_line(text: str, line: int) -> int:
    at = 0
    for _ in range(line):
        at = text.index("\n", at) + 1
    return at


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
