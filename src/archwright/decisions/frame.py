"""Frame: a record together with what its labels speak about."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arch.config import ArchitectureConfig
from ..claims.definitions import is_tool_title
from ..claims.document import Document, Link
from ..claims.document import parse as parse_document
from ..claims.labels import fold, parse_label
from ..claims.resolve import EVIDENCE_KEYS, Bases, Context, Side, context_of
from ..claims.texts import has_figure
from ..errors import Problem
from ..project import find as find_project
from ..units import Quantity
from .pins import PINNED, Pin, PinnedBases, Pins, use_facts
from .record import Record
from .record import parse as parse_record

if TYPE_CHECKING:
    from .observed import Ledger


@dataclass(slots=True)
class Frame:
    """One record with its context. Definitions of computed claims lead to `target`, the others to `anchor`."""

    record: Record
    document: Document
    context: Context
    target: str
    anchor: str
    root: str = ""
    """What the record's `base:` is relative to."""
    bases: Bases | None = None
    """The architectures as they are today."""
    pin: Pin | None = None
    """What the record was decided on, where it was accepted and its pin can be read."""
    pin_problem: Problem | None = None

    def load(self, name: str) -> ArchitectureConfig:
        """An architecture as it is today, by the name that the record gives it."""
        return (self.bases or Bases()).load(name, Path(self.root))

    @property
    def readable(self) -> bool:
        """Whether the front matter could be read; without it the labels mean nothing."""
        front = self.record.front
        return front is None or front.document is not None or not front.problems

    @property
    def relevant(self) -> bool:
        """Whether the record has claims: its front matter is ours, or a figure is linked with a metric's name."""
        return self.record.ours or any(is_bound(link, self.document) for link in self.document.claims)


class Frames:
    """Frames of one run: bases and values are computed once."""

    def __init__(self) -> None:
        self.bases = Bases()
        self.values: dict[Any, Quantity] = {}
        self.pins = Pins()
        self._targets: dict[tuple[str, str], str] = {}
        self.alive: list[ArchitectureConfig] = []
        """Architectures whose values are remembered by their identity."""
        self._places: dict[tuple[str | None, str], tuple[str, str]] = {}
        self.ledgers: dict[str, Ledger | None] = {}
        """The evidence of the project of each folder with records that need some; None where it keeps none."""
        self.proving = False
        """Whether evidence is asked for even where none is kept yet."""

    def of(self, text: str, path: str, name: str | None = None, default_base: str | None = None) -> Frame:
        """The frame of a record's text; `path` says where it lies, `name` how messages call it.

        `default_base` is what a document without a `base:` speaks about.
        """
        record = parse_record(text, name or path)
        if default_base is not None and record.base is None:
            record = replace(record, base=default_base)
        document = parse_document(text, name or path, known_labels=record.claims_entries)
        folder = os.path.dirname(os.path.abspath(path))
        place = self._places.get((record.base, folder))
        if place is None:
            root = base_folder(record.base, folder)
            place = self._places[record.base, folder] = root, _target(record.base, root, folder)
        root, target = place
        pin = pin_problem = None
        bases = self.bases
        if record.decided_on is not None and record.status in PINNED:
            found = self.pins.find(record.decided_on, folder)
            if isinstance(found, Problem):
                pin_problem = found
            else:
                pin, bases = found, PinnedBases(found.base if record.base else None, found.others, self.bases)
                target = self._targets.get((pin.path, folder)) or os.path.relpath(pin.path, folder).replace(os.sep, "/")
                self._targets[pin.path, folder] = target
        context = context_of(
            record.base,
            record.decision,
            record.alternatives,
            record.settings,
            record.claims_entries,
            Path(root),
            bases,
            self.values,
        )
        if pin is not None:
            use_facts(pin, record, context)
        _misshapen(record, context)
        if any(isinstance(e, dict) and not EVIDENCE_KEYS.keys().isdisjoint(e) for e in record.claims_entries.values()):
            self._observe(record, context, folder, root, bases)
        title = document.headings[0].title if document.headings else record.title
        fragment = "#" + anchor(title)
        return Frame(record, document, context, target, fragment, root, self.bases, pin, pin_problem)

    def _observe(self, record: Record, context: Context, folder: str, root: str, bases: Bases) -> None:
        """Let the claims of a record find the evidence of its project, where that keeps some."""
        if folder not in self.ledgers:
            project = find_project(folder)
            kept = project.root / str(project.settings.get("evidence", "evidence"))
            self.ledgers[folder] = None
            if kept.is_dir() or self.proving:
                from .observed import Ledger

                # one for each project, however many folders its records lie in
                known = next((x for x in self.ledgers.values() if x is not None and x.folder == kept), None)
                counts = project.settings.get("age_counts") is True
                self.ledgers[folder] = known or Ledger(project.root, kept, counts)
        ledger = self.ledgers[folder]
        if ledger is not None:
            from .observed import Observer

            context.observer = Observer(ledger, record, bases, Path(root), folder)


MISSHAPEN = "its front matter has the wrong shape"


def _misshapen(record: Record, context: Context) -> None:
    """Sides that the front matter names and that could not be read: labels must not mean another side instead."""
    data = record.front_matter or {}
    if data.get("decision") is not None and record.decision is None:
        context.sides["decision"] = Side("decision", None, {}, MISSHAPEN)
        context.default = "decision"
    alternatives = data.get("alternatives")
    for name in alternatives if isinstance(alternatives, dict) else ():
        if isinstance(name, str) and name not in context.sides:
            context.sides[name] = Side(name, None, {}, MISSHAPEN)


def is_bound(link: Link, document: Document) -> bool:
    """Whether a figure or `?` is linked with the name of a metric or field, and no definition of the author's."""
    if not has_figure(link.text):
        return False
    if link.defined and not any(
        is_tool_title(d.title) for d in document.definitions if fold(d.label) == fold(link.label)
    ):
        return False
    label = parse_label(link.label)
    if label is None:
        return False
    from ..arch.fields import FIELDS
    from ..costs.metric import metrics

    return label.name in metrics or label.name in FIELDS


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
