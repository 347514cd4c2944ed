"""All records of a project at once: who decides what in which file, for questions that are about all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..arch.config import ArchitectureConfig
from ..errors import ArchwrightError
from ..project import find as find_project
from ..textio import read_text
from .frame import Frame, Frames, shown
from .governance import Governance, Ruling, file_of, leaves_with
from .links import Graph
from .record import Record, find_records
from .standing import Kept, Standing


@dataclass(slots=True)
class Records:
    """The records of a project, their governance, and the present architectures by file."""

    frames: Frames
    graph: Graph
    governance: Governance
    presents: dict[str, ArchitectureConfig]
    former: list[Ruling] = field(default_factory=list)
    """Records that decided something once: superseded or deprecated ones."""

    def named(self, path: str) -> Record | None:
        """A record by its path."""
        return self.graph.by_path.get(path)


def records_folder(root: Path | None = None) -> Path:
    """Where a project keeps its records."""
    project = find_project(root or ".")
    return project.root / str(project.settings.get("decisions", "docs/decisions"))


def read_all(folder: Path | None = None, paths: Iterable[str] | None = None) -> Records:
    """Every record that can be read; those that cannot are `check`'s to report."""
    frames = Frames()
    standing = Standing(frames)
    records: list[Record] = []
    former: list[Frame] = []
    place = folder or records_folder()
    if paths is None:
        paths = find_records(place) if place.is_dir() else []
    for path in paths:
        try:
            frame = frames.of(read_text(path).text, path, shown(path))
        except ArchwrightError:
            continue
        records.append(frame.record)
        if frame.record.ours and frame.readable:
            standing.add(frame)
            if frame.record.status in ("superseded", "deprecated") and frame.record.decision:
                former.append(frame)
    graph = Graph(records)
    governance, presents, _ = standing.govern(graph)
    released = [k for k in standing.kept if not _in(governance, k.record)]
    return Records(frames, graph, governance, presents, [*_former(former), *_released(released)])


def _in(governance: Governance, record: Record) -> bool:
    return any(r.record.path == record.path for rulings in governance.files.values() for r in rulings)


def _former(frames: list[Frame]) -> list[Ruling]:
    found = []
    for frame in frames:
        before, after = (frame.context.sides[s].config for s in ("base", "decision"))
        path = os.path.abspath(os.path.join(frame.root, frame.record.base or ""))
        if before is not None and after is not None:
            found.append(leaves_with(Ruling(frame.record, path, before, after)))
    return found


def _released(kept: list[Kept]) -> list[Ruling]:
    found = []
    for one in kept:
        if one.after is not None and isinstance(one.present, ArchitectureConfig):
            file = file_of(one.present)
            if file is not None:
                found.append(leaves_with(Ruling(one.record, file, one.before, one.after)))
    return found
