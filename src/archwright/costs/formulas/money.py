"""What training and decoding cost: device hours times a price, and the energy of the boards."""

from __future__ import annotations

from fractions import Fraction
from typing import TypedDict, Unpack

from ...arch.config import ArchitectureConfig
from ...errors import NOTHING, InvalidValue, Problem
from ...units import Quantity
from ..dtypes import Dtype
from ..hardware import Device, all_devices
from ..metric import metric
from ..price import Price
from .time import Step, step_bound
from .training import HOUR, Rate, device_seconds

MILLION = 10**6


@metric(unit="$", better="less", label="training cost", takes=Rate)
def training_cost(
    a: ArchitectureConfig,
    *,
    price: Price,
    tokens: int | None = None,
    device: Device | None = None,
    **rate: Unpack[Rate],
) -> Quantity:
    """Rent of the devices that train on a number of tokens.

    Formula: `device_hours` x price.
    Unit: $.
    Convention: the price of one device hour, with the day it held and who said so; no storage, no failed runs, no
    people. `hours` takes published device hours in place of tokens and a rate.
    Source: definition.
    """
    return Quantity(device_seconds(a, tokens, device, rate) / HOUR * price.amount, "$", notes=(str(price),))


@metric(unit="J", better="less", label="energy", shown_in="kWh", takes=Rate)
def energy(a: ArchitectureConfig, *, device: Device, tokens: int | None = None, **rate: Unpack[Rate]) -> Quantity:
    """Electricity of the boards that train on a number of tokens, at the power they may draw.

    Formula: `device_hours` x the board's power.
    Unit: J, shown in kWh.
    Convention: an upper bound of the boards alone: no board draws all of its power all the time; hosts, network and
    cooling come on top. Devices without a sourced power are refused.
    Source: the device's file.
    """
    if device.power is None:
        known = ", ".join(d.slug for d in all_devices() if d.power is not None)
        raise InvalidValue(Problem("device", device.slug, "has no power in its file", f"Use one of {known}"))
    seconds = device_seconds(a, tokens, device, rate)
    return Quantity(seconds * device.power, "J", "kWh", notes=(f"{int(device.power):,} W a board",))


class Served(TypedDict):
    """The settings of a decoding step, its device perhaps unknown."""

    context: int
    batch: int
    weights_dtype: Dtype
    kv_dtype: Dtype
    activation_dtype: Dtype
    moe_dtype: Dtype
    efficiency: Fraction


@metric(unit="$", better="less", label="cost of a million tokens", takes=Served)
def cost_per_million_tokens(
    a: ArchitectureConfig,
    *,
    price: Price,
    device: Device | None = None,
    throughput: Fraction | None,
    **served: Unpack[Served],
) -> Quantity:
    """Rent of one device while it decodes a million tokens.

    Formula: price / 3,600 s x 1,000,000 / tokens a second of one device.
    Unit: $.
    Convention: `throughput` is measured, over all sequences of the batch; without one it is the most that
    `decode_throughput` allows on `device` at `efficiency`, which makes the cost a lower bound. Every device is busy.
    Source: definition.
    """
    notes: tuple[str, ...] = (str(price),)
    if throughput is None:
        if device is None:
            rule, remedy = "or throughput is required", "Give throughput (tokens/s of one device) or a device"
            raise InvalidValue(Problem("device", NOTHING, rule, remedy))
        step: Step = {**served, "device": device}
        throughput = served["batch"] / step_bound(a, "decode", step).seconds
        notes += ("at least: the rate is a bound",)
    return Quantity(price.amount / HOUR * MILLION / throughput, "$", notes=notes)


@training_cost.explain
def _how(
    a: ArchitectureConfig, *, price: Price, tokens: int | None, device: Device | None, **rate: Unpack[Rate]
) -> str:
    hours = Quantity(device_seconds(a, tokens, device, rate), "s", "h")
    return f"{hours} of one device x ${float(price.amount):g}"
