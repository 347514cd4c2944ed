"""output: the same report for people, for programs, for code scanning and for pull requests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from archwright.cli.schemas import schema
from archwright.decisions import output
from archwright.decisions.check import check
from archwright.decisions.report import ClaimResult, FileReport, Finding, Report
from archwright.decisions.rules import RULES

from .corpora import Case, cases

CASES = cases()
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(params=CASES, ids=lambda c: c.name)
def report(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """The report on each case of the corpus."""
    case: Case = request.param
    case.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return check(case.paths or None)


# JSON -----------------------------------------------------------------------------------------------------------


def test_json_follows_its_schema_and_loses_nothing(report: Report) -> None:
    data = json.loads(output.as_json(report))
    jsonschema.validate(data, schema("check"), cls=jsonschema.Draft202012Validator)
    assert [f["code"] for f in data["findings"]] == [f.code for f in report.findings]
    assert [c["verdict"] for c in data["claims"]] == [c.verdict for c in report.claims]
    assert data["summary"]["errors"] == sum(f.severity == "error" for f in report.findings)
    for claim in data["claims"]:
        if claim["verdict"] == "holds" and claim["unit"] == "B":
            assert isinstance(claim["value"], int)  # exact, not a float


def test_json_of_every_command_follows_its_schema(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from archwright.cli import main

    for words, name in (
        (["check", "--json"], "check"),
        (["check", "--format", "json"], "check"),
        (["adr", "list", "--json"], "records"),
        (["estimate", "architecture.yaml", "--json"], "estimate"),
        (["compare", "architecture.yaml", "--change", "n_kv_heads=4", "--json"], "compare"),
        (["check", "gone.md", "--json"], "error"),
        (["estimate", "gone.yaml", "--json"], "error"),
    ):
        main(words)
        jsonschema.validate(json.loads(capsys.readouterr().out), schema(name), cls=jsonschema.Draft202012Validator)


# SARIF ----------------------------------------------------------------------------------------------------------


def test_sarif_has_what_the_standard_requires(report: Report) -> None:
    data = json.loads(output.sarif(report))
    assert data["version"] == "2.1.0" and "sarif" in data["$schema"]
    (run,) = data["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "archwright" and driver["version"]
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"] and rule["fullDescription"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
    assert len(run["results"]) == len(report.findings)
    for result, finding in zip(run["results"], report.findings, strict=True):
        assert ids[result["ruleIndex"]] == result["ruleId"] == finding.code
        assert result["level"] == finding.severity and result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        uri = place["artifactLocation"]["uri"]
        assert not uri.startswith("/") and " " not in uri and "\\" not in uri
        assert place["region"]["startLine"] >= 1 and place["region"]["startColumn"] >= 1


def test_sarif_addresses_are_escaped() -> None:
    finding = Finding("claim-fails", "error", "docs/a b/größe#1?.md", 3, 4, "text")
    data = json.loads(output.sarif(Report([FileReport("x", findings=[finding])])))
    uri = data["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "docs/a%20b/gr%C3%B6%C3%9Fe%231%3F.md"


# GitHub ---------------------------------------------------------------------------------------------------------


def test_github_annotations_are_one_line_each(report: Report) -> None:
    lines = output.github(report).splitlines()
    commands = [line for line in lines if line.startswith("::")]
    assert len(commands) == len(report.findings)
    for line, finding in zip(commands, report.findings, strict=True):
        match = re.fullmatch(r"::(error|warning|notice) file=([^,:]*),line=(\d+),col=(\d+),title=([^,:]*)::(.+)", line)
        assert match, line
        assert match[2] == finding.path and match[5] == finding.code
        assert (int(match[3]), int(match[4])) == (max(1, finding.line), max(1, finding.column))


def test_github_annotations_escape_what_would_end_them() -> None:
    nasty = "100 % :: ::error::stop\r\n::set-output name=x::y"
    finding = Finding("claim-fails", "error", "a,b:c%\n.md", 1, 1, nasty, "more\nlines")
    text = output.github(Report([FileReport("x", findings=[finding])]))
    first, *rest = text.split("\n")
    assert first.startswith("::error file=a%2Cb%3Ac%25%0A.md,line=1,col=1,title=claim-fails::")
    assert "100 %25 :: ::error::stop%0D%0A::set-output name=x::y. more%0Alines" in first
    assert all(not line.startswith("::") for line in rest)


def test_github_annotates_nothing_and_sums_up_when_all_holds() -> None:
    assert output.github(Report([FileReport("a.md", status="accepted")])) == "0 claims · 1 record"


# Text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_no_line_is_wider_than_the_screen_unless_a_word_is(width: int, report: Report) -> None:
    for line in output.text(report, width=width, coverage=True).split("\n"):
        words = line.split()
        longest = max(map(len, words), default=0)
        if line.startswith("docs/"):
            continue  # a path is not broken
        figures = re.findall(r"\d \S+", line)  # a figure stays with its unit
        assert len(line) <= max(width, 19 + longest + max(map(len, figures), default=0)), line


def test_text_says_everything_that_json_does(report: Report) -> None:
    text = " ".join(output.text(report, width=100).split())
    for finding in report.findings:
        assert finding.path in text
        if finding.code not in output.CLAIM_CODES:
            assert f"[{finding.code}]" in text
    for claim in report.claims:
        failing = any(
            (f.line, f.column) == (claim.line, claim.column) for f in report.findings if f.code == "claim-fails"
        )
        if claim.verdict == "fails" and failing:
            assert f"write: {' '.join(claim.right.split())}" in text


def test_colour_only_adds(report: Report) -> None:
    plain = output.text(report, width=80)
    coloured = output.text(report, width=80, colour=True)
    assert "\x1b" not in plain and ESCAPE.sub("", coloured) == plain
    if report.findings:
        assert coloured != plain


GOLDEN = """\
docs/decisions/0001-cache.md · proposed · 1 of 6 claims hold
  10:43  fails     8.0 GB · kv_cache.mha is 16.0 GiB (17.2 GB)
                   32 layers x 2 (K, V) x 32 heads x 128 x 32,768 tokens x
                   2 bytes
                   kv_dtype=fp8 or keys without values would give 8.00 GiB
                   write: 16.0 GiB
  11:4   open      ? · kv_cache is 4.00 GiB, not yet filled in
                   write: 4.00 GiB
  11:19  unproven  2x faster · no benchmark of decode_throughput, on h100-sxm
                   Measure it, or cite a source
  12:1   error     4,5 GB · kv_cache reads [4,5 GB], which has a decimal comma
                   Write 4.5 with a decimal point; the value is 4.00 GiB
  12:1   warning   link definitions: 4 missing (kv_cache, kv_cache.mha, speed,
                   …) [outdated-definition]
                   archwright check --fix writes them
  12:20  error     [3 GB][kv_cash]: label is 'kv_cash': no metric, field or
                   entry of claims:. Did you mean kv_cache? [unresolved-label]

