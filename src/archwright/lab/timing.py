"""The timing harness: arms in turn, warmed up, waited for, until the interval is narrow enough.

Every turn runs each arm once, in an order drawn anew: where B always follows A, B measures up to 1 % faster than
the same thing as A (the interpreter, caches and the scheduler know the rhythm), and an interval narrows around that.

No torch here: an arm is any callable. Work that a device goes on with after the call has returned must be waited
for, so how to wait is asked, never assumed; where the answer is "not needed", the harness looks for work left behind.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ..errors import NOTHING, InvalidValue, Problem
from ..evidence.statistics import compare_pairs, median, median_of

NOT_NEEDED: Literal["not needed"] = "not needed"
"""What `synchronize` is where a call returns only when its work is done."""

Synchronize = Callable[[], object] | Literal["not needed"]
Progress = Callable[[float, str], None]
"""Called with the share that is done (0 to 1) and what is being done."""

FEWEST = 20
"""Rounds that are always taken, time allowing."""
SHORTEST = 1e-3
"""Seconds that one reading of the host's clock should span: shorter calls are repeated within it."""
LASTING = 0.05
"""Seconds of calls of each arm that one sample averages, where the host's clock times them.

Arms take turns within it call by call. It is several of the scheduler's turns, so that another program's work adds to
every arm in proportion: single calls are hit or spared, and the median of their ratios is then not that of the work.
"""
CARRIED = 5e-3
"""Seconds by which an arm may be slower after another than after itself: filling a cache again takes less."""
_DRIFT = 0.05


class Clock(Protocol):
    """Times one sample: `times` calls of an arm, waited for; seconds."""

    def __call__(self, run: Callable[[], object], times: int) -> float: ...


class Watch(Protocol):
    """Looks at clocks and temperatures during a run."""

    def look(self) -> None:
        """Take a reading."""

    def conditions(self) -> dict[str, Any]:
        """The readings, as a record carries them."""


@dataclass(frozen=True)
class Timing:
    """Samples of each arm in seconds a call, the n-th of each taken side by side, and how they were taken."""

    arms: Mapping[str, tuple[float, ...]]
    first_calls: Mapping[str, float]
    calls_a_sample: Mapping[str, int]
    stopped_by: Literal["interval", "time", "samples"]
    seconds: float
    drift: Mapping[str, float]
    notes: tuple[str, ...] = ()
    conditions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        """Samples of each arm."""
        return len(next(iter(self.arms.values())))

    def median(self, arm: str) -> float:
        """Seconds a call of an arm."""
        return median_of(self.arms[arm]).value

    def to_conditions(self) -> dict[str, Any]:
        """How the samples were taken, as a record carries it."""
        made: dict[str, Any] = {
            "rounds": self.rounds,
            "stopped_by": self.stopped_by,
            "seconds": round(self.seconds, 3),
            "first_calls": {name: round(value, 6) for name, value in self.first_calls.items()},
            "drift": {name: round(value, 4) for name, value in self.drift.items()},
        }
        repeated = {name: times for name, times in self.calls_a_sample.items() if times > 1}
        if repeated:
            made["calls_a_sample"] = repeated
        return made | dict(self.conditions)


def measure(
    arms: Mapping[str, Callable[[], object]],
    *,
    synchronize: Synchronize | None = None,
    until: float = 0.02,
    time_limit: float = 60.0,
    fewest: int = FEWEST,
    most: int = 1000,
    prepare: Mapping[str, Callable[[], object]] | None = None,
    clock: Clock | None = None,
    watch: Watch | None = None,
    progress: Progress | None = None,
) -> Timing:
    """Time callables side by side.

    Each is called until it is warm, then all take turns. Samples are taken until every 95 % interval (of the ratio
    to the first arm; of a single arm's median) is within `until` of its centre, or until `time_limit` seconds (after
    warming up) or `most` rounds have passed. `prepare` runs untimed before each sample of an arm, which is then one
    call. `synchronize` waits for the device; "not needed" says that calls return when their work is done.

    InvalidValue: `synchronize` is not given, or "not needed" was said of work that goes on after the call.
    """
    _check(arms, synchronize, until, time_limit)
    timer = clock or _host_clock(synchronize)
    # A clock of the device's own is fine enough for a single call, and clears caches before each.
    repeats = clock is None
    made = _Run(dict(arms), dict(prepare or {}), timer, until, time_limit, fewest, most, watch, progress, repeats)
    return made.take(looks_back=synchronize == NOT_NEEDED)


