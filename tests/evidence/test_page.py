"""docs/evidence.md says what the code does: verdicts, findings, settings and commands."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from archwright.cli import COMMANDS
from archwright.cli.common import parser_of
from archwright.cli.schemas import names
from archwright.decisions.rules import RULES
from archwright.evidence.verdict import PASSES, VerdictName
from archwright.project_settings import KEYS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"`archwright ([^`]+)`")


def test_the_table_has_every_verdict_and_whether_it_passes() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|.*\| (yes|no) \|$", PAGE, re.M))
    assert rows.keys() == set(get_args(VerdictName))
    assert {name for name, passes in rows.items() if passes == "yes"} == PASSES


def test_codes_and_settings_exist() -> None:
    named = set(re.findall(r"`((?:claim|evidence)-[a-z]+)`", PAGE))
    assert {"evidence-edited", "evidence-missing", "claim-aged"} <= named
    assert named <= RULES.keys()
    assert {"evidence", "allow_unproven", "age_counts"} <= KEYS.keys()
    assert "`allow_unproven = true`" in PAGE and "`age_counts = true`" in PAGE and "schema evidence`" in PAGE
    assert "evidence" in names()


@pytest.mark.parametrize("line", COMMAND.findall(PAGE))
def test_every_command_can_be_given(line: str) -> None:
    name, *words = line.split()
    module, text = COMMANDS[name]
    parser_of(name, text, import_module(f"archwright.cli.{module}")).parse_args(words)
