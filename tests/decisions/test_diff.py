"""diff of files, presets and revisions: fields, costs, governing records, requirements, claims; in three formats."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

import archwright as aw
from archwright.cli import main
from archwright.cli.schemas import schema
from archwright.decisions.diff import Diff, diff
from archwright.decisions.diff_output import as_data, markdown, text
from archwright.decisions.field_changes import field_changes
from archwright.errors import Unreadable

from .over_time import Project
from .test_revisions import commit, git

BODY = "The cache is [4.00 GiB][kv_cache]; the model has [5.93 B][parameters]."
NEEDS = "requirements:\n  - {name: one-node, metric: inference_memory, context: 32768, at_most: 18 GB}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An accepted record about heads, a proposed one with figures, a requirement; committed."""
    root = tmp_path / "repo"
    root.mkdir()
    monkeypatch.chdir(root)
    made = Project(root)
    git(root, "init", "-q", "-b", "main")
    made.write("architecture.yaml", (root / "architecture.yaml").read_text() + NEEDS)
    made.accept(made.record(1, "decision: {n_kv_heads: 8}\nsettings: {context: 32768}", BODY, name="heads"))
    made.record(2, "settings: {context: 32768}", BODY)
    aw.check(fix=True)
    commit(made, "start")
    return made


def rows(found: Diff) -> dict[str, tuple[str, str, str]]:
    """The table of the comment: name to before, after and what is said."""
    read = {}
    for line in markdown(found).splitlines():
        cells = [c.strip() for c in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 4 and cells[1] != "before":
            read[cells[0].strip("`| ")] = (cells[1], cells[2], cells[3].strip("| "))
    return read


def test_one_field_of_the_working_tree(project: Project) -> None:
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    found = diff("HEAD")
    assert (found.before, found.after) == ("HEAD", "the working tree")
    table = rows(found)
    assert table["n_kv_heads"][:2] == ("8", "4")
    assert table["n_kv_heads"][2] == (
        "governed by [ADR-0001](docs/decisions/0001-heads.md), accepted 2026-01-01: supersede it or undo this"
    )
    assert table["parameters"] == ("5.93 B", "5.80 B", "-2.3 %")
    assert table["KV cache at 32,768 (bf16)"] == ("4.00 GiB", "2.00 GiB", "2.0x smaller")
    assert markdown(found).startswith("**architecture.yaml**: 1 field changed, 1 decision touched\n")
    assert "Requirement `one-node` still holds: inference\\_memory 12.8 GiB" in markdown(found)


def test_costs_are_those_that_the_metrics_give(project: Project) -> None:
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    (one,) = diff("HEAD").architectures
    a = aw.ArchitectureConfig()
    b = a.change(n_kv_heads=4)
    expected = {
        "parameters": (aw.metrics.parameters, {}),
        "weights": (aw.metrics.weights, {"dtype": "bf16"}),
        "kv_cache": (aw.metrics.kv_cache, {"context": 32768, "dtype": "bf16"}),
        "prefill_time": (aw.metrics.prefill_time, {"context": 32768, "dtype": "bf16", "device": "h100-sxm"}),
        "decode_time": (aw.metrics.decode_time, {"context": 32768, "dtype": "bf16", "device": "h100-sxm"}),
    }
    assert [c.metric for c in one.costs] == list(expected)
    for cost in one.costs:
        metric, settings = expected[cost.metric]
        assert (cost.before.value, cost.after.value) == (metric(a, **settings).value, metric(b, **settings).value)


def test_the_projects_device(project: Project) -> None:
    project.write("pyproject.toml", "[tool.archwright]\ndevice = 'h200'\n")
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    assert "decoding a token at 32,768, bound on h200" in rows(diff("HEAD"))


def test_two_revisions(project: Project) -> None:
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    commit(project)
    project.set("d_ff: 11008", "d_ff: 8192")
    found = diff("HEAD~1", "HEAD")
    assert [c.change.name for c in found.architectures[0].fields] == ["n_kv_heads"]
    assert found.notes == ["The working tree has changes that are not committed; they are not compared."]
    assert [c.change.name for c in diff("HEAD").architectures[0].fields] == ["d_ff"]
    assert [c.change.name for c in diff("HEAD", "HEAD~1").architectures[0].fields] == ["n_kv_heads"]


def test_claims_that_change_their_verdict_and_new_errors(project: Project) -> None:
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    found = diff("HEAD")
    changes = [(c.claim.path, c.claim.text, c.before, c.claim.verdict) for c in found.claims]
    assert changes == [
        ("docs/decisions/0002-record-2.md", "4.00 GiB", "holds", "fails"),
        ("docs/decisions/0002-record-2.md", "5.93 B", "holds", "fails"),
    ], "the accepted record holds as it was decided"
    project.set("5.93 B", "5.80 B", "docs/decisions/0002-record-2.md")
    assert [c.claim.text for c in diff("HEAD").claims] == ["4.00 GiB"]
    project.record(3, "supersedes: ADR-0003", "[1.0 GiB][kv_cache]", status="accepted")
    found = diff("HEAD")
    assert [(c.before, c.claim.verdict) for c in found.claims if "0003" in c.claim.path] == [("", "fails")]
    assert "supersede-cycle" in {f.code for f in found.errors}


def test_records_that_change_their_status(project: Project) -> None:
    new = project.record(3, "decision: {n_kv_heads: 4}", "Because.", name="fewer")
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    project.accept(new)
    project.supersede(project.root / "docs/decisions/0001-heads.md", new)
    (project.root / "docs/decisions/0002-record-2.md").unlink()
    found = diff("HEAD")
    assert {(r.label, r.before, r.after) for r in found.records} == {
        ("ADR-0001", "accepted", "superseded"),
        ("ADR-0002", "proposed", ""),
        ("ADR-0003", "", "accepted"),
    }
    assert rows(found)["n_kv_heads"][2] == "decided in [ADR-0003](docs/decisions/0003-fewer.md), accepted 2026-01-03"
    assert found.errors == []


def test_requirements_that_are_newly_broken(project: Project) -> None:
    project.set("n_kv_heads: 8", "n_kv_heads: 32")
    found = diff("HEAD")
    assert [(n.name, n.state) for n in found.architectures[0].needs] == [("one-node", "newly broken")]
    assert "Requirement `one-node` **newly broken**: inference" in markdown(found)
    commit(project)
    project.set("at_most: 18 GB", "at_most: 40 GB")
    found = diff("HEAD")
    assert [(n.name, n.state) for n in found.architectures[0].needs] == [("one-node", "holds again")]
    assert found.architectures[0].fields == [] and "no field changed" in text(found)
    project.set(NEEDS.split("\n")[1].replace("18 GB", "40 GB"), "  - {name: small, metric: parameters, at_most: 1B}")
    states = {n.name: n.state for n in diff("HEAD").architectures[0].needs}
    assert states == {"one-node": "removed", "small": "broken"}


def test_files_that_come_and_go(project: Project) -> None:
    project.write("child.yaml", "extends: architecture.yaml\narchitecture: {d_ff: 8192}\n")
    project.set("base: architecture.yaml", "base: child.yaml", "docs/decisions/0002-record-2.md")
    found = diff("HEAD")
    assert [(a.name, a.problem) for a in found.architectures] == [("child.yaml", "is new")]
    commit(project)
    project.set("vocab_size: 32000", "vocab_size: 64000")
    assert {a.name: len(a.fields) for a in diff("HEAD").architectures} == {"architecture.yaml": 1, "child.yaml": 1}
    project.set("n_heads: 32", "n_heads: 31")
    problems = {a.name: a.problem for a in diff("HEAD").architectures}
    assert all("cannot be read" in p for p in problems.values()) and len(problems) == 2
    (project.root / "child.yaml").unlink()
    assert {a.name: a.problem for a in diff("HEAD").architectures}["child.yaml"] == "is gone"


def test_nothing_differs(project: Project) -> None:
    assert "no architecture, record or claim differs" in text(diff("HEAD"))
    assert markdown(diff("HEAD")) == "No architecture, record or claim differs.\n"
    project.write("README.md", "x\n")
    project.set("# Record 2", "# Another title", "docs/decisions/0002-record-2.md")
    assert diff("HEAD").architectures == [] and diff("HEAD").claims == []


# Files and presets ----------------------------------------------------------------------------------------------


def test_two_files(project: Project) -> None:
    project.write("other.yaml", "architecture: {n_kv_heads: 1}\n")
    found = diff("architecture.yaml", "other.yaml")
    assert rows(found)["n_kv_heads"][2].startswith("governed by [ADR-0001]")
    assert [(n.name, n.state) for n in found.architectures[0].needs] == [("one-node", "still holds")]


def test_two_presets_without_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = diff("llama-2-7b", "llama-3.1-8b")
    assert rows(found)["n_kv_heads"] == ("32", "8", "")
    assert rows(found)["KV cache at 4,096 (bf16)"] == ("2.00 GiB", "0.50 GiB", "4.0x smaller")
    assert diff("llama-2-7b", "preset:llama-2-7b").architectures[0].fields == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["architecture.yaml"], 3, "nothing to compare it with"),
        (["nope"], 3, "revision is 'nope': does not exist"),
        (["HEAD", "nope"], 3, "revision is 'nope': does not exist"),
        (["HEAD", "architecture.yaml"], 3, "is a revision, and architecture.yaml is an architecture"),
        (["architecture.yaml", "gone.yaml"], 3, "does not exist"),
        (["llama-9", "llama-3.1-8b"], 3, "revision is 'llama-9': does not exist"),
        ([], 2, "required: A"),
    ],
)
def test_what_cannot_be_compared(
    project: Project, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    try:
        found = main(["diff", *words])
    except SystemExit as stop:
        found = stop.code  # type: ignore[assignment]  # argparse's own
    assert found == code
    assert said in capsys.readouterr().err


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Unreadable, match="in no git repository"):
        diff("HEAD")


