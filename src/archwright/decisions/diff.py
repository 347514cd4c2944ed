"""diff: what a change of the architecture costs, and which decisions, requirements and claims it touches."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..arch.config import ArchitectureConfig
from ..arch.loading import load
from ..arch.presets import names as preset_names
from ..errors import NOTHING, ArchwrightError, Problem, Unreadable
from ..project import find as find_project
from .changed_since import Touched, touched_by
from .check import Checker
from .costs_of import DEVICE, CostChange, cost_changes
from .field_changes import FieldChange, field_changes
from .governance import value_in, value_of
from .names import name_parts, stem_of
from .pins import FOLDER
from .reading import Records, read_all, records_folder
from .record import find_records
from .report import ClaimResult, Finding, Report
from .requirements import Outcome, outcome
from .revisions import Tree, repository, tree_at

EVIDENCE = ("plausible", "undecided", "within-noise", "stale", "unproven", "uninformative", "aged")
"""Verdicts that only claims with evidence have."""
SAID_ELSEWHERE = ("claim-fails", "requirement-broken", "claim-unproven")
"""Errors that a diff shows as claims and requirements."""
WORKTREE = "the working tree"


@dataclass(frozen=True, slots=True)
class Governor:
    """The record that decides a changed field; `broken` where the new value is not the decided one."""

    label: str
    path: str
    number: str | None
    title: str
    date: str | None
    broken: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """A changed field and who decides it."""

    change: FieldChange
    governor: Governor | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """A requirement before and after; None where it is not stated."""

    name: str
    before: Outcome | None
    after: Outcome | None

    @property
    def state(self) -> str:
        """`newly broken`, `still broken`, `still holds`, `holds again`, `holds`, `broken`, `removed`."""
        if self.after is None:
            return "removed"
        good = bool(self.after.met)
        if self.before is None:
            return "holds" if good else "broken"
        if bool(self.before.met) == good:
            return "still holds" if good else "still broken"
        return "holds again" if good else "newly broken"


@dataclass(slots=True)
class ArchitectureDiff:
    """One architecture before and after; `problem` says why there is nothing to compare."""

    name: str
    fields: list[Changed] = field(default_factory=list)
    costs: list[CostChange] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    problem: str = ""
    governed: bool = False
    """Whether records were asked who decides the fields."""

    @property
    def touched(self) -> list[Governor]:
        """The records that decide changed fields, each once."""
        return list({g.path: g for c in self.fields if (g := c.governor) is not None}.values())


@dataclass(frozen=True, slots=True)
class RecordChange:
    """A record whose status changed, that is new, or that is gone (status empty)."""

    path: str
    label: str
    title: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ClaimChange:
    """A claim whose verdict changed; `before` is empty for a new one that does not hold."""

    claim: ClaimResult
    before: str


@dataclass(slots=True)
class Diff:
    """Everything that differs between two states of a project, or between two architectures."""

    before: str
    after: str
    architectures: list[ArchitectureDiff] = field(default_factory=list)
    records: list[RecordChange] = field(default_factory=list)
    claims: list[ClaimChange] = field(default_factory=list)
    errors: list[Finding] = field(default_factory=list)
    """Errors that the second state has and the first has not."""
    evidence: bool = False
    """Whether claims with evidence were compared."""
    notes: list[str] = field(default_factory=list)


def diff(before: str, after: str | None = None) -> Diff:
    """Compare two files, two presets, or two git revisions; without `after` a revision with the files of today.

    Unreadable: a name that is neither, or files that cannot be read.
    """
    if after is None and not _is_revision(before):
        rule = "is an architecture, and there is nothing to compare it with"
        raise Unreadable(Problem(before, NOTHING, rule, f"run archwright diff {before} OTHER"))
    revisions = [name for name in (before, after) if name is not None and _is_revision(name)]
    if after is None or len(revisions) == 2:
        return _of_revisions(before, after)
    if len(revisions) == 1:
        named = revisions[0]
        other = before if named == after else after
        repo = repository()
        repo.commit(named)  # says that there is none, if so
        rule = f"is a revision, and {other} is an architecture"
        raise Unreadable(
            Problem(named, NOTHING, rule, f"run archwright diff {named}, which compares the whole project")
        )
    return _of_architectures(before, after)


def _is_revision(name: str) -> bool:
    """Whether a name is no file, folder or preset, and so can only be a revision."""
    if name.startswith("preset:") or os.path.lexists(name) or name in preset_names():
        return False
    return not name.endswith((".yaml", ".yml", ".json"))


def _device() -> str:
    named = find_project().settings.get("device")
    return named if isinstance(named, str) else DEVICE


# Two architectures ----------------------------------------------------------------------------------------------


def _of_architectures(before: str, after: str) -> Diff:
    a, b = load(before), load(after)
    made = Diff(before, after)
    one = ArchitectureDiff(after)
    file = a.source.path or b.source.path
    records = read_all() if file else None
    _compare(one, a, b, records, os.path.abspath(file) if file else "")
    made.architectures.append(one)
    return made


def _compare(
    made: ArchitectureDiff, a: ArchitectureConfig, b: ArchitectureConfig, records: Records | None, file: str
) -> None:
    changes = field_changes(a, b)
    made.governed = records is not None
    made.fields = [Changed(c, _governor(c, b, records, file)) for c in changes]
    if changes:
        made.costs = cost_changes(a, b, _device())
    old = {r.name: outcome(r, a) for r in a.source.requirements}
    new = {r.name: outcome(r, b) for r in b.source.requirements}
    if old and not new and a.source.path != b.source.path:  # held against the other's needs, if it states none
        new = {r.name: outcome(r, b) for r in a.source.requirements}
    made.needs = [Need(name, old.get(name), new.get(name)) for name in {**old, **new}]


def _governor(change: FieldChange, after: ArchitectureConfig, records: Records | None, file: str) -> Governor | None:
    if records is None:
        return None
    layer = (change.layers[0] if change.layers else 0) if change.of_layers else None
    who = records.governance.who(file, change.field, layer, change.of_layers)
    if not who:
        return None
    ruling, leaf = next((f for f in who if f[1].field == change.field), who[0])
    now = value_in(after, layer, leaf.field) if layer is not None else value_of(after, leaf.field)
    record = ruling.record
    return Governor(record.label, record.path, record.number, record.title, record.date, now != leaf.value)


# Two revisions --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _State:
    """What is read of one revision; files are named from the project's root."""

    root: str
    touched: Touched
    configs: dict[str, ArchitectureConfig | str] = field(default_factory=dict)
    report: Report = field(default_factory=Report)
    records: Records | None = None

    def add(self, files: Iterable[str]) -> None:
        """Read architectures, each or why it cannot be read; those that are not there are left out."""
        for name in files:
            path = os.path.join(self.root, name)
            if name not in self.configs and os.path.lexists(path):
                try:
                    self.configs[name] = load(Path(path), Path(self.root))
                except ArchwrightError as error:
                    self.configs[name] = error.problems[0].message


