"""The block and inline structure of any Markdown text, by the CommonMark parser, with positions in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, image, link
from markdown_it.token import Token

from .blocks import DEFINITION, Definition, Heading, Layout, Piece
from .inline import Found

_PIPE = re.compile(r"(?<!\\)\|")


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    md = MarkdownIt("commonmark", {"inline_definitions": True}).enable("table")
    md.inline.ruler.disable(["emphasis", "entity"])
    md.inline.ruler2.disable(["balance_pairs", "emphasis", "fragments_join"])
    md.inline.ruler.at("link", _recorded_link)
    md.inline.ruler.at("image", _based_image)
    return md


def _recorded_link(state: StateInline, silent: bool) -> bool:
    """The parser's own rule for links, which also notes where each link stands."""
    if silent or state.src[state.pos] != "[":
        return link(state, silent)
    start = state.pos
    text_end = state.md.helpers.parseLinkLabel(state, start, True)
    found = state.env["found"]
    slot = len(found)
    found.append(None)
    if not link(state, silent):
        del found[slot:]
        return False
    base = state.env["base"]
    label = state.src[text_end + 2 : state.pos - 1] if state.src[text_end + 1 : text_end + 2] == "[" else None
    inline = state.src[text_end + 1 : text_end + 2] == "(" and state.src[state.pos - 1] == ")"
    target = "" if inline else None
    found[slot] = Found(base + start + 1, base + text_end, base + state.pos, label or None, target)
    return True


def _based_image(state: StateInline, silent: bool) -> bool:
    """The parser's own rule for images; links in its alternative text are not links of the page."""
    if silent or state.src[state.pos] != "!":
        return image(state, silent)
    before = len(state.env["found"])
    done = image(state, silent)
    del state.env["found"][before:]
    return done


def links(content: str, references: Set[str]) -> list[Found]:
    """The links of a run of prose, where the folded labels in `references` count as defined."""
    md = _parser()
    env: dict[str, Any] = {
        "references": {label: {"href": "#", "title": ""} for label in references},
        "found": [],
        "base": 0,
    }
    md.inline.tokenize(StateInline(content, md, env, []))
    return [found for found in env["found"] if found is not None]


def layout(text: str, start: int, first_line: int) -> tuple[Layout, list[Piece]]:
    """Headings, definitions and inline content of the text from offset `start`, whose line is `first_line`.

    The runs of the layout are empty; the pieces take their place.
    """
    md = _parser()
    tokens: list[Token] = []
    body = text[start:].replace("\0", "\ufffd")
    env: dict[str, Any] = {}
    md.block.parse(body, md, env, tokens)
    starts = [start, *(start + m.end() for m in re.finditer("\n", body)), len(text) + 1]
    headings: list[Heading] = []
    pieces: list[Piece] = []
    skipped: list[tuple[int, int]] = []
    definitions: list[Definition] = []
    seen: set[str] = set()

    def lines(token: Token) -> tuple[int, int]:
        first, last = token.map or [0, 0]
        return starts[first], min(starts[min(last, len(starts) - 1)], len(text))

    row: list[Token] | None = None
    header = False
    for index, token in enumerate(tokens):
        kind = token.type
        if kind == "inline":
            if row is not None:
                row.append(token)
            elif "[" in token.content:
                pieces.append(_paragraph(text, token, starts, first_line, len(headings) - 1))
        elif kind == "heading_open":
            content = tokens[index + 1].content.strip()
            if token.level == 0:
                line = token.map[0] if token.map else 0
                headings.append(Heading(first_line + line, int(token.tag[1]), content, starts[line]))
        elif kind in ("thead_open", "thead_close"):
            header = kind == "thead_open"
        elif kind == "tr_open":
            row = []
        elif kind == "tr_close":
            if row and any("[" in cell.content for cell in row):
                pieces.extend(_cells(text, row, header, starts, first_line, len(headings) - 1))
            row = None
        elif kind in ("fence", "code_block", "html_block"):
            skipped.append(lines(token))
        elif kind == "definition":
            begin, end = lines(token)
            label, folded = token.meta["label"], token.meta["id"]
            line = token.map[0] if token.map else 0
            column = text.find("[", begin) - begin + 1
            url, title = token.meta["url"], token.meta["title"]
            plain = DEFINITION.fullmatch(text[begin + column - 1 : end].rstrip("\n"))
            if plain:  # as written: the parser encodes what is not ASCII
                url, title = plain[2], plain[3] or ""
            last = begin + len(text[begin:end].rstrip())
            definitions.append(
                Definition(label, url, title, first_line + line, column, begin, last, False, folded in seen)
            )
            seen.add(folded)
    return Layout(headings, [], definitions, len(text), skipped), pieces


def _paragraph(text: str, token: Token, starts: list[int], first_line: int, heading: int) -> Piece:
    line = token.map[0] if token.map else 0
    places = []
    here = 0
    contents = token.content.split("\n")
    opening = contents[0].strip(" \t")
    while text.find(opening, starts[line], starts[line + 1]) < 0 and line + 2 < len(starts):
        line += 1  # a first line of nothing but no-break spaces is trimmed away
    for offset, content in enumerate(contents):
        begin = starts[line + offset]
        raw = text[begin : starts[line + offset + 1] - 1]
        stripped = content.strip(" \t")
        lead = len(content) - len(content.lstrip(" \t"))
        column = raw.rfind(stripped)
        places.append((here + lead, begin + max(column, 0)))
        here += len(content) + 1
    if places and places[0][0] != 0:
        places.insert(0, (0, places[0][1]))
    return Piece(token.content, places, first_line + line, heading)


def _cells(
    text: str, row: list[Token], header: bool, starts: list[int], first_line: int, heading: int
) -> Iterator[Piece]:
    """The cells of a table row: the parser gives their line only, so the row is cut again, with offsets."""
    line = row[0].map[0] if row[0].map else 0
    begin = starts[line]
    raw = text[begin : starts[line + 1] - 1]
    cuts = [0, *(m.end() for m in _PIPE.finditer(raw)), len(raw) + 1]
    spans = [(cuts[i], cuts[i + 1] - 1) for i in range(len(cuts) - 1)]
    if len(spans) > 1 and not raw[slice(*spans[-1])].strip():
        spans.pop()
    before = raw[slice(*spans[0])].strip()
    marker = not before.strip(" \t>") and before != row[0].content
    if not before or marker or (header and len(spans) == len(row) + 1):
        spans.pop(0)  # what stands before the first bar: nothing, or the marker of a quote or a list item
    for token, (left, right) in zip(row, spans, strict=False):
        if "[" not in token.content:
            continue
        inside = raw[left:right]
        at = inside.rfind(token.content.replace("|", "\\|") if "\\|" in inside else token.content)
        places = [(0, begin + left + max(at, 0))]
        shift = 0
        for position, character in enumerate(token.content):
            if character == "|":  # written \| in the file
                shift += 1
                places.append((position, begin + left + max(at, 0) + position + shift))
        yield Piece(token.content, places, first_line + line, heading)
