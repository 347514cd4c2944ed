"""Every output that says its schema follows it, and every schema is one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from archwright.cli import main
from archwright.cli.schemas import names, schema

from ..decisions.corpora import ARCHITECTURE

SOURCE = Path(__file__).resolve().parents[2] / "src" / "archwright"
RUNS = [
    ("init", ["init", "elsewhere"]),
    ("estimate", ["estimate", "architecture.yaml"]),
    (
        "compare",
        ["compare", "architecture.yaml", "--change", "n_kv_heads=4", "--metric", "fits", "--set", "device=h200"],
    ),
    ("compare", ["compare", "architecture.yaml", "preset:llama-3.1-8b"]),
    ("new", ["adr", "new", "Fewer KV heads", "--change", "n_kv_heads=4"]),
    ("import", ["adr", "import", "note.txt"]),
    ("bind", ["adr", "bind", "2"]),
    ("fill", ["adr", "fill"]),
    ("records", ["adr", "list"]),
    ("record", ["adr", "show", "1"]),
    ("check", ["check"]),
    ("why", ["why", "n_kv_heads"]),
    ("metrics", ["metrics"]),
    ("hardware", ["hardware"]),
    ("presets", ["presets"]),
    ("variants", ["variants"]),
    ("error", ["estimate", "gone.yaml"]),
    ("error", ["adr", "show", "99"]),
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two records, one of them with figures to bind and to fill."""
    (tmp_path / "pyproject.toml").write_text("[tool.archwright]\n")
    (tmp_path / "architecture.yaml").write_text(ARCHITECTURE)
    (tmp_path / "note.txt").write_text(
        "Architecture Decision Record: X\n\nStatus: Proposed\n\nDecision:\nThe cache takes 4.00 GiB.\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["adr", "new", "First", "--change", "n_kv_heads=4"]) == 0
    assert main(["adr", "import", "note.txt"]) == 0
    path = tmp_path / "docs/decisions/0002-x.md"
    path.write_text(path.read_text() + "\nAnd [?][weights], [?][kvv_cache].\n")
    return tmp_path


@pytest.mark.parametrize(("name", "words"), RUNS, ids=[" ".join(words[:2]) for _, words in RUNS])
def test_output_follows_its_schema(
    name: str, words: list[str], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    main([*words, "--json"])
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == f"archwright/{name}/1"
    jsonschema.validate(data, schema(name), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("name", names())
def test_every_schema_is_a_schema_and_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))
    assert main(["schema", name]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(schema(name)))


def test_every_output_of_a_command_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    said: set[str] = set()
    for path in (SOURCE / "cli").glob("*.py"):
        said |= set(re.findall(r'"schema": "archwright/([a-z-]+)/1"', path.read_text()))
    assert said and said <= set(names())
    assert main(["schema", "--list"]) == 0
    assert capsys.readouterr().out.split() == list(names())
