"""Claims that need evidence: verdicts through `check`, definitions, severities, evidence that is gone or edited."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from archwright.arch.loading import load
from archwright.decisions.check import check
from archwright.decisions.filling import fill
from archwright.decisions.output import text as text_of
from archwright.decisions.report import ClaimResult, Finding, Report
from archwright.decisions.rules import RULES
from archwright.evidence.record import Arm, Evidence, Measure
from archwright.evidence.staleness import identity, present_versions
from archwright.evidence.store import Store

from ..evidence.helpers import bench, evaluation, noisy

ARCHITECTURE = """\
architecture:
  d_model: 256
  n_layers: 4
  n_heads: 8
  n_kv_heads: 8
  d_ff: 512
  vocab_size: 1000
  max_seq_len: 4096
"""
RECORD = """\
---
status: {status}
base: architecture.yaml
decision: {{n_kv_heads: 2}}
alternatives:
  mha: {{n_kv_heads: 8}}
  mqa: {{n_kv_heads: 1}}
settings: {{context: 1024, dtype: bf16}}
claims:
  speed: {{bench: decode_throughput, batch: 8, device: h100-sxm}}
  step: {{bench: decode_time, batch: 8, device: h100-sxm}}
  mmlu: {{eval: mmlu/acc}}
  loss: {{ablation: val_loss, on: proxy}}
proxy: small.yaml
---
# Fewer KV heads

## Consequences

Decoding is {claim}.
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an architecture, a proxy and no evidence yet; the current folder."""
    (tmp_path / "pyproject.toml").write_text("[tool.archwright]\n")
    (tmp_path / "architecture.yaml").write_text(ARCHITECTURE)
    (tmp_path / "small.yaml").write_text(ARCHITECTURE.replace("256", "64"))
    (tmp_path / "docs" / "decisions").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(project: Path, claim: str, status: str = "proposed") -> Path:
    """A record with one claim."""
    path = project / "docs" / "decisions" / "0001-fewer-kv-heads.md"
    path.write_text(RECORD.format(claim=claim, status=status))
    return path


def architectures(project: Path) -> dict[str, Any]:
    """The sides of the record."""
    base = load(project / "architecture.yaml")
    return {"mha": base, "decision": base.change(n_kv_heads=2), "mqa": base.change(n_kv_heads=1)}


def measured(project: Path, mha: Sequence[float], decision: Sequence[float], **more: Any) -> Path:
    """A bench of two sides in the project's evidence."""
    return Store.of(project).add(bench({"mha": mha, "decision": decision}, architectures(project), **more))


def only(report: Report, *codes: str) -> tuple[ClaimResult, list[Finding]]:
    """The only claim, and the findings that are about evidence."""
    (claim,) = report.claims
    passed = ("outdated-definition", "unused-claim", "not-pinned", "decision-upheld")
    found = [f for f in report.findings if f.code not in passed]
    assert [f.code for f in found] == list(codes), [f.message for f in found]
    return claim, found


FASTER = (noisy(2.5), noisy(1.0, seed=2))
LITTLE = (noisy(1.02, spread=0.05), noisy(1.0, spread=0.05, seed=2))


def test_findings_of_evidence_weigh_as_their_pages_say() -> None:
    notes = ("claim-plausible", "claim-aged")
    errors = ("claim-uninformative", "claim-within-noise", "claim-stale", "claim-undecided", "evidence-edited")
    assert {RULES[code].severity for code in notes} == {"note"}
    assert {RULES[code].severity for code in errors} == {"error"}


# Verdicts -------------------------------------------------------------------------------------------------------


def test_a_claim_holds_with_its_evidence_as_the_definition(project: Path) -> None:
    path, file = write(project, "[about 2.5x faster][speed.mha->decision]", "accepted"), measured(project, *FASTER)
    claim, _ = only(check())
    assert claim.verdict == "holds" and claim.how == file.name
    assert claim.message.startswith("is 2.5") and "x faster (" in claim.message
    report = check(fix=True)
    assert report.fixed == [str(path.relative_to(project))]
    definition = path.read_text().splitlines()[-1]
    assert definition.startswith(f'[speed.mha->decision]: ../../evidence/{file.name} "measured: 2.5')
    assert definition.endswith(', holds"') and "2026" not in definition.partition('"')[2]
    assert check(fix=True).fixed == [] and "outdated-definition" not in {f.code for f in check().findings}


def test_without_a_folder_of_evidence_nothing_is_looked_for(project: Path) -> None:
    write(project, "[about 2.5x faster][speed.mha->decision]")
    claim, found = only(check(), "claim-unproven")
    assert (claim.verdict, claim.title, claim.target) == ("unproven", "unproven: no evidence yet", "#fewer-kv-heads")
    assert found[0].remedy == "Measure it, or cite a source"


