"""Ignores: findings that a project has said do not count, with code, path and reason, and for how long."""

from __future__ import annotations

import fnmatch
import os
from dataclasses import replace
from datetime import date
from pathlib import Path

from ..errors import did_you_mean
from ..project import Project
from ..project_settings import Ignore, Settings, settings_of
from .report import Finding, Report
from .rules import RULES

NEVER = ("bad-project-setting", "expired-ignore", "unused-ignore")
"""Findings about the ignores themselves."""


def setting_findings(settings: Settings) -> list[Finding]:
    """What is wrong with the project's settings."""
    found = []
    for problem in settings.problems:
        place = problem.where
        path, line = (place.path, place.line) if place else ("pyproject.toml", 0)
        found.append(Finding("bad-project-setting", "error", path, line, 1 if line else 0, problem.message))
    for ignore in settings.ignores:
        if ignore.code not in RULES:
            message = f"ignore.code is {ignore.code!r}, which is no code of a finding"
            remedy = did_you_mean(ignore.code, RULES, "Codes")
            where = ignore.where
            found.append(Finding("bad-project-setting", "error", where.path, where.line, where.column, message, remedy))
    return found


def apply(report: Report, project: Project, complete: bool) -> None:
    """Hold a report against the project's settings: take ignored findings out, and say what is wrong with these.

    An ignore that has expired, or in a complete run ignores nothing, is a warning.
    """
    settings = settings_of(project)
    if settings.values.get("allow_unproven"):
        for file in report.files:
            file.findings = [_allowed(f) for f in file.findings]
    today = date.today()
    live = [i for i in settings.ignores if not i.expired(today)]
    used: set[int] = set()
    if live:
        for file in report.files:
            file.findings = _left(file.findings, live, project.root, report, used)
        report.general = _left(report.general, live, project.root, report, used)
    report.general += setting_findings(settings)
    for ignore in settings.ignores:
        where = ignore.where
        place = (where.path, where.line, where.column)
        if ignore.expired(today):
            message = f"{ignore.code} in {ignore.path} was ignored until {ignore.until} and counts again"
            remedy = "Mend what it hid, and remove the entry"
            report.general.append(Finding("expired-ignore", "warning", *place, message, remedy))
        elif complete and id(ignore) not in used and ignore.code in RULES:
            message = f"{ignore.code} in {ignore.path} is ignored, but there is none"
            report.general.append(Finding("unused-ignore", "warning", *place, message, "Remove the entry"))


def _allowed(finding: Finding) -> Finding:
    return replace(finding, severity="note") if finding.code == "claim-unproven" else finding


def _left(findings: list[Finding], live: list[Ignore], root: Path, report: Report, used: set[int]) -> list[Finding]:
    left = []
    for finding in findings:
        hit = next((i for i in live if _matches(i, finding, root)), None)
        if hit is None:
            left.append(finding)
        else:
            used.add(id(hit))
            report.ignored.append((finding, hit.reason))
    return left


def _matches(ignore: Ignore, finding: Finding, root: Path) -> bool:
    if finding.code != ignore.code or finding.code in NEVER:
        return False
    path = os.path.relpath(os.path.abspath(finding.path), root).replace(os.sep, "/")
    return path == ignore.path or fnmatch.fnmatchcase(path, ignore.path)
