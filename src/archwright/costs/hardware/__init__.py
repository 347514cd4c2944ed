"""Accelerators by name: one YAML file each, every figure with its source and the day it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...errors import NOTHING, InvalidValue, Location, Problem, did_you_mean
from ...registry import Registry
from ...units import Quantity, factor

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of a device, in base units, and where it is from."""

    value: Fraction
    source: str
    read_on: str


@dataclass(frozen=True, slots=True)
class Device:
    """An accelerator. Peaks are dense: never the figure for structured sparsity."""

    slug: str
    name: str
    vendor: str
    facts: tuple[tuple[str, Fact], ...]
    """`memory` (B, as the driver reports it), `bandwidth` (B/s), `power` (W, not of all) and `peak.<type>` (FLOP/s)."""
    note: str = ""
    """What a reader of the figures should know."""
    single: bool = True
    """Whether people use one by itself, so that an overview asks what fits on it."""

    def fact(self, name: str) -> Fact:
        """A figure with its source; KeyError where there is none of that name."""
        return dict(self.facts)[name]

    @property
    def memory(self) -> Fraction:
        """Bytes that the driver reports."""
        return self.fact("memory").value

    @property
    def memory_quantity(self) -> Quantity:
        """The memory with its unit."""
        return Quantity(int(self.memory), "B")

    @property
    def bandwidth(self) -> Fraction:
        """Bytes a second between memory and chip."""
        return self.fact("bandwidth").value

    @property
    def power(self) -> Fraction | None:
        """Watts that the board may draw; None where no source was found."""
        return next((fact.value for name, fact in self.facts if name == "power"), None)

    @property
    def peaks(self) -> dict[str, Fraction]:
        """Dense FLOP/s by data type."""
        return {name.removeprefix("peak."): fact.value for name, fact in self.facts if name.startswith("peak.")}

    def peak(self, dtype: str) -> Fraction:
        """Dense FLOP/s in a type; InvalidValue lists the types it has."""
        peaks = self.peaks
        if dtype not in peaks:
            listed = ", ".join(peaks)
            raise InvalidValue(
                Problem(
                    "activation_dtype",
                    dtype,
                    f"is not a type that {self.name} has a dense peak for",
                    f"Set activation_dtype to one of {listed}",
                )
            )
        return peaks[dtype]

    def to_dict(self) -> dict[str, Any]:
        """Every figure with unit, source and day, as data."""
        units = {"memory": "B", "bandwidth": "B/s", "power": "W"}
        return {
            "slug": self.slug,
            "name": self.name,
            "vendor": self.vendor,
            "note": self.note,
            "facts": {
                name: {
                    "value": int(fact.value),
                    "unit": units.get(name, "FLOP/s"),
                    "source": fact.source,
                    "read_on": fact.read_on,
                }
                for name, fact in self.facts
            },
        }


def _load_builtin() -> None:
    for path in sorted(FOLDER.glob("*.yaml")):
        devices.register(path.stem, path)


devices: Registry[Any] = Registry("accelerator", "archwright.hardware", _load_builtin)
"""Every accelerator by name: a file of ours, or a file or map from an installed package."""


def names() -> list[str]:
    """Every accelerator's name, sorted."""
    return devices.names()


def device(name: object) -> Device:
    """The accelerator of that name; InvalidValue lists the known ones."""
    found = devices.find(name) if isinstance(name, str) else None
    if found is None:
        known = names()
        begun = [k for k in known if isinstance(name, str) and name and k.startswith(name.lower())]
        hint = did_you_mean(name, known) if isinstance(name, str) else ""
        if begun:
            hint = f"Did you mean {' or '.join(begun)}?"
        listed = f"Known: {', '.join(known)}"
        remedy = f"{hint} {listed}" if hint.startswith("Did") else listed
        raise InvalidValue(Problem("device", name, "is not a known accelerator", remedy))
    assert isinstance(name, str)
    if isinstance(found, Device):
        return found
    if isinstance(found, Mapping):
        return read(name, found)
    return _from_file(name, Path(found))


def all_devices() -> list[Device]:
    """Every accelerator, the one with the least memory first."""
    return sorted((device(name) for name in names()), key=lambda d: (d.memory, d.slug))


@lru_cache(maxsize=256)
def _from_file(name: str, path: Path) -> Device:
    from ...arch.files import load

    return read(name, load(path).data, str(path))


def read(slug: str, data: Mapping[str, Any], path: str = "") -> Device:
    """A device from its map: name, vendor, memory, bandwidth, perhaps power, and peaks.

    Each figure is {value, unit, source, read_on}.
    """
    problems: list[Problem] = []
    place = Location(path) if path else None
    facts: list[tuple[str, Fact]] = []

    def figure(name: str, entry: Any, unit: str) -> None:
        if not isinstance(entry, Mapping):
            problems.append(Problem(f"{slug}.{name}", entry, "must be a map of value, unit, source and read_on"))
            return
        size = factor(str(entry.get("unit")), unit)
        value = entry.get("value")
        if size is None or isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            problems.append(Problem(f"{slug}.{name}", value, f"must be a positive number with a unit of {unit}"))
            return
        missing = [key for key in ("source", "read_on") if not entry.get(key)]
        if missing:
            problems.append(Problem(f"{slug}.{name}", NOTHING, f"lacks {' and '.join(missing)}"))
            return
        facts.append((name, Fact(Fraction(str(value)) * size, str(entry["source"]), str(entry["read_on"]))))

    figure("memory", data.get("memory"), "B")
    figure("bandwidth", data.get("bandwidth"), "B/s")
    if data.get("power") is not None:
        figure("power", data["power"], "W")
    peaks = data.get("peaks")
    for name, entry in peaks.items() if isinstance(peaks, Mapping) else ():
        figure(f"peak.{name}", entry, "FLOP/s")
    if not isinstance(peaks, Mapping) or not peaks:
        problems.append(Problem(f"{slug}.peaks", peaks, "must be a map from data types to dense peaks"))
    if problems:
        raise InvalidValue([p.at(place) for p in problems])
    return Device(
        slug,
        str(data.get("name", slug)),
        str(data.get("vendor", "")),
        tuple(facts),
        str(data.get("note", "")),
        data.get("single") is not False,
    )
