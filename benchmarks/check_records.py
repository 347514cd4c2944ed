"""`archwright check` on 1,000 generated records beside the floor of reading them, and start-up beside `python -c pass`.

The floor reads the same files, parses their front matter with the C YAML loader and their bodies with markdown-it-py,
in one process started the same way. Samples of all arms are interleaved; figures are CPU seconds (user and system) of
whole processes. Usage: python benchmarks/check_records.py [--records 1000] [--samples 7] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from archwright.units import Quantity

FLOOR = """
import sys, yaml
from pathlib import Path
from markdown_it import MarkdownIt
parser = MarkdownIt("commonmark")
for path in sorted(Path(sys.argv[1]).glob("*.md")):
    text = path.read_text(encoding="utf-8")
    _, front, body = text.split("---\\n", 2)
    yaml.load(front, Loader=yaml.CSafeLoader)
    parser.parse(body)
"""
HEADS = (1, 2, 4, 8, 16)
FILLER = (
    "The team looked at the memory of one replica and at the longest prompt that users send. "
    "Serving has to leave room for batching, and the quality of the model on long documents must not suffer. "
    "Whoever changes this later should know what was weighed, and what the figures below were computed from."
)


def write_project(folder: Path, count: int) -> Path:
    """A project of `count` sound records with five claims each, about 1.2 KB a record, with their definitions."""
    (folder / "pyproject.toml").write_text("[tool.archwright]\n")
    for heads in HEADS:  # one architecture for each decision: records must not contradict each other
        (folder / f"kv-{heads}.yaml").write_text(
            f"architecture:\n  d_model: 4096\n  n_layers: 32\n  n_heads: 32\n  n_kv_heads: {heads}\n  d_ff: 11008\n"
            "  vocab_size: 32000\n  max_seq_len: 32768\n"
        )
    records = folder / "docs" / "decisions"
    records.mkdir(parents=True)
    for number in range(1, count + 1):
        heads = HEADS[number % len(HEADS)]
        cache = 0.5 * heads
        context = (32768, 16384)[number % 2]
        gib = cache * context / 32768
        factor = 32 // heads
        _said, _most = (str(Quantity(int(n * 2**30), "B")) for n in (gib, 16 * context / 32768))
        text = f"""---
status: proposed
date: 2026-01-{number % 28 + 1:02d}
authors: [Team]
base: kv-{heads}.yaml
decision: {{n_kv_heads: {heads}}}
alternatives:
  mha: {{n_kv_heads: 32}}
settings: {{context: {context}, dtype: bf16}}
---
# Record {number}: {heads} KV heads

## Context

{FILLER}

## Decision

Use [{heads}][n_kv_heads] KV heads.

## Consequences

- The cache is [{gib:.2f} GiB][kv_cache], [{factor}x smaller][kv_cache.mha->decision] than
  [{16 * context / 32768:.1f} GiB][kv_cache.mha].
- The model has [{parameters(heads)} B][parameters] parameters.

## References

- Ainslie et al. 2023
"""
        (records / f"{number:04d}-record-{number}.md").write_text(text)
    subprocess.run(
        [sys.executable, "-m", "archwright", "check", "--fix"], cwd=folder, stdout=subprocess.DEVNULL, check=True
    )
    return records


def parameters(heads: int) -> str:
    """Billions of parameters of the benchmark's shape with that many KV heads, two decimals."""
    attention = 2 * 4096 * 4096 + 2 * 4096 * heads * 128
    total = 32 * (attention + 3 * 4096 * 11008 + 2 * 4096) + 4096 + 2 * 32000 * 4096
    return f"{total / 1e9:.2f}"


def cpu_seconds(command: list[str], cwd: Path) -> tuple[float, float]:
    """CPU seconds and peak MiB of one process; it must end with 0."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, errors = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}: {errors.decode()[-2000:]}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, after.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=7)
    parser.add_argument("--large", type=int, default=10_000, help="records of the scaling run; 0 leaves it out")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.smoke:
        args.records, args.samples, args.large = 50, 2, 0
    python = sys.executable
    os.environ["PYTHONDONTWRITEBYTECODE"] = ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = write_project(folder, args.records)
        size = sum(p.stat().st_size for p in records.iterdir()) / args.records
        arms = {
            "check": [python, "-m", "archwright", "check"],
            "floor": [python, "-c", FLOOR, str(records)],
            "--help": [python, "-m", "archwright", "--help"],
            "estimate preset": [python, "-m", "archwright", "estimate", "llama-3.1-8b"],
            "import archwright": [python, "-c", "import archwright"],
            "python -c pass": [python, "-c", "pass"],
        }
        cpu: dict[str, list[float]] = {arm: [] for arm in arms}
        peak: dict[str, float] = {}
        for arm, command in arms.items():
            peak[arm] = cpu_seconds(command, folder)[1]  # warms the byte code and the page cache
        for _ in range(args.samples):
            for arm, command in arms.items():
                cpu[arm].append(cpu_seconds(command, folder)[0])
        found = {arm: median(samples) for arm, samples in cpu.items()}
        print(f"{args.records:,} records of {size:,.0f} bytes, 5 claims each; CPU seconds, median of {args.samples}")
        for arm, value in found.items():
            print(f"  {arm:<20}{value * 1000:>9.1f} ms")
        ratio = found["check"] / found["floor"]
        print(f"  check / floor       {ratio:>9.2f}    peak memory of check {peak['check']:.0f} MiB")
        result = {"records": args.records, "cpu_s": found, "samples": cpu, "check_over_floor": ratio}
        result["peak_mib"] = peak["check"]
        if args.large:
            with tempfile.TemporaryDirectory() as other:
                write_project(Path(other), args.large)
                large, memory = cpu_seconds(arms["check"], Path(other))
            growth = large / found["check"]
            print(f"  {args.large:,} records: {large:.2f} s, {growth:.2f}x of {args.records:,}; peak {memory:.0f} MiB")
            result |= {"large_records": args.large, "large_cpu_s": large, "growth": growth, "large_peak_mib": memory}
        if args.json:
            args.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
