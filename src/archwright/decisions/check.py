"""check: every record and architecture file re-checked against what can be computed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..atomic import sweep
from ..errors import NOTHING, ArchwrightError, Problem, UsageError
from ..project import find as find_project
from ..textio import Text, read_text
from .claims_of import severity_of
from .documents import check_page, check_python, components_folder, own_documents, python_files
from .fixing import claims_in, definition_findings, fixed_text, write_fixed
from .frame import Frame, Frames, shown
from .framed import frame_findings, of_problem
from .links import Graph
from .record import Record, find_records, read
from .report import FileReport, Finding, Report
from .requirements import requirement_claims
from .rules import RULES
from .standing import Standing, own_files

ARCHITECTURES = (".yaml", ".yml", ".json")
RECORDS = (".md", ".markdown")

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None


def check(
    paths: Paths = None,
    *,
    fix: bool = False,
    coverage: bool = False,
    at: str | None = None,
    changed_since: str | None = None,
    self_test: bool = False,
) -> Report:
    """Check records (files or folders; by default the project's `docs/decisions`) and architecture files.

    Nothing is written unless `fix`, which writes link definitions and binary unit prefixes and nothing else; the
    report is then that of the files as they are afterwards. `at` checks the project as it was at a git revision,
    `changed_since` what the changes since one can touch. `self_test` alters each computed number in memory and
    proves that it is reported. Unreadable: there is no such revision.
    """
    if self_test:
        from .in_time import check_itself

        return check_itself(paths, at=at, changed_since=changed_since)
    if at is not None or changed_since is not None:
        from .in_time import check_in_time

        return check_in_time(paths, fix=fix, coverage=coverage, at=at, changed_since=changed_since)
    return Checker(fix=fix, coverage=coverage).run(paths)


class Checker:
    """One run: what was loaded once serves all documents."""

    def __init__(self, *, fix: bool = False, coverage: bool = False) -> None:
        self.fix = fix
        self.coverage = coverage
        self.frames = Frames()
        self.report = Report()
        self.standing = Standing(self.frames)
        self._pages: dict[str, bool] = {}
        self._folders: list[str] = []
        """Folders that were named: all their records are in the run."""
        self.beside: list[str] | None = None
        """Other records that those of the run are held against; by default all in their folders."""

    def run(self, paths: Paths) -> Report:
        """Check everything that the paths name."""
        named, where = self._named(paths)
        if self.fix:
            for folder in {os.path.dirname(path) or "." for path in named}:
                sweep(folder)  # what a killed run left behind
        records: list[tuple[Record, FileReport]] = []
        for path in named:
            if path.lower().endswith(ARCHITECTURES):
                self.report.files.append(self._architecture(path))
                continue
            if path.endswith(".py") or self._is_page(path):
                self._document(path)
                continue
            record, file = self._record(path)
            self.report.files.append(file)
            if record is not None:
                records.append((record, file))
        self._between(records)
        self._requirements(paths, named)
        self._plugins()
        for ledger in {id(x): x for x in self.frames.ledgers.values() if x is not None}.values():
            self.report.general += ledger.findings()
        if not self.report.files:
            rule = "no record and no architecture was found"
            remedy = 'Write one: archwright adr new "Title"'
            self.report.general.append(Finding("nothing-to-check", "error", where, 0, 0, rule, remedy))
        self._apply_settings(named, complete=paths is None)
        for file in self.report.files:
            file.findings.sort(key=lambda f: (f.line, f.column, f.code))
        return self.report

    def _named(self, paths: Paths) -> tuple[list[str], str]:
        """The files to check, in order, each once; a folder stands for its records. And how to call them all."""
        if paths is None:
            project = find_project()
            folder = project.root / str(project.settings.get("decisions", "docs/decisions"))
            self._folders = [str(folder)]
            return [*(find_records(folder) if folder.is_dir() else []), *own_documents()], shown(folder)
        given = [os.fspath(p) for p in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
        found: dict[str, str] = {}
        problems: list[Problem] = []
        for path in given:
            if os.path.isdir(path):
                self._folders.append(path)
                files = [*find_records(path), *python_files(path)]
            elif not os.path.lexists(path):
                problems.append(Problem(path, NOTHING, "does not exist"))
                continue
            elif not path.lower().endswith((*RECORDS, *ARCHITECTURES, ".py")):
                rule = "is neither a record (.md) nor an architecture (.yaml, .json) nor Python (.py)"
                problems.append(Problem(path, NOTHING, rule))
                continue
            else:
                files = [path]
            for file in files:
                found.setdefault(os.path.abspath(file), file)
        if problems:
            raise UsageError(problems)
        return list(found.values()), ", ".join(shown(p) for p in given) or "nothing"

    # One file -----------------------------------------------------------------------------------------------

    def _architecture(self, path: str) -> FileReport:
        from ..arch.loading import load

        file = FileReport(shown(path), kind="architecture")
        try:
            config = load(Path(path))
            file.title = config.name
            file.claims, file.findings = requirement_claims(config, file.path)
        except ArchwrightError as error:
            for problem in error.problems:
                place = problem.where
                where = shown(place.path) if place else file.path
                at = (place.line, place.column) if place else (0, 0)
                file.findings.append(Finding("invalid-architecture", "error", where, *at, problem.message))
        return file

    def _is_page(self, path: str) -> bool:
        """Whether a Markdown file lies in its project's folder of pages about components."""
        here = os.path.dirname(os.path.abspath(path))
        if here not in self._pages:
            folder = os.path.abspath(components_folder(find_project(here).root))
            self._pages[here] = os.path.join(here, "").startswith(os.path.join(folder, ""))
        return self._pages[here]

    def _document(self, path: str) -> None:
        """A page or a Python file: one without claims is no part of the report, unless it was named."""
        fixed = self.report.fixed if self.fix else None
        file = check_python(path, self.frames) if path.endswith(".py") else check_page(path, self.frames, fixed)
        if file is not None:
            self.report.files.append(file)

    def _record(self, path: str) -> tuple[Record | None, FileReport]:
        name = shown(path)
        file = FileReport(name)
        try:
            source = read_text(path)
        except ArchwrightError as error:
            file.status = "unreadable"
            file.findings += [of_problem("unreadable-record", problem, name) for problem in error.problems]
            return None, file
        frame = self.frames.of(source.text, path, name)
        if self.fix and frame.relevant and frame.readable:
            frame = self._fixed(source, frame, path, name)
        record, document = frame.record, frame.document
        file.title, file.status = record.title, record.status
        if frame.relevant and frame.readable:
            file.claims, file.findings = claims_in(frame)
            file.findings += definition_findings(document, file.claims, record.status)
            if any(d.target.endswith(".json") for d in document.definitions):
                from .observed import gone_findings

                file.findings += gone_findings(
                    document, os.path.dirname(os.path.abspath(path)), severity_of(record.status)
                )
            self._figures(frame, file)
            self.standing.add(frame)
            file.findings += self.standing.pin_findings(frame)
        file.findings += frame_findings(frame, file.claims)
        return record, file

    def _fixed(self, source: Text, frame: Frame, path: str, name: str) -> Frame:
        """The frame of the record after its definitions and binary prefixes were written, where they differ."""
        text = fixed_text(frame, self.frames, path)
        if not write_fixed(source, text, path):
            return self.frames.of(source.text, path, name)
        self.report.fixed.append(name)
        return self.frames.of(text, path, name)

    def _figures(self, frame: Frame, file: FileReport) -> None:
        if severity_of(frame.record.status) is None:
            return
        from .unbound import unbound_figures

        figures = unbound_figures(frame)
        file.figures = len(figures) + len(file.claims)
        for figure in figures:
            message, remedy = f"{figure.text} is bound to nothing", "Bind it: [text][label]"
            file.findings.append(
                Finding("unbound-number", "warning", file.path, figure.line, figure.column, message, remedy)
            )

    # Between files ------------------------------------------------------------------------------------------

    def _between(self, records: list[tuple[Record, FileReport]]) -> None:
        """Links, numbers, and what accepted records decide, which other records and the present files may break."""
        by_path = {record.path: file for record, file in records}
        graph = Graph([*(record for record, _ in records), *self._neighbours(records)])
        for issue in graph.issues():
            if issue.path not in by_path:
                continue
            level = RULES[issue.code].severity
            finding = Finding(issue.code, level, issue.path, issue.line, issue.column, issue.message, issue.remedy)
            by_path[issue.path].findings.append(finding)
        for finding in self.standing.findings(graph, set(by_path)):
            by_path[finding.path].findings.append(finding)

    def _requirements(self, paths: Paths, named: list[str]) -> None:
        """The architecture files that records in force start from, and the project's own, where they state needs."""
        if paths is None:
            broken = [finding for path in own_files() if (finding := self.standing.add_file(path)) is not None]
            self.report.general += broken
        elif not self._folders:
            return
        done = {os.path.abspath(path) for path in named}
        for file, config in sorted(self.standing.bases.items()):
            if file not in done and (config.source.requirements or self.coverage):
                report = self._architecture(file)
                self.report.files.append(report)
                if self.coverage:
                    self.standing.cover(config, file, report)

    def _neighbours(self, records: list[tuple[Record, FileReport]]) -> list[Record]:
        """The other records in the folders of records that were named alone: their links may lead there."""
        named = {os.path.abspath(record.path) for record, _ in records}
        if self.beside is not None:
            return [record for path in self.beside if (record := self._neighbour(path)) is not None]
        whole = tuple(os.path.join(os.path.abspath(folder), "") for folder in self._folders)
        folders = {os.path.dirname(path) for path in named if not path.startswith(whole)}
        found: list[Record] = []
        for folder in sorted(folders):
            for path in find_records(folder):
                record = self._neighbour(path) if path not in named else None
                if record is not None:
                    found.append(record)
        return found

    def _neighbour(self, path: str) -> Record | None:
        """A record that was not asked about, whose decision counts; None where it cannot be read."""
        try:
            record = read(shown(path))
        except ArchwrightError:
            return None
        if record.status == "accepted" and record.decision and record.base:
            self.standing.add(self.frames.of(record.text, path, record.path))
        return record

    def _apply_settings(self, named: list[str], complete: bool) -> None:
        """What the project's settings say wrong, and which findings they let pass."""
        project = find_project(os.path.dirname(named[0]) or ".") if named and not complete else find_project()
        if project.settings:
            from .ignores import apply

            apply(self.report, project, complete)

    def _plugins(self) -> None:
        from ..arch.attention import attention_types
        from ..costs.metric import metrics

        registries: tuple[Any, ...] = (attention_types, metrics)
        for registry in registries:
            for name, why in registry.broken.items():
                message = f"{registry.kind} {name} cannot be loaded: {why}"
                self.report.general.append(
                    Finding("broken-plugin", "warning", name, 0, 0, message, "Mend or uninstall it")
                )
