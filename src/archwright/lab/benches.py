"""bench: architectures timed side by side on one device, as evidence."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..arch.config import ArchitectureConfig
from ..errors import NOTHING, InvalidValue, NotSupported, Problem, did_you_mean
from ..evidence.environment import environment, now
from ..evidence.record import Arm, Evidence, Measure
from ..evidence.request import BENCH_MEASURES, Request, Side
from ..evidence.schema import TARGETS
from ..evidence.staleness import SCOPE_OF, identity
from . import watch
from .code import code_of
from .devices import Device, dtype_of, is_out_of_memory, open_device
from .fit import out_of_memory
from .targets import Runner, Workload, build, check, traced
from .timing import Progress, Timing, measure

Cost = Callable[[ArchitectureConfig, Mapping[str, Any]], Mapping[str, float]]
"""From an architecture and the settings of a call to its `flops` and `bytes`; either may be left out."""

_SUMMARIES = {"time": "median", "peak_memory": "range"}


@dataclass
class _Made:
    """An arm ready to run."""

    side: Side
    runner: Runner
    peak: int | None
    backends: tuple[str, ...]


def run(
    request: Request,
    *,
    device: str,
    slug: str | None = None,
    **options: Any,
) -> Evidence:
    """Answer a request of a claim on this machine; `device` is torch's name for the one that the request names.

    InvalidValue where the device here is another one than the request's; otherwise as `bench`.
    """
    opened = open_device(device)
    here = slug or opened.slug
    if request.device is not None and here != request.device:
        rule = f"is not here: {device} is {here} ({opened.reported})"
        raise InvalidValue(Problem("device", request.device, rule, f"Run it on a machine with {request.device}"))
    settings = dict(request.settings)
    return bench(request.target, request.sides, device=opened, slug=here, **{**settings, **options})


def bench(
    target: str,
    arms: Mapping[str, ArchitectureConfig] | Sequence[Side],
    *,
    context: int,
    batch: int = 1,
    dtype: str = "bf16",
    passes: str = "forward",
    where: str = "",
    backend: str | None = None,
    compile: bool | None = None,
    threads: int | None = None,
    device: str | Device = "cpu",
    slug: str | None = None,
    until: float = 0.02,
    time_limit: float = 60.0,
    most: int = 1000,
    cost: Cost | None = None,
    peaks: Mapping[str, Any] | None = None,
    command: Sequence[str] = (),
    root: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evidence:
    """Time a target (attention, layer, prefill, decode) of each arm, side by side, and its peak memory.

    The first arm is the one compared with. `until`, `time_limit` and `most` stop it as in `measure`. `slug` names the
    device where the driver's name is not known here. With `cost` and `peaks` (`flops` and `bytes` a second, `source`)
    shares of the roofline are recorded. The record is not yet in a store.

    InvalidValue: all that is wrong with the workload; a result above the peaks. NotSupported: no such device here,
    out of memory (with what would fit), an architecture or backend that does not run.
    """
    sides = list(arms) if isinstance(arms, Sequence) else [Side(name, config) for name, config in arms.items()]
    if target not in TARGETS:
        raise InvalidValue(Problem("target", target, "cannot be run", did_you_mean(target, TARGETS, "Targets")))
    if not sides:
        raise InvalidValue(Problem("arms", NOTHING, "is empty", "Name at least one architecture"))
    opened = open_device(device) if isinstance(device, str) else device
    if threads is not None:
        _use_threads(threads)
    work = Workload(target, batch, context, dtype_of(dtype), opened.device, passes, where, seed)
    check(work)
    shared = {n: v for n, v in (("backend", backend), ("compile", compile)) if v is not None}
    made = [_prepare(side, work, shared, opened, progress) for side in sides]
    timing = _time(made, opened, until, time_limit, most, progress)
    settings: dict[str, Any] = {"batch": batch, "context": context, "dtype": dtype, **shared}
    if target in ("attention", "layer"):
        settings |= {"passes": passes, **({"where": where} if where else {})}
    if opened.device.type == "cpu":
        import torch

        settings["threads"] = torch.get_num_threads()
    done = [_arm(m, work, timing, settings, cost, root) for m in made]
    known = [m for m in BENCH_MEASURES if all(m in arm.samples for arm in done)]
    measures = {
        n: Measure(BENCH_MEASURES[n][0], BENCH_MEASURES[n][1], _SUMMARIES[n])  # type: ignore[arg-type]  # the table holds words of that type
        for n in known
    }
    done = [replace(arm, samples={n: arm.samples[n] for n in known}) for arm in done]
    conditions = timing.to_conditions()
    conditions["backends"] = {m.side.name: list(m.backends) for m in made}
    return Evidence.of(
        kind="bench",
        target=target,
        measures=measures,
        arms=tuple(done),
        created=now(),
        command=tuple(command),
        device=slug or opened.slug,
        settings=settings,
        paired=len(done) > 1,
        environment=_where(opened, root),
        peaks=dict(peaks or {}),
        conditions=conditions,
        notes=(*timing.notes, *watch.notes(timing.conditions)),
    )


def _use_threads(threads: int) -> None:
    import torch

    if threads < 1:
        raise InvalidValue(Problem("threads", threads, "must be positive"))
    torch.set_num_threads(threads)


def _prepare(side: Side, work: Workload, shared: Mapping[str, Any], device: Device, progress: Progress | None) -> _Made:
    """Build an arm, run it once, and read what it held and which backends ran."""
    settings = {**shared, **dict(side.settings)}
    if progress:
        progress(0.0, f"building {side.name}")

    def call(runner: Runner) -> None:
        if runner.prepare:
            runner.prepare()
        runner.run()

    gc.collect()
    # A traced function could not be compiled whole, so a compiled arm is looked at by an uncompiled twin's backends.
    plain = {name: value for name, value in settings.items() if name != "compile"}
    try:
        with traced() as used:
            runner, peak = device.peak_of(lambda: build(side.architecture, work, plain), call)
        if settings.get("compile"):
            runner, peak = device.peak_of(lambda: build(side.architecture, work, settings), call)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(side.name, side.architecture, work, device.free()) from None
    return _Made(side, runner, peak, tuple(sorted(used)))


def _time(
    made: Sequence[_Made], device: Device, until: float, limit: float, most: int, progress: Progress | None
) -> Timing:
    looks = watch.of_cuda(device.device.index or 0) if device.device.type == "cuda" else watch.of_cpu()
    prepare = {m.side.name: m.runner.prepare for m in made if m.runner.prepare}
    try:
        return measure(
            {m.side.name: m.runner.run for m in made},
            synchronize=device.synchronize,
            until=until,
            time_limit=limit,
            most=most,
            prepare=prepare,
            clock=device.clock(),
            watch=looks,
            progress=progress,
        )
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        names = ", ".join(m.side.name for m in made)
        rule = f"do not fit side by side: {names}"
        raise NotSupported(Problem("arms", NOTHING, rule, "Use a smaller batch or context")) from None


def _arm(
    made: _Made,
    work: Workload,
    timing: Timing,
    settings: Mapping[str, Any],
    cost: Cost | None,
    root: Path | None,
) -> Arm:
    side = made.side
    samples: dict[str, list[float]] = {"time": list(timing.arms[side.name])}
    if made.peak is not None:
        samples["peak_memory"] = [made.peak]
    done: dict[str, float] = {"tokens": work.tokens}
    if cost is not None:
        done |= cost(side.architecture, {**settings, **dict(side.settings), "target": work.target})
    specs = [layer.attention for layer, _ in side.architecture.groups]
    passes = work.passes
    return Arm(
        name=side.name,
        architecture=identity(side.architecture, SCOPE_OF[work.target], work.where, passes),
        settings=dict(side.settings),
        code=code_of([made.runner.module], made.backends, root, *specs, *made.runner.caches),
        work=done,
        samples=samples,
    )


def _where(device: Device, root: Path | None) -> dict[str, Any]:
    made = environment(root)
    made["device"] = device.describe()
    if device.device.type == "cuda" and (found := watch.driver()):
        made["driver"] = found
    return made
