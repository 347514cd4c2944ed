"""What fits: whether, how many devices, and the largest batch or context."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypedDict, Unpack

from ...arch.config import ArchitectureConfig
from ...errors import NOTHING, InvalidValue, Problem
from ...units import Quantity
from ..dtypes import Dtype
from ..hardware import Device
from ..metric import metric
from .cache import elements, whole
from .memory import OnDevice


class Held(TypedDict):
    """What is held on one device, and of how much memory."""

    device: Device
    weights_dtype: Dtype
    kv_dtype: Dtype
    moe_dtype: Dtype
    cache: str
    usable: Fraction


class Spread(Held):
    """The same over several devices."""

    tp: int
    pp: int
    ep: int
    n_devices: int


LARGEST = 2**48
"""Where a search for the largest context or batch ends: nothing real comes near it."""
MOST_WAYS = 2**20
"""Where a search for enough devices ends: every head and column has had a device of its own for long."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit(Quantity):
    """Whether something fits, as a quantity of 1 (fits) or 0, with what is needed and what there is.

    `bool(fit)`, `fit.word` ("fits" or "does not fit") and `fit.headroom` (negative where it does not).
    """

    needed: Quantity = field(default_factory=lambda: Quantity(0, "B"))
    available: Quantity = field(default_factory=lambda: Quantity(0, "B"))

    @property
    def word(self) -> str:
        """The verdict as a sentence writes it."""
        return "fits" if self.value else "does not fit"

    @property
    def headroom(self) -> Quantity:
        """Bytes to spare; negative where some are missing."""
        return self.available - self.needed

    def __str__(self) -> str:
        unit = self.available.best_unit()
        sizes = f"{self.needed.in_unit(unit).removesuffix(' ' + unit)} of {self.available.in_unit(unit)}"
        return f"{'yes' if self.value else 'no'}: {sizes}"


def usable_bytes(held: Held) -> Fraction:
    """The memory of a device that may be filled."""
    return held["device"].memory * held["usable"]


def layout(tp: int, pp: int, ep: int, n_devices: int) -> tuple[int, int, int]:
    """Tensor, pipeline and expert ways; devices beyond pp x ep go to tp where tp is not given."""
    if n_devices == 1:
        return tp, pp, ep
    if tp == 1 and n_devices % (pp * ep) == 0:
        return n_devices // (pp * ep), pp, ep
    if tp * pp * ep != n_devices:
        rule = f"is not tp x pp x ep ({tp} x {pp} x {ep})"
        raise InvalidValue(Problem("n_devices", n_devices, rule, "Leave n_devices out, or make them agree"))
    return tp, pp, ep


def on_device(a: ArchitectureConfig, held: Held, tp: int = 1, pp: int = 1, ep: int = 1) -> OnDevice:
    """The bytes on the fullest device, as a function of context and batch."""
    return OnDevice(a, held["weights_dtype"], held["moe_dtype"], tp, pp, ep)


def _layout(held: Spread) -> tuple[int, int, int]:
    return layout(held["tp"], held["pp"], held["ep"], held["n_devices"])


def largest(holds: Callable[[int], bool]) -> int | None:
    """The largest whole number for which a condition holds that holds up to some number; None: for all of them."""
    if not holds(1):
        return 0
    low = 1
    while holds(low * 2):
        low *= 2
        if low >= LARGEST:
            return None
    high = low * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


@metric(unit="", better=None, takes=Spread)
def fits(a: ArchitectureConfig, *, context: int, batch: int, **held: Unpack[Spread]) -> Fit:
    """Whether weights and KV cache fit into the device's memory.

    Formula: `inference_memory` per device <= usable x the device's memory.
    Unit: a verdict (true or false), with what is needed and what there is.
    Convention: the memory is what the driver reports; `usable: 0.9` leaves a tenth for activations, workspace and
    fragmentation. With `n_devices` alone, all of them are one tensor-parallel group. ep splits routed experts alone:
    the rest, and the cache, is on every device of its group.
    Source: the device's file, with its source.
    """
    needed = on_device(a, held, *_layout(held)).all(context, batch, held["kv_dtype"], held["cache"])
    there = usable_bytes(held)
    device = held["device"]
    notes = (f"{float(100 * held['usable']):g} % of {device.memory_quantity} on {device.name}",)
    return Fit(
        int(needed <= there),
        notes=notes,
        needed=Quantity(whole(needed), "B"),
        available=Quantity(whole(there), "B"),
    )


