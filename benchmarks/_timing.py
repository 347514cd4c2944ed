"""Interleaved timing: every candidate once per round, ratios taken within a round, medians over the rounds.

What disturbs the machine then disturbs the baseline of the same round too. Wall clock by default; on a busy machine
`--cpu-time` with one thread counts what the process itself used.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

Timer = Callable[[Callable[[], object]], float]
"""Runs a call once and returns its seconds."""


@dataclass(frozen=True)
class Result:
    """One candidate: median milliseconds, and how many times faster than the baseline of the same round."""

    name: str
    milliseconds: float
    fastest: float
    ratio: float
    low: float
    high: float
    samples: int

    def __str__(self) -> str:
        spread = f"{self.ratio:7.2f}x  [{self.low:.2f} .. {self.high:.2f}]"
        return f"{self.name:<34} {self.milliseconds:10.3f} ms  (fastest {self.fastest:9.3f})  {spread}"


def wall(call: Callable[[], object]) -> float:
    """Seconds on the wall clock."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def cpu(call: Callable[[], object]) -> float:
    """Seconds of processor time of this process."""
    start = time.process_time()
    call()
    return time.process_time() - start


def cuda(call: Callable[[], object]) -> float:
    """Seconds between two events on the current CUDA stream."""
    first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    first.record()
    call()
    last.record()
    last.synchronize()
    return first.elapsed_time(last) / 1000


def compare(
    candidates: Mapping[str, Callable[[], object]], samples: int, timer: Timer = wall, warm_up: int = 2
) -> list[Result]:
    """Time all candidates in `samples` rounds; the first is the baseline. [low, high] are the middle half."""
    for _ in range(warm_up):
        for call in candidates.values():
            call()
    times: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    for turn in range(samples):
        shift = turn % len(names)  # another one first in each round: no candidate always follows the same one
        for name in names[shift:] + names[:shift]:
            times[name].append(timer(candidates[name]))
    baseline = times[names[0]]
    results = []
    for name, taken in times.items():
        ratios = sorted(b / t for b, t in zip(baseline, taken, strict=True))
        quarter = len(ratios) // 4
        results.append(
            Result(
                name,
                statistics.median(taken) * 1e3,
                min(taken) * 1e3,
                statistics.median(ratios),
                ratios[quarter],
                ratios[-1 - quarter],
                samples,
            )
        )
    return results


def show(title: str, results: list[Result]) -> None:
    """Print one comparison."""
    print(title)
    for result in results:
        print(f"  {result}")
    print(flush=True)


def arguments(description: str, samples: int) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--samples", type=int, default=samples, help="rounds of every comparison")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--cpu-time", action="store_true", help="processor time instead of wall clock; use one thread")
    parser.add_argument("--smoke", action="store_true", help="once and small, to show that it works")
    parser.add_argument("--json", type=Path, help="write the results here")
    return parser


def write(path: Path | None, comparisons: Mapping[str, list[Result]], **more: object) -> None:
    """Write comparisons as JSON with what they were measured on."""
    if path is None:
        return
    data = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": _machine(),
        **more,
        "comparisons": {title: [asdict(r) for r in results] for title, results in comparisons.items()},
    }
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def _machine() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
