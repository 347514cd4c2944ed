"""renumber mends duplicate numbers with every link, keeps every other byte, and finishes what was interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from archwright.cli import main
from archwright.decisions.check import check
from archwright.decisions.record import read
from archwright.decisions.renumber import renumber
from archwright.errors import UsageError

from .over_time import Project

FOLDER = "docs/decisions"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def names(project: Project) -> list[str]:
    return sorted(p.name for p in (project.root / FOLDER).glob("*.md"))


def duplicates(project: Project) -> Path:
    """Two records with number 2, one accepted and pinned, the other proposed; links to both."""
    project.record(
        1, "superseded-by: 0002-window.md", "See [ADR-0002](0002-window.md) and [2](./0002-heads.md#decision)."
    )
    project.accept(project.record(2, "decision: {n_kv_heads: 8}", "It has [5.93 B][parameters].", name="heads"))
    front = "supersedes: ADR-0001\nid: 2"
    path = project.record(2, front, "Replaces ADR-0001; the number is ADR-0002. [4.00 GiB][kv_cache]", name="window")
    project.set("# Record 2", "# ADR-0002: A window", f"{FOLDER}/0002-window.md")
    project.record(3, "", "After ADR-2 and [ADR 2](0002-window.md). See `0002-window`, not 0002-window-size.")
    project.write(f"{FOLDER}/README.md", "- [2. Heads](0002-heads.md)\n- [2. A window](0002-window.md)\n")
    check(fix=True)
    return path


def test_what_came_later_gets_the_next_number_and_every_link_follows(project: Project) -> None:
    duplicates(project)
    done = renumber(FOLDER)
    assert names(project) == ["0001-record-1.md", "0002-heads.md", "0003-record-3.md", "0004-window.md", "README.md"]
    text = (project.root / FOLDER / "0004-window.md").read_text()
    assert "# ADR-0004: A window" in text and "\nid: 4\n" in text and "supersedes: ADR-0001" in text
    first = (project.root / FOLDER / "0001-record-1.md").read_text()
    assert "superseded-by: 0004-window.md" in first
    assert "[ADR-0004](0004-window.md) and [2](./0002-heads.md#decision)" in first
    third = (project.root / FOLDER / "0003-record-3.md").read_text()
    assert "After ADR-2 and [ADR 4](0004-window.md). See `0004-window`, not 0002-window-size." in third
    readme = (project.root / FOLDER / "README.md").read_text()
    assert readme == "- [2. Heads](0002-heads.md)\n- [4. A window](0004-window.md)\n"
    assert done.messages == [f"ADR-0002 is ADR-0004 now: {FOLDER}/0002-window.md -> {FOLDER}/0004-window.md"]
    assert [line.split(":")[0] for line in done.left] == [f"{FOLDER}/0003-record-3.md"]
    assert "ADR-2 may mean 0002-window" in done.left[0]
    codes = [f.code for f in check().findings]
    assert "duplicate-number" not in codes and "broken-link" not in codes and "outdated-definition" not in codes


def test_pins_stay_where_they_are(project: Project) -> None:
    path = project.record(1, "decision: {n_kv_heads: 8}", "It has [5.93 B][parameters].")
    project.accept(path)
    pins = [p.read_bytes() for p in project.pins()]
    renumber(FOLDER, str(path), 7)
    assert [p.read_bytes() for p in project.pins()] == pins
    assert read(f"{FOLDER}/0007-record-1.md").decided_on == project.pins()[0].stem
    assert project.codes() == []


def test_a_second_run_changes_nothing(project: Project) -> None:
    duplicates(project)
    renumber(FOLDER)
    before = {p: p.read_bytes() for p in project.root.rglob("*") if p.is_file()}
    assert renumber(FOLDER).messages == ["no two records have one number"]
    assert {p: p.read_bytes() for p in project.root.rglob("*") if p.is_file()} == before


def test_one_record_to_a_number_that_is_named(project: Project) -> None:
    path = project.record(5, "", "I am ADR-5.")
    other = project.record(6, "supersedes: 5", "Instead of ADR-0005 (and not ADR-0050); see adr 5.", status="accepted")
    done = renumber(FOLDER, str(path), 12)
    assert names(project) == ["0006-record-6.md", "0012-record-5.md"]
    text = other.read_text()
    assert "supersedes: 12" in text and "Instead of ADR-0012 (and not ADR-0050); see adr 12." in text
    assert done.left == []
    assert [r.number for r in map(read, sorted(map(str, (project.root / FOLDER).glob("*.md"))))] == ["6", "12"]
    assert "already" in renumber(FOLDER, str(path), 12).messages[0]


def test_three_records_with_one_number(project: Project) -> None:
    for name in ("a", "b", "c"):
        project.record(1, name=name)
    renumber(FOLDER)
    assert [n[:4] for n in names(project)] == ["0001", "0002", "0003"]
    assert names(project)[0] == "0001-a.md"


HEADINGS = [
    ("# 2. A window", "# 7. A window"),
    ("# ADR-0002: A window", "# ADR-0007: A window"),
    ("# ADR 2 - A window", "# ADR 7 - A window"),
    ("# [0002] A window", "# [0007] A window"),
    ("# 0002 A window", "# 0007 A window"),
    ("# Architecture Decision Record 2: A window", "# Architecture Decision Record 7: A window"),
    ("# 2 windows", "# 2 windows"),
    ("# ADR-0003: A window", "# ADR-0003: A window"),
    ("# 20 layers", "# 20 layers"),
]


@pytest.mark.parametrize(("before", "after"), HEADINGS)
def test_headings(project: Project, before: str, after: str) -> None:
    path = project.record(2, "", "Text.")
    project.set("# Record 2", before, f"{FOLDER}/0002-record-2.md")
    renumber(FOLDER, str(path), 7)
    assert f"\n{after}\n" in (project.root / FOLDER / "0007-record-2.md").read_text()


def test_line_ends_mark_and_every_other_byte_stay(project: Project) -> None:
    path = duplicates(project)
    for file in (project.root / FOLDER).glob("*.md"):
        file.write_bytes("\ufeff".encode() + file.read_bytes().replace(b"\n", b"\r\n"))
    before = path.read_bytes()
    renumber(FOLDER)
    after = (project.root / FOLDER / "0004-window.md").read_bytes()
    assert after == before.replace(b"ADR-0002", b"ADR-0004", 1).replace(b"id: 2", b"id: 4").replace(
        b"#adr-0002", b"#adr-0004"
    )
    for file in (project.root / FOLDER).glob("*.md"):
        data = file.read_bytes()
        assert data.startswith("\ufeff".encode()) and b"\n" not in data.replace(b"\r\n", b"")


def test_folders_number_each_alone(project: Project) -> None:
    project.record(1, name="a")
    project.write(f"{FOLDER}/sub/0001-b.md", "# B\n\n## Status\n\nAccepted\n")
    assert renumber(FOLDER).messages == ["no two records have one number"]


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        (None, 4, "needs the record"),
        (f"{FOLDER}/0001-record-1.md", 2, "the number of docs/decisions/0002-record-2.md"),
        (f"{FOLDER}/0009-nothing.md", 3, "does not exist"),
        (f"{FOLDER}/words.md", 3, "has no number"),
    ],
)
def test_what_cannot_be(project: Project, path: str | None, to: int, words: str) -> None:
    project.record(1)
    project.record(2)
    project.write(f"{FOLDER}/words.md", "# Words\n\n## Status\n\nAccepted\n")
    before = names(project)
    with pytest.raises(UsageError, match=words):
        renumber(FOLDER, path, to)
    assert names(project) == before


def test_the_command(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    duplicates(project)
    assert main(["adr", "renumber"]) == 0
    said = capsys.readouterr().out
    assert "ADR-0002 is ADR-0004 now" in said and "decide by hand" in said and "Next: archwright check" in said
    assert main(["adr", "renumber", "4", "--to", "9", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == "archwright/renumber/1" and f"{FOLDER}/0009-window.md" in data["changed"]
    assert main(["adr", "renumber", "1", "--to", "9"]) == 2


# kill -9 --------------------------------------------------------------------------------------------------------------

KILLED = """
import os, sys
from archwright import atomic
steps = [int(sys.argv[1])]
def dying(function):
    def call(*words, **more):
        steps[0] -= 1
        if steps[0] == 0:
            os.kill(os.getpid(), 9)
        made = function(*words, **more)
        steps[0] -= 1
        if steps[0] == 0:
            os.kill(os.getpid(), 9)
        return made
    return call
