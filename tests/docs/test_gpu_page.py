"""The page of GPU measurements says what the committed result says."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_the_result():
    script = runpy.run_path(str(ROOT / "benchmarks" / "gpu_page.py"))
    result = json.loads(script["RESULT"].read_text(encoding="utf-8"))
    page = script["PAGE"].read_text(encoding="utf-8")
    assert page == script["render"](result), "write it again: python benchmarks/gpu_page.py"
    for kv_heads in (32, 8, 1):
        assert f"## Decode at 32768 tokens, {kv_heads} KV heads" in page
