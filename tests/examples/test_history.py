"""The example of a project over time: what its README shows is what the commands print at each step."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from archwright.decisions.check import check
from archwright.decisions.why import why

HISTORY = Path(__file__).resolve().parents[2] / "examples" / "history"
README = (HISTORY / "README.md").read_text(encoding="utf-8")


def shown() -> list[tuple[int, list[str], str]]:
    """Step, words of the command and what it prints, for each block of the README."""
    found = []
    for part in README.split("\n## Step ")[1:]:
        step = int(part[0])
        for block in re.findall(r"```text\n\$ archwright ([^\n]*)\n(.*?)\n```", part, re.S):
            found.append((step, block[0].split(), block[1]))
    return found


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history") / "project"
    runpy.run_path(str(HISTORY / "make_history.py"))["make"](folder)
    return folder


def at(folder: Path, step: int) -> None:
    subprocess.run(["git", "checkout", "--quiet", f"step-{step}"], cwd=folder, check=True)


@pytest.mark.parametrize(("step", "words", "said"), shown(), ids=[f"{s} {' '.join(w)}" for s, w, _ in shown()])
def test_the_readme_shows_what_is_printed(history: Path, step: int, words: list[str], said: str) -> None:
    at(history, step)
    done = subprocess.run(
        [sys.executable, "-m", "archwright", *words],
        cwd=history,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "90"},
    )
    printed = re.sub(r"( · |\n)\d+\.\d\d s$", "", done.stdout.rstrip())
    assert printed == said and not done.stderr


def test_the_story(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Green; green with drift; red, and why names the record; green again."""
    monkeypatch.chdir(history)
    told = []
    for step in (1, 2, 3, 4):
        at(history, step)
        report = check()
        codes = {f.code for f in report.findings}
        told.append((report.exit_code(), "drifted" in codes, "decision-upheld" in codes))
        assert {c.verdict for c in report.claims} == {"holds"}
        ruling = why("n_kv_heads").parts[0].ruling
        assert ruling is not None and ruling.record.number == ("3" if step == 4 else "1")
    assert told == [(0, False, False), (0, True, False), (1, True, True), (0, True, False)]


def test_the_readme_shows_three_commands_at_each_step() -> None:
    commands = {(step, words[0]) for step, words, _ in shown()}
    assert {c for c in commands if c[1] == "check"} == {(s, "check") for s in (1, 2, 3, 4)}
    assert {w for _, w in commands} == {"check", "why", "diff"} and len(shown()) >= 10


def test_the_history_is_the_same_every_time(history: Path, tmp_path: Path) -> None:
    runpy.run_path(str(HISTORY / "make_history.py"))["make"](tmp_path / "again")
    names = [
        subprocess.run(["git", "rev-parse", "step-4"], cwd=folder, capture_output=True, check=True).stdout
        for folder in (history, tmp_path / "again")
    ]
    assert names[0] == names[1]
