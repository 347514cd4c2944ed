"""The dialects of decision records: where each keeps its status, and how its value is found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from archwright.decisions.front import OUR_KEYS, Front, unquoted
from archwright.decisions.references import Reference
from archwright.decisions.scan import Field, Heading, Outline, is_rule, scan
from archwright.decisions.statuses import NOT_READ, Reading, read_links, read_status, starts_link


class Dialect(NamedTuple):
    """One way to write the status of a record, with an example."""

    name: str
    example: str
    used_by: str


DIALECTS: tuple[Dialect, ...] = (
    Dialect("archwright", "---\nstatus: accepted\ndecision: {n_kv_heads: 8}\n---\n# Title\n", "this tool"),
    Dialect("front-matter", "---\nstatus: accepted\n---\n# Title\n", "MADR 3 and 4, home-grown front matter"),
    Dialect("section", "# 1. Title\n\n## Status\n\nAccepted\n", "Nygard, adr-tools"),
    Dialect("heading", "# Title\n\n## Status - Accepted\n", "hand-written records"),
    Dialect("bullet", "# Title\n\n* Status: accepted\n", "MADR 2, log4brains"),
    Dialect("bold", "# Title\n\n**Status:** Accepted\n", "hand-written records"),
    Dialect("line", "# Title\n\nStatus: Accepted\n", "hand-written records"),
    Dialect("table", "# Title\n\n| **Status** | Accepted |\n|---|---|\n| Date | 2025-11-15 |\n", "wikis"),
    Dialect("column", "# Title\n\n| Status | Date |\n|---|---|\n| Accepted | 2025-11-15 |\n", "wikis"),
    Dialect("plain-text", "Architecture Decision Record: Title\n\nStatus: Approved\n", "docstrings"),
    Dialect("none", "# Title\n\n## Context\n", "MADR without a status"),
)
"""Every dialect that is read; the order is that of the documentation."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a status stands: offsets in the record's text.

    `start` and `end` bound the value (in a section its first statement), `word_start` and `word_end` the words that
    give the status (equal where none is known), `tail` the end of the last statement of a section, `lead` is what
    stands before the key of a field.
    """

    form: str
    start: int
    end: int
    word_start: int
    word_end: int
    tail: int
    lead: str = ""


class StatusFound(NamedTuple):
    """The status of a record: what it says, where, and the value as written (" / " between statements)."""

    reading: Reading
    spot: Spot | None
    raw: str


class Statement(NamedTuple):
    """A sentence or list entry of a section: its text with line breaks as spaces, and its offset."""

    text: str
    start: int
    first: bool


class PlainText(NamedTuple):
    """The plain-text form: title, the line (from 0) after it, its indentation, and the line where it ends."""

    title: str
    body: int
    indent: int
    stop: int | None


_PLAIN = re.compile(
    r"^[ \t]*(?:[rRuU]?(?P<quotes>\"\"\"|'''))?[ \t]*"
    r"Architect\w+[ ]Decision[ ]Record[ \t]*:[ \t]*(?P<title>\S[^\n]*)$",
    re.M | re.I,
)
_SECTION_NUMBER = re.compile(r"\d{1,4}(?:\.\d{1,4})*[.)]?[ \t]+")
_HEADING_VALUE = re.compile(
    r"(?:adr |decision |current )?status[*_]{0,3}[ \t]*(?::|[-–—]+(?=[ \t]))[*_]{0,3}[ \t]*", re.I
)
_ENTRY = re.compile(r"[\s>]*(?:[-*+]|\d{1,3}[.)])[ \t]+")
_STATUS_PREFIX = re.compile(r"[\s>*_+-]*status[*_]{0,3}[ \t]*:[*_]{0,3}[ \t]*", re.I)
_OTHER_FIELD = re.compile(r"[\s>*_+-]*(?:decision[ ])?(?:date|authors?|deciders?)[*_]{0,3}[ \t]*:", re.I)
_UNCHECKED = re.compile(r"[\s>]*(?:[-*+][ \t]+)?\[ \]")
_CHECKED = re.compile(r"\[[xX]\][ \t]+")


def plain_text(text: str) -> PlainText | None:
    """The plain-text form in a text, also within a docstring of Python source."""
    if "ecision Record" not in text and "ECISION RECORD" not in text and "ecision record" not in text:
        return None
    for found in _PLAIN.finditer(text):
        before = text[: found.start()].rstrip()
        quotes = found["quotes"] or (before[-3:] if before.endswith(('"""', "'''")) else None)
        if before and not quotes:
            continue
        line = text.count("\n", 0, found.start())
        stop = None
        title = found["title"].rstrip()
        if quotes:
            close = text.find(quotes, found.start("title"))
            if close >= 0:
                stop = text.count("\n", 0, close) + 1
                title = title.partition(quotes)[0].rstrip()
        rest = text[found.end() : close if quotes and close >= 0 else len(text)].split("\n")[1:]
        widths = [len(r) - len(r.lstrip(" ")) for r in rest if r.strip(" \t\"'")]
        return PlainText(title, line + 1, min(widths, default=0), stop)
    return None


