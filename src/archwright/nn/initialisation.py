"""Initialisation methods: the standard deviation that each tensor starts with, one function a method."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import InvalidValue, Problem, did_you_mean
from ..registry import Registry


@dataclass(frozen=True)
class Slot:
    """A tensor to fill: `residual` marks matrices whose output is added to the residual stream."""

    name: str
    fan_in: int
    fan_out: int
    table: bool = False
    residual: bool = False
    n_layers: int = 1


Method = Callable[[Slot, float | None], float]
methods: Registry[Method] = Registry("initialisation")
"""Every method by name: from a slot (and the number in parentheses, if one was given) to a standard deviation."""


def kaiming(slot: Slot, gain: float | None = None) -> float:
    """gain / sqrt(fan_in), gain sqrt(2); look-up tables d_model ** -0.5. Source: He et al. 2015, equation 10."""
    if slot.table:
        return float(slot.fan_out**-0.5)
    return (math.sqrt(2.0) if gain is None else gain) / math.sqrt(slot.fan_in)


def xavier(slot: Slot, gain: float | None = None) -> float:
    """gain * sqrt(2 / (fan_in + fan_out)), gain 1. Source: Glorot and Bengio 2010, equation 16."""
    return (1.0 if gain is None else gain) * math.sqrt(2.0 / (slot.fan_in + slot.fan_out))


def normal(slot: Slot, std: float | None = None) -> float:
    """The same std everywhere, 0.02."""
    return 0.02 if std is None else std


def scaled(slot: Slot, std: float | None = None) -> float:
    """As `normal`, and 1 / sqrt(2 L) of it for what is added to the stream of L layers. Source: Radford et al. 2019."""
    base = 0.02 if std is None else std
    return base / math.sqrt(2 * slot.n_layers) if slot.residual else base


for _method in (kaiming, xavier, normal, scaled):
    methods.register(_method.__name__, _method)

_WRITTEN = re.compile(r"([a-z_][a-z0-9_]*)(?:\(([0-9.e+-]+)\))?\Z")


def read_method(text: str) -> tuple[Method, float | None]:
    """`normal(0.02)` to the method and its number. InvalidValue: unknown method, or no number in parentheses."""
    found = _WRITTEN.match(text)
    if not found or found[1] not in methods:
        raise InvalidValue(
            Problem("init_method", text, "is not a known initialisation", did_you_mean(text, methods.names(), "Known"))
        )
    try:
        number = float(found[2]) if found[2] else None
    except ValueError:
        raise InvalidValue(Problem("init_method", text, "must have a number in parentheses")) from None
    return methods.get(found[1]), number


def slots(module: nn.Module, n_layers: int = 1) -> Iterator[tuple[Slot, Tensor]]:
    """Every matrix and table of a module with its tensor, a shared one once; biases and norms are no slots."""
    seen: set[int] = set()
    for path, part in module.named_modules():
        stacked = getattr(part, "stacked", False)
        if not (stacked or isinstance(part, nn.Linear | nn.Embedding)) or id(part.weight) in seen:
            continue
        seen.add(id(part.weight))
        rows, columns = part.weight.shape[-2:]
        residual = path.rpartition(".")[2] in ("o_proj", "down_proj")
        if isinstance(part, nn.Embedding):
            yield Slot(f"{path}.weight".lstrip("."), rows, columns, True, False, n_layers), part.weight
        else:
            yield Slot(f"{path}.weight".lstrip("."), columns, rows, False, residual, n_layers), part.weight


@torch.no_grad()
def initialise(
    module: nn.Module, method: str = "kaiming", *, n_layers: int = 1, generator: torch.Generator | None = None
) -> None:
    """Fill matrices and tables from normal distributions, biases with 0, norm weights with 1; nothing on `meta`."""
    function, number = read_method(method)
    for slot, tensor in slots(module, n_layers):
        if not tensor.is_meta:
            tensor.normal_(0.0, function(slot, number), generator=generator)
    for part in module.modules():
        start = getattr(part, "start", None)
        if start is not None:  # it knows its own beginning
            start()
        elif isinstance(part, nn.RMSNorm | nn.LayerNorm):
            part.reset_parameters()
        bias = getattr(part, "bias", None)
        if (isinstance(part, nn.Linear) or getattr(part, "stacked", False)) and isinstance(bias, Tensor):
            bias.zero_()


def empty_linear(
    inner: int, outer: int, bias: bool, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> nn.Linear:
    """A linear layer whose memory is not filled yet; `initialise` does that once."""
    where = torch.get_default_device() if device is None else device
    return nn.Linear(inner, outer, bias, device="meta", dtype=dtype).to_empty(device=where)
