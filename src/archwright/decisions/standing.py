"""What accepted records still hold: pins, the fields they decide, drift since, and fields that nobody decided."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..arch.change import restored
from ..arch.config import ArchitectureConfig
from ..arch.selectors import as_ranges
from ..claims.labels import parse_label
from ..claims.resolve import Bases, Context, Resolved, context_of, resolve
from ..claims.texts import parse_text
from ..errors import ArchwrightError, Location
from .claims_of import judgement
from .frame import Frame, Frames, shown
from .governance import MISSING, Breach, Conflict, Governance, Ruling, change_of, file_of
from .links import Graph
from .record import Record
from .report import FileReport, Finding
from .writing import shown_value


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of an accepted record until all are read.

    `before` and `after` are its base and its decision, `present` its base as it is today (or why there is none). Only
    of a record that drifted are the `frame` and today's base without its own decision kept.
    """

    record: Record
    before: ArchitectureConfig
    after: ArchitectureConfig | None
    present: ArchitectureConfig | Finding
    frame: Frame | None = None
    today: ArchitectureConfig | None = None


class Standing:
    """The accepted records of one run, to be held against each other and against the present files."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.kept: list[Kept] = []
        self._undone: dict[tuple[int, int, str], tuple[ArchitectureConfig | None, bool]] = {}
        self._governance: Governance | None = None
        self.bases: dict[str, ArchitectureConfig] = {}
        """Architecture files that records in force start from, by absolute path."""

    def add(self, frame: Frame) -> None:
        """Remember a record, where its base can be computed and its status gives it a say."""
        record = frame.record
        base = frame.context.sides.get("base")
        if record.status in ("rejected", "superseded", "deprecated") or base is None or base.config is None:
            return
        if frame.pin is None:
            file = file_of(base.config)
            if file is not None:
                self.bases.setdefault(file, base.config)
        if record.status != "accepted" or record.base is None:
            return
        decided = frame.context.sides.get("decision")
        after = decided.config if decided is not None else None
        pinned = frame.pin is not None and frame.pin.base is not None
        present = self._present(frame) if pinned else base.config
        today = self._today(frame, present) if pinned and isinstance(present, ArchitectureConfig) else None
        self.kept.append(Kept(record, base.config, after, present, *((frame, today) if today is not None else ())))

    def add_file(self, path: str) -> Finding | None:
        """An architecture file that counts although no record starts from it; what is wrong where it cannot be read."""
        if path not in self.bases:
            root, name = os.path.split(path)
            try:
                self.bases[path] = self.frames.bases.load(name, Path(root))
            except ArchwrightError as error:
                problem = error.problems[0]
                place = problem.where or Location(shown(path))
                return Finding(
                    "invalid-architecture", "error", shown(place.path), place.line, place.column, problem.message
                )
        return None

    def _present(self, frame: Frame) -> ArchitectureConfig | Finding:
        """The base of a pinned record as it is today, or that it is gone."""
        record, root = frame.record, frame.root
        name = record.base or ""
        try:
            return self.frames.bases.load(name, Path(root))
        except ArchwrightError as error:
            message = f"base: {error.problems[0].message}"
            remedy = "Name the file that took its place in base:"
            moved = _elsewhere(name, root) if not os.path.exists(os.path.join(root, name)) else ""
            if moved:
                remedy = f"If it was moved, write base: {moved}"
            place = record.place("base")
            return Finding("broken-base", "error", record.path, place.line, place.column, message, remedy)

    def _today(self, frame: Frame, present: ArchitectureConfig) -> ArchitectureConfig | None:
        """Today's base with the record's own decision undone, where that is not what it was decided on."""
        assert frame.pin is not None and frame.pin.base is not None
        before, decision = frame.pin.base, change_of(frame.record)
        key = (id(present), id(before), repr(decision))
        if key not in self._undone:
            try:
                made: ArchitectureConfig | None = restored(present, before, decision)
            except ArchwrightError:
                made = None  # today's file has no place for what was there before
            self._undone[key] = made, made is not None and made != before
            self.frames.alive += [present, before, *([made] if made else [])]
        today, differs = self._undone[key]
        return today if differs or frame.context.devices else None

    def pin_findings(self, frame: Frame) -> Iterator[Finding]:
        """What is wrong with the pin of one record."""
        record = frame.record
        if record.status != "accepted":
            if frame.pin is not None and frame.pin.edited:
                yield _edited(frame)
            return
        if frame.pin_problem is not None:
            said, place = frame.pin_problem, record.place("decided_on")
            message = f"decided_on {said.rule}" if said.field == "decided_on" else said.message
            yield Finding("missing-pin", "error", record.path, place.line, place.column, message, _capital(said.remedy))
        elif frame.pin is None:
            if frame.context.sides["base"].config is not None and record.base is not None:
                place = record.where
                message = "is accepted, but what it was decided on is not kept"
                number = record.number or record.path
                remedy = f"archwright adr accept {number} keeps the architecture as it is today"
                yield Finding("not-pinned", "warning", record.path, place.line, place.column, message, remedy)
        else:
            if frame.pin.edited:
                yield _edited(frame)
            was, now = frame.pin.decision or {}, record.decision or {}
            if was != now:
                place = record.place("decision")
                message = f"decision is {shown_value(now)}, but {shown_value(was)} was accepted"
                remedy = "Put it back, and decide anew in a record that supersedes this one"
                yield Finding("changed-decision", "error", record.path, place.line, place.column, message, remedy)

    # All records --------------------------------------------------------------------------------------------

    def findings(self, graph: Graph, paths: set[str]) -> list[Finding]:
        """Conflicts, broken decisions and drift of the records with these paths."""
        governance, presents, found = self.govern(graph)
        self._governance = governance
        found = [f for f in found if f.path in paths]
        for file in governance.files:
            for conflict in governance.conflicts(file):
                if conflict.later.record.path in paths:
                    found.append(_conflict(conflict))
                elif conflict.earlier.record.path in paths:
                    turned = Conflict(conflict.earlier, conflict.later, conflict.other, conflict.leaf, conflict.layers)
                    found.append(_conflict(turned))
            present = presents.get(file)
            if present is not None:
                found += [_breach(b, file) for b in governance.breaches(file, present) if b.ruling.record.path in paths]
        for kept in self.kept:
            if kept.frame is not None and kept.record.path in paths:
                found += self._drift(kept, governance)
        return found

    def cover(self, config: ArchitectureConfig, file: str, report: FileReport) -> None:
        """Add to an architecture's report the fields that nobody decided."""
        from .coverage import coverage_of

        if self._governance is not None:
            covered = coverage_of(config, file, report.path, self._governance)
            if covered is not None:
                report.fields = covered.decided, covered.fields
                report.findings += covered.findings

    def govern(self, graph: Graph) -> tuple[Governance, dict[str, ArchitectureConfig], list[Finding]]:
        """Who decides what, the present architectures by file, and the bases that are gone."""
        presents: dict[str, ArchitectureConfig] = {}
        rulings: list[Ruling] = []
        gone: list[Finding] = []
        for kept in self.kept:
            present = kept.present
            if isinstance(present, Finding):
                gone.append(present)
                continue
            file = file_of(present)
            if file is None:
                continue
            presents.setdefault(file, present)
            self.bases.setdefault(file, present)
            if kept.after is not None:
                rulings.append(Ruling(kept.record, file, kept.before, kept.after))
        return Governance(rulings, graph), presents, gone

    def _drift(self, kept: Kept, governance: Governance) -> Iterator[Finding]:
        frame, today, present = kept.frame, kept.today, kept.present
        assert frame is not None and today is not None and isinstance(present, ArchitectureConfig)
        context = today_context(frame, today, self.frames)
        since = _since(kept, today, file_of(present), governance)
        for link in frame.document.claims:
            label = parse_label(link.label)
            if label is None:
                continue
            then, now = resolve(label, frame.context), resolve(label, context)
            if then.kind != "computed" or now.kind != "computed":
                continue
            written = parse_text(link.text)
            before, after = (_said(r, judgement(written, r).shown) for r in (then, now))
            if before != after:
                message = f"{label} drifted: {before} to {after} since {since}"
                yield Finding("drifted", "note", frame.record.path, link.line, link.column, message)


