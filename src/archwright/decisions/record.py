"""A decision record as read from a file: number, title, status, date, links, and what its front matter decides."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archwright.decisions import names
from archwright.decisions.dialects import Spot, find_status, is_ours, outline_of
from archwright.decisions.front import Front, read_front, unquoted
from archwright.decisions.heads import Link, authors_in, date_in, is_placeholder, links_in, refs, title_of
from archwright.decisions.statuses import Status
from archwright.errors import Location, Problem

if TYPE_CHECKING:
    from archwright.claims.document import Link as ClaimLink


@dataclass(frozen=True, slots=True)
class Record:
    """A decision record as written; nothing in it has been compared with an architecture.

    `status` is `unknown` where none is written or the word is none of the vocabulary; `status_raw` is the value as
    written and `status_where` its line and column (0, 0 where there is none). References are numbers without leading
    zeros ("12", "40a"), or file stems for records without a number. `base` to `decided_on` are the front matter's
    values as read from YAML, None or empty where absent or of the wrong shape, which `problems` then says.
    `text` is the file's text without byte order mark and with "\\n" line ends; `body_line` its first line (from 1)
    below the front matter; `dialect` a name of `dialects.DIALECTS`.
    """

    path: str
    number: str | None
    title: str
    status: Status
    status_raw: str
    status_where: tuple[int, int]
    date: str | None
    authors: tuple[str, ...]
    superseded_by: tuple[str, ...]
    supersedes: tuple[str, ...]
    amended_by: tuple[str, ...]
    amends: tuple[str, ...]
    dialect: str
    is_record: bool
    front_matter: dict[str, Any] | None = field(repr=False)
    base: str | None = field(repr=False)
    decision: dict[str, Any] | None = field(repr=False)
    alternatives: dict[str, dict[str, Any]] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)
    claims_entries: dict[str, Any] = field(repr=False)
    proxy: str | None = field(repr=False)
    decided_on: str | None = field(repr=False)
    links: tuple[Link, ...] = field(repr=False)
    problems: tuple[Problem, ...] = field(repr=False)
    text: str = field(repr=False)
    body_line: int = field(repr=False)
    spot: Spot | None = field(repr=False)
    front: Front | None = field(repr=False)

    @property
    def stem(self) -> str:
        """The file name without folder and `.md`."""
        return names.stem_of(self.path)

    @property
    def label(self) -> str:
        """How messages name the record: `ADR-0012`, or its file stem."""
        parts = names.name_parts(self.stem)
        return f"ADR-{parts.digits}{parts.letter}" if parts.digits else self.stem

    @property
    def claims(self) -> tuple[ClaimLink, ...]:
        """The links of the text whose labels read as claims, each with text, label, line and column."""
        from archwright.claims.document import parse as parse_document

        return tuple(parse_document(self.text, self.path, known_labels=self.claims_entries).claims)

    @property
    def ours(self) -> bool:
        """Whether the front matter has keys that only this tool's records have."""
        return self.front is not None and is_ours(self.front)

    @property
    def where(self) -> Location:
        """The place of the status, else the file as a whole."""
        return Location(self.path, *self.status_where)

    def place(self, *keys: str | int) -> Location:
        """The place of a value of the front matter, `record.place("alternatives", "mha")`."""
        return self.front.where(self.path, keys) if self.front is not None else Location(self.path, 1, 1)


def read(path: str | os.PathLike[str]) -> Record:
    """A record from its file, in any dialect. Unreadable: missing, no permission, not text."""
    from archwright.textio import read_text

    name = os.fspath(path)
    return parse(read_text(name).text, name)


