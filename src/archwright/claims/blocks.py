"""The block structure of a plain Markdown text, read line by line: headings, runs of prose, trailing definitions.

Most records are headings, paragraphs and flat lists. For those this scan gives what a full CommonMark parser
gives, in a tenth of the time; for anything else (`scan` returns None) the parser itself is asked. A property
test holds the two together.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple


class Heading(NamedTuple):
    """A heading of the document: `line` counts from 1 in the file, `start` is the offset of its line."""

    line: int
    level: int
    title: str
    start: int


class Run(NamedTuple):
    """Text that is read as one: a paragraph, a list item's first paragraph or a heading, by offset and line."""

    start: int
    end: int
    line: int
    heading: int


class Piece(NamedTuple):
    """Inline content whose text is not one slice of the file: where each of its lines or characters stands."""

    content: str
    places: list[tuple[int, int]]
    line: int
    heading: int

    def at(self, position: int) -> int:
        """The offset in the file of a position in the content."""
        start, place = self.places[bisect_right(self.places, position, key=_first) - 1]
        return place + position - start


def _first(pair: tuple[int, int]) -> int:
    return pair[0]


class Definition(NamedTuple):
    """A link definition: where it stands, whether in the block at the end, and whether an earlier one wins over it."""

    label: str
    target: str
    title: str
    line: int
    column: int
    start: int
    end: int
    in_block: bool = False
    duplicate: bool = False


class Layout(NamedTuple):
    """What a scan finds: headings, runs that hold a bracket, and the definitions in the order of the file."""

    headings: list[Heading]
    runs: list[Run]
    definitions: list[Definition]
    block_start: int
    skipped: list[tuple[int, int]]


_COMPLEX = re.compile(
    r"""^(?:
      \ {4}                                                   # indented code, deep nesting
    | \ {1,3}\#{1,6}(?:\ |$)                                  # a heading that may belong to a list item
    | \ {0,3}(?:[>|<]|```|~~~)                                # quotes, tables, HTML, fences
    | \ {0,3}\[(?:\\[\s\S]|[^\[\]\\])*\]:                     # a definition in the text
    | \ {0,3}(?:[-+*]|\d{1,9}[.)])(?:\ *$|\ {5}               # empty items, code in items
        |\ +(?:[-+*](?:\ |$)|\d{1,9}[.)](?:\ |$)|[>\#<|]|```|~~~|\[(?:\\[\s\S]|[^\[\]\\])*\]:))  # nested on one line
    | \ {0,3}(?=[-+*_=])(?!(?:-{2,}|={2,}|\*{3,}|_{3,})\ *$)[-+*_=][-+*_=\ ]*$ # other rules and underlines
    | \ {1,3}(?:-{2,}|={2,}|\*{3,}|_{3,})\ *$
    )""",
    re.M | re.X,
)
_MARKER = re.compile(r"( {0,3})(?:[-+*]|(\d{1,9})[.)]) {1,4}(?=[^ ])")
_HEADING = re.compile(r"(#{1,6})(?: +|$)")
_CLOSING = re.compile(r"(?:^|[ \t])#+[ \t]*$")
DEFINITION = re.compile(
    r'\[([^\[\]\\\n]*[^\[\]\\\s][^\[\]\\\n]*)\]:[ ]*([^\s<\[&\\()][^\s&\\()]*)(?:[ ]+"([^"&\\\n]*)")?[ ]*'
)
_REFUSED_TARGET = re.compile(r"\s*(?:vbscript|javascript|file|data):", re.I)


def scan(text: str, start: int, first_line: int) -> Layout | None:
    """Read the text from offset `start`, whose line is number `first_line`; None where the full parser is needed."""
    definitions, end = _trailing_definitions(text, start)
    body = text[start:end]
    if "\t" in body or "|" in body or "\r" in body or "\0" in body or _COMPLEX.search(body):
        return None
    headings: list[Heading] = []
    runs: list[Run] = []
    run_at = -1  # where the open run starts; -1 when none is open
    run_line = 0
    marked = plain = False  # the open run begins with a list marker; it begins a paragraph at the margin
    here = start
    line_number = first_line - 1
    match_marker = _MARKER.match
    for line in body.split("\n"):
        line_number += 1
        at = here
        here += len(line) + 1
        first = line[:1]
        if not first or not line.strip(" "):
            if run_at >= 0:
                _close(runs, text, run_at, at, run_line, headings)
                run_at = -1
            continue
        if first == "#":
            heading = _HEADING.match(line)
            if heading:
                if run_at >= 0:
                    _close(runs, text, run_at, at, run_line, headings)
                    run_at = -1
                title = _CLOSING.sub("", line[heading.end() :]).strip()
                headings.append(Heading(line_number, len(heading[1]), title, at))
                if "[" in title:
                    runs.append(Run(at + heading.end(), here - 1, line_number, len(headings) - 1))
                continue
        elif first in "-=*_" and line.rstrip(" ") == first * len(line.rstrip(" ")) and len(line.rstrip(" ")) > 1:
            if run_at >= 0 and first in "-=":
                if not plain:
                    return None
                title = text[run_at : at - 1].strip()
                headings.append(Heading(run_line, 1 if first == "=" else 2, title, run_at))
                if "[" in title:
                    runs.append(Run(run_at, at - 1, run_line, len(headings) - 1))
                run_at = -1
                continue
            if first not in "-=" or len(line.rstrip(" ")) > 2:
                if first == "=":
                    return None
                if run_at >= 0:
                    _close(runs, text, run_at, at, run_line, headings)
                    run_at = -1
                continue
        if first in "-+*0123456789 ":
            marker = match_marker(line)
            if marker:
                if marker[2] and int(marker[2]) != 1 and run_at >= 0 and (not marked or marker[1]):
                    return None
                if run_at >= 0:
                    _close(runs, text, run_at, at, run_line, headings)
                run_at, run_line, marked, plain = at + marker.end(), line_number, True, False
                continue
        if run_at < 0:
            run_at, run_line, marked, plain = at, line_number, False, first != " "
    if run_at >= 0:
        _close(runs, text, run_at, end, run_line, headings)
    return Layout(headings, runs, _numbered(definitions, line_number), end if definitions else len(text), [])


def _close(runs: list[Run], text: str, start: int, end: int, line: int, headings: list[Heading]) -> None:
    if text.find("[", start, end) >= 0:
        runs.append(Run(start, min(end, len(text)), line, len(headings) - 1))


def _trailing_definitions(text: str, start: int) -> tuple[list[tuple[int, re.Match[str]]], int]:
    """The definitions in the last paragraph, when it holds nothing else, and the offset where it begins."""
    last = len(text.rstrip(" \n"))
    begin = text.rfind("\n\n", start, last)
    begin = start if begin < 0 else begin + 2
    if text[begin : begin + 1] != "[":
        return [], len(text)
    found = []
    at = begin
    for line in text[begin:last].split("\n"):
        match = DEFINITION.fullmatch(line)
        if match is None or _REFUSED_TARGET.match(match[2]):
            return [], len(text)
        found.append((at, match))
        at += len(line) + 1
    return found, begin


def _numbered(found: list[tuple[int, re.Match[str]]], line: int) -> list[Definition]:
    definitions = []
    seen: set[str] = set()
    for at, match in found:
        label = match[1]
        folded = " ".join(label.split()).lower().upper()
        definitions.append(
            Definition(label, match[2], match[3] or "", line, 1, at, at + len(match[0].rstrip()), True, folded in seen)
        )
        seen.add(folded)
        line += 1
    return definitions
