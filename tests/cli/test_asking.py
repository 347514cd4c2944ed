"""The questions of `adr new` in a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from archwright.decisions.record import read

from ..decisions.corpora import ARCHITECTURE
from .running import ARCHWRIGHT, environment


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a sound architecture and no record."""
    (tmp_path / "pyproject.toml").write_text("[tool.archwright]\n")
    (tmp_path / "architecture.yaml").write_text(ARCHITECTURE)
    return tmp_path


def talk(project: Path, answers: str, *words: str, interrupt_at: str = "") -> tuple[int, str]:
    """`adr new` in a terminal where these lines are typed; exit code and everything on the screen.

    It gets Ctrl-C when the screen shows `interrupt_at`.
    """
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*ARCHWRIGHT, "adr", "new", *words],
        cwd=project,
        env=environment(TERM="xterm"),
        stdin=child,
        stdout=child,
        stderr=child,
    )
    os.close(child)
    os.write(parent, answers.encode())
    screen = b""
    due = 0.0
    while True:
        if interrupt_at and interrupt_at.encode() in screen and time.monotonic() > due:
            process.send_signal(signal.SIGINT)
            due = time.monotonic() + 10  # again then: the first may come just before the wait for a line
        if not select.select([parent], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(parent, 65536)
        except OSError:
            break
        if not data:
            break
        screen += data
    os.close(parent)
    return process.wait(timeout=60), screen.decode().replace("\r\n", "\n")


def test_enter_accepts_what_is_proposed(project: Path) -> None:
    code, screen = talk(project, "Fewer KV heads\n\nn_kv_heads=4\n\n")
    assert code == 0, screen
    assert "Base architecture (- for none) [architecture.yaml]:" in screen
    assert "Alternatives, NAME:FIELD=VALUE ... (- for none) [kv2, kv1]:" in screen
    record = read(project / "docs/decisions/0001-fewer-kv-heads.md")
    assert record.decision == {"n_kv_heads": 4} and list(record.alternatives) == ["kv2", "kv1"]


def test_what_is_wrong_is_said_and_asked_again(project: Path) -> None:
    answers = "\nFewer\nnowhere.yaml\n\nn_kv_heads=6\nn_kv_heads\nn_kv_heads=4 d_ff=8192\n"
    answers += "mha\nmha:n_kv_heads=7\nmha:n_kv_heads=32\n"
    code, screen = talk(project, answers)
    assert code == 0, screen
    for words in ("nowhere.yaml  does not exist", "must be divisible", "not KEY=VALUE", "not NAME:FIELD=VALUE"):
        assert words in screen
    record = read(project / "docs/decisions/0001-fewer.md")
    assert record.decision == {"n_kv_heads": 4, "d_ff": 8192}
    assert record.alternatives == {"mha": {"n_kv_heads": 32}}


def test_no_alternatives_no_change_no_base(project: Path) -> None:
    code, _ = talk(project, "n_kv_heads=4\n-\n", "One", "--base", "architecture.yaml", "--change", "n_kv_heads=4")
    assert code == 0 and list(read(project / "docs/decisions/0001-one.md").alternatives) == ["kv2", "kv1"]
    code, _ = talk(project, "\nn_kv_heads=4\n-\n", "Two")
    assert code == 0 and read(project / "docs/decisions/0002-two.md").alternatives == {}
    code, _ = talk(project, "Three\n\n\n")
    record = read(project / "docs/decisions/0003-three.md")
    assert code == 0 and record.base == "architecture.yaml" and record.decision is None
    code, _ = talk(project, "Four\n-\n")
    assert code == 0 and read(project / "docs/decisions/0004-four.md").base is None


@pytest.mark.parametrize("typed", ["", "Title\n", "Title\n\n", "Title\n\nn_kv_heads=4\n"])
def test_the_end_of_the_input_accepts_the_rest(typed: str, project: Path) -> None:
    code, screen = talk(project, typed + "\x04")
    assert "Traceback" not in screen
    assert (code == 0) == bool(typed), screen


def test_ctrl_c_writes_nothing(project: Path) -> None:
    code, screen = talk(project, "Title\n\n", interrupt_at="What changes")
    assert code == 130 and "Traceback" not in screen and "interrupted" in screen
    assert not list(project.rglob("*.md"))
