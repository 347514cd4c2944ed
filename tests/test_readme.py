"""What the README shows is what the tool prints."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import archwright as aw
from archwright.decisions import output
from archwright.decisions.binding import bind
from archwright.decisions.importing import import_file

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    """The fenced block of a language that contains a text."""
    for match in re.finditer(rf"```{language}\n(.*?)```", README, re.S):
        if containing in match[1]:
            return match[1]
    raise AssertionError(f"no {language} block with {containing}")


def test_the_opening_screen_is_real(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "examples" / "gqa", tmp_path / "gqa")
    monkeypatch.chdir(tmp_path / "gqa")
    folder = Path("docs/decisions")
    (made,) = import_file("grouped_query_attention.txt", "architecture.yaml", folder)
    bind(made.path, apply=True)
    printed = output.text(aw.check("docs/decisions"), width=100).splitlines()
    shown = [line for line in block("text", "$ archwright check").splitlines()[1:] if line.strip() not in ("", "...")]
    assert len(shown) >= 8
    for line in shown:
        assert line in printed, line


def test_the_architecture_and_its_cache(tmp_path):
    path = tmp_path / "architecture.yaml"
    path.write_text(block("yaml", "architecture:"), encoding="utf-8")
    config = aw.load(path)
    assert [layer.attention.type for layer in config.layers] == ["sliding"] * 16 + ["full"] * 16
    written = re.search(r'str\(\) is "([^"]+)"', README)
    assert written and written[1] == str(aw.metrics.kv_cache(config, context=32768))


def test_the_changelog_counts_right():
    from archwright.arch.huggingface import model_types
    from archwright.arch.presets import names

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"of any of {len(model_types())} model types, or one of {len(names())} presets" in text


def test_both_commands_are_make_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"^make (\w+)", README, re.M):
        assert re.search(rf"^{command}:", makefile, re.M), command
