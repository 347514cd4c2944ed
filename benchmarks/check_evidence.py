"""`archwright check` on 1,000 records with one evidence claim each, beside the same with a computed claim.

Every claim has an evidence file of its own, with 30 paired samples of each of two sides (a bench takes at least 20);
its content is hashed, its summary recomputed and its interval held against the sentence in every check. Samples of
both arms are interleaved; figures are CPU seconds (user and system) of whole processes. The arm without has the same
evidence folder, empty.
Usage: python benchmarks/check_evidence.py [--records 1000] [--samples 7] [--json FILE] [--smoke]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from check_records import cpu_seconds, write_project

from archwright.arch.loading import load
from archwright.evidence.record import Arm, Evidence, Measure
from archwright.evidence.staleness import identity
from archwright.evidence.store import Store

ALLOWED = 1.5
"""Times that the check may take with evidence, of what it takes without."""
PAIRS = 30


def add_evidence(folder: Path, count: int) -> None:
    """Give every record of a project a bench claim with evidence, instead of nothing."""
    draw = random.Random(0)
    base = {heads: load(folder / f"kv-{heads}.yaml") for heads in (1, 2, 4, 8, 16)}
    store = Store.of(folder)
    for number, path in enumerate(sorted((folder / "docs" / "decisions").glob("*.md")), 1):
        text = path.read_text().partition("\n[n_kv_heads]:")[0] + "\n"
        heads = int(text.partition("decision: {n_kv_heads: ")[2].partition("}")[0])
        sides = {"mha": base[heads].change(n_kv_heads=32), "decision": base[heads]}
        context = int(text.partition("context: ")[2].partition(",")[0])
        times = {"mha": 2.5e-2, "decision": 1e-2}
        arms = tuple(
            Arm(
                name,
                identity(config, "inference", name="model"),
                samples={"time": [times[name] * (1 + 0.02 * draw.gauss(0, 1)) for _ in range(PAIRS)]},
                work={"tokens": number},
            )
            for name, config in sides.items()
        )
        store.add(
            Evidence.of(
                kind="bench",
                target="decode",
                measures={"time": Measure("s", "lower", "median")},
                arms=arms,
                created="2026-11-20T12:00:00Z",
                device="h100-sxm",
                settings={"batch": number, "context": context, "dtype": "bf16"},
                paired=True,
            )
        )
        claim = f"claims:\n  speed: {{bench: decode_throughput, batch: {number}, device: h100-sxm}}\n---\n# Record"
        text = text.replace("---\n# Record", claim)
        sentence = "- Decoding is [about 2.5x faster][speed.mha->decision].\n\n## References"
        path.write_text(text.replace("\n## References", sentence))
    _fix(folder)


def add_computed(folder: Path) -> None:
    """The same claim on the same records, with a value that is computed instead of one that was measured."""
    for number, path in enumerate(sorted((folder / "docs" / "decisions").glob("*.md")), 1):
        text = path.read_text().partition("\n[n_kv_heads]:")[0] + "\n"
        heads = int(text.partition("decision: {n_kv_heads: ")[2].partition("}")[0])
        claim = f"claims:\n  speed: {{metric: kv_cache, batch: {number}, kv_dtype: bf16}}\n---\n# Record"
        text = text.replace("---\n# Record", claim)
        sentence = f"- The cache is [about {32 // heads}x smaller][speed.mha->decision].\n\n## References"
        path.write_text(text.replace("\n## References", sentence))
    _fix(folder)


def _fix(folder: Path) -> None:
    check = [sys.executable, "-m", "archwright", "check"]
    subprocess.run([*check, "--fix"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    subprocess.run([*check, "--strict"], cwd=folder, stdout=subprocess.DEVNULL, check=True)


def main() -> None:
    """Measure and print; the exit code is 1 where evidence costs more than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="a few records once, to show that it works")
    args = parser.parse_args()
    if args.smoke:
        args.records, args.samples = 20, 1
    check = [sys.executable, "-m", "archwright", "check"]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        folders = {"without": Path(one), "with evidence": Path(other)}
        for folder in folders.values():
            write_project(folder, args.records)
        add_computed(folders["without"])
        add_evidence(folders["with evidence"], args.records)
        (folders["without"] / "evidence").mkdir()
        taken: dict[str, list[float]] = {name: [] for name in folders}
        for sample in range(args.samples + 1):
            for name, folder in folders.items():
                seconds, _ = cpu_seconds(check, folder)
                if sample:  # the first warms the page cache
                    taken[name].append(seconds)
    found = {name: median(samples) for name, samples in taken.items()}
    ratio = found["with evidence"] / found["without"]
    print(f"{args.records:,} records; CPU seconds of check, median of {args.samples}")
    for name, seconds in found.items():
        print(f"  {name:<16}{seconds:>8.3f} s")
    print(f"  ratio           {ratio:>8.2f}    allowed {ALLOWED}")
    if args.json:
        result = {"records": args.records, "pairs": PAIRS, "cpu_s": found, "samples": taken, "ratio": ratio}
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    if ratio > ALLOWED and not args.smoke:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
