"""Writes that are interrupted, refused or made by fifty at once: a file is the old one or the new one, whole."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ..decisions.corpora import ARCHITECTURE
from .running import ARCHWRIGHT, environment, run, without_powers

MOMENTS = 12
"""Runs that are cut short, at moments spread over the length of a whole run."""
FILLER = "A line of prose with *emphasis*, `code`, a link to [somewhere](https://example.org) and words. " * 8 + "\n\n"


def long_record(number: int, size: int = 150_000, status: str = "proposed") -> str:
    """A record of that many bytes, with claims, without definitions."""
    text = (
        f"---\nstatus: {status}\ndate: 2026-01-05\nbase: architecture.yaml\ndecision: {{n_kv_heads: 8}}\n"
        f"alternatives:\n  mha: {{n_kv_heads: 32}}\n---\n# Record {number}\n\n"
        "The cache takes [4.00 GiB][kv_cache] instead of [16 GB][kv_cache.mha].\n\n"
    )
    return text + FILLER * ((size - len(text)) // len(FILLER) + 1)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with three long records."""
    (tmp_path / "pyproject.toml").write_text("[tool.archwright]\n")
    (tmp_path / "architecture.yaml").write_text(ARCHITECTURE)
    (tmp_path / "docs" / "decisions").mkdir(parents=True)
    for number in (1, 2, 3):
        (tmp_path / "docs" / "decisions" / f"000{number}-record.md").write_text(long_record(number))
    return tmp_path


def tree(project: Path) -> dict[str, bytes]:
    """Every file of a project but temporary ones."""
    return {
        str(p.relative_to(project)): p.read_bytes()
        for p in sorted(project.rglob("*"))
        if p.is_file() and "archwright-tmp" not in p.name
    }


def temporary(project: Path) -> list[str]:
    """Temporary files that lie about."""
    return [p.name for p in project.rglob("*") if "archwright-tmp" in p.name]


def restore(project: Path, before: dict[str, bytes]) -> None:
    """The project as it was."""
    for path in project.rglob("*"):
        if path.is_file():
            path.unlink()
    for name, data in before.items():
        (project / name).write_bytes(data)


def whole(project: Path, words: list[str]) -> tuple[float, dict[str, bytes]]:
    """How long an undisturbed run takes, and the files after it; the project is then as before."""
    before = tree(project)
    started = time.monotonic()
    done = run(*words, cwd=project)
    seconds = time.monotonic() - started
    assert done.code in (0, 1), done.text
    after = tree(project)
    assert after != before
    restore(project, before)
    return seconds, after