6 claims: 1 holds, 1 fails, 2 unreadable, 1 to fill in, 1 unproven · 1 record
2 errors · 4 warnings
Next: archwright adr fill"""

GOLDEN_RECORD = """\
---
status: proposed
base: architecture.yaml
alternatives: {mha: {n_kv_heads: 32}}
settings: {context: 32768, dtype: bf16}
claims: {speed: {bench: decode_throughput, device: h100-sxm}}
---
# Cache

The cache takes [4.00 GiB][kv_cache], not [8.0 GB][kv_cache.mha],
or [?][kv_cache], [2x faster][speed]
[4,5 GB][kv_cache] [3 GB][kv_cash]
"""


def test_the_screen(project: Path) -> None:
    (project / "docs" / "decisions" / "0001-cache.md").write_text(GOLDEN_RECORD)
    assert output.text(check(), width=80) == GOLDEN


def test_an_empty_report_is_never_green(project: Path) -> None:
    report = check()
    assert report.exit_code() == 3 and not report.ok
    text = output.text(report, width=80)
    assert "docs/decisions\n" in text and "[nothing-to-check]" in text and "archwright adr new" in text


def test_a_problem_in_another_file_says_where(project: Path) -> None:
    (project / "a.yaml").write_text("extends: b.yaml\n")
    (project / "b.yaml").write_text("extends: a.yaml\n")
    text = output.text(check("a.yaml"), width=100)
    assert text.startswith("a.yaml\n         error     b.yaml:1:10 extends is 'a.yaml': closes a circle")
    assert "0 claims" not in text and "1 architecture file · 1 error" in text


def test_a_remedy_is_said_once_a_file() -> None:
    findings = [
        Finding("unbound-number", "warning", "a.md", n, 1, f"{n} GB is bound to nothing", "Bind it") for n in (1, 2)
    ]
    text = output.text(Report([FileReport("a.md", status="proposed", findings=findings)]))
    assert text.count("Bind it") == 1 and text.count("[unbound-number]") == 2


def test_line_breaks_in_a_link_stay_out_of_the_screen() -> None:
    claim = ClaimResult("a.md", 1, 1, "kv_cache", "8.0\nGiB", "fails", "is 4.00 GiB, not 8.0 GiB", right="4.0 GiB")
    finding = Finding("claim-fails", "error", "a.md", 1, 1, "x")
    text = output.text(Report([FileReport("a.md", status="accepted", claims=[claim], findings=[finding])]))
    assert "  1:1    fails     8.0 GiB · kv_cache is 4.00 GiB\n" in text


def test_a_report_shows_itself(report: Report) -> None:
    assert str(report) == output.text(report)
    html = report._repr_html_()
    assert html.startswith("<pre>") and "<script" not in html
    assert repr(report).startswith("<Report: ")


@pytest.mark.parametrize("code", sorted(RULES))
def test_every_rule_explains_itself(code: str) -> None:
    rule = RULES[code]
    assert rule.title()[0].isupper() and len(rule.title()) <= 100
    document: Any = rule.__doc__
    assert document.strip()
