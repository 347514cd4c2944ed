"""A Markdown document with exact line and column: its claims, links, definitions and headings."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import NOTHING, Location, Problem
from . import blocks, inline
from .blocks import Definition, Heading, Layout
from .labels import fold, parse_label
from .texts import has_figure

__all__ = ["Definition", "Document", "Heading", "Link", "Unrendered", "parse"]


class Link(NamedTuple):
    """A link in rendering order.

    `text[start:end]` of the document is the link's text and `[whole_start:whole_end]` all of it; `label` is empty
    for an inline or a shortcut link. `heading` is the index of the last heading before it, -1 before the first.
    """

    text: str
    label: str
    line: int
    column: int
    start: int
    end: int
    whole_start: int
    whole_end: int
    heading: int
    defined: bool


class Unrendered(NamedTuple):
    """What looks like a claim and is not a link: in `code`, `html`, an image's alternative text (`image`), with a
    `space` between its brackets, or with `brackets` in its label."""

    reason: str
    text: str
    label: str
    line: int
    column: int


@dataclass(slots=True)
class Document:
    """One Markdown text, read. Offsets count characters of `text`; lines and columns count from 1."""

    path: str
    text: str
    first_line: int = 1
    front: tuple[int, int] | None = None
    """Offsets of the front matter between its fences, or None."""
    body_start: int = 0
    headings: list[Heading] = field(default_factory=list)
    claims: list[Link] = field(default_factory=list)
    """Links of the form [text][label] whose label reads as one, or whose text holds a figure or `?`."""
    links: list[Link] = field(default_factory=list)
    """All other links."""
    definitions: list[Definition] = field(default_factory=list)
    block_start: int = 0
    """Where the definitions at the end of the file begin (the end of the text when there are none)."""
    unrendered: list[Unrendered] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)
    """Lines with a marker of an unresolved merge, outside code."""
    skipped: list[tuple[int, int]] = field(default_factory=list)
    """Offsets of code and HTML blocks."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def front_matter(self) -> str | None:
        """The YAML between the fences."""
        return None if self.front is None else self.text[slice(*self.front)]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        line = self.text.count("\n", 0, offset) + self.first_line
        return line, offset - self.text.rfind("\n", 0, offset)

    def location(self, offset: int) -> Location:
        """The place of an offset in the file."""
        return Location(self.path, *self.place(offset))

    def sections(self, heading: int) -> tuple[str, ...]:
        """The titles that a heading stands under, outermost first, its own last; empty for -1."""
        titles: list[str] = []
        level = 7
        for candidate in reversed(self.headings[: heading + 1]):
            if candidate.level < level:
                titles.append(candidate.title)
                level = candidate.level
        return tuple(reversed(titles))

    def heading_at(self, offset: int) -> int:
        """The index of the last heading at or before an offset, -1 before the first."""
        return bisect_right(self.headings, offset, key=_start_of) - 1


def _start_of(heading: Heading) -> int:
    return heading.start


Spans = list[tuple[int, int]]
"""Ranges of offsets, in order."""

_CLOSING_FENCE = re.compile(r"^---[ \t]*$", re.M)
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7})(?: .*)?$|^={7}$", re.M)
_OPENING_CONFLICT = re.compile(r"^<{7}(?: .*)?$", re.M)
_LOOKS_LIKE_CLAIM = re.compile(
    r"\[([^\[\]]{1,200})\](?:( )?\[([^\[\]\n]{1,200})\]|\[([a-z][a-z0-9_-]*\([^\n)]{0,200}\)[^\]\n]{0,80})\])", re.I
)
_FULL_REFERENCE = re.compile(r"\[((?:\\.|[^\[\]\\]){0,500})\](?=\[((?:\\.|[^\[\]\\]){1,500})\])", re.S)
_NEAR = 2000  # characters before a look-alike in which an image or a tag may open
_INDENT = re.compile(r"\n[ \t]+")
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:.*?)(?<!`)\1(?!`)", re.S)


