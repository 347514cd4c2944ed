"""Devices that a bench can run on: how to wait, how to time, how to clear caches, how to read memory and clocks."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import torch

from ..errors import InvalidValue, NotSupported, Problem, did_you_mean
from ..evidence.environment import processor
from .timing import NOT_NEEDED, Clock, Synchronize

T = TypeVar("T")

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
"""The types a bench computes in, by the names used everywhere here."""

REPORTED = {
    "NVIDIA H100 80GB HBM3": "h100-sxm",
    "NVIDIA H100 PCIe": "h100-pcie",
    "NVIDIA H200": "h200",
    "NVIDIA B200": "b200",
    "NVIDIA A100-SXM4-80GB": "a100-80gb",
    "NVIDIA A100 80GB PCIe": "a100-80gb",
    "NVIDIA A100-SXM4-40GB": "a100-40gb",
    "NVIDIA A100-PCIE-40GB": "a100-40gb",
    "NVIDIA L40S": "l40s",
    "NVIDIA GeForce RTX 4090": "rtx-4090",
    "AMD Instinct MI300X": "mi300x",
}
"""What drivers call the accelerators whose facts are known here."""


class Device(ABC):
    """One device of torch's, opened for measuring."""

    synchronize: Synchronize

    def __init__(self, device: torch.device, reported: str) -> None:
        self.device = device
        self.reported = reported
        """The name that the driver or system gives."""
        self.slug = slug_of(reported, device.type)
        """The name in claims and evidence: `h100-sxm`, `cpu-amd-epyc`."""

    def clock(self) -> Clock | None:
        """A clock of the device's own; None where the computer's serves."""
        return None

    @abstractmethod
    def peak_of(self, build: Callable[[], T], run: Callable[[T], object]) -> tuple[T, int | None]:
        """What `build` makes, and the most bytes that it and one `run` held at once; None where nothing tells."""

    @abstractmethod
    def free(self) -> int | None:
        """Bytes that are free now; None where nothing tells."""

    def describe(self) -> dict[str, Any]:
        """Name, driver and libraries, as records carry them."""
        return {"type": self.device.type, "name": self.reported}


def slug_of(reported: str, kind: str) -> str:
    """The name of a device in claims: the known one, else made from what is reported.

    >>> slug_of("NVIDIA H100 80GB HBM3", "cuda"), slug_of("AMD EPYC 7763 64-Core Processor", "cpu")
    ('h100-sxm', 'cpu-amd-epyc-7763-64-core-processor')
    """
    known = REPORTED.get(reported)
    if known:
        return known
    plain = re.sub(r"[^a-z0-9]+", "-", reported.lower()).strip("-")
    return plain if plain.startswith(kind) else f"{kind}-{plain}".strip("-")


def open_device(name: str) -> Device:
    """`cpu`, `cuda`, `cuda:1`, `mps` or `xpu`, ready to be measured.

    InvalidValue: no such kind. NotSupported: none of that kind here, with the reason.
    """
    kind = name.partition(":")[0]
    makers: dict[str, Callable[[torch.device], Device]] = {"cpu": Cpu, "cuda": Cuda, "mps": _Other, "xpu": _Other}
    if kind not in makers:
        hint = did_you_mean(kind, makers, "Known")
        raise InvalidValue(Problem("device", name, "is not a kind of device that torch runs on", hint))
    if kind != "cpu":
        module = getattr(torch, kind)
        if not module.is_available():
            why = f"torch {torch.__version__} sees none"
            remedy = f"Run the same command on a machine that has one, or here with --device cpu as device {cpu_slug()}"
            raise NotSupported(Problem("device", name, f"is not here: {why}", remedy))
        count = module.device_count()
        index = name.partition(":")[2]
        if index and (not index.isdecimal() or int(index) >= count):
            raise NotSupported(Problem("device", name, f"is not here: there are {count}, from {kind}:0 on"))
    return makers[kind](torch.device(name))


def cpu_slug() -> str:
    """How evidence names this computer's processor."""
    return slug_of(processor(), "cpu")


_MARK = "archwright: one call"


