"""Records with random damage: every one is checked without an error of ours, and mended once and for all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from archwright.decisions import output
from archwright.decisions.check import check
from archwright.decisions.filling import fill
from archwright.errors import ArchwrightError

from .corpora import cases

TEXTS = [
    data.decode()
    for case in cases()
    for name, data in case.files.items()
    if name.endswith(".md") and case.name != "unreadable"
]
PIECES = [
    "[?][kv_cache]", "[4 GB][kv_cache]", "[4.00 GiB][kv_cache.mha->decision]", "[8 GB][KV cache]", "```\n", "-->",
    "<!-- ", "| a | [1 x][kv_cache] |\n|---|---|\n", "> ", "  - ", "\t",
    '[kv_cache]: x.yaml "computed: 4.00 GiB, holds"\n',
    "[kv_cache]: <a b> 'mine'\n", "<<<<<<< HEAD\n", "=======\n", ">>>>>>> x\n", "---\n", "...\n", "\r\n", "\r",
    "\u2028", "\\", "`", "**", "![", "](", "[", "]", "(", ")", "claims: {a: {assumed: 40%}}\n",
    "decision: {n_kv_heads: 8}\n",
    "alternatives:\n  mha: {n_kv_heads: 32}\n", "\ufeff", "é", "\x0c", "# H\n", "Title\n===\n", "&amp;", "<div>\n",
    "    ",
]  # fmt: skip


def damaged(text: str, source: random.Random) -> str:
    """A text with a few pieces put in, cut out, doubled or taken from another."""
    for _ in range(source.randint(1, 6)):
        kind, at = source.random(), source.randint(0, len(text))
        end = min(len(text), at + source.randint(0, 60))
        if kind < 0.4:
            text = text[:at] + source.choice(PIECES) + text[at:]
        elif kind < 0.6:
            text = text[:at] + text[end:]
        elif kind < 0.75:
            text = text[:end] + text[at:]
        else:
            other = source.choice(TEXTS)
            begin = source.randint(0, len(other))
            text = text[:at] + other[begin : begin + 120] + text[at:]
    return text.replace("\n", "\r\n") if source.random() < 0.1 else text


@pytest.mark.parametrize("seed", range(8))
def test_damaged_records_are_checked_and_mended_once(seed: int, project: Path) -> None:
    source = random.Random(seed)
    path = project / "docs" / "decisions" / "0001-x.md"
    for _ in range(40):
        data = damaged(source.choice(TEXTS), source).encode()
        path.write_bytes(data)
        report = check()
        assert path.read_bytes() == data
        for write in (str, output.as_json, output.sarif, output.github):
            assert write(report)
        first = check(fix=True)
        mended = path.read_bytes()
        assert mended == data or first.fixed
        assert check(fix=True).fixed == [] and path.read_bytes() == mended
        again = check()
        assert "outdated-definition" not in {f.code for f in again.findings}
        assert not [f for f in again.findings if f.code == "binary-unit" and f.fix]
        try:
            fill(str(path), wrong=source.random() < 0.5)
        except ArchwrightError as error:
            assert error.problems
