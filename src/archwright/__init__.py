"""Archwright: architectures, the decisions behind them, and the numbers that hold both together.

Everything here is imported when first used; nothing here imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "ArchitectureConfig": "archwright.arch.config",
    "AttentionConfig": "archwright.arch.attention.config",
    "AttentionSpec": "archwright.arch.attention.base",
    "attention": "archwright.arch.attention.base",
    "Problem": "archwright.errors",
    "ArchwrightError": "archwright.errors",
    "Quantity": "archwright.units",
    "load": "archwright.arch.loading",
    "estimate": "archwright.costs.estimate",
    "compare": "archwright.costs.compare",
    "metric": "archwright.costs.metric",
    "check": "archwright.decisions.check",
}
_MODULES = ("metrics", "decisions", "evidence", "lab")

if TYPE_CHECKING:
    from . import decisions as decisions
    from .arch.attention.base import AttentionSpec as AttentionSpec
    from .arch.attention.base import attention as attention
    from .arch.attention.config import AttentionConfig as AttentionConfig
    from .arch.config import ArchitectureConfig as ArchitectureConfig
    from .arch.loading import load as load
    from .costs import metrics as metrics
    from .costs.compare import compare as compare
    from .costs.estimate import estimate as estimate
    from .costs.metric import metric as metric
    from .decisions.check import check as check
    from .errors import ArchwrightError as ArchwrightError
    from .errors import Problem as Problem
    from .units import Quantity as Quantity


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    if name == "metrics":
        return import_module("archwright.costs.metrics")
    if name in _MODULES:
        return import_module(f"archwright.{name}")
    raise AttributeError(f"module 'archwright' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_WHERE, *_MODULES, "__version__"])
