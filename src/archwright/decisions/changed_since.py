"""Which documents a change can touch: those that changed, and those whose base, pin, links or fields did."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..project import find as find_project
from .documents import own_documents
from .names import name_parts, stem_of, walk
from .revisions import Repository
from .standing import own_files

_FRONT = re.compile(rb"\A(?:\xef\xbb\xbf)?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.S | re.M)
_ACCEPTED = re.compile(
    rb"^status:[ \t]*[\"']?(?:accepted|approved|adopted|agreed|decided|implemented|final)\b", re.I | re.M
)
_NUMBER = re.compile(rb"\b\d{1,9}[a-z]?\b", re.I)
_DECISION = re.compile(rb"^(?:base|decision):.*?(?=^[^\s#-]|\Z)", re.S | re.M)
_BASES = re.compile(rb"\b(?:base|proxy|extends)[\"']?:[ \t]*[\"']?([^\s\"'{},\[\]#]+)")
_LINKING = (
    b"upersed",
    b"uperced",
    b"SUPERSED",
    b"eplaces",
    b"eplaced",
    b"mended by",
    b"mends ",
    b"mends:",
    b"mended-by",
)
_EVIDENCE = re.compile(rb"\b(?:bench|ablation|eval):")
EVERYTHING = ("pyproject.toml",)
"""Files whose change may change the verdict on anything."""


@dataclass(slots=True)
class Touched:
    """What has to be checked again, and which other records it is to be held against."""

    paths: list[str] = field(default_factory=list)
    neighbours: list[str] = field(default_factory=list)
    architectures: list[str] = field(default_factory=list)
    """Architecture files of records and the project that changed, or that extend one that did."""
    governing: list[str] = field(default_factory=list)
    """Records that may decide something about those; only of `touched_by(..., pinned=False)`."""
    changed: int = 0
    everything: bool = False


def touched(repo: Repository, revision: str) -> Touched:
    """What the changes since a revision can touch. Unreadable: the revision does not exist."""
    return touched_by(os.path.join(repo.root, name) for name in repo.changed(revision))


def touched_by(
    changed: Iterable[str], *, pinned: bool = True, contents: Callable[[str], Mapping[str, bytes]] | None = None
) -> Touched:
    """What changes of files can touch in the project of the current folder.

    Without `pinned`, an accepted record with a pin is not touched by its base alone: its verdicts stay what they were.
    `contents` gives the records below a folder with their bytes, where they are not on disk.
    """
    project = find_project()
    folder = project.root / str(project.settings.get("decisions", "docs/decisions"))
    inside = os.path.join(os.path.realpath(project.root), "")
    real = {os.path.realpath(path) for path in changed}
    mine = {path for path in real if path.startswith(inside)}
    result = Touched(changed=len(mine))
    if any(os.path.join(inside, name) in mine for name in EVERYTHING):
        result.everything = True
    if not mine:
        return result
    records = _scan(folder, contents(str(folder)) if contents is not None else None)
    own = {os.path.realpath(path) for path in own_files()}
    bases = _files_that_lead_to(mine, {b for record in records.values() for b in record.bases} | own)
    result.architectures = sorted(b for b in bases if not os.path.isdir(b))
    kept = os.path.join(os.path.realpath(project.root / str(project.settings.get("evidence", "evidence"))), "")
    # evidence is of code too: a module of the project that changed may have made it stale
    evidence = any(p.startswith(kept) or p.endswith(".py") for p in mine)
    pins = {Path(p).stem.encode() for p in mine if os.path.basename(os.path.dirname(p)) == "bases"}
    there = {record.real for record in records.values()}
    gone = {stem_of(p) for p in mine if p.endswith(".md") and p not in there and not os.path.lexists(p)}
    numbers = {n for n in (name_parts(s).number for s in gone) if n}
    taken = {record.number for record in records.values() if record.real in mine} - {None}
    said_gone = _naming(numbers) if numbers else None
    for path, record in records.items():
        based = bool(bases & record.bases) and (pinned or not record.pinned)
        hit = (
            record.real in mine
            or based
            or any(pin in record.data for pin in pins)
            or (evidence and _EVIDENCE.search(record.data) is not None)
            or any(stem.encode() in record.data for stem in gone)
            or record.number in numbers
            or record.number in taken
            or (said_gone is not None and said_gone.search(record.data) is not None)
        )
        if hit:
            result.paths.append(path)
        elif not pinned and bases & record.bases:
            result.governing.append(path)
    result.paths += [p for p in result.architectures if _has_requirements(p)]
    if contents is None:
        result.paths += [p for p in own_documents() if bases or os.path.realpath(p) in mine]
    result.neighbours = _neighbours(records, set(result.paths))
    result.governing = sorted({*result.paths, *_one_of_each(records, result.governing)})
    return result


@dataclass(slots=True)
class _Scanned:
    """As much of a record as tells whether a change can touch it."""

    real: str
    data: bytes
    front: bytes
    number: str | None
    bases: frozenset[str]

    @property
    def pinned(self) -> bool:
        """Whether it is accepted and names what it was decided on."""
        return b"\ndecided_on:" in self.front and _ACCEPTED.search(self.front) is not None


def _scan(folder: Path, contents: Mapping[str, bytes] | None = None) -> dict[str, _Scanned]:
    if contents is None and not folder.is_dir():
        return {}
    found: dict[str, _Scanned] = {}
    root, top, real = str(find_project(folder).root), str(folder), os.path.realpath(folder)
    resolved: dict[tuple[bytes, str], str] = {}
    for path in walk(top) if contents is None else sorted(contents):
        data = _bytes(path) if contents is None else contents[path]
        front = _FRONT.match(data)
        here = os.path.dirname(path)
        bases = set()
        for name in _BASES.findall(front[1]) if front else ():
            key = (name, here)
            if key not in resolved:
                text = os.fsdecode(name)
                place = next((p for p in (root, here) if os.path.exists(os.path.join(p, text))), root)
                resolved[key] = os.path.realpath(os.path.join(place, text))
            bases.add(resolved[key])
        inside = real + path[len(top) :]
        found[path] = _Scanned(
            inside, data, front[1] if front else b"", name_parts(stem_of(path)).number, frozenset(bases)
        )
    return found


def _bytes(path: str) -> bytes:
    """The beginning of a file; nothing where it cannot be read, or would have to be waited for."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(fd, 2**20)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _files_that_lead_to(changed: set[str], bases: Iterable[str]) -> set[str]:
    """The architecture files that changed, or that extend one that did."""
    leading: set[str] = set()
    for base in bases:
        seen: set[str] = set()
        pending = [base]
        while pending:
            path = pending.pop()
            if path in seen:
                continue
            seen.add(path)
            if path in changed:
                leading.add(base)
                break
            pending += _extends(path)
    return leading


