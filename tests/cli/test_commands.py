"""The frame of the command line: help, unknown words, exit codes, pipes, interrupts, colour."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from archwright.cli import COMMANDS, main, overview
from archwright.cli.common import parser_of

from ..decisions.corpora import ARCHITECTURE
from .running import ARCHWRIGHT, environment, run


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every parser of the command line by its words."""
    found: dict[str, argparse.ArgumentParser] = {}
    for name, (module, text) in COMMANDS.items():
        parser = parser_of(name, text, import_module(f"archwright.cli.{module}"))
        found[name] = parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                found |= {f"{name} {sub}": p for sub, p in action.choices.items()}
    return found


PARSERS = parsers()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a sound architecture and no record; the current folder."""
    (tmp_path / "pyproject.toml").write_text("[tool.archwright]\n")
    (tmp_path / "architecture.yaml").write_text(ARCHITECTURE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Help -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", ["60", "80", "160"])
@pytest.mark.parametrize("name", sorted(PARSERS))
def test_help_has_every_option_with_words_and_fits_the_screen(
    name: str, columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as stopped:
        main([*name.split(), "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith((f"usage: archwright {name} ", f"usage: archwright {name}\n"))
    for action in PARSERS[name]._actions:
        for option in action.option_strings:
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text), option
        if isinstance(action, argparse._SubParsersAction):
            assert all(choice.help for choice in action._choices_actions)
            continue
        if not action.option_strings:
            assert str(action.metavar) in text and str(action.metavar).isupper()
        assert action.help, action
    limit = max(int(columns), 84)  # the descriptions are set by hand
    assert all(len(line) <= limit for line in text.splitlines())


def test_the_overview_names_every_command_and_fits(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--help"], ["-h"], ["help"]):
        assert main(words) == 0
        assert capsys.readouterr().out == overview() + "\n"
    lines = overview().splitlines()
    assert all(len(line) <= 80 for line in lines)
    for name, (_, text) in COMMANDS.items():
        assert any(line.split()[:1] == [name] and line.endswith(text) for line in lines)


def test_help_of_a_command_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["help", "check"])
    assert capsys.readouterr().out.startswith("usage: archwright check")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import archwright

    for word in ("--version", "-V", "version"):
        assert main([word]) == 0
        assert capsys.readouterr().out == f"archwright {archwright.__version__}\n"


# What is not known ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["estmate"], "Did you mean estimate?"),
        (["chek"], "Did you mean check?"),
        (["xyzzy"], "See archwright --help"),
        (["--frobnicate"], "See archwright --help"),
        (["check", "--strickt"], "Did you mean --strict?"),
        (["check", "--format", "jsn"], "Did you mean json?"),
        (["adr", "nwe"], "Did you mean new?"),
        (["adr", "supercede", "1"], "Did you mean supersede?"),
        (["adr", "new", "x", "--chnage", "a=1"], "Did you mean --change?"),
        (["adr", "new", "x", "--chnage=a=1"], "Did you mean --change?"),
        (["adr", "supersede", "1"], "--by"),
        (["adr"], "COMMAND"),
        (["adr", "accept"], "RECORD"),
        (["estimate"], "X"),
        (["schema", "architectur"], "Did you mean architecture?"),
        (["--print-completion", "tcl"], "bash"),
    ],
)
def test_an_unknown_word_gives_the_nearest_and_exit_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(words)
    except SystemExit as stopped:
        code = int(str(stopped.code))
    printed = capsys.readouterr()
    assert code in (2, 3) if words[0] == "schema" else code == 2
    assert printed.out == "" and said in printed.err
    assert len(printed.err.splitlines()) <= 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["estimate", "architecture.yaml", "kv_cash"], 3),
        (["estimate", "llama-3.1-8c"], 3),
        (["estimate", "architecture.yaml", "--set", "contxt=1"], 3),
        (["estimate", "architecture.yaml", "--set", "context"], 2),
        (["compare", "architecture.yaml", "--change", "n_kv_heads=6"], 3),
        (["check", "nowhere.md"], 2),
        (["adr", "show", "7"], 3),
        (["adr", "accept", "7"], 3),
        (["metrics", "kv_cash"], 3),
        (["hardware", "h101"], 3),
        (["variants", "slidng"], 3),
    ],
)
def test_a_name_that_is_not_known_ends_in_words(
    words: list[str], code: int, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.strip()


def test_errors_for_programs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "bad.yaml").write_text("architecture:\n  n_heads: true\n  d_ff: -1\n")
    assert main(["estimate", "bad.yaml", "--json"]) == 3
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == "archwright/error/1"
    assert [(p["path"], p["line"], p["found"]) for p in data["problems"]] == [
        ("bad.yaml", 2, "true"),
        ("bad.yaml", 3, "-1"),
    ]


# Pipes and interrupts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["metrics"], ["variants"], ["schema", "architecture"], ["--help"], ["presets"]])
def test_a_reader_that_goes_away_is_no_error(words: list[str], project: Path) -> None:
    for unbuffered in ("", "1"):
        process = subprocess.Popen(
            [*ARCHWRIGHT, *words],
            cwd=project,
            env=environment(PYTHONUNBUFFERED=unbuffered),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        errors = process.stderr.read().decode()
        process.stderr.close()
        assert process.wait(timeout=60) in (0, 1) and errors == ""


def test_output_that_nobody_can_read_is_no_traceback(project: Path) -> None:
    closed = subprocess.run(
        ["/bin/sh", "-c", '"$@" >&-', "sh", *ARCHWRIGHT, "metrics"],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in closed.stderr
    full = subprocess.run(
        ["/bin/sh", "-c", '"$@" >/dev/full', "sh", *ARCHWRIGHT, "metrics"],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in full.stderr and full.returncode != 0


@pytest.mark.parametrize("after", [0.02, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_ctrl_c_at_any_moment_is_no_traceback(after: float, project: Path) -> None:
    records = project / "docs" / "decisions"
    records.mkdir(parents=True)
    for number in range(1, 200):
        text = (
            "---\nstatus: accepted\nbase: architecture.yaml\n---\n# X\n\n" + "It takes [4.00 GiB][kv_cache].\n\n" * 20
        )
        (records / f"{number:04}-x.md").write_text(text)
    process = subprocess.Popen(
        [*ARCHWRIGHT, "check"],
        cwd=project,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    if b"archwright/cli" not in errors and process.returncode not in (0, 130):
        return  # Python itself was still starting
    assert b"Traceback" not in errors, errors.decode()
    assert process.returncode in (0, 130)


# Colour and width -----------------------------------------------------------------------------------------------


def printed_on_a_terminal(words: list[str], project: Path, **more: str) -> str:
    """What a command prints where its output is a terminal of 80 columns."""
    import pty

    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "archwright", *words],
        cwd=project,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=child,
        stderr=child,
    )
    os.close(child)
    parts: list[bytes] = []
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:
            break
        if not data:
            break
        parts.append(data)
    os.close(parent)
    process.wait(timeout=60)
    return b"".join(parts).decode()


def test_colour_is_for_terminals_and_can_be_refused(project: Path) -> None:
    records = project / "docs" / "decisions"
    records.mkdir(parents=True)
    (records / "0001-x.md").write_text(
        "---\nstatus: proposed\nbase: architecture.yaml\n---\n# X\n\n[5.00 GiB][kv_cache].\n"
    )
    terminal = printed_on_a_terminal(["check"], project, TERM="xterm")
    assert "\x1b[31m" in terminal
    assert "\x1b" not in printed_on_a_terminal(["check"], project, TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in printed_on_a_terminal(["check"], project, TERM="dumb")
    piped = run("check", cwd=project)
    assert "\x1b" not in piped.out
    without_time = re.compile(r"\d+\.\d\d s")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal).replace("\r\n", "\n")
    assert without_time.sub("", plain) == without_time.sub("", piped.out)
