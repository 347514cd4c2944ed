"""A Markdown record as lines: its headings and its `Key: value` fields, outside code blocks and comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, NamedTuple

FieldForm = Literal["line", "bold", "bullet", "table", "column"]
"""How a field is written: `Status: x`, `**Status:** x`, `- Status: x`, `| Status | x |`, or a cell under its header."""


class Heading(NamedTuple):
    """A heading; `offset` is where its text begins, `line` counts from 0, `last` is its last line (underlined ones)."""

    line: int
    level: int
    text: str
    offset: int
    last: int


class Field(NamedTuple):
    """A `Key: value`; `start` and `end` bound the value, `lead` is what stands before the key (bullet, bar, marks)."""

    line: int
    key: str
    value: str
    start: int
    end: int
    form: FieldForm
    lead: str


@dataclass(slots=True)
class Outline:
    """What the scanner found. `lines` are the text's with code and comments blanked, `starts` their offsets."""

    text: str
    lines: list[str]
    starts: list[int]
    headings: list[Heading]
    fields: list[Field]
    body: int

    def heading_after(self, line: int) -> Heading | None:
        """The first heading below a line."""
        return next((h for h in self.headings if h.line > line), None)


KEYS: dict[str, str] = {
    **dict.fromkeys(("status", "adr status", "decision status", "current status"), "status"),
    **dict.fromkeys(("date", "decision date"), "date"),
    **dict.fromkeys(("author", "authors", "decider", "deciders", "decision maker", "decision makers"), "authors"),
    **dict.fromkeys(("superseded by", "superceded by", "replaced by"), "superseded_by"),
    **dict.fromkeys(("supersedes", "supercedes", "replaces"), "supersedes"),
    **dict.fromkeys(("amended by", "extended by"), "amended_by"),
    **dict.fromkeys(("amends", "extends"), "amends"),
}
"""The words that begin a field, lower case, and what the field is."""