def parse(text: str, path: str | os.PathLike[str] = "record.md") -> Record:
    """A record from its text; `path` gives the number and stands in messages. Never raises for any text."""
    if text.startswith("\ufeff"):
        text = text[1:]
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    name = os.fspath(path)
    stem = names.stem_of(name)
    front = read_front(text, name)
    outline, plain = outline_of(text, front)
    found = find_status(outline, front, plain is not None)
    heading = plain.title if plain else next((h.text for h in outline.headings if h.level == 1), None)
    number = names.number_of(stem, heading or "")
    title = title_of(heading, front, number, stem)
    links = links_in(outline, front, found.reading, found.spot)
    spot = found.spot
    if spot is not None:
        line = text.count("\n", 0, spot.start)
        status_where = (line + 1, spot.start - outline.starts[line] + 1)
        dialect = spot.form
    else:
        status_where = (front.raw["status"].line + 1, 1) if front and "status" in front.raw else (0, 0)
        dialect = "plain-text" if plain else "none"
        if front is not None:
            dialect = "archwright" if is_ours(front) else "front-matter"
    problems = front.problems if front is not None else ()
    data: dict[str, Any] = front.data if front is not None else {}
    shaped = _NO_SHAPE
    if front is not None and is_ours(front):
        from archwright.decisions.shape import check_shape

        shaped, found_problems = check_shape(data, lambda *keys: front.where(name, keys))
        problems += found_problems
    return Record(
        path=name,
        number=number,
        title=title,
        status=found.reading.status,
        status_raw=found.raw,
        status_where=status_where,
        date=date_in(outline, front) or names.date_of(stem),
        authors=authors_in(outline, front),
        superseded_by=refs(links, "superseded_by"),
        supersedes=refs(links, "supersedes"),
        amended_by=refs(links, "amended_by"),
        amends=refs(links, "amends"),
        dialect=dialect,
        is_record=names.is_record_name(stem) and not is_placeholder(heading),
        front_matter=data if front is not None else None,
        base=shaped["base"],
        decision=shaped["decision"],
        alternatives=shaped["alternatives"],
        settings=shaped["settings"],
        claims_entries=shaped["claims"],
        proxy=shaped["proxy"],
        decided_on=shaped["decided_on"],
        links=links,
        problems=problems,
        text=text,
        body_line=outline.body + 1,
        spot=spot,
        front=front,
    )


def find_records(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """The record files among files and folders, sorted: `.md` files whose name is no index's, README's or template's.

    A file that is named itself is taken whatever its name. Unreadable: a path that does not exist.
    """
    from archwright.errors import NOTHING, Unreadable

    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    found: dict[str, None] = {}
    missing: list[Problem] = []
    for path in (os.fspath(p) for p in given):
        if os.path.isdir(path):
            found.update(dict.fromkeys(names.walk(path)))
        elif os.path.lexists(path):
            found[path] = None
        else:
            missing.append(Problem("", NOTHING, "does not exist", "check the path", Location(path)))
    if missing:
        raise Unreadable(missing)
    return list(found)


def status_problem(record: Record) -> Problem | None:
    """What to say about a record whose status is unknown: what was found, the words that are known, the nearest one."""
    if record.status != "unknown":
        return None
    from difflib import get_close_matches

    from archwright.decisions.statuses import WORDS, is_choice
    from archwright.errors import NOTHING

    known = "proposed, accepted, rejected, deprecated or superseded by ADR-N"
    raw = unquoted(record.status_raw).strip()
    if not raw:
        rule = "status is missing: whether the decision stands is unknown"
        return Problem("", NOTHING, rule, f"write one of {known}", record.where)
    if is_choice(raw):
        return Problem("status", raw, "a template's list of choices", f"keep one of {known}", record.where)
    word = raw.split()[0].strip("*_`\"'[](){}.,:;").lower()
    near = get_close_matches(word, WORDS, n=1, cutoff=0.75)
    remedy = f"did you mean {near[0]}?" if near else f"write one of {known}"
    return Problem("status", raw, "no status that is known", remedy, record.where)


_NO_SHAPE: dict[str, Any] = {
    "base": None,
    "decision": None,
    "alternatives": {},
    "settings": {},
    "claims": {},
    "proxy": None,
    "decided_on": None,
}