# Fields ---------------------------------------------------------------------------------------------------------


def test_fields_of_some_layers() -> None:
    a = aw.ArchitectureConfig()
    b = a.change({"layers[0-15].attention": {"type": "sliding", "window_size": 512}, "d_ff": 8192})
    changes = {c.name: (c.before, c.after) for c in field_changes(a, b)}
    assert set(changes) == {"d_ff", "layers[0-15].attention.type", "layers[0-15].attention.window_size"}
    assert changes["layers[0-15].attention.type"] == ("full", "sliding")
    every_second = a.change({"layers[::2].n_kv_heads": 4})
    (change,) = field_changes(a, every_second)
    assert change.name.startswith("layers[0,2,4,") and change.shown == "attention.n_kv_heads in 16 layers"


@pytest.mark.parametrize("preset", ["mistral-7b", "gemma-2-9b", "llama-3.1-70b", "deepseek-v3"])
def test_a_model_differs_from_itself_in_nothing_and_from_another_both_ways(preset: str) -> None:
    if preset not in __import__("archwright.arch.presets", fromlist=["names"]).names():
        pytest.skip(f"{preset} is no preset here")
    a, b = aw.load("llama-3.1-8b"), aw.load(preset)
    assert field_changes(b, b) == []
    there, back = field_changes(a, b), field_changes(b, a)
    assert {c.name: (c.before, c.after) for c in there} == {c.name: (c.after, c.before) for c in back}
    assert there


