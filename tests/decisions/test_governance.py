"""What an accepted record decided is upheld, per concrete layer, until a record in force takes its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from archwright.arch.config import ArchitectureConfig
from archwright.decisions.governance import MISSING, leaves_of

from .over_time import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def decided(project: Project, number: int, decision: str, front: str = "") -> Path:
    path = project.record(number, f"decision: {decision}\n{front}", "Because.")
    project.accept(path)
    return path


# One record against the file ------------------------------------------------------------------------------------


def test_a_governed_field_that_is_set_by_hand_is_an_error(project: Project) -> None:
    decided(project, 1, "{n_kv_heads: 8}")
    assert project.codes() == []
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    (finding,) = [f for f in project.check().findings if f.code == "decision-upheld"]
    assert finding.severity == "error"
    assert finding.message == "n_kv_heads is 4 in architecture.yaml, but ADR-0001 decided 8"
    assert "supersede 1 --by N" in finding.remedy
    assert (finding.path, finding.line) == ("docs/decisions/0001-record-1.md", 5)


def test_a_proposed_rejected_or_deprecated_record_decides_nothing(project: Project) -> None:
    for number, status in enumerate(("proposed", "rejected", "deprecated", "superseded"), 1):
        project.record(number, "decision: {n_kv_heads: 4}", "Because.", status=status)
    assert "decision-upheld" not in project.codes()


def test_another_field_may_change(project: Project) -> None:
    decided(project, 1, "{n_kv_heads: 8}")
    project.set("d_ff: 11008", "d_ff: 8192")
    project.set("n_layers: 32", "n_layers: 40")
    assert project.codes() == []


FLAT = [
    ("{n_kv_heads: 8}", "n_kv_heads: 8", "n_kv_heads: 4"),
    ("{d_ff: 11008}", "d_ff: 11008", "d_ff: 8192"),
    ("{vocab_size: 32000}", "vocab_size: 32000", "vocab_size: 64000"),
    ("{rope_theta: 10000}", "max_seq_len: 32768", "max_seq_len: 32768\n  rope_theta: 500000"),
    ("{n_layers: 32}", "n_layers: 32", "n_layers: 16"),
    ("{tie_embeddings: false}", "d_ff: 11008", "d_ff: 11008\n  tie_embeddings: true"),
    ("{use_gated_geglu: true}", "d_ff: 11008", "d_ff: 11008\n  use_gated_geglu: false"),
    ("{head_dim: 128}", "d_ff: 11008", "d_ff: 11008\n  head_dim: 64"),
    ("{norm_placement: pre}", "d_ff: 11008", "d_ff: 11008\n  norm_placement: post"),
    ("{max_seq_len: 32768}", "max_seq_len: 32768", "max_seq_len: 65536"),
]


@pytest.mark.parametrize(("decision", "old", "new"), FLAT, ids=[f[0] for f in FLAT])
def test_every_kind_of_field(project: Project, decision: str, old: str, new: str) -> None:
    decided(project, 1, decision)
    assert project.codes() == []
    project.set(old, new)
    assert "decision-upheld" in project.codes()
    project.set(new, old)
    assert project.codes() == []


LAYERS = "d_ff: 11008\n  layers:\n    - {layers: %s, attention: {type: sliding, window_size: %s}}"
WINDOW = '{"layers[0-15].attention": {type: sliding, window_size: 512}}'


def windows(project: Project, layers: str, size: int) -> None:
    project.set("d_ff: 11008", LAYERS % (layers, size))


def test_per_concrete_layer(project: Project) -> None:
    windows(project, "0-15", 512)
    decided(project, 1, WINDOW)
    assert project.codes() == []
    project.set("layers: 0-15", "layers: 0-23")
    assert project.codes() == [], "more layers of the kind are nobody's business"
    project.set("layers: 0-23", "layers: 4-23")
    said = project.said("decision-upheld")
    assert any("layers[0-3].attention.type is full" in s and "decided sliding" in s for s in said)
    assert any("layers[0-3].attention.window_size is not there any more" in s for s in said)


def test_the_same_layers_written_in_another_way(project: Project) -> None:
    windows(project, "0-15", 512)
    decided(project, 1, WINDOW)
    project.set(
        "    - {layers: 0-15, attention: {type: sliding, window_size: 512}}",
        "    - {layers: 0-7, attention: {type: sliding, window_size: 512}}\n"
        "    - {layers: 8-15, attention: {type: sliding, window_size: 512}, n_kv_heads: 4}",
    )
    assert project.codes() == []


def test_an_override_of_some_layers_breaks_a_flat_decision(project: Project) -> None:
    decided(project, 1, "{n_kv_heads: 8}")
    project.set("d_ff: 11008", "d_ff: 11008\n  layers:\n    - {layers: 5, n_kv_heads: 4}")
    (said,) = project.said("decision-upheld")
    assert "n_kv_heads is 4 in layers 5 in architecture.yaml" in said


def test_overrides_that_stood_when_it_was_decided_are_none(project: Project) -> None:
    project.set("d_ff: 11008", "d_ff: 11008\n  layers:\n    - {layers: 5, n_kv_heads: 4}")
    decided(project, 1, "{n_kv_heads: 8}")
    assert project.codes() == []
    project.set("layers: 5,", "layers: 5-6,")
    assert project.codes() == ["decision-upheld"]


def test_layers_that_are_gone(project: Project) -> None:
    decided(project, 1, '{"layers[24-31].n_kv_heads": 8}')
    assert project.codes() == []
    project.set("n_layers: 32", "n_layers: 28")
    (said,) = project.said("decision-upheld")
    assert "layers[28-31].attention.n_kv_heads is not there any more" in said


def test_a_pattern(project: Project) -> None:
    pattern = "[{type: sliding, window_size: 512, times: 3}, full]"
    project.set("d_ff: 11008", f"d_ff: 11008\n  pattern: {pattern}")
    decided(project, 1, f"{{pattern: {pattern}}}")
    assert project.codes() == []
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    assert project.codes() == [], "the pattern says nothing of heads"
    project.set("times: 3", "times: 5")
    assert set(project.codes()) == {"decision-upheld"}


def test_taking_overrides_back(project: Project) -> None:
    decided(project, 1, "{pattern: null}")
    assert project.codes() == []
    project.set("d_ff: 11008", "d_ff: 11008\n  pattern: [{type: sliding, window_size: 512}, full]")
    assert set(project.codes()) == {"decision-upheld"}


# Records against each other -------------------------------------------------------------------------------------


def test_two_records_that_decide_one_field_differently(project: Project) -> None:
    decided(project, 1, "{n_kv_heads: 8, d_ff: 11008}")
    decided(project, 2, "{n_kv_heads: 4}")
    (finding,) = project.check().findings
    assert finding.code == "decisions-conflict" and finding.severity == "error"
    assert finding.message == "n_kv_heads is 4 here and 8 in ADR-0001, which is accepted too"
    assert finding.remedy == "archwright adr supersede 1 --by 2"
    project.set("d_ff: 11008", "d_ff: 8192")
    assert project.codes() == ["decision-upheld", "decisions-conflict"], "what is not disputed still counts"


def test_the_same_value_twice_is_no_conflict(project: Project) -> None:
    decided(project, 1, "{n_kv_heads: 8}")
    decided(project, 2, "{n_kv_heads: 8, d_ff: 11008}")
    assert project.codes() == []
    project.set("n_kv_heads: 8", "n_kv_heads: 2")
    assert project.codes() == ["decision-upheld"], "said once"


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        ("layers[0-15].n_kv_heads", "layers[16-31].n_kv_heads", False),
        ("layers[0-15].n_kv_heads", "layers[15-31].n_kv_heads", True),
        ("layers[::2].n_kv_heads", "layers[1::2].n_kv_heads", False),
        ("layers[::2].n_kv_heads", "layers[::3].n_kv_heads", True),
        ("layers[0-15].n_kv_heads", "layers[0-15].d_ff", False),
        ("n_kv_heads", "layers[0-3].n_kv_heads", False),
        ("layers[0-3].attention.n_kv_heads", "layers[3].n_kv_heads", True),
    ],
)
def test_conflicts_are_per_layer(project: Project, first: str, second: str, conflict: bool) -> None:
    decided(project, 1, f'{{"{first}": 8}}')
    decided(project, 2, f'{{"{second}": 4}}')
    assert ("decisions-conflict" in project.codes()) == conflict


def test_the_layers_of_a_conflict_are_named(project: Project) -> None:
    decided(project, 1, '{"layers[0-15].n_kv_heads": 8}')
    decided(project, 2, '{"layers[8-20].n_kv_heads": 4}')
    (said,) = project.said("decisions-conflict")
    assert said.startswith("layers[8-15].attention.n_kv_heads is 4 here and 8 in ADR-0001")


def test_records_about_different_files_never_conflict(project: Project) -> None:
    decided(project, 1, "{n_kv_heads: 8}")
    project.write("small.yaml", "architecture: {d_model: 1024, n_heads: 8, n_kv_heads: 2}\n")
    path = project.record(2, "decision: {n_kv_heads: 2}", "Because.")
    project.set("base: architecture.yaml", "base: small.yaml", "docs/decisions/0002-record-2.md")
    project.accept(path)
    assert project.codes() == []


def test_a_preset_is_governed_by_nobody(project: Project) -> None:
    path = project.record(1, "decision: {n_kv_heads: 4}", "Because.")
    project.set("base: architecture.yaml", "base: preset:llama-3.1-8b", "docs/decisions/0001-record-1.md")
    project.accept(path)
    assert project.codes() == []


def test_layers_that_a_record_names_are_an_exception_to_a_flat_decision(project: Project) -> None:
    decided(project, 1, "{n_kv_heads: 8}")
    project.set("d_ff: 11008", "d_ff: 11008\n  layers:\n    - {layers: 0-3, n_kv_heads: 4}")
    assert project.codes() == ["decision-upheld"]
    decided(project, 2, '{"layers[0-3].n_kv_heads": 4}')
    assert project.codes() == []
    project.set("layers: 0-3,", "layers: 0-4,")
    (said,) = project.said("decision-upheld")
    assert "layers 4 in" in said and "ADR-0001" in said


# Supersession ---------------------------------------------------------------------------------------------------


def test_supersession_releases_and_takes_over(project: Project) -> None:
    old = decided(project, 1, "{n_kv_heads: 8, d_ff: 11008}")
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    assert project.codes() == ["decision-upheld"]
    new = project.record(2, "decision: {n_kv_heads: 4}", "Because.")
    assert project.codes() == ["decision-upheld"], "a proposed record takes over nothing"
    project.accept(new)
    assert project.codes() == ["decisions-conflict"]
    project.supersede(old, new)
    assert project.codes() == []
    project.set("d_ff: 11008", "d_ff: 8192")
    assert project.codes() == [], "released"
    project.set("n_kv_heads: 4", "n_kv_heads: 8")
    (said,) = project.said("decision-upheld")
    assert "ADR-0002 decided 4" in said, "taken over"


def test_one_side_is_enough_to_release(project: Project) -> None:
    decided(project, 1, "{n_kv_heads: 8}")
    path = project.record(2, "decision: {n_kv_heads: 4}\nsupersedes: ADR-0001", "Because.")
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    assert "decision-upheld" in project.codes()
    project.accept(path)
    assert project.codes() == ["one-sided-link"]


def test_a_circle_of_supersession_is_one_finding_and_no_end(project: Project) -> None:
    project.record(1, "decision: {n_kv_heads: 8}\nsupersedes: ADR-0002", "Because.", status="accepted")
    project.record(2, "decision: {n_kv_heads: 4}\nsupersedes: ADR-0001", "Because.", status="accepted")
    assert "supersede-cycle" in project.codes()


def test_an_amendment_has_the_last_word_on_what_both_decide(project: Project) -> None:
    decided(project, 1, "{n_kv_heads: 8, d_ff: 11008}")
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    decided(project, 2, "{n_kv_heads: 4}", "amends: ADR-0001")
    assert [c for c in project.codes() if c.startswith("decision")] == []
    project.set("d_ff: 11008", "d_ff: 8192")
    (said,) = project.said("decision-upheld")
    assert "d_ff is 8192" in said and "ADR-0001" in said


def test_two_records_with_one_number(project: Project) -> None:
    decided(project, 1, "{n_kv_heads: 8}")
    path = project.record(1, "decision: {n_kv_heads: 4}", "Because.", name="other")
    project.accept(path)
    codes = project.codes()
    assert codes.count("duplicate-number") == 2 and "decisions-conflict" in codes


def test_a_record_that_is_checked_alone_meets_its_neighbours(project: Project) -> None:
    decided(project, 1, "{n_kv_heads: 8}")
    decided(project, 2, "{n_kv_heads: 4}")
    assert project.codes("docs/decisions/0002-record-2.md") == ["decisions-conflict"]
    assert project.codes("docs/decisions/0001-record-1.md") == ["decisions-conflict"]


def test_drift_names_the_record_that_caused_it(project: Project) -> None:
    path = project.record(1, "decision: {n_kv_heads: 8}", "The model has [5.93 B][parameters].")
    project.accept(path)
    project.set("d_ff: 11008", "d_ff: 8192")
    decided(project, 2, "{d_ff: 8192}")
    report = project.check()
    assert report.ok
    assert [f.message for f in report.findings] == ["parameters drifted: 5.93 B to 4.83 B since ADR-0002"]


# Leaves ---------------------------------------------------------------------------------------------------------


def leaves(decision: dict[str, object], **fields: object) -> dict[str, object]:
    before = ArchitectureConfig(n_layers=4, **fields)
    found = leaves_of(decision, before, before.change(decision))
    return {leaf.named(): leaf.value for leaf in found}


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        ({"n_kv_heads": 4}, {"n_kv_heads": 4}),
        (
            {"attention": {"type": "sliding", "window_size": 64}},
            {"attention.type": "sliding", "attention.window_size": 64},
        ),
        ({"layers[0-1].n_kv_heads": 2}, {"layers[0-1].attention.n_kv_heads": 2}),
        ({"layers[1::2].attention": "full"}, {"layers[1,3].attention.type": "full"}),
        (
            {"layers": [{"layers": "0-1", "attention": {"type": "sliding", "window_size": 64}, "d_ff": 64}]},
            {
                "layers[0-1].attention.type": "sliding",
                "layers[0-1].attention.window_size": 64,
                "layers[0-1].feed_forward.d_ff": 64,
            },
        ),
        (
            {"pattern": [{"type": "sliding", "window_size": 64}, "full"]},
            {
                "layers[0,2].attention.type": "sliding",
                "layers[0,2].attention.window_size": 64,
                "layers[1,3].attention.type": "full",
            },
        ),
        ({"pattern": None}, {"layers[0-3].attention.type": "full"}),
        ({"embedding": {"multiplier": 2.0}}, {"embedding.multiplier": 2.0}),
        ({"tie_embeddings": None}, {"tie_embeddings": False}),
    ],
)
def test_leaves(decision: dict[str, object], expected: dict[str, object]) -> None:
    assert leaves(decision) == expected


def test_missing_is_no_value() -> None:
    assert MISSING not in leaves({"layers[0].attention": {"type": "sliding", "window_size": 8}}).values()
