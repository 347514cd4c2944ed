"""check: exactly the expected findings on the corpus of broken records, and what it writes with and without --fix."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from archwright.costs.metric import metrics
from archwright.decisions.check import check
from archwright.decisions.report import Finding, Report
from archwright.decisions.rules import RULES
from archwright.errors import UsageError

from .corpora import ARCHITECTURE, Case, cases

CASES = cases()
APART = "not-pinned"
"""What check says of every accepted record that was written by hand, as all are here; tested with pins."""


def record(project: Path, text: str, name: str = "0001-record.md") -> Path:
    """A record in the project."""
    path = project / "docs" / "decisions" / name
    path.write_bytes(text.encode())
    return path


def said(report: Report) -> list[Finding]:
    """The findings of a report, but for missing pins."""
    return [f for f in report.findings if f.code != APART]


def found(report: Report) -> list[tuple[str, str, str, int, int]]:
    """The findings of a report, without their words."""
    return [(f.code, f.severity, f.path, f.line, f.column) for f in said(report)]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# The corpus -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_exactly_the_expected_findings_and_nothing_is_written(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    report = check(case.paths or None)
    assert sorted(found(report)) == sorted(case.expected)
    assert report.exit_code() == case.exit_code
    assert tree(tmp_path) == before


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_every_message_says_what_and_every_place_is_in_the_file(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    for f in said(check(case.paths or None)):
        assert f.message and "\n" not in f.message and "Traceback" not in f.message
        assert "  " not in f.message
        if f.line:
            lines = (tmp_path / f.path).read_bytes().split(b"\n")
            assert f.line <= len(lines)
            assert f.column <= len(lines[f.line - 1].decode("utf-8", "replace")) + 1


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_fix_writes_definitions_and_units_alone_and_a_second_time_nothing(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    first = check(case.paths or None, fix=True)
    after = tree(tmp_path)
    assert {name for name in after if after[name] != before.get(name)} == set(first.fixed)
    assert after.keys() == before.keys()
    for name in first.fixed:
        assert prose(after[name]) == prose(before[name])
    kept = [f for f in case.expected if f[0] not in ("outdated-definition", "binary-unit")]
    in_block = [f for f in case.expected if f[0] == "merge-conflict" and "definitions" in f[2]]
    assert Counter(f[:3] for f in found(first)) == Counter(f[:3] for f in kept if f not in in_block)
    assert found(check(case.paths or None)) == found(first)
    second = check(case.paths or None, fix=True)
    assert second.fixed == []
    assert tree(tmp_path) == after


def prose(data: bytes) -> str:
    """A record's text without definitions, marks of a merge, blank lines and the `i` of binary units."""
    lines = data.decode().split("\n")
    kept = [line for line in lines if line.strip() and not re.match(r"\[[^\]]+\]: |<{7}|={7}|>{7}", line)]
    return "\n".join(kept).replace("iB", "B")


@pytest.mark.parametrize("code", sorted(RULES))
def test_every_code_is_proved_at_least_twice_and_documented(code: str) -> None:
    here = sum(f[0] == code for case in CASES for f in case.expected)
    elsewhere = sum(p.read_text().count(f'"{code}"') for p in Path(__file__).parent.parent.rglob("test_*.py"))
    assert here >= 2 or elsewhere >= 2
    assert RULES[code].title() and RULES[code].code == code
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)