# Formats --------------------------------------------------------------------------------------------------------


def test_the_comment_is_sound_markdown_and_narrow(project: Project) -> None:
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    project.record(3, "", "[1.0 GiB][kv_cache]", status="accepted", name="a|b*c")
    said = markdown(diff("HEAD"), links="https://host/x/blob/abc/")
    tokens = MarkdownIt("commonmark").enable("table").parse(said)
    assert sum(t.type == "table_open" for t in tokens) == 1
    assert "(https://host/x/blob/abc/docs/decisions/0001-heads.md)" in said
    cells = [t.content for t in tokens if t.type == "inline"]
    assert max(len(re.sub(r"\]\([^)]*\)", "]", c)) for c in cells if c) < 120


def test_many_fields_are_folded_away() -> None:
    said = markdown(diff("llama-3.1-8b", "gemma-2-9b"))
    assert "<details><summary>" in said and said.index("parameters") < said.index("<details>")


def test_json_follows_its_schema(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    project.set("d_ff: 11008", "d_ff: 11008\n  pattern: [{type: sliding, window_size: 64}, full]")
    (project.root / "docs/decisions/0002-record-2.md").unlink()
    project.record(3, "", "[1.0 GiB][kv_cache]", status="accepted")
    assert main(["diff", "HEAD", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    Draft202012Validator(schema("diff")).validate(data)
    assert data == json.loads(json.dumps(as_data(diff("HEAD"))))
    costs = {c["metric"]: c for c in data["architectures"][0]["costs"]}
    assert costs["parameters"]["before"] == 5933109248
    assert main(["diff", "HEAD", "--format", "markdown"]) == 0
    assert capsys.readouterr().out == markdown(diff("HEAD"))
