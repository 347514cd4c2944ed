"""Small records for the tests of evidence."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from archwright.arch.config import ArchitectureConfig
from archwright.evidence.record import Arm, Evidence, Measure
from archwright.evidence.request import Request, Side, bench_request, evaluation_request
from archwright.evidence.staleness import SCOPE_OF, identity

BASE = ArchitectureConfig(d_model=256, n_layers=4, n_heads=8, n_kv_heads=8, d_ff=512, vocab_size=1000, max_seq_len=4096)
DECISION = BASE.change(n_kv_heads=2)
TIME = Measure("s", "lower", "median")


def noisy(middle: float, n: int = 40, spread: float = 0.02, seed: int = 1) -> list[float]:
    """Positive samples around a middle."""
    draw = random.Random(seed)
    return [middle * (1 + spread * draw.gauss(0, 1)) for _ in range(n)]


def bench(
    times: Mapping[str, Sequence[float]],
    architectures: Mapping[str, ArchitectureConfig] | None = None,
    *,
    target: str = "decode",
    settings: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Evidence:
    """A paired bench with one arm for each entry of `times`."""
    known = architectures or {"mha": BASE, "decision": DECISION}
    arms = tuple(
        Arm(
            name=name,
            architecture=identity(known[name], SCOPE_OF[target], name="model"),
            samples={"time": list(samples)},
            work={"tokens": 8},
        )
        for name, samples in times.items()
    )
    given: dict[str, Any] = {
        "kind": "bench",
        "target": target,
        "measures": {"time": TIME},
        "arms": arms,
        "created": "2026-11-20T12:00:00Z",
        "command": ("archwright", "bench", target),
        "device": "h100-sxm",
        "settings": {"batch": 8, "context": 1024, "dtype": "bf16", **(settings or {})},
        "paired": True,
        "environment": {"versions": {"torch": "2.13.0"}},
    }
    return Evidence.of(**(given | fields))


def request(
    name: str = "decode_throughput",
    sides: Sequence[tuple[str, ArchitectureConfig]] = (("mha", BASE), ("decision", DECISION)),
    settings: Mapping[str, Any] | None = None,
    device: str | None = "h100-sxm",
) -> Request:
    """A request that the records of `bench` answer."""
    made = tuple(Side(n, a) for n, a in sides)
    return bench_request(name, made, {"batch": 8, "context": 1024, "dtype": "bf16", **(settings or {})}, device)


def evaluation(
    name: str,
    config: ArchitectureConfig,
    scores: Sequence[float],
    measure: str = "mmlu/acc",
    chance: float | None = 0.25,
    **fields: Any,
) -> Evidence:
    """An evaluation with one score a document."""
    arm = Arm(
        name=name,
        architecture=identity(config, "inference", name="model"),
        samples={measure: list(scores)},
        keys={measure: [f"doc{i}" for i in range(len(scores))]},
    )
    given: dict[str, Any] = {
        "kind": "eval",
        "target": "lm-eval",
        "measures": {measure: Measure("%", "higher", "mean", chance, 100)},
        "arms": (arm,),
        "created": "2026-11-20T12:00:00Z",
    }
    return Evidence.of(**(given | fields))


def asked(measure: str = "mmlu/acc", sides: Sequence[tuple[str, ArchitectureConfig]] | None = None) -> Request:
    """A request for an evaluation."""
    chosen = sides or (("mha", BASE), ("decision", DECISION))
    return evaluation_request(measure, tuple(Side(n, a) for n, a in chosen), {})
