"""why answers for every field: who decided it and in which sentence, or that nobody did and where it is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archwright.cli import main
from archwright.decisions.check import check
from archwright.decisions.sentences import plain
from archwright.decisions.why import Answer, as_data, text, why
from archwright.errors import InvalidValue, Unreadable

from .over_time import Project


def said_of(answer: Answer) -> str:
    """The answer on lines of any length."""
    return text(answer, 1000)


WINDOWS = "d_ff: 11008\n  layers:\n    - {layers: 0-15, attention: {type: sliding, window_size: 512}}"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def decided(project: Project) -> Project:
    """A project with a record about heads and one about windows."""
    front = "decision: {n_kv_heads: 8}\nalternatives:\n  mha: {n_kv_heads: 32}\nsettings: {context: 32768}"
    project.accept(
        project.record(1, front, "We talked.\n\nUse `n_kv_heads: 8` instead of 32. It was hard.", name="heads")
    )
    project.set("d_ff: 11008", WINDOWS)
    front = 'decision:\n  "layers[0-15].attention": {type: sliding, window_size: 512}'
    body = "- Layers 0-15 see [512 tokens][window]; the upper half sees everything.\n- Nothing else changes."
    project.accept(project.record(2, front + '\nclaims:\n  window: {metric: "layers[0].attention.window_size"}', body))
    return project


def test_a_flat_field(decided: Project) -> None:
    said = said_of(why("n_kv_heads"))
    first, place, undone = said.splitlines()
    assert first == '8  decided in ADR-0001 "Record 1", accepted 2026-01-01'
    assert place == '   docs/decisions/0001-heads.md:17  "Use n_kv_heads: 8 instead of 32."'
    assert undone.startswith("   with mha (32): KV cache at 32,768 is ") and " instead of 2.03 GiB" in undone


def test_a_path_into_layers(decided: Project) -> None:
    said = said_of(why("layers[3].attention.window_size"))
    assert said.startswith('512  layer 3: decided in ADR-0002 "Record 2", accepted 2026-01-02')
    assert '"Layers 0-15 see 512 tokens; the upper half sees everything."' in said
    assert "4.00 GiB instead of 2.03 GiB" not in said, "the base had the window already: nothing to undo"


def test_undoing_a_decision_that_changed_the_file(project: Project) -> None:
    front = 'decision:\n  "layers[0-15].attention": {type: sliding, window_size: 512}\nsettings: {context: 32768}'
    project.accept(project.record(1, front, "A window."))
    project.set("d_ff: 11008", WINDOWS)
    said = said_of(why("layers[3].attention.window_size"))
    assert "undone (full attention): KV cache at 32,768 is 4.00 GiB instead of 2.03 GiB" in said


def test_every_value_of_a_field_with_its_layers(decided: Project) -> None:
    answer = why("attention.type")
    assert [(p.value, p.layers, p.ruling is not None) for p in answer.parts] == [
        ("sliding", tuple(range(16)), True),
        ("full", tuple(range(16, 32)), False),
    ]
    assert "layers 16-31: the default; no record decides it" in said_of(answer)


@pytest.mark.parametrize("field", ["layers", "pattern", "attention", "custom_attention"])
def test_fields_that_are_lists_or_maps_answer_by_layers(decided: Project, field: str) -> None:
    assert [p.value for p in why(field).parts] == ["sliding", "full"]


def test_a_field_that_nobody_decided(decided: Project) -> None:
    said = said_of(why("vocab_size"))
    assert said.splitlines()[0] == "32000  written in architecture.yaml:9:15; no record decides it"
    assert said.splitlines()[1].strip() == 'Next: archwright adr new "vocab_size: 32000" --change vocab_size=32000'
    assert "the default; no record" in said_of(why("tie_embeddings"))
    project = decided
    project.write("architecture.yaml", "extends: preset:llama-3.1-8b\narchitecture: {d_ff: 8192}\n")
    assert "from preset:llama-3.1-8b, which architecture.yaml extends; no record" in said_of(why("vocab_size"))


def test_a_field_set_by_hand_names_the_record(decided: Project) -> None:
    decided.set("n_kv_heads: 8", "n_kv_heads: 4")
    said = said_of(why("n_kv_heads"))
    assert said.startswith('4  in architecture.yaml, but 8 was decided in ADR-0001 "Record 1"')
    assert "Next: set it back, or archwright adr supersede 1 --by N" in said


def test_what_was_decided_before(decided: Project) -> None:
    new = decided.record(3, "decision: {n_kv_heads: 4}", "Use 4.")
    decided.set("n_kv_heads: 8", "n_kv_heads: 4")
    decided.accept(new)
    decided.supersede(decided.root / "docs/decisions/0001-heads.md", new)
    said = said_of(why("n_kv_heads"))
    assert said.startswith("4  decided in ADR-0003")
    assert 'before: 8, ADR-0001 "Record 1" (superseded by ADR-0003)' in said


def test_a_released_field_says_who_decided_it_once(decided: Project) -> None:
    new = decided.record(3, "decision: {d_ff: 11008}", "Wide.")
    decided.accept(new)
    decided.supersede(decided.root / "docs/decisions/0001-heads.md", new)
    said = said_of(why("n_kv_heads"))
    assert "written in architecture.yaml:5:15; no record decides it" in said and "before: 8, ADR-0001" in said


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("n_kv_head", "Did you mean n_kv_heads?"),
        ("layers[3].attention.windowsize", "not a field of layers 3"),
        ("layers[40].d_ff", "outside the model"),
        ("layers[20].attention.window_size", "not a field of layers 20"),
        ("a b", "not a field path"),
        ("rope_scaling.factor", "not set"),
        ("", "not a field path"),
    ],
)
def test_a_field_that_does_not_exist(decided: Project, field: str, words: str) -> None:
    with pytest.raises(InvalidValue) as error:
        why(field)
    assert words in str(error.value)


def test_which_architecture(decided: Project) -> None:
    decided.write("other.yaml", "architecture: {n_kv_heads: 2}\n")
    assert why("n_kv_heads", "other.yaml").parts[0].value == 2
    assert why("n_kv_heads", "llama-3.1-8b").parts[0].ruling is None
    (decided.root / "architecture.yaml").unlink()
    with pytest.raises(Unreadable, match=r"architecture\.yaml"):
        why("n_kv_heads")


def test_the_command_and_its_json(decided: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "n_kv_heads"]) == 0
    assert "ADR-0001" in capsys.readouterr().out
    assert main(["why", "n_kv_heads", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data == json.loads(json.dumps(as_data(why("n_kv_heads"))))
    assert data["schema"] == "archwright/why/1" and data["values"][0]["number"] == "1"
    assert main(["why", "nope"]) == 3
    assert capsys.readouterr().err.strip().endswith("nothing was computed.") is False


def test_sentences_lose_their_markdown() -> None:
    assert plain("1. **Use** _this_ `n_kv_heads`, see [the paper](http://x.y) and [4x][a.b->c].") == (
        "Use this n_kv_heads, see the paper and 4x."
    )


# Coverage -------------------------------------------------------------------------------------------------------


def test_coverage_lists_fields_that_nobody_decided(decided: Project) -> None:
    decided.write(
        "architecture.yaml",
        "extends: preset:llama-3.1-8b\n"
        + (decided.root / "architecture.yaml").read_text().replace("vocab_size: 32000", "vocab_size: 128256"),
    )
    report = check(coverage=True)
    notes = {f.message.split(" is ")[0]: f for f in report.findings if f.code == "undecided-field"}
    assert set(notes) == {"d_ff", "max_seq_len"}
    assert all(f.severity == "note" and f.path == "architecture.yaml" and f.line for f in notes.values())
    (file,) = [f for f in report.files if f.kind == "architecture"]
    assert file.fields == (2, 4)  # the window's two fields are decided
    assert "undecided-field" not in {f.code for f in check().findings}


def test_coverage_of_a_file_that_extends_nothing_starts_from_the_defaults(decided: Project) -> None:
    decided.set("vocab_size: 32000", "vocab_size: 64000")
    decided.set("layers: 0-15", "layers: 0-17")
    messages = [f.message for f in check(coverage=True).findings if f.code == "undecided-field"]
    assert messages == [
        "layers[16-17].attention.type is sliding, and no record says why",
        "layers[16-17].attention.window_size is 512, and no record says why",
        "vocab_size is 64000, and no record says why",
    ]
    from archwright.decisions import output

    assert "coverage: a record decides 0 of 3 fields that differ" in output.text(check(coverage=True), coverage=True)