@metric(unit="devices", better="less", label="devices needed", takes=Held)
def devices_needed(a: ArchitectureConfig, *, context: int, batch: int, pp: int, ep: int, **held: Unpack[Held]) -> int:
    """The smallest number of devices that hold the weights and the KV cache.

    Formula: pp x ep x the smallest tp for which the fullest device holds its share, found by search.
    Unit: devices.
    Convention: any whole number of devices, also one that engines do not split heads by; KV heads are
    replicated beyond their number, so that more devices need not help.
    Source: as `fits`.
    """
    there = usable_bytes(held)

    def too_full(tp: int) -> bool:
        return on_device(a, held, tp, pp, ep).all(context, batch, held["kv_dtype"], held["cache"]) > there

    ways = 1
    while too_full(ways):
        ways *= 2
        if ways > MOST_WAYS:
            raise InvalidValue(
                Problem(
                    "device",
                    held["device"].slug,
                    "holds too little, however many there are: KV heads and norms are on each of them",
                    "Split the layers too (pp), or choose a smaller batch or context",
                )
            )
    low = ways // 2
    while ways - low > 1:
        middle = (low + ways) // 2
        low, ways = (middle, ways) if too_full(middle) else (low, middle)
    return ways * pp * ep


@metric(unit="sequences", better="more", label="largest batch", takes=Spread)
def max_batch(a: ArchitectureConfig, *, context: int, **held: Unpack[Spread]) -> int:
    """The most sequences of `context` tokens that fit at once.

    Formula: the largest batch for which `fits` is true, found by search.
    Unit: sequences; 0 where not even one fits.
    Convention: that of `fits`.
    Source: as `fits`.
    """
    there = usable_bytes(held)
    filled = on_device(a, held, *_layout(held))
    return _found(largest(lambda batch: filled.all(context, batch, held["kv_dtype"], held["cache"]) <= there), "batch")


@metric(unit="tokens", better="more", label="longest context", takes=Spread)
def max_context(a: ArchitectureConfig, *, batch: int, **held: Unpack[Spread]) -> int:
    """The longest context that fits, for every sequence of the batch.

    Formula: the largest context for which `fits` is true, found by search.
    Unit: tokens; 0 where not even one fits.
    Convention: that of `fits`. It may exceed max_seq_len, which is what the model is made for. A model of windows
    alone has no longest context, which is an error that says so.
    Source: as `fits`.
    """
    there = usable_bytes(held)
    filled = on_device(a, held, *_layout(held))
    return _found(
        largest(lambda context: filled.all(context, batch, held["kv_dtype"], held["cache"]) <= there), "context"
    )


@metric(unit="tokens", better="more", label="tokens in the cache", takes=Held)
def max_tokens_in_cache(a: ArchitectureConfig, *, context: int, **held: Unpack[Held]) -> int:
    """The most tokens that the memory beside the weights caches, over all sequences of at most `context` tokens.

    Formula: sequences of `context` tokens as many as fit, and the longest further one.
    Unit: tokens; 0 where the weights alone do not fit.
    Convention: one device. `context` matters only where windows make long sequences cheaper a token.
    Source: as `fits`.
    """
    there = usable_bytes(held) - on_device(a, held).weights()
    if there <= 0:
        return 0

    def size(tokens: int) -> Fraction:
        return elements(a, tokens, held["cache"]) * held["kv_dtype"].bytes

    one = size(context)
    sequences = int(there // one)
    rest = there - sequences * one
    more = largest(lambda tokens: tokens < context and size(tokens) <= rest)
    return sequences * context + _found(more, "context")


def _found(number: int | None, what: str) -> int:
    if number is None:
        raise InvalidValue(
            Problem(
                what,
                NOTHING,
                "has no largest value that fits: the cache stops growing",
                f"Ask fits with the {what} you mean",
            )
        )
    return number