Case = tuple[str, tuple[Sequence[float], Sequence[float]], str, str]
CASES: dict[str, Case] = {
    "fails": ("[4x faster][speed.mha->decision]", FASTER, "claim-fails", "x faster ("),
    "fails the other way": ("[2.5x slower][step.mha->decision]", FASTER, "claim-fails", "x faster ("),
    "plausible": (
        "[2.4x faster][speed.mha->decision]",
        (noisy(2.5, 20, 0.08), noisy(1.0, 20, 0.08, 2)),
        "claim-plausible",
        "more samples would settle it",
    ),
    "undecided": (
        "[at least 1.07x faster][speed.mha->decision]",
        (noisy(1.06, 30, 0.04), noisy(1.0, 30, 0.04, 2)),
        "claim-undecided",
        "the estimate is outside what is written",
    ),
    "within-noise": ("[2 % faster][speed.mha->decision]", LITTLE, "claim-within-noise", "neither gain nor loss"),
}


@pytest.mark.parametrize("name", CASES)
def test_verdicts_of_a_bench(name: str, project: Path) -> None:
    claim_text, times, code, words = CASES[name]
    write(project, claim_text)
    measured(project, *times)
    claim, (finding,) = only(check(), code)
    assert claim.verdict == code.removeprefix("claim-") and words in finding.message
    assert claim.title.startswith("measured: ") and claim.title.endswith(f", {claim.verdict}")
    assert finding.severity == ("note" if code == "claim-plausible" else "warning")
    if code == "claim-fails":
        assert finding.remedy == f"write {claim.right}" and "x faster" in claim.right
        write(project, claim_text.replace(claim_text[1 : claim_text.index("]")], claim.right))
        assert only(check(), *(f.code for f in check().findings if f.code == "claim-plausible"))[0].verdict in (
            "holds",
            "plausible",
        )


def test_a_bound_on_little_effect_holds(project: Path) -> None:
    write(project, "[at most 1.1x faster][speed.mha->decision]")
    measured(project, *LITTLE)
    assert only(check())[0].verdict == "holds"


@pytest.mark.parametrize(
    ("status", "severity"), [("accepted", "error"), ("proposed", "warning"), ("rejected", None), ("deprecated", None)]
)
def test_severity_follows_the_status(status: str, severity: str | None, project: Path) -> None:
    path = write(project, "[4x faster][speed.mha->decision]", status)
    measured(project, *FASTER)
    for text, code in (("4x faster", "claim-fails"), ("2 % slower", "claim-fails")):
        path.write_text(RECORD.format(claim=f"[{text}][speed.mha->decision]", status=status))
        found = [f for f in check().findings if f.code == code]
        assert [f.severity for f in found] == ([severity] if severity else [])
    write(project, "[2.5x faster][speed.mqa->decision]", status)
    found = [f for f in check().findings if f.code == "claim-unproven"]
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_unproven_says_what_is_missing_and_how_to_get_it(project: Path) -> None:
    write(project, "[2.5x faster][speed.mqa->decision]")
    measured(project, *FASTER)
    claim, (finding,) = only(check(), "claim-unproven")
    assert claim.title == "unproven: no evidence yet" and claim.target == "#fewer-kv-heads"
    assert "no benchmark of decode_throughput, batch 8, context 1024, dtype bf16, on h100-sxm of mqa" in finding.message
    assert finding.remedy == "Get it: archwright prove 1 --only speed"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("d_ff: 512", "d_ff: 1024"), "another architecture: d_ff was 512, is 1024"),
        (("n_layers: 4", "n_layers: 8"), "another architecture: n_layers was 4, is 8"),
    ],
)
def test_stale_says_what_has_changed(change: tuple[str, str], why: str, project: Path) -> None:
    write(project, "[about 2.5x faster][speed.mha->decision]", "accepted")
    file = measured(project, *FASTER)
    (project / "architecture.yaml").write_text(ARCHITECTURE.replace(*change))
    claim, (finding,) = only(check(), "claim-stale")
    assert claim.verdict == "stale" and why in finding.message and finding.severity == "error"
    assert claim.title == "stale: another architecture" and claim.target == f"../../evidence/{file.name}"
    assert "archwright prove 1 --only speed" in finding.remedy


