"""What a bench is measured against: the least work of an arm, and the peaks of a device.

Here costs and lab meet: lab takes both as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..arch.config import ArchitectureConfig
from ..errors import ArchwrightError

if TYPE_CHECKING:
    from ..evidence.store import Store


def cost(config: ArchitectureConfig, settings: Mapping[str, Any]) -> dict[str, float]:
    """FLOPs and bytes of one call at the least: matrix products that causality and windows leave, weights and cache
    once. Empty for single modules, whose inputs and outputs are most of their traffic."""
    from ..costs.metric import metrics

    phase = settings["target"]
    if phase not in ("prefill", "decode"):
        return {}
    shape = {"context": settings["context"], "batch": settings["batch"]}
    types = {**shape, "phase": phase, "dtype": settings["dtype"]}
    moved = [metrics.get(name)(config, **types).value for name in ("bytes_read", "bytes_written")]
    return {"flops": float(metrics.get(f"{phase}_flops")(config, **shape).value), "bytes": float(sum(moved))}


def peaks(slug: str, dtype: str, store: Store | None = None) -> dict[str, Any]:
    """The peaks of a device in a type: as its maker states them, else as its latest calibration measured them.

    Empty where neither is known. A maker's figure is a ceiling that no measurement may pass; a measured one is not.
    """
    from ..costs.hardware import device, devices

    if slug in devices:
        known = device(slug)
        try:
            flops: float | None = float(known.peak(dtype))
        except ArchwrightError:
            flops = None
        return {"flops": flops, "bytes": float(known.bandwidth), "source": f"stated for {known.name}, dense {dtype}"}
    from ..lab.calibration import ceilings

    made = [s.evidence for s in store.of_kind("calibration", "device")] if store is not None else []
    fitting = [e for e in made if e.device == slug and e.settings.get("dtype") == dtype]
    return ceilings(max(fitting, key=lambda e: e.created)) if fitting else {}