def today_context(frame: Frame, base: ArchitectureConfig, frames: Frames) -> Context:
    """A record's frame of reference with another base, everything else as it is today."""
    record = frame.record
    return context_of(
        record.base,
        record.decision,
        record.alternatives,
        record.settings,
        record.claims_entries,
        Path(frame.root),
        _Instead(base, frames.bases),
        frames.values,
    )


class _Instead(Bases):
    """The present architectures, with another in place of the first that is asked for."""

    def __init__(self, first: ArchitectureConfig, present: Bases) -> None:
        self._next: ArchitectureConfig | None = first
        self._present = present

    def load(self, name: str, root: Path) -> ArchitectureConfig:
        first, self._next = self._next, None
        return first if first is not None else self._present.load(name, root)

    def change(self, base: ArchitectureConfig, changes: Mapping[str, Any]) -> ArchitectureConfig:
        return self._present.change(base, changes)


def own_files() -> list[str]:
    """The absolute paths of the project's own architecture files: its usual one, and those that its settings name."""
    from ..project import find
    from .bases import default_base

    project = find()
    name = default_base(project.root)
    listed = project.settings.get("architectures")
    names = [name] if name and name.endswith((".yaml", ".yml")) else []
    names += [n for n in listed if isinstance(n, str)] if isinstance(listed, list) else []
    paths = dict.fromkeys(os.path.abspath(project.root / n) for n in names)
    return [p for p in paths if os.path.lexists(p) or p != os.path.abspath(project.root / (name or ""))]


