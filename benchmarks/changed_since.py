"""`check --changed-since` and `diff` on a project of 1,000 pinned records with one change, beside a full check.

The project lies in a git repository with two commits; between them one figure of a record and one field of an
architecture that is no record's base change. Samples of all arms are interleaved; figures are wall-clock and CPU
milliseconds of whole processes, git's included.
Usage: python benchmarks/changed_since.py [--records 1000] [--samples 9] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from check_records import write_project

TARGETS = {"changed-since": 150.0, "diff": 500.0}
"""What each should stay under, in milliseconds on an otherwise idle machine."""


def git(folder: Path, *words: str) -> None:
    """One git command that must succeed."""
    who = ["-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def write_history(folder: Path, count: int) -> None:
    """Records that are accepted and pinned, then a second commit and one change that is not committed."""
    records = write_project(folder, count)
    (folder / "architecture.yaml").write_text("extends: kv-8.yaml\n")
    for path in records.glob("*.md"):
        path.write_text(path.read_text().replace("status: proposed", "status: accepted"))
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    subprocess.run([sys.executable, "-c", PIN, str(records)], cwd=folder, check=True)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    path = records / f"{count // 2:04d}-record-{count // 2}.md"
    path.write_text(path.read_text().replace("## Context\n", "## Context\n\nOne more sentence.\n"))
    (folder / "architecture.yaml").write_text("extends: kv-8.yaml\narchitecture: {d_ff: 8192}\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "second")
    path.write_text(path.read_text().replace("One more sentence.", "Another sentence."))


PIN = """
import sys
from pathlib import Path
from archwright.decisions.accepting import accept
for path in sorted(Path(sys.argv[1]).glob("*.md")):
    accept(str(path))
"""


def run(command: list[str], cwd: Path) -> tuple[float, float]:
    """Wall and CPU milliseconds of one process."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        said = done.stdout.decode()[-1500:] + done.stderr.decode()[-500:]
        raise SystemExit(f"{command} ended with {done.returncode}: {said}")
    return 1000 * wall, 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=9)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.smoke:
        args.records, args.samples = 30, 2
    os.environ["PYTHONDONTWRITEBYTECODE"] = ""
    archwright = [sys.executable, "-m", "archwright"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_history(folder, args.records)
        arms = {
            "full check": [*archwright, "check"],
            "changed-since": [*archwright, "check", "--changed-since", "HEAD"],
            "diff": [*archwright, "diff", "HEAD~1", "HEAD"],
            "python -c pass": [sys.executable, "-c", "pass"],
        }
        wall: dict[str, list[float]] = {arm: [] for arm in arms}
        cpu: dict[str, list[float]] = {arm: [] for arm in arms}
        for command in arms.values():
            run(command, folder)  # warms the byte code and the page cache
        for _ in range(args.samples):
            for arm, command in arms.items():
                a, b = run(command, folder)
                wall[arm].append(a)
                cpu[arm].append(b)
    print(f"{args.records:,} accepted and pinned records; milliseconds, median of {args.samples} (least)")
    result = {"records": args.records}
    for arm in arms:
        a, b = median(wall[arm]), median(cpu[arm])
        aim = f"   aim: under {TARGETS[arm]:.0f}" if arm in TARGETS else ""
        print(f"  {arm:<16}{a:>8.0f} wall ({min(wall[arm]):.0f}){b:>8.0f} CPU ({min(cpu[arm]):.0f}){aim}")
        result[arm] = {"wall_ms": wall[arm], "cpu_ms": cpu[arm]}
    ratio = median(cpu["changed-since"]) / median(cpu["full check"])
    print(f"  changed-since / full check: {ratio:.2f} (CPU)")
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
