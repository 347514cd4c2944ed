"""Checks of another kind: the project as it was at a revision, what has changed since one, and check itself."""

from __future__ import annotations

import os

from ..errors import NOTHING, Problem, UsageError
from .check import Checker, Paths
from .report import Report
from .revisions import repository, tree_at


def check_in_time(
    paths: Paths, *, fix: bool = False, coverage: bool = False, at: str | None = None, changed_since: str | None = None
) -> Report:
    """`check` at a revision, or of what the changes since one can touch."""
    if at is not None and changed_since is not None:
        raise UsageError(Problem("--at", NOTHING, "and --changed-since exclude each other", "Give one of them"))
    if at is not None:
        if fix:
            raise UsageError(Problem("--fix", NOTHING, "cannot write into the past", "Leave out --at or --fix"))
        return _at(paths, at, coverage)
    assert changed_since is not None
    return _since(paths, changed_since, fix, coverage)


def check_itself(paths: Paths, *, at: str | None = None, changed_since: str | None = None) -> Report:
    """`check --self-test`: the report of the plain check, and what it gets wrong about numbers that are made false."""
    from .selftest import as_report, self_test

    if at is not None or changed_since is not None:
        rule = "is about the project as it is"
        raise UsageError(Problem("--self-test", NOTHING, rule, "Leave out --at and --changed-since"))
    checked = Checker().run(paths)
    return as_report(self_test([file.path for file in checked.files]), checked)


def _at(paths: Paths, revision: str, coverage: bool) -> Report:
    repo = repository()
    commit = repo.commit(revision)
    with tree_at(repo, commit):
        report = Checker(coverage=coverage).run(paths)
    report.about = f"at {revision} ({commit[:10]})"
    return report


def _since(paths: Paths, revision: str, fix: bool, coverage: bool) -> Report:
    from .changed_since import touched

    found = touched(repository(), revision)
    about = f"changed since {revision}: {found.changed:,} file{'s' * (found.changed != 1)}"
    checker = Checker(fix=fix, coverage=coverage)
    if found.everything:
        report = checker.run(paths)
        report.about = f"{about}, pyproject.toml among them, so all was checked"
        return report
    chosen = found.paths if paths is None else _within(found.paths, paths)
    if not chosen:
        return Report(about=f"{about}, none of which can touch a record or a requirement")
    checker.beside = found.neighbours
    report = checker.run(chosen)
    report.about = about
    return report


def _within(chosen: list[str], paths: Paths) -> list[str]:
    """Those of the chosen files that lie under what was named."""
    given = [os.fspath(p) for p in ([paths] if isinstance(paths, str | os.PathLike) else paths or ())]
    missing = [Problem(p, NOTHING, "does not exist") for p in given if not os.path.lexists(p)]
    if missing:
        raise UsageError(missing)
    real = [os.path.realpath(p) for p in given]
    return [p for p in chosen if any(_under(os.path.realpath(p), folder) for folder in real)]


def _under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))