# Words --------------------------------------------------------------------------------------------------------


def _edited(frame: Frame) -> Finding:
    assert frame.pin is not None
    place = frame.record.place("decided_on")
    message = f"{shown(frame.pin.path)} was edited: its content is no longer what its name says"
    remedy = f"Bring it back: git checkout HEAD -- {shown(frame.pin.path)}"
    return Finding("edited-pin", "error", frame.record.path, place.line, place.column, message, remedy)


def _said(resolved: Resolved, shown: str) -> str:
    """What a claim is about: the verdict, the change of a comparison, else the value."""
    word = getattr(resolved.operands[0].value, "word", None)
    if word is not None and not resolved.compares:
        return str(word)
    return shown.rpartition(", ")[2] if resolved.compares else shown


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def value_text(value: Any) -> str:
    """A decided or found value in a sentence."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "not there any more" if value is MISSING else shown_value(value)


def _conflict(conflict: Conflict) -> Finding:
    record, other = conflict.later.record, conflict.earlier.record
    place = record.place("decision", conflict.leaf.key)
    name = conflict.leaf.named(conflict.layers)
    mine, theirs = value_text(conflict.leaf.value), value_text(conflict.other.value)
    message = f"{name} is {mine} here and {theirs} in {other.label}, which is accepted too"
    old, new = (record, other) if conflict.earlier.order > conflict.later.order else (other, record)
    remedy = f"archwright adr supersede {old.number or old.path} --by {new.number or new.path}"
    return Finding("decisions-conflict", "error", record.path, place.line, place.column, message, remedy)


def _breach(breach: Breach, file: str) -> Finding:
    record, leaf = breach.ruling.record, breach.leaf
    place = record.place("decision", leaf.key)
    partial = breach.layers and leaf.explicit
    name = leaf.named(breach.layers) if partial else leaf.named()
    where = f" in layers {as_ranges(breach.layers)}" if breach.layers and not leaf.explicit else ""
    everywhere = leaf.of_layers and not leaf.explicit and breach.ruling.after.n_layers == len(breach.layers)
    found = "is not there any more" if breach.found is MISSING else f"is {value_text(breach.found)}"
    at = shown(file)
    message = (
        f"{name} {found}{'' if everywhere else where} in {at}, but {record.label} decided {value_text(leaf.value)}"
    )
    remedy = f"Set it back, or supersede the record: archwright adr supersede {record.number or record.path} --by N"
    return Finding("decision-upheld", "error", record.path, place.line, place.column, message, remedy)


def _since(kept: Kept, today: ArchitectureConfig, file: str | None, governance: Governance) -> str:
    """Which later record changed what a record was decided on, else that it was changed without one."""
    old, new = kept.before.to_dict(), today.to_dict()
    heads = {k for k in {*old, *new} if old.get(k) != new.get(k)}
    if heads & {"layers", "pattern"}:
        heads |= {"layers", "pattern", "attention"}
    assert isinstance(kept.present, ArchitectureConfig)
    broken = {id(breach.leaf) for breach in governance.breaches(file or "", kept.present)}
    mine = Ruling(kept.record, "", kept.before, kept.before).order
    for ruling in reversed(governance.files.get(file or "", ())):
        changed = any(re.split(r"[.\[]", leaf.key)[0] in heads and id(leaf) not in broken for leaf in ruling.leaves)
        if changed and ruling.order > mine:
            return ruling.record.label
    return "it was accepted"


def _elsewhere(name: str, root: str) -> str:
    """A file of the same name elsewhere in the project."""
    base = os.path.basename(name)
    for here, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in ("node_modules", "bases"))
        if base in files:
            return os.path.relpath(os.path.join(here, base), root).replace(os.sep, "/")
    return ""