_KEY = r"(?P<key>" + "|".join(sorted((k.replace(" ", "[ _-]") for k in KEYS), key=len, reverse=True)) + r")"
_FIELD = re.compile(
    r"(?P<lead>[ ]{0,3}(?:>[ ]{0,3})*(?:[-*+][ \t]{1,4}|\|[ \t]*)?)(?P<marks>[*_]{0,3})" + _KEY + r"(?![\w-])", re.I
)
_COLON = re.compile(r"[ \t]*(?::[*_]{0,3}|[*_]{1,3}[ \t]*:)[ \t]*")
_BOLD_DASH = re.compile(r"[*_]{1,3}[ \t]+[-–—]+[ \t]+|[*_]{1,3}[ \t]*$")
_LINKING = re.compile(r"[*_]{0,3}[ \t]+(?=[\[<`*_(#]|\d|ADR|\w[\w-]*\.md|$)", re.I)
_CELL = re.compile(r"[ \t]*:?[*_]{0,3}:?[ \t]*\|[ \t]*")
_NEXT = re.compile(
    r"[ \t]{0,4}(?:[|·•;,]|<br[ ]?/?>|[ \t]{2})[ \t]{0,4}(?P<marks>[*_]{0,3})"
    + _KEY
    + r"[ \t]{0,4}(?:[*_]{1,3}[ \t]{0,4}:|:[*_]{0,3})[ \t]*"
    + r"|[ \t]{0,4}[|·•][ \t]{0,4}[*_]{0,3}\w[\w /-]{0,30}[*_]{0,3}:",
    re.I,
)
_BAR = re.compile(r"(?<!\\)\|")
_FENCE = re.compile(r"(?P<lead>[\s>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)(?P<mark>`{3,}(?=[^`]*$)|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+|$)")
_RULE = re.compile(r" {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_DELIMITER = re.compile(r"[ \t]*\|?[ \t:|-]*-[ \t:|-]*$")
_NO_PARAGRAPH = re.compile(r"[ \t]*(?:[-*+>|#]|\d{1,9}[.)][ \t])")
_INITIALS = frozenset("sSdDaArReEcC*_-+|>#=`~ ")


def is_rule(line: str) -> bool:
    """Whether a line is a horizontal rule."""
    return _RULE.match(line) is not None


def scan(text: str, body: int = 0, indent: int = 0, stop: int | None = None) -> Outline:
    """Headings and fields from line `body` (up to line `stop`), counted from 0, of a text with "\\n" line ends.

    `indent` columns are skipped on every line (a docstring's indentation).
    """
    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    headings: list[Heading] = []
    fields: list[Field] = []
    fence = ""
    quoted = comment = False
    comments = "<!--" in text
    for n in range(body, len(lines) if stop is None else stop):
        line = lines[n]
        if comment:
            end = line.find("-->")
            if end < 0:
                lines[n] = ""
                continue
            lines[n] = line = " " * (end + 3) + line[end + 3 :]
            comment = False
        if fence:
            closed = _FENCE.match(line)
            if closed and closed["mark"].startswith(fence) and not line[closed.end() :].strip(" `~\t"):
                fence = ""
            elif quoted and not line.lstrip().startswith(">"):
                fence = ""  # the quote ended, and with it the code in it
            if fence or closed:
                lines[n] = ""
                continue
        if ("```" in line or "~~~" in line) and (opened := _FENCE.match(line)):
            fence, quoted = opened["mark"], ">" in opened["lead"]
            lines[n] = ""
            continue
        if comments and "<!--" in line:
            line, comment = _without_comments(line, text, starts[n])
            lines[n] = line
        if indent:
            if line[:indent].strip():
                continue
        elif not line or line[0] not in _INITIALS:
            continue
        first = line[indent : indent + 4].lstrip()[:1]
        if first == "#":
            if found := _ATX.match(line, indent):
                rest = line[found.end() :].rstrip()
                shown = rest.rstrip("#")
                shown = shown.rstrip() if shown != rest and (not shown or shown[-1] in " \t") else rest
                headings.append(Heading(n, len(found[1]), shown, starts[n] + found.end(), n))
        elif first in "=-" and first and n > body and (found := _UNDERLINE.match(line, indent)):
            _underlined(lines, starts, n, 1 if found[1][0] == "=" else 2, headings, fields)
        elif found := _FIELD.match(line, indent):
            _field(line, starts[n], n, found, fields, lines)
    return Outline(text, lines, starts, headings, fields, body)


def _without_comments(line: str, text: str, offset: int) -> tuple[str, bool]:
    """A line with its comments blanked, and whether the last one goes on below; `offset` is where the line begins."""
    kept: list[str] = []
    at = done = ticks = 0
    while (begin := line.find("<!--", at)) >= 0:
        ticks += line.count("`", at, begin)
        at = begin + 4
        if ticks % 2:
            continue  # inside a code span
        end = line.find("-->", at)
        if end < 0 and line[:begin].strip() and text.find("-->", offset + begin, offset + begin + 20_000) < 0:
            break  # never closed: plain characters
        kept.append(line[done:begin])
        done = at = end + 3 if end >= 0 else len(line)
        kept.append(" " * (done - begin))
        if end < 0:
            return "".join(kept), True
    return "".join((*kept, line[done:])), False


def _underlined(
    lines: list[str], starts: list[int], n: int, level: int, headings: list[Heading], fields: list[Field]
) -> None:
    above = lines[n - 1]
    if not above.strip() or above[:4] == "    " or _NO_PARAGRAPH.match(above) or (fields and fields[-1].line == n - 1):
        return
    if n > 1 and level == 2 and lines[n - 2].strip() and not _NO_PARAGRAPH.match(lines[n - 2]):
        return  # a rule below a paragraph rather than a heading of several lines
    text = above.strip()
    in_status = headings and headings[-1].text.strip("*_: ").lower() == "status"
    if level == 2 and in_status and not any(line.strip() for line in lines[headings[-1].last + 1 : n - 1]):
        return  # the value of the status section with a rule below it
    headings.append(Heading(n - 1, level, text, starts[n - 1] + above.index(text), n))


def _field(line: str, start: int, n: int, found: re.Match[str], fields: list[Field], lines: list[str]) -> None:
    key = KEYS[re.sub(r"[_-]", " ", found["key"].lower())]
    lead, marks, at = found["lead"], found["marks"], found.end()
    if "|" in lead:
        if cell := _CELL.match(line, at):
            _row(line, start, n, key, cell.end(), lead + marks, fields, lines)
        return
    if value := _COLON.match(line, at):
        form: FieldForm = "bullet" if lead.strip(" >\t") else "bold" if marks else "line"
    elif marks and (value := _BOLD_DASH.match(line, at)):
        form = "bullet" if lead.strip(" >\t") else "bold"
    elif key not in ("status", "date", "authors") and (value := _LINKING.match(line, at)):
        form = "bullet" if lead.strip(" >\t") else "bold" if marks else "line"
    else:
        return
    begin = value.end()
    while True:
        follows = _NEXT.search(line, begin) if ":" in line[begin:] else None
        end = follows.start() if follows else len(line)
        fields.append(_trimmed(line, start, n, key, begin, end, form, lead + marks))
        if not follows or not follows["key"]:
            return
        key = KEYS[re.sub(r"[_-]", " ", follows["key"].lower())]
        begin = follows.end()


def _trimmed(line: str, start: int, n: int, key: str, begin: int, end: int, form: FieldForm, lead: str) -> Field:
    value = line[begin:end].rstrip()
    if value.endswith("\\"):
        value = value[:-1].rstrip()
    while value.endswith(("<br>", "<br/>", "<br />")):
        value = value[: value.rindex("<")].rstrip()
    return Field(n, key, value, start + begin, start + begin + len(value), form, lead)


def _row(line: str, start: int, n: int, key: str, begin: int, lead: str, fields: list[Field], lines: list[str]) -> None:
    bar = _BAR.search(line, begin)
    end = bar.start() if bar else len(line)
    value = line[begin:end].strip()
    beside = re.sub(r"[_-]", " ", value.strip("*_: ").lower())
    header = n + 2 < len(lines) and _DELIMITER.match(lines[n + 1][:500]) and "|" in lines[n + 2]
    if header and (beside in KEYS or beside in ("title", "number", "id", "adr", "owner", "tags")):
        _columns(line, n, fields, lines, start + len(line) + 1 + len(lines[n + 1]) + 1)
        return
    value = line[begin:end].rstrip()
    fields.append(Field(n, key, value, start + begin, start + begin + len(value), "table", lead))


def _columns(line: str, n: int, fields: list[Field], lines: list[str], start: int) -> None:
    """The cells of a table whose header row holds the keys; `start` is the offset of its first row."""
    names = [re.sub(r"[_-]", " ", c.strip(" *_:\t").lower()) for c in _BAR.split(line)]
    row, at = lines[n + 2], 0
    for name, cell in zip(names, _BAR.split(row), strict=False):
        if name in KEYS:
            value = cell.strip()
            begin = start + at + (cell.index(value) if value else 0)
            fields.append(Field(n + 2, KEYS[name], value, begin, begin + len(value), "column", ""))
        at += len(cell) + 1
