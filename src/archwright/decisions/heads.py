"""What stands at the head of a record besides its status: title, date, authors, and links to other records."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Literal, NamedTuple, get_args

from archwright.decisions import names
from archwright.decisions.dates import iso_date
from archwright.decisions.dialects import Spot, section_name, statements
from archwright.decisions.front import Front, canonical, unquoted
from archwright.decisions.references import Reference, chain, from_value
from archwright.decisions.scan import Field, Outline
from archwright.decisions.statuses import Reading, read_links, starts_link

LinkKind = Literal["superseded_by", "supersedes", "amended_by", "amends"]

KINDS: tuple[LinkKind, ...] = get_args(LinkKind)


class Link(NamedTuple):
    """A link to another record: its number or stem, the stem of the linked file where the text names one, its place."""

    kind: LinkKind
    ref: str
    stem: str | None
    line: int
    column: int


_TITLE_NUMBER = re.compile(
    r"\[?(?:(?:architectur\w+ decision(?: record)?|ADRs?|decision record)[\s#_-]*(?:\d+[a-z]?)?\]?"
    r"\s*(?:[:.–—|]|-(?=\s))\s*"
    r"|ADR[\s#_-]*\d+[a-z]?\]?(?:\s*[-–—:.)]\s*|\s+)"
    r"|\d+[a-z]?[.:)]\s+|\d{1,6}[a-z]?\]?\s+[-–—]\s+|0\d{2,}[a-z]?(?:[-_]|\s+))",
    re.I,
)
_PLACEHOLDER = re.compile(
    r"(?:ADR[-\s]*)?[\W\d]*(?:N{2,}|X{2,}|number|\[[^\[\]]*\])?[\W]*[\[{<(][^\[\]{}<>()]*\btitle\b[^\n]*"
    r"|(?:ADR[-\s]*)?(?:N{2,}|X{2,}|NUMBER)\W+[^\n]*",
    re.I,
)
_ANCHOR = re.compile(r"\{#[\w-]+\}")


def title_of(heading: str | None, front: Front | None, number: str | None, stem: str) -> str:
    title = heading
    if title is None and front is not None:
        said = front.data.get("title")
        title = said if isinstance(said, str) else unquoted(front.raw["title"].value) if "title" in front.raw else ""
    title = (title or "").strip()
    if title.endswith("}") and (anchor := title.rfind("{#")) >= 0 and _ANCHOR.fullmatch(title, anchor):
        title = title[:anchor].rstrip()
    for _ in range(2):
        found = _TITLE_NUMBER.match(title[:300])
        if not found or not title[found.end() :].strip():
            break
        title = title[found.end() :].strip()
    if number and title[:1].isdigit() and title.startswith(f"{number} "):
        rest = names.name_parts(stem).rest
        if not rest.startswith(number):  # "8 KV heads" in 0008-8-kv-heads.md keeps its 8
            title = title[len(number) :].strip()
    return title


def is_placeholder(heading: str | None) -> bool:
    if heading is None or (
        heading and heading[0] not in "[{<(ANXanx" and "itle" not in heading and "TITLE" not in heading
    ):
        return False
    return _PLACEHOLDER.fullmatch(heading[:150]) is not None


def date_in(outline: Outline, front: Front | None) -> str | None:
    if front is not None:
        for key in ("date", "created", "decision_date"):
            raw = front.raw.get(key)
            if raw is not None and unquoted(raw.value).strip():
                return iso_date(unquoted(raw.value))
    for entry in outline.fields:
        if entry.key == "date" and (entry.value or entry.form != "line"):
            return iso_date(entry.value)
    for heading in outline.headings:
        if "ate" in heading.text.lower() and section_name(heading.text) in ("date", "decision date"):
            said = statements(outline, heading)
            return iso_date(said[0].text) if said else None
    return None


def authors_in(outline: Outline, front: Front | None) -> tuple[str, ...]:
    if front is not None:
        for key in ("authors", "author", "deciders", "decision_makers", "decision_maker"):
            raw = front.raw.get(key)
            if raw is None:
                continue
            value = front.data.get(next((k for k in front.data if isinstance(k, str) and _same(k, key)), key))
            if isinstance(value, list):
                return tuple(str(v) for v in value if v is not None)
            if isinstance(value, str) and value.strip():
                return _people(value)
    return next((_people(f.value) for f in outline.fields if f.key == "authors" and f.value), ())


def _same(key: str, wanted: str) -> bool:
    return canonical(key) == wanted


def _people(value: str) -> tuple[str, ...]:
    return tuple(p for part in re.split(r"[,;]|\s+and\s+|\s+&\s+", value[:2000]) if (p := part.strip().strip("[]")))


_LINK_KEYS: dict[str, LinkKind] = {
    "superseded_by": "superseded_by",
    "supersededby": "superseded_by",
    "replaced_by": "superseded_by",
    "supersedes": "supersedes",
    "replaces": "supersedes",
    "amended_by": "amended_by",
    "amends": "amends",
}
_LINK_HEADINGS: dict[str, LinkKind] = {
    "superseded by": "superseded_by",
    "replaced by": "superseded_by",
    "supersedes": "supersedes",
    "replaces": "supersedes",
    "amended by": "amended_by",
    "amends": "amends",
}
_PARTLY = re.compile(r"\W*(?:in\s+part|partly|partially|some\s+(?:aspects|parts)|(?:a\s+)?parts?\s+of)\b", re.I)


def links_in(outline: Outline, front: Front | None, reading: Reading, spot: Spot | None) -> tuple[Link, ...]:
    found: list[tuple[LinkKind, Reference]] = []
    if front is not None:
        for key, raw in front.raw.items():
            if kind := _LINK_KEYS.get(key):
                listed = raw.value[:1] == "[" and raw.value[-1:] == "]" and not raw.value.startswith("[[")
                inner = raw.value[1:-1] if listed else ""
                values = raw.items or [(part, raw.start) for part in (inner.split(",") if inner else [raw.value])]
                if not listed and raw.value[:1] == "[" and isinstance(several := front.data.get(key), list):
                    values = [(str(value), raw.start) for value in several]  # a list over several lines
                for value, start in values:
                    found += [(kind, r) for r in from_value(unquoted(value.strip()), start)]
    if spot is not None:
        for kind in KINDS:
            found += [(kind, r._replace(start=r.start + spot.start)) for r in getattr(reading, kind)]
    for entry in outline.fields:
        if kind := _LINK_KEYS.get(entry.key):
            found += _field_links(outline, kind, entry)
    for heading in outline.headings:
        if kind := _LINK_HEADINGS.get(section_name(heading.text)):
            for said in statements(outline, heading):
                found += [(kind, r) for r in from_value(said.text[:1000], said.start)]
        elif section_name(heading.text) in ("links", "related", "related decisions") and front is None:
            for said in statements(outline, heading):
                if starts_link(said.text):
                    named = read_links(said.text[:1000], first_only=True)
                    for kind in KINDS:
                        found += [(kind, r._replace(start=r.start + said.start)) for r in getattr(named, kind)]
    if not found:
        return ()
    links: dict[tuple[str, str], Link] = {}
    for kind, reference in found:
        line = bisect_right(outline.starts, reference.start) - 1
        column = reference.start - outline.starts[line] + 1
        old = links.get((kind, reference.ref))
        if old is None or (old.stem is None and reference.stem is not None):
            links[kind, reference.ref] = Link(kind, reference.ref, reference.stem, line + 1, column)
    return tuple(links.values())


def _field_links(outline: Outline, kind: LinkKind, entry: Field) -> list[tuple[LinkKind, Reference]]:
    text = outline.text[outline.starts[entry.line] : entry.start]
    colon = ":" in text or "|" in text
    if not colon and entry.form == "line" and entry.line > 0:
        above = outline.lines[entry.line - 1].strip()
        if above and text.lstrip()[:1].islower() and not any(f.line == entry.line - 1 for f in outline.fields):
            return []  # prose that wraps before the word
    value = entry.value[:1000]
    if _PARTLY.match(value):
        return []
    references = from_value(value, entry.start) if colon else _only_chain(value, entry.start)
    if references and _PARTLY.match(value, references[-1].end - entry.start):
        return []
    return [(kind, r) for r in references]


def _only_chain(value: str, start: int) -> list[Reference]:
    return [r._replace(start=r.start + start, end=r.end + start) for r in chain(value)[0]]


def refs(links: tuple[Link, ...], kind: LinkKind) -> tuple[str, ...]:
    return tuple(link.ref for link in links if link.kind == kind) if links else ()