def parse(text: str, path: str = "", first_line: int = 1, known_labels: Iterable[str] = ()) -> Document:
    r"""Read a document whose line ends are `\n`. `known_labels` are labels that count as claims whatever their text.

    >>> d = parse("# Cache\n\nIt takes [4.00 GiB][kv_cache].\n\n[kv_cache]: a.yaml \"computed: 4.00 GiB, holds\"\n")
    >>> c = d.claims[0]; c.text, c.label, c.line, c.column, d.text[c.start:c.end], d.definitions[0].in_block
    ('4.00 GiB', 'kv_cache', 3, 10, '4.00 GiB', True)
    """
    document = Document(path, text, first_line)
    _split_front_matter(document)
    read = text
    if _OPENING_CONFLICT.search(text):
        read = _without_conflicts(document)
    _read_body(document, read, frozenset(fold(label) for label in known_labels))
    return document


def _split_front_matter(document: Document) -> None:
    text = document.text
    at = 1 if text.startswith("\ufeff") else 0
    document.body_start = at
    if not text.startswith("---", at):
        return
    first_end = text.find("\n", at)
    first = text[at:first_end] if first_end >= 0 else text[at:]
    if first.rstrip(" \t") != "---":
        return
    closing = _CLOSING_FENCE.search(text, first_end + 1) if first_end >= 0 else None
    if closing is None:
        document.body_start = first_end + 1 if first_end >= 0 else len(text)
        document.problems.append(
            Problem(
                "front matter", NOTHING, "is never closed", "Put a line with --- behind its last key",
                Location(document.path, document.first_line, 1),
            )
        )  # fmt: skip
        return
    document.front = (first_end + 1, closing.start())
    document.body_start = min(closing.end() + 1, len(text))


def _without_conflicts(document: Document) -> str:
    """The text with the lines of merge markers blank, so that both sides are read; the markers are noted."""
    text = document.text
    for marker in _CONFLICT.finditer(text):
        line, _ = document.place(marker.start())
        document.conflicts.append(line)
    return _CONFLICT.sub(lambda m: " " * len(m[0]), text)


class _Known:
    """Which labels are defined, or would be: those of claims."""

    __slots__ = ("_claimed", "extra", "folded", "text")

    def __init__(self, layout: Layout, extra: frozenset[str], text: str) -> None:
        self.folded = {fold(d.label) for d in layout.definitions}
        self.extra = extra
        self.text = text
        self._claimed: set[str] | None = None

    def __call__(self, label: str, text: str) -> bool:
        folded = fold(label)
        if folded in self.folded or folded in self.extra:
            return True
        if text and parse_label(label) is not None:
            return True
        return (not text or has_figure(text)) and folded in self.references()

    def references(self) -> set[str]:
        """All labels that the parser is to know. Needed for nested and for shortcut links only."""
        if self._claimed is None:
            self._claimed = self.folded | self.extra | claim_labels(self.text)
        return self._claimed


def claim_labels(text: str) -> set[str]:
    """The folded labels of all that looks like a claim anywhere in a text."""
    return {fold(m[2]) for m in _FULL_REFERENCE.finditer(text) if m[2].strip() and is_claim(m[2], m[1])}


def is_claim(label: str, text: str) -> bool:
    """Whether [text][label] is a claim: the label reads as one, or the text holds a figure or `?`."""
    return parse_label(label) is not None or has_figure(text)


def _read_body(document: Document, text: str, extra: frozenset[str]) -> None:
    start = document.body_start
    line = document.first_line + text.count("\n", 0, start)
    layout = blocks.scan(text, start, line)
    if layout is not None:
        known = _Known(layout, extra, text)
        for run in layout.runs:
            content = text[run.start : run.end].rstrip()
            _add(document, content, _links(content, known), known, run)
        document.block_start = layout.block_start
    else:
        from . import commonmark

        layout, pieces = commonmark.layout(text, start, line)
        known = _Known(layout, extra, text)
        for piece in pieces:
            _add(document, piece.content, _links(piece.content, known), known, piece)
        layout = layout._replace(definitions=_mark_block(document, text, layout.definitions))
        document.conflicts = [n for n in document.conflicts if not _in_code(text, layout, n - document.first_line)]
    document.headings, document.definitions, document.skipped = layout.headings, layout.definitions, layout.skipped
    _find_unrendered(document, text)


def _links(content: str, known: _Known) -> list[inline.Found]:
    found = inline.scan(content, known)
    if found is None:
        from . import commonmark

        found = commonmark.links(content, known.references())
    return found


