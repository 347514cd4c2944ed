"""Does the bench tell noise from effects? A against A a hundred times, and an arm that does the work twice.

    python benchmarks/bench_honesty.py [--smoke] [--benches 100] [--seconds 2]

At most 10 of the 100 intervals (95 %) may leave out 1.0, and no bench may be called a gain or loss; the doubled arm
must be measured as 1.9 to 2.1 times slower. The result is written to benchmarks/results/bench_honesty.json.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from archwright.arch.config import ArchitectureConfig
from archwright.evidence.environment import environment, now
from archwright.evidence.statistics import Estimate, compare_pairs
from archwright.lab.targets import Workload, build
from archwright.lab.timing import NOT_NEEDED, measure

RESULTS = Path(__file__).parent / "results" / "bench_honesty.json"
CONFIG = ArchitectureConfig(d_model=256, n_layers=1, n_heads=4, n_kv_heads=2, d_ff=512, vocab_size=64, max_seq_len=512)
CONTEXT = 128


def arm(seed: int) -> Callable[[], object]:
    """One layer's forward pass, with weights and inputs of its own, as a bench builds each arm."""
    work = Workload("layer", 1, CONTEXT, torch.float32, torch.device("cpu"), seed=seed)
    return build(CONFIG, work, {}).run


def compared(first: Callable[[], object], second: Callable[[], object], seconds: float) -> tuple[Estimate, int]:
    """The ratio of two arms, measured as every bench measures."""
    arms = {"first": first, "second": second}
    timing = measure(arms, synchronize=NOT_NEEDED, until=0.01, time_limit=seconds)
    return compare_pairs(timing.arms["first"], timing.arms["second"], "ratio", "median"), timing.rounds


def entry(estimate: Estimate, rounds: int) -> dict[str, object]:
    """What is kept of one bench."""
    return {
        "ratio": round(estimate.value, 5),
        "low": round(estimate.low, 5),
        "high": round(estimate.high, 5),
        "low99": round(estimate.low99, 5),
        "high99": round(estimate.high99, 5),
        "rounds": rounds,
        "leaves_out_1": estimate.leaves_out_no_effect,
        "called_an_effect": estimate.is_effect,
    }


def main() -> int:
    """Run, print, write; the exit code is 1 where the bench is not honest."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="a few short benches; nothing is written")
    parser.add_argument("--benches", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    benches, seconds = (3, 0.5) if args.smoke else (args.benches, args.seconds)
    torch.set_num_threads(args.threads)
    draw = random.Random(0)
    same = []
    for number in range(benches):
        same.append(entry(*compared(arm(draw.randrange(10**6)), arm(draw.randrange(10**6)), seconds)))
        if sys.stderr.isatty():
            print(f"\r{number + 1} of {benches}", end="", file=sys.stderr, flush=True)
    doubled = []
    for _ in range(1 if args.smoke else 10):
        once, again = arm(draw.randrange(10**6)), arm(draw.randrange(10**6))
        doubled.append(entry(*compared(once, lambda f=again: (f(), f()), 5 * seconds)))  # type: ignore[misc]
    alarms = sum(bool(e["leaves_out_1"]) for e in same)
    called = sum(bool(e["called_an_effect"]) for e in same)
    ratios = [float(str(e["ratio"])) for e in doubled]
    print(f"A against A, {benches} benches of {seconds:g} s:")
    print(f"  {alarms} of the 95 % intervals leave out 1.0 (at most {benches // 10})")
    print(f"  {called} called a gain or loss (none)")
    print(f"an arm that does the work twice: {min(ratios):.3f} to {max(ratios):.3f} times (1.9 to 2.1)")
    if args.smoke:
        return 0
    honest = 10 * alarms <= benches and not called and min(ratios) >= 1.9 and max(ratios) <= 2.1
    result = {
        "made_by": "benchmarks/bench_honesty.py",
        "created": now(),
        "environment": environment(Path(__file__).parent),
        "threads": args.threads,
        "seconds_each": seconds,
        "honest": honest,
        "intervals_without_1": alarms,
        "called_an_effect": called,
        "doubled": doubled,
        "same": same,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    print(f"{'honest' if honest else 'NOT honest'}: {RESULTS.relative_to(Path(__file__).parents[1])}")
    return 0 if honest else 1


if __name__ == "__main__":
    raise SystemExit(main())
