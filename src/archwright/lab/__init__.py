"""Experiments that end in evidence: benches that are fair to every arm, and calibrations of this machine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .benches import bench as bench
    from .benches import run as run
    from .calibration import calibrate as calibrate
    from .timing import measure as measure

_WHERE = {"bench": "benches", "run": "benches", "calibrate": "calibration", "measure": "timing"}

__all__ = ["bench", "calibrate", "measure", "run"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