def _check(arms: Mapping[str, Any], synchronize: object, until: float, time_limit: float) -> None:
    found = []
    if not arms:
        found.append(Problem("arms", NOTHING, "is empty", "Give at least one callable"))
    found += [
        Problem(f"arms.{n}", type(a).__name__, "cannot be called", "Give a function without arguments")
        for n, a in arms.items()
        if not callable(a)
    ]
    if synchronize is None:
        rule = "is missing: a device may run on after a call has returned, and the clock would stop too early"
        remedy = f'Give the device\'s own (torch.cuda.synchronize), or "{NOT_NEEDED}" where calls return when done'
        found.append(Problem("synchronize", NOTHING, rule, remedy))
    elif synchronize != NOT_NEEDED and not callable(synchronize):
        found.append(Problem("synchronize", synchronize, f'must be a function, or "{NOT_NEEDED}"'))
    if not 0 < until < 1:
        found.append(Problem("until", until, "must be between 0 and 1", "0.02 stops at an interval of ±2 %"))
    if time_limit <= 0:
        found.append(Problem("time_limit", time_limit, "must be positive"))
    if found:
        raise InvalidValue(found)


def _host_clock(synchronize: Synchronize | None) -> Clock:
    """The computer's own clock, stopped when the device is done."""
    wait = synchronize if callable(synchronize) else None

    def clock(run: Callable[[], object], times: int) -> float:
        if wait:
            wait()
        start = time.perf_counter()
        for _ in range(times):
            run()
        if wait:
            wait()
        return (time.perf_counter() - start) / times

    return clock