def _of_revisions(before: str, after: str | None) -> Diff:
    repo = repository()
    first = repo.commit(before)
    second = repo.commit(after) if after is not None else None
    changed = repo.between(first, second) if second is not None else repo.changed(first)
    made = Diff(before, after or WORKTREE)
    if second is not None and repo.dirty():
        made.notes.append("The working tree has changes that are not committed; they are not compared.")
    here = os.getcwd()
    with tree_at(repo, first, here, _at_first) as tree:
        old = _state(tree, changed)
        with tree_at(repo, second, here, _at_first) as other:
            new = _state(other, changed)
            new.add(old.configs)
        old.add(new.configs)
    for name in dict.fromkeys([*old.configs, *new.configs]):
        one = ArchitectureDiff(name)
        _compare_files(one, old.configs.get(name), new.configs.get(name), new.records, os.path.join(new.root, name))
        if one.fields or one.problem or any(n.state not in ("still holds", "still broken") for n in one.needs):
            made.architectures.append(one)
    _compare_reports(made, old.report, new.report)
    return made


def _at_first(name: str) -> bool:
    """Documents, and pins, are written when they are needed."""
    return not name.lower().endswith((".md", ".markdown", ".py")) and os.path.basename(os.path.dirname(name)) != FOLDER


def _state(tree: Tree, changed: list[str]) -> _State:
    past = tree.commit is not None
    touched = touched_by(
        (os.path.join(tree.folder, name) for name in changed), pinned=False, contents=tree.below if past else None
    )
    root = os.path.realpath(find_project().root)
    records = [p for p in touched.paths if p.endswith(".md")]
    if touched.everything:
        if past:
            tree.write()
        folder = records_folder()
        records = find_records(folder) if folder.is_dir() else []
    elif past:
        needed = {*records, *touched.neighbours, *touched.governing}
        tree.write(os.path.relpath(os.path.realpath(p), tree.folder).replace(os.sep, "/") for p in needed)
        _write_pins(tree, needed)
    state = _State(root, touched)
    state.add(os.path.relpath(path, root).replace(os.sep, "/") for path in touched.architectures)
    if records:
        checker = Checker()
        checker.beside = [] if touched.everything else touched.neighbours
        state.report = checker.run(records)
    state.records = read_all(paths=[p for p in touched.governing if p.endswith(".md")])
    return state