def section_name(heading: str) -> str:
    """A heading evened out: without number, emphasis and marks, lower case."""
    if len(heading) > 60:
        return ""  # a sentence
    name = heading.strip("*_` :\t")
    return _unnumbered(name).strip("*_` :\t").lower()


def _unnumbered(text: str) -> str:
    found = _SECTION_NUMBER.match(text) if text[:1].isdigit() else None
    return text[found.end() :] if found else text


def find_status(outline: Outline, front: Front | None, plain: bool) -> StatusFound:
    """The status of a record: of its front matter, else of the first status line, bullet, table row or section."""
    if front is not None and (raw := front.raw.get("status")) is not None:
        value = raw.value
        if value[:1] in (">", "|") and isinstance(front.data.get("status"), str):
            value = ""  # a block scalar: read from the YAML, cannot be edited in place
            reading = read_status(front.data["status"][:1000])
            return StatusFound(reading, None, front.data["status"].strip())
        if unquoted(value).strip() and value not in ("null", "~"):
            reading = read_status(value[:1000])
            name = "archwright" if is_ours(front) else "front-matter"
            return StatusFound(reading, _spot(name, raw.start, raw.end, reading, raw.end), value)
    found = _in_text(outline, plain)
    if found is None and front is not None and (raw := front.raw.get("status")) is not None:
        name = "archwright" if is_ours(front) else "front-matter"
        return StatusFound(NOT_READ, Spot(name, raw.start, raw.end, raw.start, raw.start, raw.end), raw.value)
    return found or StatusFound(NOT_READ, None, "")


def is_ours(front: Front) -> bool:
    """Whether a front matter has a key that only our own records have."""
    return not OUR_KEYS.isdisjoint(front.data) or (not front.data and not OUR_KEYS.isdisjoint(front.raw))


def _spot(form: str, start: int, end: int, reading: Reading, tail: int, lead: str = "") -> Spot:
    return Spot(form, start, end, start + reading.start, start + reading.end, tail, lead)


def _in_text(outline: Outline, plain: bool) -> StatusFound | None:
    field = next((f for f in outline.fields if f.key == "status" and not _odd(f)), None)
    heading = next((h for h in outline.headings if _is_status(h)), None)
    if heading is not None and (field is None or heading.line < field.line):
        return _from_heading(outline, heading)
    if field is None:
        return None
    return _from_field(outline, field, plain)


def _odd(field: Field) -> bool:
    return ">" in field.lead and field.line > 40  # a quoted "Status:" far down quotes something else


def _is_status(heading: Heading) -> bool:
    text = heading.text
    if "tatus" not in text and "TATUS" not in text:
        return False
    name = section_name(text)
    return name in ("status", "adr status", "decision status", "current status") or (
        _HEADING_VALUE.match(_unnumbered(text.lstrip("*_"))) is not None
    )


def _from_field(outline: Outline, field: Field, plain: bool) -> StatusFound:
    form = "plain-text" if plain else field.form
    reading = read_status(field.value[:1000])
    if not field.value and (below := _value_below(outline, field)):
        reading = read_status(below.text)
        end = below.start + len(below.text)
        return StatusFound(reading, _spot(form, below.start, end, reading, end, field.lead), below.text)
    return StatusFound(reading, _spot(form, field.start, field.end, reading, field.end, field.lead), field.value)


def _value_below(outline: Outline, field: Field) -> Statement | None:
    """A known status on a line of its own below a `Status:` without a value."""
    for n in range(field.line + 1, min(field.line + 3, len(outline.lines))):
        line = outline.lines[n]
        text = line.strip()
        if text:
            taken = any(f.line == n for f in outline.fields) or any(h.line == n for h in outline.headings)
            if taken or read_status(text[:1000]).status == "unknown" or len(text) > 80:
                return None
            return Statement(text, outline.starts[n] + line.index(text), True)
    return None


