"""Store: the folder of evidence, one file a run, to which files are only ever added."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import NOTHING, InvalidValue, Location, Problem, Unreadable, UsageError, did_you_mean
from ..textio import create_exclusive, read_text, shown
from .reading import from_dict
from .record import Evidence

FOLDER = "evidence"
"""Where evidence lies unless the project says otherwise, relative to its root."""

LARGEST = 64 * 2**20
"""Bytes of the largest evidence file that is read: per-item results of a large evaluation fit."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A record with the file that holds it."""

    path: Path
    evidence: Evidence

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


@dataclass(frozen=True)
class Store:
    """A folder of evidence. Reading is done once for each `Store`; what cannot be read is in `problems`."""

    folder: Path
    root: Path = field(default_factory=Path)

    @classmethod
    def of(cls, root: Path, folder: str = FOLDER) -> Store:
        """The store of a project."""
        return cls(root / folder, root)

    # Adding -------------------------------------------------------------------------------------------------

    def add(self, evidence: Evidence) -> Path:
        """Write a record as a new file, whole or not at all, and return its path.

        The same record twice is one file. WriteFailed: the disk is full, no permission, no folder can be made.
        """
        self._make_folder()
        path = self.folder / evidence.file_name
        text = evidence.to_json()
        try:
            create_exclusive(path, text)
        except FileExistsError:
            if read_text(path, LARGEST).text == text:
                return path
            rule = "is taken by another record: the short hashes are equal, or the file was edited"
            remedy = f"Look at it: archwright evidence verify {shown(path)}"
            raise InvalidValue(Problem("", NOTHING, rule, remedy, Location(shown(path)))) from None
        self.__dict__.pop("_read", None)
        return path

    def _make_folder(self) -> None:
        from ..errors import WriteFailed
        from ..filenames import why_not

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise WriteFailed(why_not(str(self.folder), problem, "created")) from None

    # Reading ------------------------------------------------------------------------------------------------

    def paths(self) -> list[Path]:
        """Every evidence file, by name; temporary files of running or killed writers are none."""
        try:
            names = sorted(os.listdir(self.folder))
        except FileNotFoundError:
            return []
        except OSError as problem:
            from ..filenames import why_not

            raise Unreadable(why_not(str(self.folder), problem, "read")) from None
        return [self.folder / n for n in names if n.endswith(".json") and not n.startswith(".")]

    @cached_property
    def _read(self) -> tuple[tuple[Stored, ...], tuple[Problem, ...]]:
        import gc

        records: list[Stored] = []
        problems: list[Problem] = []
        collecting = gc.isenabled()
        gc.disable()  # what is made here lives on: a collection would look through all of it and find nothing
        try:
            for path in self.paths():
                try:
                    records.append(Stored(path, read(path)))
                except Unreadable as error:
                    problems += error.problems
        finally:
            if collecting:
                gc.enable()
        return tuple(records), tuple(problems)

    @property
    def records(self) -> tuple[Stored, ...]:
        """Every readable record, by file name (so by kind, then day)."""
        return self._read[0]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong with the files: a changed byte, a summary that does not follow, a truncated file."""
        return self._read[1]

    @cached_property
    def _index(self) -> dict[tuple[str, str], tuple[Stored, ...]]:
        index: dict[tuple[str, str], list[Stored]] = {}
        for stored in self.records:
            index.setdefault((stored.evidence.kind, stored.evidence.target), []).append(stored)
        return {key: tuple(found) for key, found in index.items()}

    def of_kind(self, kind: str, target: str | None = None) -> Iterator[Stored]:
        """The records of a kind (and target)."""
        if target is not None:
            yield from self._index.get((kind, target), ())
            return
        for (found, _), records in self._index.items():
            if found == kind:
                yield from records

    def get(self, name: str) -> Stored:
        """The record whose file name, path or hash begins like that; UsageError where none or several do."""
        wanted = os.path.basename(name).removesuffix(".json")
        names = [p.name.removesuffix(".json") for p in self.paths()]
        hits = [n for n in names if n == wanted] or [
            n for n in names if n.startswith(wanted) or n.rpartition("-")[2].startswith(wanted)
        ]
        if len(hits) == 1:
            path = self.folder / f"{hits[0]}.json"
            return Stored(path, read(path))
        if hits:
            raise UsageError(
                Problem("evidence", name, f"means several files: {', '.join(hits)}", "Write more of the name")
            )
        place = shown(self.folder)
        remedy = did_you_mean(wanted, names, "There are") if names else f"{place} holds none"
        raise UsageError(Problem("evidence", name, f"is not in {place}", remedy or "See archwright evidence list"))

    # Checking -----------------------------------------------------------------------------------------------

    def verify(self, names: Iterable[str] = ()) -> tuple[int, list[Problem]]:
        """How many files were read (all, or the named ones), and everything that is wrong with them.

        More than `problems`: also a file whose name is not its own, and one that was reformatted.
        """
        from ..atomic import sweep

        chosen = [self.get_path(name) for name in names] or self.paths()
        found: list[Problem] = []
        for path in chosen:
            where = Location(shown(path))
            try:
                evidence = read(path)
            except Unreadable as error:
                found += error.problems
                continue
            if evidence.to_json().encode() != read_text(path, LARGEST).raw:
                rule = "was reformatted: its content is intact, its bytes are not those that were written"
                found.append(Problem("", NOTHING, rule, "Restore it: git checkout -- FILE", where))
        if os.path.isdir(self.folder):
            sweep(self.folder)
        return len(chosen), found

    def get_path(self, name: str) -> Path:
        """The file of that name, which need not be readable; UsageError where there is none."""
        for path in self.paths():
            if name in (path.name, str(path), path.name.removesuffix(".json")) or shown(path) == shown(name):
                return path
        return self.get(name).path

    def missing(self, references: Iterable[tuple[str | Path, Location | None]]) -> list[Problem]:
        """A problem for each referenced evidence file that is gone; paths are relative to the root."""
        found = []
        for reference, where in references:
            path = self.root / reference
            if not path.exists():
                name = shown(str(reference))
                rule = "is the evidence of this claim and does not exist any more: evidence is never deleted"
                remedy = f"Restore it: git log --diff-filter=D -- {name}, then git checkout REVISION~1 -- {name}"
                found.append(Problem(name, NOTHING, rule, remedy, where))
        return found


def read(path: Path) -> Evidence:
    """The record in a file; Unreadable lists all that is wrong, with its place."""
    import json

    text = read_text(path, LARGEST).text
    try:
        data: Any = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        data = _explain(path)
    try:
        evidence = from_dict(data)
    except Unreadable as error:
        where = Location(shown(path))
        raise Unreadable(problem.at(where) for problem in error.problems) from None
    if path.name != evidence.file_name:
        rule = f"is not the name of this record, which is {evidence.file_name}"
        remedy = "Give it its own name back: git mv"
        raise Unreadable(Problem("the file's name", NOTHING, rule, remedy, Location(shown(path))))
    return evidence


def _refuse(name: str) -> None:
    raise ValueError(name)


def _explain(path: Path) -> Any:
    """The same file through the strict reader, which says what is wrong and where."""
    from ..arch.files import load

    return load(path, LARGEST).data
