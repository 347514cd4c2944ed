"""Writes docs/components/on-a-gpu.md from the committed result of attention_gpu.py; a test holds the two together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "attention_gpu.json"
PAGE = ROOT / "docs" / "components" / "on-a-gpu.md"

HEAD = """# On a GPU: windows and decoding beside plain SDPA

Measured on one {machine} with torch {torch}, bfloat16, 32 query heads of 128, by

```sh
PYTHONPATH=src python benchmarks/attention_gpu.py --samples 60 --json benchmarks/results/attention_gpu.json
```

Times are medians between CUDA events; the candidates of a table were measured in one run, each once a round, after
compilation and warm-up. The ratio is the baseline's time over the candidate's within a round, with the quartiles of the
rounds in brackets. The baseline is the call that a user would write: `scaled_dot_product_attention`, with
`is_causal=True` for prompts and `enable_gqa=True` where keys are shared. This page is written from the committed
result.
"""

WORDS = """
## What the figures say

- A causal window of 512 at 4,096 tokens has 4.26 times fewer visible pairs than full attention. None of the kernels
  here turns all of that into time at this length. With eight sequences flex is {forward:.2f} times as fast as full
  attention forward and {both:.2f} times in both passes; with one sequence every call takes about as long as it takes to
  send it.
  The documented figure of about three times does not hold for these kernels on this machine.
- The chunked backend is made for processors; on a GPU its many small products cost more than they save. `auto` takes
  flex for windows there.
- Decoding reads the cache once, so that fewer KV heads cost less time: 8 instead of 32 are {fewer:.2f} times as fast
  ({many:.3f} and {few:.3f} ms), of the four that the bytes alone would allow. The rest is the time it takes to start.
"""


def render(result: dict[str, Any]) -> str:
    """The page's text."""
    parts = [HEAD.format(machine=result["machine"], torch=result["torch"])]
    for title, rows in result["comparisons"].items():
        parts.append(f"\n## {title[:1].upper()}{title[1:]}\n")
        parts.append("| | ms | ratio | |\n|---|--:|--:|---|")
        for row in rows:
            spread = f"[{row['low']:.2f} .. {row['high']:.2f}]"
            parts.append(f"| {row['name']} | {row['milliseconds']:.3f} | {row['ratio']:.2f} | {spread} |")
    parts.append(WORDS.format(**_figures(result["comparisons"])))
    return "\n".join(parts)


def _figures(comparisons: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    def of(title: str, name: str, key: str) -> float:
        return float(next(r[key] for r in comparisons[title] if r["name"] == name))

    many = of("decode at 32768 tokens, 32 KV heads", "sdpa (auto)", "milliseconds")
    few = of("decode at 32768 tokens, 8 KV heads", "sdpa (auto)", "milliseconds")
    return {
        "forward": of("forward, T=4096, batch 8", "sliding, flex", "ratio"),
        "both": of("forward and backward, T=4096, batch 8", "sliding, flex", "ratio"),
        "many": many,
        "few": few,
        "fewer": many / few,
    }


if __name__ == "__main__":
    PAGE.write_text(render(json.loads(RESULT.read_text(encoding="utf-8"))), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