def _write_pins(tree: Tree, paths: Iterable[str]) -> None:
    """The pins that records name."""
    wanted: set[str] = set()
    for path in paths:
        with suppress(OSError), open(path, "rb") as file:
            names = re.findall(rb"^decided_on:[ \t]*[\"']?(v1-[0-9a-f]{16})", file.read(2**20), re.M)
            wanted.update(f"{FOLDER}/{name.decode()}.yaml" for name in names)
    tree.write(n for n in tree.names() if "/".join(n.split("/")[-2:]) in wanted)


def _compare_files(
    made: ArchitectureDiff,
    old: ArchitectureConfig | str | None,
    new: ArchitectureConfig | str | None,
    records: Records | None,
    file: str,
) -> None:
    if old is None or new is None:
        made.problem = "is new" if old is None else "is gone"
        if isinstance(new, ArchitectureConfig):
            made.needs = [Need(r.name, None, outcome(r, new)) for r in new.source.requirements]
    elif isinstance(old, str) or isinstance(new, str):
        when = "cannot be read" if isinstance(new, str) else "could not be read before"
        made.problem = f"{when}: {new if isinstance(new, str) else old}"
    else:
        _compare(made, old, new, records, file)


def _compare_reports(made: Diff, old: Report, new: Report) -> None:
    before = {f.path: f for f in old.files if f.kind != "architecture"}
    after = {f.path: f for f in new.files if f.kind != "architecture"}
    for path in dict.fromkeys([*before, *after]):
        was, now = (side[path].status if path in side else "" for side in (before, after))
        if was != now:
            file = after.get(path) or before[path]
            label = name_parts(stem_of(path))
            name = f"ADR-{label.digits}{label.letter}" if label.digits else stem_of(path)
            made.records.append(RecordChange(path, name, file.title, was, now))
    verdicts = {key: claim.verdict for key, claim in _keyed(old.claims)}
    for key, claim in _keyed(new.claims):
        was = verdicts.get(key, "")
        new_and_bad = not was and claim.verdict not in ("holds", "cited", "assumed")
        if (was and was != claim.verdict) or new_and_bad:
            made.claims.append(ClaimChange(claim, was))
        made.evidence = made.evidence or claim.verdict in EVIDENCE
    known = {(f.code, f.path, f.message) for f in old.findings}
    made.errors = [
        f
        for f in new.findings
        if f.severity == "error" and (f.code, f.path, f.message) not in known and f.code not in SAID_ELSEWHERE
    ]


def _keyed(claims: Iterable[ClaimResult]) -> Iterator[tuple[tuple[str, str, int], ClaimResult]]:
    """Claims by file, label and how often the label came before: lines move."""
    seen: dict[tuple[str, str], int] = {}
    for claim in claims:
        count = seen[claim.path, claim.label] = seen.get((claim.path, claim.label), -1) + 1
        yield (claim.path, claim.label, count), claim
