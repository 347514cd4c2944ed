"""calibrate: the real ceilings of this machine: the best rate of a large matrix product and of a large copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..evidence.environment import environment, now
from ..evidence.record import Arm, Evidence, Measure
from . import watch
from .devices import Device, dtype_of, open_device
from .timing import Progress, measure

SIZES = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192, 16384)}
"""Edges of the square matrices that are multiplied, the best of which counts."""
COPIED = {"cpu": 256 * 2**20, "cuda": 2 * 2**30}
"""Bytes of the tensor that is copied: many times any cache."""


def calibrate(
    *,
    device: str | Device = "cpu",
    dtype: str = "bf16",
    sizes: Sequence[int] | None = None,
    copied: int | None = None,
    time_limit: float = 20.0,
    command: Sequence[str] = (),
    root: Path | None = None,
    progress: Progress | None = None,
) -> Evidence:
    """Measure what a device really reaches, on random numbers (zeros run faster than real data).

    The record has two arms: `product` (FLOP/s of a matrix product, a multiply-add being 2) and `copy` (B/s, read and
    written both counted). `ceilings` reads it.
    """
    opened = open_device(device) if isinstance(device, str) else device
    kind = "cpu" if opened.device.type == "cpu" else "cuda"
    type_ = dtype_of(dtype)
    candidates: dict[str, tuple[Callable[[], object], float]] = {}
    for size in sizes or SIZES[kind]:
        a, b = (torch.randn(size, size, device=opened.device, dtype=type_) for _ in range(2))
        out = torch.empty_like(a)
        candidates[f"{size}"] = (_product(a, b, out), 2.0 * size**3)
    products = _rates(candidates, opened, time_limit / 2, progress)
    length = (copied or COPIED[kind]) // 4
    source = torch.randn(length, device=opened.device)
    target = torch.empty_like(source)
    copies = _rates({"copy": (lambda: target.copy_(source), 8.0 * length)}, opened, time_limit / 2, progress)
    best = max(products, key=lambda name: max(products[name]))
    settings: dict[str, Any] = {"dtype": dtype}
    if opened.device.type == "cpu":
        settings["threads"] = torch.get_num_threads()
    return Evidence.of(
        kind="calibration",
        target="device",
        measures={"flops": Measure("FLOP/s", "higher", "median"), "bandwidth": Measure("B/s", "higher", "median")},
        arms=(
            Arm("product", settings={"size": int(best)}, samples={"flops": products[best]}),
            Arm("copy", settings={"bytes": 4 * length}, samples={"bandwidth": copies["copy"]}),
        ),
        created=now(),
        command=tuple(command),
        device=opened.slug,
        settings=settings,
        environment={**environment(root), "device": opened.describe()},
    )


def _product(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> Callable[[], object]:
    return lambda: torch.mm(a, b, out=out)


def _rates(
    work: Mapping[str, tuple[Callable[[], object], float]], device: Device, limit: float, progress: Progress | None
) -> dict[str, list[float]]:
    """Work a second of each call."""
    with torch.inference_mode():
        timing = measure(
            {name: run for name, (run, _) in work.items()},
            synchronize=device.synchronize,
            time_limit=limit,
            clock=device.clock(),
            watch=watch.Readings(dict),
            progress=progress,
        )
    return {name: [work[name][1] / seconds for seconds in samples] for name, samples in timing.arms.items()}


def ceilings(evidence: Evidence) -> dict[str, Any]:
    """The best rates of a calibration, as `bench` takes them for `peaks`."""
    best = {
        name: max(arm.samples[name]) for arm in evidence.arms for name in ("flops", "bandwidth") if name in arm.samples
    }
    source = f"measured on {evidence.device}, {evidence.file_name}"
    return {"flops": best.get("flops"), "bytes": best.get("bandwidth"), "source": source, "measured": True}