def _add(
    document: Document, content: str, found: list[inline.Found], known: _Known, where: blocks.Run | blocks.Piece
) -> None:
    for f in found:
        text = content[f.start : f.text_end]
        if "\n" in text:
            text = _INDENT.sub("\n", text)
        if isinstance(where, blocks.Run):
            base = where.start
            whole, start, end, stop = base + f.start - 1, base + f.start, base + f.text_end, base + f.end
        else:
            whole, start, stop = where.at(f.start - 1), where.at(f.start), where.at(f.end - 1) + 1
            end = where.at(f.text_end)
        line = where.line + content.count("\n", 0, f.start)
        column = whole - document.text.rfind("\n", 0, whole)
        label = f.label or ""
        defined = bool(label) and fold(label) in known.folded
        link = Link(text, label, line, column, start, end, whole, stop, where.heading, defined)
        if label and (is_claim(label, text) or fold(label) in known.extra):
            document.claims.append(link)
        else:
            document.links.append(link)


def _mark_block(document: Document, text: str, definitions: list[Definition]) -> list[Definition]:
    """The definitions, those marked behind which nothing but definitions stands; sets where that block begins."""
    end = len(text)
    marked = list(definitions)
    for index in range(len(marked) - 1, -1, -1):
        one = marked[index]
        if one.column != 1 or text[one.end : end].strip():
            break
        marked[index] = one._replace(in_block=True)
        end = one.start
    document.block_start = end
    if document.conflicts and end < len(text):
        before = len(text[:end].rstrip())
        between = document.text[before:end]
        opened, closed = _OPENING_CONFLICT.search(between), re.search(r"^>{7}", document.text[end:], re.M)
        if opened and closed:  # a merge of the block alone
            document.block_start = before + len(between) - len(between.lstrip())
    return marked


def _in_code(text: str, layout: Layout, line_index: int) -> bool:
    at = 0
    for _ in range(line_index):
        at = text.find("\n", at) + 1
    return any(start <= at < end for start, end in layout.skipped)


def inside(spans: Spans, at: int) -> tuple[int, int] | None:
    """The span that holds an offset; the spans are in order and do not overlap."""
    index = bisect_right(spans, at, key=_begin_of) - 1
    return spans[index] if index >= 0 and at < spans[index][1] else None


def _begin_of(span: tuple[int, int]) -> int:
    return span[0]


def paragraph_start(text: str, at: int, first: int = 0) -> int:
    """Where the paragraph around an offset begins, not before `first`."""
    blank = text.rfind("\n\n", first, at)
    return blank + 2 if blank >= 0 else first


def _find_unrendered(document: Document, text: str) -> None:
    start, end = document.body_start, document.block_start
    labelled = len(document.claims) + sum(1 for link in document.links if link.label)
    if text.count("][", start, end) == labelled and text.find("] [", start, end) < 0:
        return
    rendered = {link.whole_start for link in document.claims} | {link.whole_start for link in document.links}
    spans: dict[int, Spans] = {}
    for match in _LOOKS_LIKE_CLAIM.finditer(text, start, end):
        said, label = match[1], match[3] or match[4]
        if match.start() in rendered or text[match.start() - 1 : match.start()] == "\\":
            continue
        if parse_label(label) is None or not has_figure(said):
            continue
        reason = _why_unrendered(document, text, match, spans)
        if reason:
            document.unrendered.append(Unrendered(reason, said, label, *document.place(match.start())))


def _why_unrendered(document: Document, text: str, match: re.Match[str], spans: dict[int, Spans]) -> str:
    at = match.start()
    block = inside(document.skipped, at)
    if block:
        return "html" if text[slice(*block)].lstrip().startswith("<") else "code"
    begin = paragraph_start(text, at, document.body_start)
    if begin not in spans:
        finish = text.find("\n\n", at)
        spans[begin] = [m.span() for m in CODE_SPAN.finditer(text, begin, finish if finish >= 0 else len(text))]
    if inside(spans[begin], at):
        return "code"
    before = CODE_SPAN.sub("", text[max(begin, at - _NEAR) : at])
    if before.endswith("!") or re.search(r"!\[[^\[\]]*\Z", before):
        return "image"
    if re.search(r"<[A-Za-z/!][^>]*\Z", before):
        return "html"
    if match[4]:
        return "brackets"
    return "space" if match[2] else ""
