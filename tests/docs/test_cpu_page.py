"""The chunked backend's page gives the ratios of the committed run."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_run_is_the_one_on_the_page():
    result = json.loads((ROOT / "benchmarks/results/attention_cpu.json").read_text(encoding="utf-8"))
    assert result["threads"] == 2

    def ratio(title: str, way: str) -> str:
        (row,) = [r for r in result["comparisons"][title] if r["name"] == way]
        return f"{row['ratio']:.3g}"

    page = (ROOT / "docs/components/backend-chunked.md").read_text(encoding="utf-8")
    text = " ".join(page.partition("The committed run of")[2].split())
    said = re.findall(r"(\d+\.\d+)x", text)[:10]
    wanted = [
        ratio(f"{passes}, T={tokens}", way)
        for passes, ways in (
            ("forward", ("sliding, torch", "sliding, native")),
            ("forward and backward", ("sliding, torch", "sliding, native")),
        )
        for way in ways
        for tokens in (4096, 8192)
    ]
    wanted += [ratio(f"forward, T={tokens}", "simple loop over 64 queries") for tokens in (4096, 8192)]
    assert [float(s) for s in said] == [float(w) for w in wanted]
