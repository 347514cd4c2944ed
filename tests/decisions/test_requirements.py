"""Requirements of architecture files are checked like claims, alone and as records speak of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from archwright.decisions.report import Report

from .over_time import ARCHITECTURE, Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def needs(project: Project, *lines: str) -> None:
    project.write("architecture.yaml", ARCHITECTURE + "requirements:\n" + "".join(f"  - {line}\n" for line in lines))


def verdicts(report: Report) -> dict[str, str]:
    return {c.label.removeprefix("requirement(name=").removesuffix(")"): c.verdict for c in report.claims}


def test_a_project_without_records_is_checked_for_its_requirements(project: Project) -> None:
    needs(project, "{name: small, metric: parameters, at_most: 7B}")
    report = project.check()
    assert report.ok and not report.findings
    (claim,) = report.claims
    assert (claim.label, claim.text, claim.verdict, claim.value) == (
        "requirement(name=small)",
        "at most 7B",
        "holds",
        5933109248,
    )
    assert claim.message == "parameters is 5.93 B, at most 7B"


def test_a_project_without_records_and_requirements_is_not_green(project: Project) -> None:
    assert project.codes() == ["nothing-to-check"]
    assert project.check().exit_code() == 3


def test_a_broken_requirement_is_an_error_at_its_line(project: Project) -> None:
    needs(project, "{name: fine, metric: n_layers, equals: 32}", "{name: small, metric: parameters, at_most: 5.9 B}")
    report = project.check()
    (finding,) = report.findings
    assert (finding.code, finding.severity, finding.path) == ("requirement-broken", "error", "architecture.yaml")
    assert (finding.line, finding.column) == (11, 5)
    assert "small" in finding.message and "5.93 B, not at most 5.9 B" in finding.message
    assert (report.exit_code(), verdicts(report)) == (1, {"fine": "holds", "small": "fails"})


CASES = [
    ("metric: parameters, at_most: 5933109248", "holds"),
    ("metric: parameters, at_most: 5933109247", "fails"),
    ("metric: parameters, at_least: 5933109248", "holds"),
    ("metric: parameters, at_least: 5.94B", "fails"),
    ("metric: parameters, equals: 5.93B", "holds"),
    ("metric: parameters, equals: 5.92B", "fails"),
    ("metric: parameters, at_least: 5B, at_most: 6B", "holds"),
    ("metric: parameters, at_least: 5B, at_most: 5.5B", "fails"),
    ("metric: kv_cache, context: 32Ki, at_most: 4 GiB", "holds"),
    ("metric: kv_cache, context: 32Ki, at_most: 4 GB", "fails"),
    ("metric: kv_cache, context: 32768, dtype: fp8, at_most: 2 GiB", "holds"),
    ("metric: n_kv_heads, equals: 8", "holds"),
    ("metric: n_kv_heads, at_most: 4", "fails"),
    ("metric: attention_flops_share, at_most: 90 %", "holds"),
    ("metric: fits, device: h100-sxm, context: 32768", "holds"),
    ("metric: fits, device: h100-sxm, context: 32768, batch: 64", "fails"),
    ("metric: fits, device: h100-sxm, context: 32768, batch: 64, equals: false", "holds"),
    ("metric: kv_cache, context: 32768, relative_to: {context: 4096}, at_most: 8x", "holds"),
    ("metric: kv_cache, context: 32768, relative_to: {context: 4096}, at_most: 7.9x", "fails"),
    ("metric: kv_cache, context: 32768, relative_to: {context: 4096}, equals: 8", "holds"),
    ("metric: flops_per_token, context: 32768, relative_to: {context: 4096}, at_most: 150 %", "fails"),
    ("metric: parameter, at_most: 7B", "error"),
    ("metric: parameters, contxt: 5, at_most: 7B", "error"),
    ("metric: parameters, at_most: 7 GB", "error"),
    ("metric: parameters, at_most: seven", "error"),
    ("metric: parameters, at_most: [7]", "error"),
    ("metric: kv_cache, relative_to: 4096, at_most: 2x", "error"),
    ("metric: fits, device: h100-sxn", "error"),
    ("metric: fits, device: h100-sxm, at_most: 3", "error"),
    ("metric: fits, device: h100-sxm, equals: 1", "error"),
]


@pytest.mark.parametrize(("line", "verdict"), CASES)
def test_bounds(project: Project, line: str, verdict: str) -> None:
    needs(project, "{name: it, " + line + "}")
    report = project.check()
    assert verdicts(report) == {"it": verdict}
    codes = {"holds": [], "fails": ["requirement-broken"], "error": ["bad-requirement"]}[verdict]
    assert [f.code for f in report.findings] == codes
    assert report.exit_code() == {"holds": 0, "fails": 1, "error": 3}[verdict]
    assert all(f.message and f.remedy for f in report.findings)


def test_an_unknown_metric_gets_the_nearest_name(project: Project) -> None:
    needs(project, "{name: it, metric: kv_cash, at_most: 4 GiB}")
    (said,) = project.said("bad-requirement")
    assert "kv_cash" in said and "Did you mean kv_cache?" in said


BODY = """
The model [fits][requirement(name=one-node)]: it needs [23.1 GB][requirement(name=one-node)] at most.
A larger one [does not fit][requirement(name=one-node).large].
"""
FRONT = "alternatives:\n  large: {n_layers: 128}"


def test_records_refer_to_requirements_by_name(project: Project) -> None:
    needs(project, "{name: one-node, metric: inference_memory, context: 100_000, at_most: 40 GB}")
    project.set("32768", "131072")
    path = project.record(1, FRONT, BODY)
    report = project.check()
    claims = [c for c in report.claims if c.path.endswith(".md")]
    assert [c.verdict for c in claims] == ["holds", "fails", "holds"]
    assert claims[1].right and claims[1].right in claims[1].message
    assert "requirement: inference_memory" in claims[0].title
    project.set("23.1 GB", claims[1].right, "docs/decisions/0001-record-1.md")
    assert project.codes() == []
    assert "decided on" in project.accept(path)
    project.set("40 GB", "20 GB")
    assert project.codes() == ["requirement-broken"], "what was decided on had the old bound"


@pytest.mark.parametrize(
    ("label", "text"),
    [("requirement(name=two-nodes)", "fits"), ("requirement", "fits"), ("requirement(name=a, b=1)", "fits")],
)
def test_a_label_of_no_requirement_is_an_error(project: Project, label: str, text: str) -> None:
    needs(project, "{name: one-node, metric: inference_memory, at_most: 40 GB}")
    project.record(1, body=f"It [{text}][{label}].")
    assert project.codes() == ["unresolved-label"]


def test_fill_writes_whether_it_fits(project: Project) -> None:
    from archwright.decisions.filling import fill

    needs(project, "{name: one-node, metric: inference_memory, at_most: 40 GB}")
    path = project.record(1, body="It [?][requirement(name=one-node)].")
    assert project.codes() == ["claim-unfilled"]
    fill(str(path))
    assert "It [fits][requirement(name=one-node)]." in path.read_text(encoding="utf-8")
    assert project.codes() == []


def test_a_base_of_records_is_checked_wherever_it_lies(project: Project) -> None:
    project.write("models/big.yaml", ARCHITECTURE + "requirements:\n  - {name: a, metric: n_layers, at_most: 3}\n")
    project.write("docs/decisions/0001-big.md", "---\nstatus: accepted\nbase: models/big.yaml\n---\n# Big\n")
    assert [f.path for f in project.check().findings if f.code == "requirement-broken"] == ["models/big.yaml"]
    project.set("status: accepted", "status: rejected", "docs/decisions/0001-big.md")
    assert "requirement-broken" not in project.codes()
