"""Runs the benchmarks of this folder one after the other; `--smoke` runs each once, small, to show that it works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SKIP = {"run.py", "mutants.py"}


def main() -> int:
    """Every script that knows --smoke; the exit code is the first failure's."""
    words = sys.argv[1:]
    scripts = [p for p in sorted(HERE.glob("*.py")) if p.name not in SKIP and not p.name.startswith("_")]
    ran = 0
    for script in scripts:
        if '"--smoke"' not in script.read_text(encoding="utf-8"):
            continue
        print(f"== {script.name}", flush=True)
        code = subprocess.call([sys.executable, str(script), *words])
        if code:
            return code
        ran += 1
    print(f"{ran} benchmarks ran")
    return 0 if ran else 1


if __name__ == "__main__":
    raise SystemExit(main())
