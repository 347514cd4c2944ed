"""[tool.archwright]: every mistake with its line, ignores with a reason and a last day, and the schema of both."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from archwright.cli import main
from archwright.decisions.check import check
from archwright.decisions.rules import RULES
from archwright.project import find
from archwright.project_settings import IGNORE, KEYS, schema, settings_of

from .decisions.over_time import Project

BODY = "The cache is [4.00 GiB][kv_cache]. It [is fast][speed] and takes 5 GB."


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    made = Project(tmp_path)
    made.record(1, "settings: {context: 32768}", "The cache is [2.00 GiB][kv_cache].", status="accepted")
    return made


def settings(project: Project, *lines: str) -> None:
    project.write("pyproject.toml", "[project]\nname = 'x'\n\n[tool.archwright]\n" + "\n".join(lines) + "\n")


def ignored(code: str, path: str = "docs/decisions/*", reason: str = "known", until: object = None) -> list[str]:
    found = ["[[tool.archwright.ignore]]", f'code = "{code}"', f'path = "{path}"', f'reason = "{reason}"']
    return found + ([f"until = {until}"] if until is not None else [])


MISTAKES = [
    (["decision = 'adr'"], 5, "decision is not a key", "Did you mean decisions?"),
    (["decisions = 3"], 5, "decisions is 3: must be a text", "folder of the decision records"),
    (["decisions = ''"], 5, "must be a text", ""),
    (["architectures = 'a.yaml'"], 5, "must be a list of texts", ""),
    (["device = 'h100-sxm'", "allow_unproven = 'yes'"], 6, "must be true or false", ""),
    (["ignore = 3"], 5, "must be a list of tables", "[[tool.archwright.ignore]]"),
    (["ignore = [3]"], 5, "must be a table", ""),
    (["[tool.archwright.ignore]", "code = 'claim-fails'"], 5, "must be a list of tables", ""),
    (["[[tool.archwright.ignore]]", "code = 'claim-fails'", "path = '*'"], 5, "ignore.reason is missing", "Why"),
    (ignored("not-pinned", reason=""), 8, "must be a text", "Why"),
    (ignored("claim-failed"), 5, "no code of a finding", "Did you mean claim-fails?"),
    (ignored("not-pinned", until='"soon"'), 9, "must be a date", "until = 2026-12-31"),
    (ignored("not-pinned", until="5"), 9, "must be a date", ""),
    ([*ignored("not-pinned"), "", "[[tool.archwright.ignore]]", "cod = 1"], 11, "ignore.cod is not a key", "code"),
]


@pytest.mark.parametrize(("lines", "line", "rule", "remedy"), MISTAKES, ids=[str(n) for n in range(len(MISTAKES))])
def test_mistakes_are_named_with_their_line(
    project: Project, lines: list[str], line: int, rule: str, remedy: str
) -> None:
    settings(project, *lines)
    report = check()
    found = [f for f in report.findings if f.code == "bad-project-setting"]
    assert found and report.exit_code() == 3
    said = [f"{f.message} {f.remedy}" for f in found if f.line == line and rule in f.message]
    assert said and remedy in said[0], [(f.line, f.message) for f in found]
    assert all(f.path == "pyproject.toml" and f.severity == "error" for f in found)


def test_all_mistakes_at_once(project: Project) -> None:
    settings(project, "decision = 'adr'", "device = 1", "plugins = 2")
    assert [f.line for f in check().findings if f.code == "bad-project-setting"] == [5, 6, 7]


def test_a_table_that_is_no_toml_is_an_error_in_words(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.write("pyproject.toml", "[tool.archwright\n")
    assert main(["check"]) == 3
    assert "is not TOML" in capsys.readouterr().err


# Ignores --------------------------------------------------------------------------------------------------------


def test_an_ignored_finding_does_not_count_and_is_counted(project: Project) -> None:
    from archwright.decisions import output

    settings(project, *ignored("claim-fails", reason="the figure is of another release"))
    report = check()
    assert report.ok and "claim-fails" not in {f.code for f in report.findings}
    ((finding, reason),) = report.ignored
    assert (finding.code, reason) == ("claim-fails", "the figure is of another release")
    assert [c.verdict for c in report.claims] == ["fails"], "the verdict stays what it is"
    assert "1 fails" in output.text(report) and "1 ignored" in output.text(report)


@pytest.mark.parametrize(
    ("path", "hit"),
    [
        ("docs/decisions/0001-record-1.md", True),
        ("docs/*", True),
        ("*", True),
        ("*/0001-*.md", True),
        ("docs/decisions/0002-record-1.md", False),
        ("0001-record-1.md", False),
        ("docs", False),
    ],
)
def test_paths_are_patterns_from_the_root(project: Project, path: str, hit: bool) -> None:
    settings(project, *ignored("claim-fails", path))
    assert ("claim-fails" not in {f.code for f in check().findings}) == hit


def test_an_ignore_lasts_until_its_day(project: Project) -> None:
    settings(project, *ignored("claim-fails", until=date.today().isoformat()))
    assert check().ok
    settings(project, *ignored("claim-fails", until=(date.today() - timedelta(days=1)).isoformat()))
    report = check()
    codes = {f.code for f in report.findings}
    assert {"claim-fails", "expired-ignore"} <= codes and not report.ok
    (expired,) = [f for f in report.findings if f.code == "expired-ignore"]
    assert (expired.severity, expired.line) == ("warning", 5)


def test_an_ignore_that_ignores_nothing_is_a_warning_of_a_complete_run(project: Project) -> None:
    settings(project, *ignored("supersede-cycle"))
    (unused,) = [f for f in check().findings if f.code == "unused-ignore"]
    assert unused.severity == "warning" and "supersede-cycle in docs/decisions/*" in unused.message
    assert "unused-ignore" not in {f.code for f in check("docs/decisions").findings}


def test_ignores_cannot_be_ignored(project: Project) -> None:
    settings(project, *ignored("unused-ignore", "*"), *ignored("supersede-cycle", "*"))
    assert [f.code for f in check().findings].count("unused-ignore") == 2


def test_a_project_may_allow_claims_without_evidence(project: Project) -> None:
    front = "settings: {context: 32768}\nclaims:\n  speed: {bench: decode_throughput}"
    project.record(1, front, "It is [2x faster][speed].", status="accepted")
    assert check().exit_code() == 1
    settings(project, "allow_unproven = true")
    report = check()
    assert report.ok
    assert [f.severity for f in report.findings if f.code == "claim-unproven"] == ["note"]


# Other settings -------------------------------------------------------------------------------------------------


def test_further_architectures_are_checked_for_their_requirements(project: Project) -> None:
    project.write("models/a.yaml", "architecture: {}\nrequirements:\n  - {name: a, metric: n_layers, at_most: 3}\n")
    settings(project, "architectures = ['models/a.yaml', 'models/gone.yaml']")
    codes = [(f.code, f.path) for f in check().findings if f.path.startswith("models")]
    assert codes == [("invalid-architecture", "models/gone.yaml"), ("requirement-broken", "models/a.yaml")]


def test_the_schema_says_what_the_reader_says(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    import json
    import tomllib

    assert main(["schema", "settings"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()
    Draft202012Validator.check_schema(schema())
    validator = Draft202012Validator(schema())
    for lines, *_ in MISTAKES:
        settings(project, *lines)
        data = tomllib.loads((project.root / "pyproject.toml").read_text())["tool"]["archwright"]
        data = json.loads(json.dumps(data, default=str))
        if "claim-failed" in str(lines) or "soon" in str(lines):  # codes and dates are more than shapes
            continue
        if lines == ["decisions = ''"] or not validator.is_valid(data):
            continue
        raise AssertionError(lines)
    settings(project, "decisions = 'adr'", "sources = ['src']", "device = 'h200'", *ignored("claim-fails"))
    data = tomllib.loads((project.root / "pyproject.toml").read_text())["tool"]["archwright"]
    assert validator.is_valid(data) and not settings_of(find()).problems


def test_every_key_says_what_it_means() -> None:
    assert all(key.doc.endswith(".") for key in (*KEYS.values(), *IGNORE.values()))
    assert "bad-project-setting" in RULES and RULES["bad-project-setting"].blocks
