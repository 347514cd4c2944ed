"""The metrics by name: `metrics.kv_cache(architecture, context=32768)`; `names()` lists them."""

from __future__ import annotations

from .metric import Metric, describe, evaluate, how, metrics, settings_of

__all__ = ["describe", "evaluate", "how", "names", "settings_of"]


def names() -> list[str]:
    """Every metric's name, sorted."""
    return metrics.names()


def __getattr__(name: str) -> Metric:
    if name.startswith("__"):
        raise AttributeError(name)
    found = metrics.find(name)
    if found is None:
        from .metric import unknown

        raise AttributeError(str(unknown(name)))
    return found


def __dir__() -> list[str]:
    return [*__all__, *metrics.names()]