@dataclass
class _Run:
    arms: dict[str, Callable[[], object]]
    prepare: dict[str, Callable[[], object]]
    clock: Clock
    until: float
    time_limit: float
    fewest: int
    most: int
    watch: Watch | None
    progress: Progress | None
    repeats: bool
    turns: int = 1
    samples: dict[str, list[float]] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    begun: float = 0.0

    def take(self, looks_back: bool) -> Timing:
        """Warm up, take turns, and look at what came out."""
        self.begun = time.perf_counter()
        notes: list[str] = []
        collecting = gc.isenabled()
        for name in self.arms:
            self.first[name] = self._once(name, 1)
        if looks_back:
            since = time.perf_counter()
            for name in self.arms:
                self._once(name, 1)
            _refuse_undrained(since)
            notes += self._probe()  # before anything is repeated: a device that is not waited for only queues it
        usual = [self._warm(name) for name in self.arms]
        if self.repeats:
            self.turns = min(100, max(1, round(len(usual) * LASTING / sum(usual))))
        gc.collect()
        gc.disable()  # a collection would fall into whichever arm happens to run
        try:
            stopped = self._turns()
        finally:
            if collecting:
                gc.enable()
        if looks_back:
            _refuse_undrained(self.begun)
        drift = {name: _drift(values) for name, values in self.samples.items()}
        worst = max(drift, key=lambda n: abs(drift[n]))
        if abs(drift[worst]) > _DRIFT:
            notes.append(
                f"{worst} became {abs(drift[worst]):.0%} {'slower' if drift[worst] > 0 else 'faster'} on the way"
            )
        if stopped == "time":
            notes.append(f"stopped by the time limit of {self.time_limit:g} s after {self._rounds()} rounds")
        return Timing(
            arms={name: tuple(values) for name, values in self.samples.items()},
            first_calls=self.first,
            calls_a_sample={name: times * self.turns for name, times in self.times.items()},
            stopped_by=stopped,
            seconds=time.perf_counter() - self.begun,
            drift=drift,
            notes=tuple(notes),
            conditions=self.watch.conditions() if self.watch else {},
        )

    def _once(self, name: str, times: int) -> float:
        if name in self.prepare:
            self.prepare[name]()
        return self.clock(self.arms[name], times)

    def _warm(self, name: str) -> float:
        """Call an arm until compilation, caches and clocks have settled; seconds that one of its turns takes."""
        self._say(0.0, f"warming up {name}")
        begun = time.perf_counter()
        end = begun + min(0.2, self.time_limit / 10)
        settling = [self._once(name, 1)]
        while len(settling) < 3 or (time.perf_counter() < end and len(settling) < 1000):
            settling.append(self._once(name, 1))
        usual = median(sorted(settling))
        single = name in self.prepare or not self.repeats or usual >= SHORTEST
        self.times[name] = 1 if single else max(1, round(SHORTEST / max(usual, 1e-9)))
        self.samples[name] = []
        return max(usual * self.times[name], (time.perf_counter() - begun) / len(settling))

    def _turns(self) -> Literal["interval", "time", "samples"]:
        end = time.perf_counter() + self.time_limit
        look = self.fewest
        order, draw = list(self.arms), random.Random(0)
        while True:
            spent = dict.fromkeys(self.arms, 0.0)
            for _ in range(self.turns):
                draw.shuffle(order)
                for name in order:
                    spent[name] += self._once(name, self.times[name])
            for name, seconds in spent.items():
                self.samples[name].append(seconds / self.turns)
            count = self._rounds()
            late = time.perf_counter() >= end
            if count < look and not late:
                continue
            if self.watch:
                self.watch.look()
            width = self._width()
            if count >= self.fewest and width <= self.until:
                return "interval"
            if late:
                return "time"
            if count >= self.most:
                return "samples"
            # Looking seldom keeps the stopping rule from picking a lucky moment.
            look = min(self.most, max(count + 1, round(count * 1.4)))
            done = max(count / self.most, 1 - (end - time.perf_counter()) / self.time_limit)
            self._say(done, f"{count} rounds, ±{width:.1%}" if width < 10 else f"{count} rounds")

    def _rounds(self) -> int:
        return len(next(iter(self.samples.values())))

    def _width(self) -> float:
        """The widest relative half-interval of what is to be known."""
        names = list(self.samples)
        first = self.samples[names[0]]
        if len(names) == 1:
            made = [median_of(first)]
        else:
            made = [compare_pairs(first, self.samples[n], "ratio", "median") for n in names[1:]]
        return max((e.high - e.low) / (2 * e.value) if e.bounded else float("inf") for e in made)

    def _pairs(self) -> list[tuple[str, str]]:
        """Each arm with the one that runs before it."""
        names = list(self.arms)
        return [(names[place - 1], name) for place, name in enumerate(names)] if len(names) > 1 else []

    def _probe(self) -> list[str]:
        """Refuse work that goes on after a call: the next arm then waits for it. Returns lesser suspicions."""
        return [note for before, name in self._pairs() if (note := self._left_behind(before, name))]

    def _left_behind(self, before: str, name: str) -> str:
        for attempt in range(3):  # another program's burst of work can look the same once, hardly three times
            alone, after = [], []
            for _ in range(3):
                self._once(name, 1)
                alone.append(self._once(name, 1))
                self._once(before, 1)
                after.append(self._once(name, 1))
            usual, then = median(sorted(alone)), median(sorted(after))
            if then <= 1.5 * usual:
                return ""
            said = f"{name} takes {_ms(then)} right after {before} and {_ms(usual)} by itself"
            if then - usual <= CARRIED:
                return f"{said}: they share a cache, or work is left behind"
            if attempt == 2:
                rule = f'is "{NOT_NEEDED}", but {said}: {before} leaves work behind when it returns'
                remedy = "Give the device's own function that waits"
                raise InvalidValue(Problem("synchronize", NOTHING, rule, remedy))
        return ""

    def _say(self, share: float, text: str) -> None:
        if self.progress:
            self.progress(min(1.0, max(0.0, share)), text)


def _drift(samples: Sequence[float]) -> float:
    """How much slower the second half was than the first, relatively."""
    half = len(samples) // 2
    if not half:
        return 0.0
    return median(sorted(samples[-half:])) / median(sorted(samples[:half])) - 1


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"


def _refuse_undrained(begun: float) -> None:
    """Refuse a run after which a device of torch's still had work: the clock was stopped while it ran on."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    for name in ("cuda", "xpu", "mps"):
        device = getattr(torch, name, None)
        if device is None or not _in_use(device, name):
            continue
        spent = time.perf_counter() - begun
        start = time.perf_counter()
        device.synchronize()
        drained = time.perf_counter() - start
        if drained > 0.02 * spent:
            rule = (
                f'is "{NOT_NEEDED}", but the {name} device worked for {_ms(drained)} more after the last of '
                f"{spent:.3g} s of calls"
            )
            raise InvalidValue(Problem("synchronize", NOTHING, rule, f"Give torch.{name}.synchronize"))


def _in_use(device: Any, name: str) -> bool:
    if not device.is_available():
        return False
    return bool(device.is_initialized()) if hasattr(device, "is_initialized") else name == "mps"