def _from_heading(outline: Outline, heading: Heading) -> StatusFound:
    said = _statements_with_prefix_cut(statements(outline, heading))
    inline = _unnumbered(heading.text)
    value = _HEADING_VALUE.match(inline.lstrip("*_"))
    if value and inline.lstrip("*_")[value.end() :].strip("*_ "):
        shift = len(heading.text) - len(inline.lstrip("*_"))
        text = inline.lstrip("*_")[value.end() :]
        main = Statement(text, heading.offset + shift + value.end(), True)
        form, rest = "heading", said
    else:
        first = next((s for s in said if not _only_links(s.text)), None)
        if first is None and not said:
            at = outline.starts[heading.last] + len(outline.lines[heading.last])
            return StatusFound(NOT_READ, Spot("section", at, at, at, at, at), "")
        main = first or said[0]
        form, rest = "section", [s for s in said if s is not main]
    reading = read_status(main.text[:1000]) if form == "heading" or not _only_links(main.text) else NOT_READ
    reading = _moved(reading, 0)
    raw = [main.text]
    tail = main.start + len(main.text)
    for statement in rest:
        if not starts_link(statement.text):
            continue
        links = read_links(statement.text[:1000], first_only=True)
        raw.append(statement.text.strip())
        tail = max(tail, statement.start + len(statement.text))
        links = _moved(links, statement.start - main.start)
        status = "superseded" if links.status == "superseded" else reading.status
        reading = Reading(
            status,
            reading.start,
            reading.end,
            reading.superseded_by + links.superseded_by,
            reading.supersedes + links.supersedes,
            reading.amended_by + links.amended_by,
            reading.amends + links.amends,
        )
    spot = _spot(form, main.start, main.start + len(main.text), reading, tail)
    return StatusFound(reading, spot, " / ".join(" ".join(r.split()) for r in raw))


def _moved(reading: Reading, by: int) -> Reading:
    def move(references: tuple[Reference, ...]) -> tuple[Reference, ...]:
        return tuple(r._replace(start=r.start + by, end=r.end + by) for r in references)

    return reading._replace(
        superseded_by=move(reading.superseded_by),
        supersedes=move(reading.supersedes),
        amended_by=move(reading.amended_by),
        amends=move(reading.amends),
    )


def _only_links(text: str) -> bool:
    return starts_link(text) and read_links(text[:1000], first_only=True).status != "superseded"


def _statements_with_prefix_cut(said: list[Statement]) -> list[Statement]:
    cut: list[Statement] = []
    for statement in said:
        if _OTHER_FIELD.match(statement.text) or _UNCHECKED.match(statement.text):
            continue
        prefix = _STATUS_PREFIX.match(statement.text) or _CHECKED.match(statement.text)
        at = prefix.end() if prefix else 0
        cut.append(Statement(statement.text[at:], statement.start + at, statement.first))
    return cut


def statements(outline: Outline, heading: Heading) -> list[Statement]:
    """The statements of a section: paragraphs, list entries, and lines that begin with a linking word."""
    following = outline.heading_after(heading.last)
    stop = following.line if following else len(outline.lines)
    found: list[Statement] = []
    broken = True
    for n in range(heading.last + 1, stop):
        line = outline.lines[n]
        text = line.strip(" \t>")
        if not text:
            broken = True
            continue
        if is_rule(line):
            if found:
                break
            continue
        if text.startswith("|") or (set(text) <= {"="} and found):
            broken = True
            continue
        entry = _ENTRY.match(line)
        shown = line[entry.end() :].rstrip() if entry else text.rstrip("\\").rstrip()
        start = outline.starts[n] + (entry.end() if entry else line.index(shown) if shown in line else 0)
        if broken or entry or not found or _begins_statement(shown, found[-1].text):
            found.append(Statement(shown, start, broken))
        else:
            last = found[-1]
            gap = start - last.start - len(last.text)
            found[-1] = Statement(last.text + " " * gap + shown, last.start, last.first)
        broken = False
        if len(found) > 50:
            break
    return found


def _begins_statement(text: str, previous: str) -> bool:
    if _OTHER_FIELD.match(text):
        return True
    if not starts_link(text):
        return False
    if text.lstrip("*_`\"'>+- ")[:1].isupper():
        return True
    reading = read_status(previous[:1000])
    return reading.end > 0 and not previous[reading.end :].strip(" .*_`\"'")


def outline_of(text: str, front: Front | None) -> tuple[Outline, PlainText | None]:
    """The scanned text of a record, below its front matter or within its docstring."""
    plain = plain_text(text) if front is None else None
    if plain is not None:
        return scan(text, plain.body, plain.indent, plain.stop), plain
    return scan(text, front.body if front else 0), None
