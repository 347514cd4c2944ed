"""Clocks and temperatures during a run: by NVML where nvidia-ml-py is installed, by Linux's own files for a CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

Read = Callable[[], Mapping[str, float]]

THROTTLED = 0.03
"""Share by which a clock must fall to be a note."""


class Readings:
    """Readings of named quantities; `conditions` gives first, lowest, highest and last of each."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._taken: dict[str, list[float]] = {}
        self.look()

    def look(self) -> None:
        """Take a reading; a quantity that cannot be read is left out."""
        for name, value in self._read().items():
            self._taken.setdefault(name, []).append(value)

    def conditions(self) -> dict[str, Any]:
        """A last reading, and for each quantity its start, extremes and end."""
        self.look()
        return {
            name: {"first": values[0], "low": min(values), "high": max(values), "last": values[-1]}
            for name, values in self._taken.items()
        }


def notes(conditions: Mapping[str, Any]) -> list[str]:
    """What of the readings a reader of the evidence should know: clocks that fell, in words."""
    found = []
    for name, reading in conditions.items():
        if name.startswith("clock") and isinstance(reading, Mapping) and reading["high"]:
            fell = 1 - reading["low"] / reading["high"]
            if fell > THROTTLED:
                found.append(f"the {name.replace('_', ' ')} went from {reading['high']:.0f} to {reading['low']:.0f}")
    return found


def of_cpu() -> Readings:
    """The mean clock of the processors (MHz) and the hottest zone (°C), where Linux tells."""
    clocks = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
    zones = sorted(Path("/sys/class/thermal").glob("thermal_zone*/temp"))

    def read() -> dict[str, float]:
        made: dict[str, float] = {}
        values = [v for path in clocks if (v := _number(path)) is not None]
        if values:
            made["clock_mhz"] = round(sum(values) / len(values) / 1000)
        heat = [v for path in zones if (v := _number(path)) is not None]
        if heat:
            made["temperature_c"] = max(heat) / 1000
        return made

    return Readings(read)


def _number(path: Path) -> float | None:
    with suppress(OSError, ValueError):
        return float(path.read_text())
    return None


def of_cuda(index: int) -> Readings:
    """Clocks (MHz), temperature (°C) and power (W) of a GPU; nothing where nvidia-ml-py is not installed."""
    nvml, handle = _nvml(index)
    if nvml is None:
        return Readings(dict)

    def read() -> dict[str, float]:
        made: dict[str, float] = {}
        with suppress(nvml.NVMLError):
            made["clock_mhz"] = float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM))
        with suppress(nvml.NVMLError):
            made["clock_memory_mhz"] = float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM))
        with suppress(nvml.NVMLError):
            made["temperature_c"] = float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
        with suppress(nvml.NVMLError):
            made["power_w"] = nvml.nvmlDeviceGetPowerUsage(handle) / 1000
        return made

    return Readings(read)


def driver() -> str | None:
    """The version of the NVIDIA driver; None where nothing tells."""
    nvml, _ = _nvml(None)
    if nvml is None:
        return None
    with suppress(nvml.NVMLError):
        found = nvml.nvmlSystemGetDriverVersion()
        return found.decode() if isinstance(found, bytes) else str(found)
    return None


def _nvml(index: int | None) -> tuple[Any, Any]:
    """The library, initialised, and the handle of the device that torch calls `index`."""
    try:
        nvml: Any = import_module("pynvml")
    except ImportError:
        return None, None
    try:
        nvml.nvmlInit()
        if index is None:
            return nvml, None
        import torch

        # Numbers differ where CUDA_VISIBLE_DEVICES hides some; the identifier does not.
        identifier = getattr(torch.cuda.get_device_properties(index), "uuid", None)
        if identifier is not None:
            return nvml, nvml.nvmlDeviceGetHandleByUUID(f"GPU-{identifier}")
        return nvml, nvml.nvmlDeviceGetHandleByIndex(index)
    except nvml.NVMLError:
        return None, None