def test_stale_by_settings_and_what_does_not_matter(project: Path) -> None:
    path = write(project, "[about 2.5x faster][speed.mha->decision]")
    measured(project, *FASTER)
    path.write_text(path.read_text().replace("batch: 8", "batch: 4"))
    claim, _ = only(check(), "claim-stale")
    assert claim.title == "stale: other settings"
    path.write_text(path.read_text().replace("batch: 4", "batch: 8"))
    (project / "architecture.yaml").write_text("# a comment\n" + ARCHITECTURE + "  attention_dropout: 0.1\n")
    assert only(check())[0].verdict == "holds"


def test_runs_that_contradict_each_other_are_undecided(project: Path) -> None:
    write(project, "[about 2.5x faster][speed.mha->decision]")
    measured(project, *FASTER)
    measured(project, noisy(1.5, seed=3), noisy(1.0, seed=4))
    _, (finding,) = only(check(), "claim-undecided")
    assert "contradict each other" in finding.message and finding.message.count("bench-2026-11-20-") == 2


def test_accuracies_near_guessing_are_uninformative(project: Path) -> None:
    write(project, "MMLU falls by [at most 1 pp][mmlu.mha->decision]")
    sides = architectures(project)
    for name in ("mha", "decision"):
        Store.of(project).add(evaluation(name, sides[name], [1.0] * 26 + [0.0] * 74))
    claim, (finding,) = only(check(), "claim-uninformative")
    assert claim.verdict == "uninformative" and "guessing" in finding.message


def test_an_evaluation_is_held_against_points(project: Path) -> None:
    write(project, "MMLU falls by [at most 3 pp][mmlu.mha->decision]")
    sides = architectures(project)
    right = [1.0] * 600 + [0.0] * 400
    Store.of(project).add(evaluation("mha", sides["mha"], right))
    Store.of(project).add(evaluation("decision", sides["decision"], [0.0] * 5 + right[5:]))
    claim, _ = only(check())
    assert claim.verdict == "holds" and claim.title.startswith("evaluated: 0.5 pp lower")


def curve(project: Path, name: str, values: Sequence[float]) -> None:
    """A training run of a side's change on the proxy."""
    small = load(project / "small.yaml")
    config = {"mha": small.change(n_kv_heads=8), "decision": small.change(n_kv_heads=2)}[name]
    arm = Arm(name, identity(config, "training"), samples={"val_loss": values}, keys={"val_loss": [1, 2, 3, 4]})
    made = Evidence.of(
        kind="ablation",
        target="curve",
        measures={"val_loss": Measure("nats", "lower", "mean")},
        arms=(arm,),
        created="2026-11-20T12:00:00Z",
        settings={"tokens": 600_000_000},
    )
    Store.of(project).add(made)


def test_a_claim_on_the_proxy_never_simply_holds(project: Path) -> None:
    write(project, "The loss rises by [at most 0.05][loss.mha->decision]")
    curve(project, "mha", [2.50, 2.51, 2.49, 2.50])
    curve(project, "decision", [2.51, 2.52, 2.50, 2.51])
    report = check()
    claim, _ = only(report)
    assert claim.verdict == "holds at proxy"
    assert "holds at proxy (0.00056 B params, 0.6 B tokens)" in claim.title
    assert "1 holds at proxy" in text_of(report) and "1 claim holds" in text_of(report)


def test_a_proxy_must_be_named(project: Path) -> None:
    path = write(project, "The loss rises by [at most 0.05][loss.mha->decision]")
    path.write_text(path.read_text().replace("proxy: small.yaml\n", ""))
    curve(project, "mha", [2.50, 2.51, 2.49, 2.50])
    _, (finding,) = only(check(), "claim-unproven")
    assert "proxy is missing" in finding.message and "small.yaml" in finding.message


# What claims may ask --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "code", "words"),
    [
        ("{bench: decode_throughputs, device: h100-sxm}", "unresolved-label", "Did you mean decode_throughput?"),
        ("{bench: decode_throughput, bach: 8, device: h100-sxm}", "bad-setting", "Did you mean batch?"),
        ("{bench: decode_throughput, batch: 8}", "claim-unproven", "device is missing"),
        ("{eval: mmlu}", "bad-setting", "Write mmlu/acc"),
        ("{ablation: valloss}", "unresolved-label", "Did you mean val_loss?"),
        ("{bench: decode_time, device: h100-sxm, on: prox}", "bad-setting", "must be proxy"),
    ],
)
def test_a_claim_that_asks_for_nothing_observable(entry: str, code: str, words: str, project: Path) -> None:
    (project / "evidence").mkdir()
    path = write(project, "[2.5x faster][speed.mha->decision]", "accepted")
    path.write_text(path.read_text().replace("{bench: decode_throughput, batch: 8, device: h100-sxm}", entry))
    _, (finding,) = only(check(), code)
    assert words in finding.message and finding.severity == "error"


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ("[2.5 GB][speed]", "is in GB"),
        ("[2,5x faster][speed.mha->decision]", "comma"),
        ("[soon][speed.mha->decision]", "holds no figure"),
    ],
)
def test_texts_of_another_kind(claim: str, words: str, project: Path) -> None:
    measured(project, *FASTER)
    write(project, claim)
    _, (finding,) = only(check(), "claim-unreadable")
    assert words in f"{finding.message} {finding.remedy}" and finding.severity == "error"