for name in ("rename", "link", "unlink", "fsync", "makedirs", "open"):
    setattr(os, name, dying(getattr(os, name)))
exec(sys.argv[2])
"""
"""A process that is killed before or after the n-th call that touches the disk."""

TASKS: dict[str, tuple[Callable[[Project], object], str]] = {
    "accept": (
        lambda p: p.record(1, "decision: {n_kv_heads: 8}", "It has [5.93 B][parameters]."),
        "from archwright.decisions.lifecycle import accept; accept('docs/decisions/0001-record-1.md')",
    ),
    "supersede": (
        lambda p: (p.record(1, status="accepted"), p.record(2, status="accepted")),
        "from archwright.decisions.lifecycle import supersede;"
        "supersede('docs/decisions/0001-record-1.md', 'docs/decisions/0002-record-2.md')",
    ),
    "renumber": (duplicates, "from archwright.decisions.renumber import renumber; renumber('docs/decisions')"),
}


def state(project: Project) -> dict[str, bytes]:
    folder = project.root / FOLDER
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def run(project: Project, task: str, step: int) -> int:
    code = TASKS[task][1]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(step), code], cwd=project.root, capture_output=True, check=False
    )
    return done.returncode


@pytest.mark.parametrize("task", TASKS)
def test_killed_at_any_step_every_file_is_old_or_new_and_a_second_run_finishes(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    (tmp_path / "start").mkdir()
    monkeypatch.chdir(tmp_path / "start")
    TASKS[task][0](Project(tmp_path / "start"))
    old = state(Project(tmp_path / "start"))
    shutil.copytree(tmp_path / "start", tmp_path / "end")
    end = Project.__new__(Project)
    end.root = tmp_path / "end"
    assert run(end, task, 10**6) == 0
    new = state(end)
    assert new != old
    step, killed = 1, 0
    while True:
        folder = tmp_path / f"step-{step}"
        shutil.copytree(tmp_path / "start", folder)
        project = Project.__new__(Project)
        project.root = folder
        code = run(project, task, step)
        found = {k: v for k, v in state(project).items() if ".archwright-tmp-" not in k}
        for name, data in found.items():
            assert data in (old.get(name), new.get(name)), f"{name} is neither old nor new after step {step}"
        assert set(found) <= set(old) | set(new)
        if code == 0:
            break
        assert code == -signal.SIGKILL, code
        killed += 1
        assert run(project, task, 10**6) == 0
        assert state(project) == new, f"a second run after step {step} does not finish the job"
        step += 1 if task != "renumber" else 3  # bounded: renumber has many steps that are alike
    assert killed > 5


def test_killed_at_a_random_moment(project: Project) -> None:
    """The real thing, a few times: a process that is shot while it works."""
    duplicates(project)
    old = state(project)
    command = [sys.executable, "-c", TASKS["renumber"][1]]
    for delay in (0.1, 0.15, 0.2, 0.25):
        process = subprocess.Popen(command, cwd=project.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, cwd=project.root, check=False).returncode == 0
    found = state(project)
    assert names(project)[-2] == "0004-window.md" and len(found) == len(old)
    assert not [n for n in os.listdir(project.root / FOLDER) if "tmp" in n]