def cut_short(project: Path, words: list[str], after: float, how: signal.Signals) -> subprocess.CompletedProcess[bytes]:
    """A run that gets a signal after some seconds."""
    process = subprocess.Popen(
        [*ARCHWRIGHT, *words], cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(how)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


COMMANDS = [pytest.param(["adr", "accept", "1"], id="accept"), pytest.param(["check", "--fix"], id="fix")]


@pytest.mark.parametrize("words", COMMANDS)
def test_w01_w02_killed_at_any_moment(words: list[str], project: Path) -> None:
    before = tree(project)
    seconds, after = whole(project, words)
    ended = 0
    for moment in range(MOMENTS):
        done = cut_short(project, words, seconds * (0.35 + 0.75 * moment / MOMENTS), signal.SIGKILL)
        ended += done.returncode >= 0
        for name, data in tree(project).items():
            assert data in (before.get(name), after.get(name)), name
        again = run(*words, cwd=project)
        assert again.code in (0, 1), again.text
        assert tree(project) == after
        assert temporary(project) == []
        restore(project, before)
    assert ended < MOMENTS


@pytest.mark.parametrize("words", COMMANDS)
def test_w04_interrupted_at_any_moment(words: list[str], project: Path) -> None:
    before = tree(project)
    seconds, after = whole(project, words)
    for moment in range(MOMENTS):
        done = cut_short(project, words, seconds * (0.35 + 0.75 * moment / MOMENTS), signal.SIGINT)
        ours = b"archwright/cli" in done.stderr or done.returncode in (0, 1, 130)
        if ours:  # otherwise Python itself was still starting
            assert b"Traceback" not in done.stderr, done.stderr.decode()
            assert done.returncode in (0, 1, 130)
        now = tree(project)
        for name, data in now.items():
            assert data in (before.get(name), after.get(name)), name
        assert temporary(project) == []
        if done.returncode == 0:
            assert now == after
        restore(project, before)


def test_w02_only_definitions_and_unit_prefixes_are_new(project: Path) -> None:
    before = tree(project)
    _, after = whole(project, ["check", "--fix"])
    for name in before:
        if name.endswith(".md"):
            text = after[name].decode()
            cut = text.index("\n[kv_cache]: ")
            assert text[:cut].replace("16 GiB", "16 GB").rstrip("\n") == before[name].decode().rstrip("\n")
            assert all(re.match(r'\[[^\]]+\]: \S+ "computed: ', line) for line in text[cut:].strip().split("\n"))
        else:
            assert after[name] == before[name]


def test_w02_a_line_end_and_every_blank_at_the_end_stay(project: Path) -> None:
    path = project / "docs/decisions/0001-record.md"
    text = path.read_text().rstrip("\n") + "  \t\n"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    run("check", "--fix", cwd=project)
    assert path.read_bytes().startswith(text.replace("\n", "\r\n").replace("16 GB", "16 GiB").encode())


def limited_files(size: int) -> Callable[[], None]:
    """For a child: no file may grow beyond a size, as on a full disk."""

    def prepare() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return prepare


@pytest.mark.parametrize("words", [["adr", "accept", "1"], ["check", "--fix"], ["adr", "fill", "1"]])
def test_w03_a_full_disk_leaves_the_old_file(words: list[str], project: Path) -> None:
    path = project / "docs/decisions/0001-record.md"
    path.write_text(path.read_text() + "\nIt takes [?][weights].\n")
    before = tree(project)
    done = run(*words, cwd=project, prepare=limited_files(16 * 1024))
    assert done.code in (1, 2, 3) and "0001-record.md" in done.text
    assert "large" in done.text or "space" in done.text
    records = {name: data for name, data in tree(project).items() if name in before}
    assert records == before
    assert temporary(project) == []
    assert run(*words, cwd=project).code in (0, 1)


def test_w03_a_full_disk_uses_no_number_up(project: Path) -> None:
    before = tree(project)
    words = ["adr", "new", "X", "--change", "n_kv_heads=4"]
    done = run(*words, cwd=project, prepare=limited_files(100))
    assert done.code == 3 and "0004-x.md" in done.text
    assert tree(project) == before and temporary(project) == []
    assert run(*words, cwd=project).out.startswith("docs/decisions/0004-x.md")


@pytest.mark.parametrize(
    "words",
    [
        ["adr", "new", "X"],
        ["adr", "accept", "1"],
        ["adr", "fill", "1"],
        ["check", "--fix"],
        ["adr", "import", "note.txt"],
    ],
)
def test_w03_a_folder_without_permission(words: list[str], project: Path) -> None:
    (project / "note.txt").write_text("Architecture Decision Record: X\n\nContext:\nWords.\n")
    path = project / "docs/decisions/0001-record.md"
    path.write_text(path.read_text() + "\nIt takes [?][weights].\n")
    before = tree(project)
    folder = project / "docs" / "decisions"
    folder.chmod(0o555)
    try:
        done = run(*words, cwd=project, prepare=without_powers)
    finally:
        folder.chmod(0o755)
    assert done.code in (1, 2, 3) and "docs/decisions" in done.text
    assert "ermission" in done.text
    assert tree(project) == before and temporary(project) == []


def test_w03_a_file_that_is_write_protected(project: Path) -> None:
    path = project / "docs/decisions/0001-record.md"
    path.chmod(0o444)
    before = tree(project)
    done = run("adr", "accept", "1", cwd=project, prepare=without_powers)
    assert done.code == 3 and "0001-record.md" in done.text and "ermission" in done.text
    assert {n: d for n, d in tree(project).items() if n in before} == before


def test_p01_fifty_at_once_get_fifty_numbers(project: Path) -> None:
    before = tree(project)
    processes = [
        subprocess.Popen(
            [*ARCHWRIGHT, "adr", "new", f"Title number {n}", "--change", "n_kv_heads=4"],
            cwd=project,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for n in range(50)
    ]
    ends = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 50, [err for _, err in ends if err]
    paths = [out.decode().splitlines()[0] for out, _ in ends]
    numbers = [int(os.path.basename(path)[:4]) for path in paths]
    assert sorted(numbers) == list(range(4, 54))
    for n, path in enumerate(paths):
        text = (project / path).read_text()
        assert f"\n# Title number {n}\n" in text and text.endswith('holds"\n')
    assert {name: data for name, data in tree(project).items() if name in before} == before
    assert temporary(project) == []
    assert run("check", cwd=project).code == 0
