"""Frame: a record together with what its labels speak about."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..claims.document import Document
from ..claims.document import parse as parse_document
from ..claims.resolve import Bases, Context, context_of
from ..project import find as find_project
from ..units import Quantity
from .record import Record
from .record import parse as parse_record


@dataclass(slots=True)
class Frame:
    """One record with its context. Definitions of computed claims lead to `target`, the others to `anchor`."""

    record: Record
    document: Document
    context: Context
    target: str
    anchor: str

    @property
    def relevant(self) -> bool:
        """Whether the record can have claims: its front matter is ours."""
        return self.record.ours


class Frames:
    """Frames of one run: bases and values are computed once."""

    def __init__(self) -> None:
        self.bases = Bases()
        self.values: dict[Any, Quantity] = {}
        self._places: dict[tuple[str | None, str], tuple[str, str]] = {}

    def of(self, text: str, path: str, name: str | None = None) -> Frame:
        """The frame of a record's text; `path` says where it lies, `name` how messages call it."""
        record = parse_record(text, name or path)
        document = parse_document(text, name or path, known_labels=record.claims_entries)
        folder = os.path.dirname(os.path.abspath(path))
        place = self._places.get((record.base, folder))
        if place is None:
            root = base_folder(record.base, folder)
            place = self._places[record.base, folder] = root, _target(record.base, root, folder)
        root, target = place
        context = context_of(
            record.base,
            record.decision,
            record.alternatives,
            record.settings,
            record.claims_entries,
            Path(root),
            self.bases,
            self.values,
        )
        title = document.headings[0].title if document.headings else record.title
        return Frame(record, document, context, target, "#" + anchor(title))


def base_folder(base: str | None, folder: str) -> str:
    """What a record's `base:` is relative to: the project's root, or the record's folder where only that has it."""
    root = str(find_project(folder).root)
    if not base or base.startswith("preset:") or os.path.exists(os.path.join(root, base)):
        return root
    return folder if os.path.exists(os.path.join(folder, base)) else root


def _target(base: str | None, root: str, folder: str) -> str:
    """Where a computed claim's definition leads: the architecture file, seen from the record; `#` for a preset."""
    if not base or base.startswith("preset:"):
        return "#"
    file = os.path.join(root, base)
    return os.path.relpath(file, folder).replace(os.sep, "/") if os.path.exists(file) else "#"


def anchor(title: str) -> str:
    """A heading's anchor as Git hosts make it.

    >>> anchor("Alternatives Considered")
    'alternatives-considered'
    """
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def shown(path: str | os.PathLike[str]) -> str:
    """A path relative to the current folder where it lies in it."""
    text = os.fspath(path)
    if not os.path.isabs(text):
        return text.removeprefix("./")
    here = os.getcwd()
    return os.path.relpath(text, here) if text.startswith(here + os.sep) else text