def test_a_value_and_a_setting_of_the_label(project: Path) -> None:
    measured(project, *FASTER)
    write(project, "[8 tokens/s][speed(batch=8)]")
    claim, _ = only(check(), *(f.code for f in check().findings if f.code == "claim-plausible"))
    assert claim.verdict in ("holds", "plausible") and claim.unit == "tokens/s" and 7.5 < claim.value < 8.5


def test_a_question_mark_is_filled_from_evidence(project: Path) -> None:
    path = write(project, "[?][speed.mha->decision]")
    (project / "evidence").mkdir()
    assert only(check(), "claim-unproven")[0].verdict == "unproven"
    measured(project, *FASTER)
    claim, (finding,) = only(check(), "claim-unfilled")
    assert claim.verdict == "open" and "adr fill" in finding.remedy
    done, left = fill(str(path))
    assert [d.after if hasattr(d, "after") else d for d in done] and left == []
    assert "x faster][speed.mha->decision]" in path.read_text() and "[?]" not in path.read_text()
    assert [c.verdict in ("holds", "plausible") for c in check().claims] == [True]


# The files ------------------------------------------------------------------------------------------------------


def test_deleted_evidence_is_found_and_its_definition_stays(project: Path) -> None:
    path, file = write(project, "[about 2.5x faster][speed.mha->decision]", "accepted"), measured(project, *FASTER)
    check(fix=True)
    written = path.read_text()
    file.unlink()
    for remove_folder in (False, True):
        if remove_folder:
            file.parent.rmdir()
        report = check(fix=True)
        missing = [f for f in report.findings if f.code == "evidence-missing"]
        assert [(f.severity, f.line) for f in missing] == [("error", len(written.splitlines()))]
        assert file.name in missing[0].message and "git checkout" in missing[0].remedy
        assert {f.code for f in report.findings} >= {"claim-unproven", "evidence-missing"}
        assert f'../../evidence/{file.name} "unproven: its evidence is gone"' in path.read_text()
    measured(project, *FASTER)
    check(fix=True)
    assert path.read_text() == written


def test_edited_and_truncated_evidence_counts_for_nothing(project: Path) -> None:
    write(project, "[about 2.5x faster][speed.mha->decision]", "accepted")
    file = measured(project, *FASTER)
    whole = file.read_text()
    data = json.loads(whole)
    data["arms"][0]["samples"]["time"][0] *= 2
    for spoilt in (json.dumps(data), whole[: len(whole) // 2]):
        file.write_text(spoilt)
        report = check()
        codes = [f.code for f in report.findings]
        assert "claim-unproven" in codes and "evidence-edited" in codes
        assert {f.path for f in report.findings if f.code == "evidence-edited"} == {f"evidence/{file.name}"}
    file.write_text(whole)
    assert "evidence-edited" not in {f.code for f in check().findings}


def test_another_version_of_torch_is_a_note_unless_the_project_makes_it_count(project: Path) -> None:
    if not present_versions():
        pytest.skip("torch is not installed, so no evidence is older than it")
    write(project, "[about 2.5x faster][speed.mha->decision]", "accepted")
    measured(project, *FASTER, environment={"versions": {"torch": "2.1.0"}})
    claim, (note,) = only(check(), "claim-aged")
    assert claim.verdict == "holds" and note.severity == "note" and "torch 2.1.0, now" in note.message
    (project / "pyproject.toml").write_text("[tool.archwright]\nage_counts = true\n")
    claim, _ = only(check(), "claim-stale")
    assert claim.title == "stale: other versions"


def test_the_project_may_keep_its_evidence_elsewhere(project: Path) -> None:
    write(project, "[about 2.5x faster][speed.mha->decision]")
    (project / "pyproject.toml").write_text('[tool.archwright]\nevidence = "runs/kept"\n')
    Store.of(project, "runs/kept").add(bench({"mha": FASTER[0], "decision": FASTER[1]}, architectures(project)))
    claim, _ = only(check())
    assert claim.verdict == "holds" and claim.target.startswith("../../runs/kept/bench-")
