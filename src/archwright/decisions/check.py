"""check: every record and architecture file re-checked against what can be computed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..claims.definitions import Wanted
from ..claims.document import Document
from ..errors import NOTHING, ArchwrightError, Problem, UsageError
from ..project import find as find_project
from ..textio import Text, read_text
from .claims_of import judged_claims, severity_of
from .fixing import definition_findings, fixed_text, write_fixed
from .frame import Frame, Frames, shown
from .links import check_links
from .record import Record, find_records, status_problem
from .report import FileReport, Finding, Report
from .rules import RULES, Severity

ARCHITECTURES = (".yaml", ".yml", ".json")


def check(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    *,
    fix: bool = False,
    coverage: bool = False,
) -> Report:
    """Check records (files or folders; by default the project's `docs/decisions`) and architecture files.

    Nothing is written unless `fix`, which writes link definitions and binary unit prefixes and nothing else.
    """
    return Checker(fix=fix, coverage=coverage).run(paths)


class Checker:
    """One run: what was loaded once serves all documents."""

    def __init__(self, *, fix: bool = False, coverage: bool = False) -> None:
        self.fix = fix
        self.coverage = coverage
        self.frames = Frames()
        self.report = Report()

    def run(self, paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None) -> Report:
        """Check everything that the paths name."""
        named = self._named(paths)
        records: list[tuple[Record, FileReport]] = []
        for path in named:
            if path.endswith(ARCHITECTURES):
                self.report.files.append(self._architecture(path))
                continue
            checked = self._record(path)
            self.report.files.append(checked[1])
            if checked[0] is not None:
                records.append((checked[0], checked[1]))
        self._links(records)
        self._plugins()
        if not self.report.files:
            where = ", ".join(shown(p) for p in self._given) or "docs/decisions"
            self.report.general.append(
                Finding(
                    "nothing-to-check",
                    "error",
                    where,
                    0,
                    0,
                    "no record and no architecture was found",
                    "Write one: archwright adr new TITLE",
                )
            )
        for file in self.report.files:
            file.findings.sort(key=lambda f: (f.line, f.column, f.code))
        return self.report

    def _named(self, paths: Any) -> list[str]:
        """The files to check, in order; a folder stands for its records."""
        if paths is None:
            project = find_project()
            folder = project.root / str(project.settings.get("decisions", "docs/decisions"))
            self._given = [str(folder)]
            return find_records(folder) if folder.is_dir() else []
        given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        self._given = [os.fspath(p) for p in given]
        found: dict[str, None] = {}
        for path in self._given:
            if os.path.isdir(path):
                found.update(dict.fromkeys(find_records(path)))
            elif os.path.lexists(path):
                if not path.endswith((".md", ".markdown", *ARCHITECTURES)):
                    raise UsageError(
                        Problem(path, NOTHING, "is neither a record (.md) nor an architecture (.yaml, .json)")
                    )
                found[path] = None
            else:
                raise UsageError(Problem(path, NOTHING, "does not exist"))
        return list(found)

    # One file -----------------------------------------------------------------------------------------------

    def _architecture(self, path: str) -> FileReport:
        from ..arch.loading import load

        file = FileReport(shown(path), kind="architecture")
        try:
            config = load(Path(path))
            file.title = config.name
        except ArchwrightError as error:
            for problem in error.problems:
                place = problem.where
                file.findings.append(
                    Finding(
                        "invalid-architecture",
                        "error",
                        shown(place.path) if place else file.path,
                        place.line if place else 0,
                        place.column if place else 0,
                        problem.message,
                    )
                )
        return file

    def _record(self, path: str) -> tuple[Record | None, FileReport]:
        name = shown(path)
        file = FileReport(name)
        try:
            source = read_text(path)
        except ArchwrightError as error:
            file.status = "unreadable"
            file.findings += [_finding("unreadable-record", problem, name) for problem in error.problems]
            return None, file
        frame = self.frames.of(source.text, path, name)
        record, document = frame.record, frame.document
        file.title, file.status = record.title, record.status
        wanted: list[Wanted] = []
        if frame.relevant:
            for claim, findings in judged_claims(document, frame.context, record.status, frame.target, frame.anchor):
                file.claims.append(claim)
                file.findings += findings
                wanted.append(Wanted(claim.label, claim.target, claim.title))
        file.findings += self._record_findings(frame)
        if frame.relevant:
            self._definitions(source, frame, wanted, file, path)
            self._figures(record, document, file)
        return record, file

    def _record_findings(self, frame: Frame) -> list[Finding]:
        record, document, context = frame.record, frame.document, frame.context
        found = [_finding("front-matter", p, record.path) for p in record.problems]
        problem = status_problem(record)
        if problem is not None and record.is_record:
            level: Severity = "error" if record.ours else "warning"
            found.append(replace(_finding("unknown-status", problem, record.path), severity=level))
        if not frame.relevant:
            return found
        quiet = severity_of(record.status) is None
        for side in context.sides.values():
            if side.problem and record.base and not quiet:
                place = record.place(*_keys_of(side.name))
                found.append(
                    Finding(
                        "broken-base", "error", record.path, place.line, place.column, f"{side.name}: {side.problem}"
                    )
                )
        for item in document.unrendered:
            reason = {
                "code": "stands in code",
                "html": "stands in raw HTML",
                "image": "is an image's text",
                "space": "has a space between its brackets",
                "brackets": "has square brackets in its label",
            }[item.reason]
            message = f"[{item.text}][{item.label}] {reason}, so it is no link"
            found.append(
                Finding(
                    "claim-not-rendered",
                    "error",
                    record.path,
                    item.line,
                    item.column,
                    message,
                    "Write [text][label] in the prose",
                )
            )
        for line in document.conflicts:
            found.append(
                Finding(
                    "merge-conflict", "error", record.path, line, 1, "a marker of an unresolved merge", "Decide by hand"
                )
            )
        unused = [name for name in record.claims_entries if name not in context.used]
        for name in unused:
            place = record.place("claims", name)
            found.append(
                Finding(
                    "unused-claim",
                    "warning",
                    record.path,
                    place.line,
                    place.column,
                    f"claims.{name} is used by no label",
                    f"Bind a figure: [text][{name}]",
                )
            )
        return found

    def _definitions(self, source: Text, frame: Frame, wanted: list[Wanted], file: FileReport, path: str) -> None:
        """Compare the link definitions with what the claims need; with `fix`, write them and binary prefixes."""
        if self.fix:
            links = {(link.line, link.column): link for link in frame.document.claims}
            units = [
                (links[f.line, f.column].start, links[f.line, f.column].end, f.fix)
                for f in file.findings
                if f.code == "binary-unit" and f.fix
            ]
            text = fixed_text(source, units, self.frames, path)
            if write_fixed(source, text, path):
                self.report.fixed.append(file.path)
                file.findings = [f for f in file.findings if not (f.code == "binary-unit" and f.fix)]
            return
        file.findings += definition_findings(frame.document, wanted)

    def _figures(self, record: Record, document: Document, file: FileReport) -> None:
        if severity_of(record.status) is None:
            return
        from ..claims.figures import find_figures

        figures = find_figures(document)
        file.figures = len(figures) + len(file.claims)
        for figure in figures:
            file.findings.append(
                Finding(
                    "unbound-number",
                    "warning",
                    file.path,
                    figure.line,
                    figure.column,
                    f"{figure.text} is bound to nothing",
                    "Bind it: [text][label]",
                )
            )

    # Between files ------------------------------------------------------------------------------------------

    def _links(self, records: list[tuple[Record, FileReport]]) -> None:
        by_path = {record.path: file for record, file in records}
        for issue in check_links([record for record, _ in records]):
            finding = Finding(
                issue.code,
                RULES[issue.code].severity,
                issue.path,
                issue.line,
                issue.column,
                issue.message,
                issue.remedy,
            )
            by_path[issue.path].findings.append(finding)

    def _plugins(self) -> None:
        from ..arch.attention import attention_types
        from ..costs.metric import metrics

        for registry in (attention_types, metrics):
            for name, why in registry.broken.items():
                message = f"{registry.kind} {name} cannot be loaded: {why}"
                self.report.general.append(
                    Finding("broken-plugin", "warning", name, 0, 0, message, "Mend or uninstall it")
                )


def _keys_of(side: str) -> tuple[str, ...]:
    return (side,) if side in ("base", "decision") else ("alternatives", side)


def _finding(code: str, problem: Problem, path: str) -> Finding:
    place = problem.where
    return Finding(
        code,
        RULES[code].severity,
        path,
        place.line if place else 0,
        place.column if place else 0,
        problem.message,
    )