@pytest.mark.parametrize("name", ["theirs", "others"])
def test_a_plugin_that_cannot_be_loaded_is_a_warning(name: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(project, "---\nstatus: accepted\nbase: architecture.yaml\n---\n# Sound\n")
    monkeypatch.setitem(metrics.broken, name, "ModuleNotFoundError: no module named 'gone'")
    report = check()
    assert found(report) == [("broken-plugin", "warning", name, 0, 0)]
    assert RULES["broken-plugin"].severity == "warning"
    assert "gone" in said(report)[0].message
    assert (report.exit_code(), report.exit_code(strict=True)) == (0, 1)


# Severity and exit codes ----------------------------------------------------------------------------------------

FAILING = "---\nstatus: {status}\nbase: architecture.yaml\n---\n# Cache\n\nIt takes [8.00 GiB][kv_cache].\n"


@pytest.mark.parametrize(
    ("status", "severity", "code", "strict"),
    [
        ("accepted", "error", 1, 1),
        ("proposed", "warning", 0, 1),
        ("rejected", None, 0, 0),
        ("superseded by ADR-0002", None, 0, None),
        ("deprecated", None, 0, 0),
    ],
)
def test_a_false_figure_weighs_as_much_as_its_record(
    status: str, severity: str | None, code: int, strict: int | None, project: Path
) -> None:
    record(project, FAILING.format(status=status))
    if "super" in status:
        new = "---\nstatus: accepted\nbase: architecture.yaml\nsupersedes: 1\n---\n# New\n"
        record(project, new, "0002-new.md")
    report = check(fix=True)
    assert [f.severity for f in said(report) if f.code == "claim-fails"] == ([severity] if severity else [])
    assert said(report) == [f for f in said(report) if f.code == "claim-fails"]
    assert report.exit_code() == code
    assert strict is None or report.exit_code(strict=True) == strict
    assert [c.verdict for c in report.claims] == ["fails"]
    assert report.ok == (code == 0)


def test_what_blocks_wins_over_what_is_merely_wrong(project: Path) -> None:
    record(project, FAILING.format(status="accepted"))
    assert check().exit_code() == 1
    record(project, "\0", "0002-nul.md")
    assert check().exit_code() == 3


def test_several_problems_of_several_files_come_in_one_run(project: Path) -> None:
    record(project, "---\nstatus: aproved\nbase: architecture.yaml\n---\n# One\n", "0001-one.md")
    record(project, "---\nstatus: accepted\nbase: architecture.yaml\n\n# Two\n", "0002-two.md")
    record(project, "---\nstatus: accepted\nbase: architecture.yaml\n---\n# Three\n", "0003-three.md")
    record(project, "---\nstatus: accepted\nbase: architecture.yaml\n---\n# Three\n", "0003-drei.md")
    report = check()
    assert [(f.code, f.path.rpartition("/")[2]) for f in said(report)] == [
        ("unknown-status", "0001-one.md"),
        ("front-matter", "0002-two.md"),
        ("duplicate-number", "0003-drei.md"),
        ("duplicate-number", "0003-three.md"),
    ]
    assert "aproved" in said(report)[0].message
    assert report.exit_code() == 1


# What is checked ------------------------------------------------------------------------------------------------


def test_a_file_named_in_several_ways_is_checked_once(project: Path) -> None:
    path = record(project, FAILING.format(status="accepted"))
    report = check(["docs/decisions", "./docs/decisions/0001-record.md", path, "docs/../docs/decisions"], fix=True)
    assert len(report.files) == 1
    assert [f.code for f in said(report)] == ["claim-fails"]


def test_links_of_a_record_that_is_checked_alone_lead_to_its_neighbours(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = record(project, "---\nstatus: superseded by ADR-0002\nbase: architecture.yaml\n---\n# Old\n", "0001-old.md")
    new = record(project, "---\nstatus: accepted\nbase: architecture.yaml\nsupersedes: 1\n---\n# New\n", "0002-new.md")
    for path in (old, new, "docs/decisions/0001-old.md", old.name):
        if path == old.name:
            monkeypatch.chdir(old.parent)
        assert said(check(path)) == []
    record(project, "---\nstatus: accepted\nbase: architecture.yaml\n---\n# Also two\n", "0002-also.md")
    assert {f.code for f in said(check(old))} == {"ambiguous-link"}
    assert {f.path for f in said(check(new))} == {"0002-new.md"}
    assert "duplicate-number" in {f.code for f in said(check(new))}


def test_paths_that_cannot_be_checked_are_all_named_at_once(project: Path) -> None:
    (project / "notes.txt").write_text("text")
    with pytest.raises(UsageError) as raised:
        check(["nowhere.md", "notes.txt"])
    assert [p.field for p in raised.value.problems] == ["nowhere.md", "notes.txt"]


def test_a_folder_of_records_stands_anywhere(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "base.yaml").write_text(ARCHITECTURE)
    (elsewhere / "0001-x.md").write_text(
        "---\nstatus: accepted\nbase: base.yaml\n---\n# X\n\n[4.00 GiB][kv_cache].\n\n"
        '[kv_cache]: base.yaml "computed: 4.00 GiB, holds"\n'
    )
    report = check(elsewhere)
    assert said(report) == [] and [c.verdict for c in report.claims] == ["holds"]


def test_the_project_says_where_its_records_are(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.archwright]\ndecisions = "adr"\n')
    assert [f.path for f in said(check())] == ["adr"]
    (project / "adr").mkdir()
    (project / "adr" / "0001-x.md").write_text("---\nstatus: accepted\nbase: architecture.yaml\n---\n# X\n")
    assert said(check()) == []


# What is written ------------------------------------------------------------------------------------------------

TWO = (
    "---\nstatus: accepted\nbase: architecture.yaml\ndecision: {n_kv_heads: 8}\n"
    "alternatives:\n  mha: {n_kv_heads: 32}\n---\n"
    "# Cache\n\nFrom [16 GB][kv_cache.mha] to [4.00 GiB][kv_cache], [4x less][kv_cache.mha->decision]; [16.0\nGiB]"
    "[kv_cache.mha] was too much.\n"
)


def test_definitions_stand_one_a_line_in_the_order_of_first_use(project: Path) -> None:
    path = record(project, TWO)
    assert check(fix=True).fixed == ["docs/decisions/0001-record.md"]
    text = path.read_text()
    assert text == TWO.replace("16 GB", "16 GiB") + (
        '\n[kv_cache.mha]: ../../architecture.yaml "computed: 16.0 GiB, holds"\n'
        '[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'
        '[kv_cache.mha->decision]: ../../architecture.yaml "computed: 16.0 GiB to 4.00 GiB, 4.00x smaller, holds"\n'
    )
    assert said(check()) == []


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"], ids=["", "bom"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_fix_keeps_line_ends_mark_and_every_other_byte(bom: bytes, newline: bytes, project: Path) -> None:
    text = TWO.replace("# Cache", "# Cache  \n\nÄ trailing space \t\n\n* odd   list\n\n\n\n+ another")
    path = project / "docs" / "decisions" / "0001-record.md"
    path.write_bytes(bom + text.encode().replace(b"\n", newline))
    check(fix=True)
    data = path.read_bytes()
    assert data.startswith(bom + text.encode().replace(b"16 GB", b"16 GiB").replace(b"\n", newline))
    assert data.count(b"\r\n") == (data.count(b"\n") if newline == b"\r\n" else 0)
    assert said(check()) == []


def test_a_block_with_the_marks_of_a_merge_is_written_anew(project: Path) -> None:
    path = record(project, TWO)
    check(fix=True)
    good = path.read_text()
    lines = good.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith("[kv_cache]: "))
    bad = lines[at].replace("4.00 GiB", "8.00 GiB")
    lines[at : at + 1] = ["<<<<<<< HEAD", bad, "=======", lines[at], ">>>>>>> topic"]
    path.write_text("\n".join(lines))
    assert {f.code for f in said(check())} == {"merge-conflict", "outdated-definition"}
    assert said(check(fix=True)) == []
    assert path.read_text() == good


def test_definitions_survive_a_formatter(project: Path) -> None:
    """Prettier escapes nothing in them, keeps double quotes, and sets one blank line before the block."""
    path = record(project, TWO)
    check(fix=True)
    for line in path.read_text().split("\n"):
        if re.match(r"\[[^\]]+\]: ", line):
            assert re.fullmatch(r'\[[a-z][^\[\]\\\n]*\]: [^\s<>"\\]+ "[^"\\&]*"', line)
    assert not re.search(r"\n\n\n\[|[^\n]\n\[kv_cache\.mha\]: ", path.read_text())


def test_definitions_of_the_author_stay_where_and_as_they_are(project: Path) -> None:
    text = (
        TWO + "\nSee [the paper][paper].\n\n[paper]:   <https://example.org/a b>  'title'\n\n[unused]: https://x.org\n"
    )
    path = record(project, text)
    check(fix=True)
    assert path.read_text().startswith(text.replace("16 GB", "16 GiB"))
    assert said(check()) == []


def test_fix_never_writes_where_the_front_matter_cannot_be_read(project: Path) -> None:
    text = "---\nstatus: accepted\nbase: [architecture.yaml\n---\n# X\n\nIt takes [4 GiB][kv_cache.mha].\n"
    path = record(project, text)
    report = check(fix=True)
    assert [f.code for f in said(report)] == ["front-matter"] and report.fixed == []
    assert path.read_text() == text


def test_a_record_of_another_dialect_with_a_bound_figure_needs_a_base(project: Path) -> None:
    path = record(project, "# 1. Cache\n\n## Status\n\nAccepted\n\n## Decision\n\nIt takes [4.00 GiB][kv_cache].\n")
    report = check()
    assert [f.code for f in said(report)] == ["broken-base", "outdated-definition"]
    assert report.exit_code() == 3
    path.write_text(
        "# 1. Cache\n\n## Status\n\nAccepted\n\nIt takes [4.00 GiB][cache] and 8 GB.\n\n[cache]: https://x.org\n"
    )
    assert said(check()) == [] and check().claims == []


def test_two_checkers_agree_and_values_are_shared(project: Path) -> None:
    for number in range(1, 4):
        record(project, TWO, f"000{number}-record.md")
    first, second = check(), check()
    assert found(first) == found(second)
    assert [c.value for c in first.claims] == [c.value for c in second.claims]