def _extends(path: str) -> Iterator[str]:
    if not path.lower().endswith((".yaml", ".yml", ".json")):
        return
    try:
        with open(path, "rb") as file:
            data = file.read(2**19)
    except OSError:
        return
    for name in _BASES.findall(data):
        yield os.path.realpath(os.path.join(os.path.dirname(path), os.fsdecode(name)))


def _links(data: bytes) -> bool:
    """Whether a text may say that a record supersedes or amends another."""
    if b"upersed" in data or b"uperced" in data or b"SUPERSED" in data:
        return True
    return (b"eplace" in data or b"mend" in data) and any(word in data for word in _LINKING)


def _naming(numbers: Iterable[str]) -> re.Pattern[bytes]:
    """Finds a text that names a record with one of the numbers."""
    any_of = "|".join(re.escape(n) for n in sorted(numbers)).encode()
    return re.compile(rb"(?:adr|supersed\w*|amend\w*|replace\w*)[-\s#:\[\w]{0,20}?\b0*(?:%s)\b" % any_of, re.I)


def _has_requirements(path: str) -> bool:
    if not os.path.isfile(path) or not path.lower().endswith((".yaml", ".yml")):
        return False
    with open(path, "rb") as file:
        return re.search(rb"^requirements:", file.read(2**19), re.M) is not None


def _neighbours(records: dict[str, _Scanned], chosen: set[str]) -> list[str]:
    """The records that those chosen have to be held against.

    Those that they name or that name them, those with their numbers, those that supersede or amend anything, and of
    accepted records that decide the same about the same base one.
    """
    stems = {stem_of(p).encode() for p in chosen}
    numbers = {records[p].number for p in chosen if p in records} - {None}
    text = b"\n".join(records[p].data for p in chosen if p in records)
    said = {n.lstrip(b"0").decode() for n in _NUMBER.findall(text)} if _links(text) else set()
    same: list[str] = []
    found: set[str] = set()
    for path, record in records.items():
        if path in chosen:
            continue
        by_number = record.number is not None and (record.number in numbers or record.number in said)
        if by_number or _links(record.data) or any(stem in record.data for stem in stems):
            found.add(path)
        else:
            same.append(path)
    return sorted(found | _one_of_each(records, same))


def _one_of_each(records: dict[str, _Scanned], paths: Iterable[str]) -> set[str]:
    """Of accepted records that decide the same about the same base the last, and all that supersede or amend."""
    last: dict[bytes, str] = {}
    for path in paths:
        record = records[path]
        if _links(record.data):
            last[path.encode()] = path
        elif b"\ndecision:" in record.front and _ACCEPTED.search(record.front):
            last[b"".join(_DECISION.findall(record.front))] = path
    return set(last.values())
