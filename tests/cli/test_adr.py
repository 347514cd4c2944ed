"""The life of records from the command line, end to end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from archwright.cli import main

from ..decisions.corpora import ARCHITECTURE
from .running import run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a sound architecture and no record; the current folder."""
    (tmp_path / "pyproject.toml").write_text("[tool.archwright]\n")
    (tmp_path / "architecture.yaml").write_text(ARCHITECTURE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Shell:
    """Commands in this process with what they printed."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture
        self.code = 0
        self.err = ""

    def __call__(self, *words: str) -> str:
        """Run one command; its standard output."""
        self.capture.readouterr()
        try:
            self.code = main(list(words))
        except SystemExit as stopped:
            self.code = int(str(stopped.code))
        printed = self.capture.readouterr()
        self.err = printed.err
        return printed.out

    def json(self, *words: str) -> Any:
        """Run one command with --json."""
        return json.loads(self(*words, "--json"))


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    """Commands in this process."""
    return Shell(capsys)


def test_new_shows_what_the_change_does(project: Path, shell: Shell) -> None:
    text = shell("adr", "new", "Fewer KV heads", "--base", "architecture.yaml", "--change", "n_kv_heads=4")
    lines = text.splitlines()
    assert lines[0] == "docs/decisions/0001-fewer-kv-heads.md"
    assert lines[1] == "  n_kv_heads 8 -> 4"
    assert re.search(r"^    KV cache +4\.00 GiB to 2\.00 GiB, 2\.00x smaller$", text, re.M)
    assert "2 alternatives (kv2, kv1) with a table" in text
    assert "left to you: why (Context), what it costs in quality (Consequences), whom you asked" in text
    assert lines[-1] == "Next: edit it, then archwright check"
    assert shell.code == 0
    assert "24 claims hold" in shell("check") and shell.code == 0


def test_new_as_data(project: Path, shell: Shell) -> None:
    data = shell.json(
        "adr", "new", "X", "--change", "n_kv_heads=4", "--alternative", "mha:n_kv_heads=32", "--alternative",
        "mha:d_ff=8192", "--set", "context=4096", "--author", "Ada", "--author", "Grace",
    )  # fmt: skip
    assert data["path"] == "docs/decisions/0001-x.md" and data["figures"] == 21
    assert data["alternatives"] == {"mha": {"n_kv_heads": 32, "d_ff": 8192}}
    text = Path(data["path"]).read_text()
    assert "authors: [Ada, Grace]" in text and "context: 4096" in text


def test_new_elsewhere(project: Path, shell: Shell) -> None:
    assert shell("adr", "new", "X", "--dir", "notes/adr").splitlines()[0] == "notes/adr/0001-x.md"
    (project / "pyproject.toml").write_text('[tool.archwright]\ndecisions = "adr"\n')
    assert shell("adr", "new", "Y").splitlines()[0] == "adr/0001-y.md"
    assert [r["path"] for r in shell.json("adr", "list")["records"]] == ["adr/0001-y.md"]


@pytest.mark.parametrize(
    "words",
    [
        ["--change", "n_kv_heads=6"],
        ["--change", "n_kv_heads"],
        ["--change", "n_kvheads=4"],
        ["--change", "n_kv_heads=4", "--alternative", "mha"],
        ["--change", "n_kv_heads=4", "--alternative", "MHA:n_kv_heads=32"],
        ["--change", "n_kv_heads=4", "--set", "contxt=1"],
        ["--base", "gone.yaml"],
    ],
)
def test_new_writes_nothing_when_anything_is_wrong(words: list[str], project: Path, shell: Shell) -> None:
    assert shell("adr", "new", "X", *words) == "" and shell.code in (2, 3)
    assert shell.err.strip() and not list(project.rglob("*.md"))


def test_new_without_a_terminal_asks_nothing(project: Path) -> None:
    done = run("adr", "new", "A title", cwd=project)
    assert done.code == 0 and (project / "docs/decisions/0001-a-title.md").is_file()
    done = run("adr", "new", cwd=project)
    assert done.code == 2 and "title is ''" in done.err


def test_a_life_from_draft_to_successor(project: Path, shell: Shell) -> None:
    shell("adr", "new", "Fewer KV heads", "--change", "n_kv_heads=8", "--alternative", "mha:n_kv_heads=32")
    first = project / "docs/decisions/0001-fewer-kv-heads.md"
    first.write_text(
        first.read_text().replace("<!-- What makes", "The cache takes [?][kv_cache.mha].\n\n<!-- What makes")
    )
    assert shell("check") and shell.code == 0
    assert "to fill in" in shell("check") and "Next: archwright adr fill" in shell("check")
    filled = shell("adr", "fill", "1")
    assert re.search(r"0001-fewer-kv-heads\.md:\d+:\d+  \? -> 16\.0 GiB  \[kv_cache\.mha\]", filled)
    assert shell("adr", "fill").strip() == "nothing to fill"
    assert "accepted" in shell("adr", "accept", "1") and shell.code == 0
    assert shell("check", "--strict") and shell.code == 0
    assert "already" in shell("adr", "accept", "ADR-0001")

    shell("adr", "new", "One KV head", "--change", "n_kv_heads=1")
    assert "proposed and so cannot supersede" in shell("adr", "supersede", "1", "--by", "2") + shell.err
    assert shell.code == 2
    architecture = project / "architecture.yaml"
    architecture.write_text(architecture.read_text().replace("n_kv_heads: 8", "n_kv_heads: 1"))
    shell("adr", "accept", "2")
    text = shell("adr", "supersede", "0001", "--by", "2")
    assert "superseded by" in text and shell.code == 0
    statuses = {r["number"]: (r["status"], r["superseded_by"]) for r in shell.json("adr", "list")["records"]}
    assert statuses == {"1": ("superseded", ["2"]), "2": ("accepted", [])}
    shell("adr", "deprecate", "2")
    assert shell("adr", "list").splitlines()[1].split()[2] == "deprecated"


def test_reject(project: Path, shell: Shell) -> None:
    shell("adr", "new", "X")
    assert "rejected" in shell("adr", "reject", "1")
    assert shell("adr", "accept", "1") == "" and shell.code == 2 and "rejected" in shell.err


def test_fill_says_what_it_could_not(project: Path, shell: Shell) -> None:
    (project / "docs/decisions").mkdir(parents=True)
    path = project / "docs/decisions/0001-x.md"
    head = "---\nstatus: proposed\nbase: architecture.yaml\n---\n# X\n\n"
    path.write_text(head + "[?][kvv_cache], [?][weights], [9 GiB][kv_cache]\n")
    text = shell("adr", "fill")
    assert shell.code == 1 and "kvv_cache" in text and "? -> 11.1 GiB" in text
    data = shell.json("adr", "fill", "1", "--wrong")
    assert [f["after"] for f in data["filled"]] == ["4 GiB"] and data["left"] == 1
    assert "[4 GiB][kv_cache]" in path.read_text()


def test_table_prints_cells_to_paste(project: Path, shell: Shell) -> None:
    shell("adr", "new", "Fewer KV heads", "--change", "n_kv_heads=4")
    text = shell("adr", "table", "kv_cache", "weights")
    assert text.startswith("| | decision | kv2 | kv1 |\n") and "0001-fewer-kv-heads.md" in shell.err
    assert shell("adr", "table", "kv_cache", "--record", "1") in text + "\n" and shell.err == ""
    shell("adr", "table", "kv_cash")
    assert shell.code == 3 and "kv_cache" in shell.err


def test_import_and_what_comes_next(project: Path, shell: Shell) -> None:
    Path("a.txt").write_text(
        "Architecture Decision Record: Heads\n\nStatus: Approved\n\nDecision:\nWe use 8 KV heads instead of 32.\n"
    )
    text = shell("adr", "import", "a.txt")
    assert text.splitlines() == [
        "docs/decisions/0001-heads.md",
        "  guessed decision: n_kv_heads: 8  (from '8 KV heads instead of 32')",
        "  guessed alternatives: mha: n_kv_heads: 32  (from '8 KV heads instead of 32')",
        "Next: confirm what was guessed, then archwright adr bind docs/decisions/0001-heads.md",
    ]
    Path("none.txt").write_text("words\n")
    assert shell("adr", "import", "none.txt") == "" and shell.code == 3
    assert "none.txt" in shell.err and "nothing was written" in shell.err


def test_show(project: Path, shell: Shell) -> None:
    shell("adr", "new", "Fewer KV heads", "--change", "n_kv_heads=4")
    text = shell("adr", "show", "ADR-1")
    assert text.startswith("ADR-1  Fewer KV heads\ndocs/decisions/0001-fewer-kv-heads.md · proposed · ")
    assert "base architecture.yaml · decision {n_kv_heads: 4}" in text
    assert re.search(r"^  \d+:\d+ +holds     2\.00 GiB · kv_cache is 2\.00 GiB$", text, re.M)
    data = shell.json("adr", "show", "docs/decisions/0001-fewer-kv-heads.md")
    assert data["number"] == "1" and len(data["check"]["claims"]) == 24


def test_list_names_what_it_cannot_read(project: Path, shell: Shell) -> None:
    assert shell("adr", "list") == "" and shell.code == 3 and "adr new" in shell.err
    shell("adr", "new", "X")
    (project / "docs/decisions/0002-y.md").write_bytes(b"\0")
    assert len(shell("adr", "list").splitlines()) == 1
    assert "0002-y.md" in shell.err
    (project / "docs/decisions/0001-x.md").unlink()
    (project / "docs/decisions/0002-y.md").unlink()
    assert "No records" in shell("adr", "list")


def test_a_record_that_two_files_could_be(project: Path, shell: Shell) -> None:
    folder = project / "docs/decisions"
    folder.mkdir(parents=True)
    for name in ("0027-a.md", "0027-b.md"):
        (folder / name).write_text("# A\n\n## Status\n\nProposed\n")
    assert shell("adr", "accept", "27") == "" and shell.code == 3
    assert "0027-a.md" in shell.err and "0027-b.md" in shell.err
    assert "accepted" in shell("adr", "accept", "docs/decisions/0027-a.md")
    assert shell("adr", "accept", "docs/decisions/0099-z.md") == "" and shell.code == 3


@pytest.mark.parametrize("source", [None, "config", "preset:llama-3.1-8b"])
def test_init_then_new_then_check(
    source: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["init"]
    if source == "config":
        config = {
            "model_type": "llama", "hidden_size": 256, "intermediate_size": 688, "num_attention_heads": 8,
            "num_key_value_heads": 4, "num_hidden_layers": 2, "vocab_size": 1000, "max_position_embeddings": 512,
            "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": False,
        }  # fmt: skip
        Path("config.json").write_text(json.dumps(config))
        source = "config.json"
    if source:
        words += ["--from", source]
    text = shell(*words)
    assert shell.code == 0 and "wrote architecture.yaml" in text
    following = re.search(r"^Next: archwright (.*)$", text, re.M)
    assert following is not None
    change = following[1].split("--change ")[1]
    assert shell("adr", "new", "Fewer KV heads", "--change", change) and shell.code == 0
    assert "claims hold" in shell("check", "--strict") and shell.code == 0
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert "kept" in shell("init")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
