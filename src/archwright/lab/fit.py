"""What would fit: the largest workload whose weights and cache leave room, said where memory ran out."""

from __future__ import annotations

from collections.abc import Callable

from ..arch.config import ArchitectureConfig
from ..arch.layer import Layer
from ..errors import NOTHING, NotSupported, Problem
from ..units import Quantity
from .targets import Workload

USABLE = 0.9
"""Share of the free memory that a bench plans with; the rest is workspace."""


def held(config: ArchitectureConfig, work: Workload, batch: int, context: int) -> int:
    """Bytes of weights and, for a model with a cache, of keys and values; activations are not counted."""
    size = work.dtype.itemsize
    if work.target in ("attention", "layer"):
        return size * batch * context * config.d_model * 4
    cache = sum(len(group) * _cache(layer, context) for layer, group in config.groups)
    return size * (config.estimate_params() + batch * cache)


def _cache(layer: Layer, context: int) -> int:
    return layer.attention.cache_slots(context) * layer.attention.cache_elements


def out_of_memory(name: str, config: ArchitectureConfig, work: Workload, free: int | None) -> NotSupported:
    """The error for an arm that ran out of memory: what it needs at least, what is free, and what would fit."""
    need = Quantity(held(config, work, work.batch, work.context), "B")
    what = "inputs and outputs" if work.target in ("attention", "layer") else "weights and cache"
    rule = f"does not fit: {what} alone take {need}"
    if free is None:
        return NotSupported(Problem(f"arm {name}", NOTHING, rule, "Try a smaller batch or context"))
    rule += f", {Quantity(free, 'B')} are free, and the rest is workspace"
    return NotSupported(Problem(f"arm {name}", NOTHING, rule, _what_fits(config, work, free)))


def _what_fits(config: ArchitectureConfig, work: Workload, free: int) -> str:
    room = int(USABLE * free)
    batch = _largest(work.batch - 1, lambda n: held(config, work, n, work.context) <= room)
    if batch:
        return f"Try batch {batch}, for which they take {Quantity(held(config, work, batch, work.context), 'B')}"
    context = _largest(work.context - 1, lambda n: held(config, work, 1, n) <= room)
    if context:
        return f"Try batch 1 and context {context}"
    return "Use a device with more memory: the weights alone do not fit"


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest n up to `most` that fits, 0 for none; what fits is closed downwards."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