class Cpu(Device):
    """The processor: calls return when their work is done."""

    synchronize: Synchronize = NOT_NEEDED

    def __init__(self, device: torch.device) -> None:
        super().__init__(device, processor())

    def peak_of(self, build: Callable[[], T], run: Callable[[T], object]) -> tuple[T, int | None]:
        """By the allocator's own report to torch's profiler: every tensor and workspace, exactly."""
        from torch.profiler import ProfilerActivity, profile, record_function

        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it announces every start and stop on stderr
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            made = build()
            with record_function(_MARK):
                run(made)
        results = getattr(profiler.profiler, "kineto_results", None)
        if results is None:
            return made, None
        events = list(results.events())
        begun = min((e.start_ns() for e in events if e.name() == _MARK), default=0)
        held = peak = 0
        for when, size in sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"):
            held += size
            if when >= begun:
                peak = max(peak, held)
        return made, peak or None

    def free(self) -> int | None:
        with suppress(OSError), open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
        return None

    def describe(self) -> dict[str, Any]:
        return super().describe() | {"threads": torch.get_num_threads()}


CLEARED = 512 * 2**20
"""Bytes written before each sample on a GPU: many times its cache, and a tenth of a millisecond of work."""


class Cuda(Device):
    """A GPU under CUDA or ROCm: timed by its own events, its L2 cache cleared before each sample."""

    def __init__(self, device: torch.device) -> None:
        if ":" not in str(device):
            device = torch.device("cuda", torch.cuda.current_device())
        torch.cuda.set_device(device)
        self.properties = torch.cuda.get_device_properties(device)
        super().__init__(device, self.properties.name)
        self.synchronize = lambda: torch.cuda.synchronize(device)

    def clock(self) -> Clock:
        """Events around each call, behind a write that clears the L2 cache.

        The write keeps the device busy while the host sends the first kernels, so that what is timed is the device's
        work, as far as the host keeps ahead of it.
        """
        cache = getattr(self.properties, "L2_cache_size", 0) or 64 * 2**20
        scratch = torch.empty(max(2 * cache, CLEARED), dtype=torch.int8, device=self.device)
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))

        def clock(run: Callable[[], object], times: int) -> float:
            torch.cuda.synchronize(self.device)
            scratch.zero_()
            start.record()
            for _ in range(times):
                run()
            stop.record()
            torch.cuda.synchronize(self.device)
            return float(start.elapsed_time(stop)) / 1e3 / times

        return clock

    def peak_of(self, build: Callable[[], T], run: Callable[[T], object]) -> tuple[T, int | None]:
        """By the allocator's counters, less what was held before."""
        torch.cuda.synchronize(self.device)
        before = torch.cuda.memory_allocated(self.device)
        made = build()
        torch.cuda.synchronize(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        run(made)
        torch.cuda.synchronize(self.device)
        return made, torch.cuda.max_memory_allocated(self.device) - before

    def free(self) -> int | None:
        return int(torch.cuda.mem_get_info(self.device)[0]) + (
            torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        )

    def describe(self) -> dict[str, Any]:
        made = super().describe() | {
            "memory": self.properties.total_memory,
            "cuda": torch.version.cuda,
            "hip": torch.version.hip,
            "cudnn": torch.backends.cudnn.version(),
        }
        return {name: value for name, value in made.items() if value is not None}


class _Other(Device):
    """A device that torch can wait for; no events, no clearing of caches, no reading of memory."""

    def __init__(self, device: torch.device) -> None:
        module = getattr(torch, device.type)
        reported = module.get_device_name(device) if hasattr(module, "get_device_name") else device.type
        super().__init__(device, reported)
        self.synchronize = module.synchronize

    def peak_of(self, build: Callable[[], T], run: Callable[[T], object]) -> tuple[T, int | None]:
        made = build()
        run(made)
        return made, None

    def free(self) -> int | None:
        return None


def dtype_of(name: str) -> torch.dtype:
    """torch's type of that name; InvalidValue lists those a bench computes in."""
    if name not in DTYPES:
        hint = did_you_mean(name, DTYPES, "Known")
        known = f"{hint} Known: {', '.join(DTYPES)}" if hint.startswith("Did") else hint
        raise InvalidValue(Problem("dtype", name, "is not a type that a bench computes in", known))
    return DTYPES[name]


OUT_OF_MEMORY: tuple[type[BaseException], ...] = (torch.OutOfMemoryError, MemoryError)
"""What running out of memory raises, beside a RuntimeError of the CPU's allocator."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    if isinstance(error, OUT_OF_MEMORY):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("not enough memory" in text or "can't allocate memory" in text)
