"""Docstrings with claims, read from Python files without importing them: links, or a section `Claims:`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..claims.document import Document, Link
from ..claims.document import parse as parse_document
from ..claims.labels import parse_label
from ..errors import NOTHING, ArchwrightError, Location, Problem
from .frame import is_bound

FRAME_KEYS = ("base", "decision", "alternatives", "settings", "claims")
"""Keys of a section that say what its labels speak about, as in a record; all other keys are figures."""
_SECTION = re.compile(r"^(?P<indent>[ \t]*)Claims:[ \t]*$", re.M)
_MAY_HOLD = re.compile(r"\]\[|^[ \t]*Claims:[ \t]*$", re.M)
_KEY = re.compile(r"([a-z]+):(?:\s|$)")
_OPENING = re.compile(r"[ \t]*[rRuUbB]{0,2}(?:\"\"\"|'''|\"|')")


@dataclass(slots=True)
class Docstring:
    """The docstring of a module, class or function. `lines` and `columns` lead from its text into the file."""

    name: str
    text: str
    document: Document
    frame: dict[str, Any] = field(default_factory=dict)
    """The section's own keys: base, decision, alternatives, settings, claims."""
    stated: list[Link] = field(default_factory=list)
    """Claims of the section, each at its line in the file."""
    problems: list[tuple[str, Problem]] = field(default_factory=list)
    """What is wrong with the section, each with the code of its finding."""
    where: Any = None
    """From keys of the section to their place in the file."""


def may_hold_claims(text: str) -> bool:
    """Whether a Python file is worth parsing."""
    return _MAY_HOLD.search(text) is not None


def docstrings_with_claims(text: str, path: str) -> list[Docstring]:
    """Every docstring of a file that holds a claim. Unreadable: the file is no Python."""
    if not may_hold_claims(text):
        return []
    lines = text.split("\n")
    found = []
    for name, value, lineno in _docstrings(text, path):
        made = _read(name, value, _places(lines, lineno, value), path)
        if made.frame or made.stated or made.problems or any(is_bound(c, made.document) for c in made.document.claims):
            found.append(made)
    return found


def _docstrings(text: str, path: str) -> Iterator[tuple[str, str, int]]:
    """Qualified name, cleaned text and first line of each docstring, in the order of the file."""
    import griffe

    try:
        module = griffe.visit(Path(path).stem, Path(path), text)
    except SyntaxError as error:
        from ..errors import Unreadable

        place = Location(path, error.lineno or 0, error.offset or 0)
        raise Unreadable(Problem("", NOTHING, f"is not Python: {error.msg}", where=place)) from None
    pending: list[Any] = [module]
    found: list[tuple[str, str, int]] = []
    while pending:
        thing = pending.pop()
        docstring = thing.docstring
        if docstring is not None and docstring.lineno:
            name = thing.path.partition(".")[2] or thing.path
            found.append((name, docstring.value, docstring.lineno))
        pending += [m for m in thing.members.values() if not m.is_alias]
    return iter(sorted(found, key=lambda f: f[2]))


def _places(lines: list[str], lineno: int, value: str) -> list[tuple[int, int]]:
    """For each line of a cleaned docstring its line in the file and how many columns it lies further right."""
    first = lineno - 1
    opening = _OPENING.match(lines[first])
    begin = opening.end() if opening else 0
    if not lines[first][begin:].strip():
        first, begin = first + 1, 0
        while first < len(lines) - 1 and not lines[first].strip():
            first += 1
    places = []
    for n, line in enumerate(value.split("\n")):
        source = lines[first + n] if first + n < len(lines) else ""
        at = source.find(line.strip(), begin if n == 0 else 0) if line.strip() else 0
        lead = len(line) - len(line.lstrip())
        places.append((first + n + 1, max(at, 0) - lead))
    return places


def _read(name: str, value: str, places: list[tuple[int, int]], path: str) -> Docstring:
    section = _SECTION.search(value)
    body, start, end = _section_body(value, section) if section else ("", len(value), len(value))
    prose = value[:start] + re.sub(r"[^\n]", " ", value[start:end]) + value[end:]
    document = parse_document(prose, path)
    document.claims = [_moved(link, places) for link in document.claims]
    made = Docstring(name, value, document)
    if section:
        _read_section(made, body, value.count("\n", 0, section.end()) + 1, places, prose, path)
    return made


def _section_body(value: str, section: re.Match[str]) -> tuple[str, int, int]:
    """The lines below a header that are indented further than it, and the offsets of header and lines."""
    indent = len(section["indent"])
    at = section.end() + 1
    lines: list[str] = []
    for line in value[at:].split("\n"):
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        lines.append(line)
    while lines and not lines[-1].strip():
        lines.pop()
    return "\n".join(lines), section.start(), at + sum(len(line) + 1 for line in lines)


def _moved(link: Link, places: list[tuple[int, int]]) -> Link:
    line, right = places[link.line - 1] if link.line <= len(places) else (link.line, 0)
    return link._replace(line=line, column=link.column + right)


def _read_section(made: Docstring, body: str, first: int, places: list[tuple[int, int]], prose: str, path: str) -> None:
    lines = body.split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)

    def moved(line: int, column: int) -> Location:
        number, right = places[min(first + line - 1, len(places) - 1)]
        return Location(path, number, max(1, column + margin + right))

    said = " ".join(prose.split())
    own: list[str] = []
    keyed = False
    for n, raw in enumerate(lines, 1):
        line = raw[margin:]
        key = _KEY.match(line)
        keyed = bool(key and key[1] in FRAME_KEYS) or (keyed and (line[:1] in (" ", "") or line[:1] == "-"))
        own.append(line if keyed else "")
        if keyed or not line.strip() or line.lstrip().startswith("#"):
            continue
        made.problems += _stated(made, line, moved(n, 1), said)
    made.where = lambda *keys: moved(0, 1)
    _read_frame(made, "\n".join(own), moved)


def _stated(made: Docstring, line: str, place: Location, said: str) -> Iterator[tuple[str, Problem]]:
    """One line `figure: label`: a claim, or what is wrong with it."""
    text, colon, label = line.partition(": ")
    text, label = text.strip().strip("\"'"), label.strip().strip("\"'")
    remedy = "Write 4 KiB: kv_cache(context=1)"
    if not colon or not text:
        yield "bad-label", Problem(line.strip()[:60], NOTHING, "is no line of the form figure: label", remedy, place)
    elif parse_label(label) is None:
        yield "bad-label", Problem(text, label, "is not the label of a claim", remedy, place)
    elif not re.search(rf"(?<![\w.]){re.escape(' '.join(text.split()))}(?!\w)", said):
        rule = "is a claim of a figure that the docstring does not say"
        yield "claim-not-rendered", Problem(text, NOTHING, rule, "Write it in the text, or remove it here", place)
    else:
        made.stated.append(Link(text, label, place.line, place.column, 0, 0, 0, 0, -1, False))


def _read_frame(made: Docstring, text: str, moved: Callable[[int, int], Location]) -> None:
    """The section's own keys, as in a front matter."""
    if not text.strip():
        return
    from ..arch.files import parse_yaml

    try:
        document = parse_yaml(text)
    except ArchwrightError as error:
        for p in error.problems:
            place = moved(p.where.line, p.where.column) if p.where else None
            made.problems.append(("front-matter", Problem(p.field, p.found, p.rule, p.remedy, place)))
        return

    def where(*keys: str | int) -> Location:
        place = document.where(keys, True)
        return moved(place.line, place.column) if place is not None and place.line else moved(0, 1)

    made.where = where
    made.frame = dict(document.data)
