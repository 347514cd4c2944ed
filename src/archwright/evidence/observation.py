"""Observation: all that the store holds about a request: what counts, what is stale and why, and the estimate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from .record import DERIVED, Arm, Evidence, Measure
from .request import Request, Side
from .staleness import SCOPE_OF, Present, age, arm_differences, parts_fingerprint
from .statistics import Estimate, Statistic, contradictions, pool, standard_error
from .store import Store, Stored
from .summary import compare_arms, estimate_arm


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """An arm of a stored record that is about one side of a request."""

    stored: Stored
    arm: Arm


@dataclass(frozen=True, slots=True)
class Stale:
    """A record that was about a side once, and the reasons why it is not any more."""

    stored: Stored
    arm: Arm
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.stored.name} ({self.arm.name}): {'; '.join(self.reasons)}"


@dataclass(frozen=True)
class Observation:
    """What the store holds about a request. `fresh` and `stale` have one entry a side."""

    request: Request
    fresh: tuple[tuple[Found, ...], ...]
    stale: tuple[tuple[Stale, ...], ...]
    aged: tuple[str, ...] = ()

    @property
    def measure(self) -> Measure | None:
        """Unit and direction of what was observed; None where nothing was."""
        for side in self.fresh:
            for found in side:
                return found.stored.evidence.measure(self.request.measure)
        return None

    @cached_property
    def joint(self) -> tuple[tuple[Stored, tuple[Arm, ...]], ...]:
        """The records that hold every side, with its arms."""
        by_name: dict[str, dict[int, list[Found]]] = {}
        for number, side in enumerate(self.fresh):
            for found in side:
                by_name.setdefault(found.stored.name, {}).setdefault(number, []).append(found)
        made = []
        for parts in by_name.values():
            if len(parts) == len(self.fresh):
                arms = _distinct([parts[n] for n in range(len(self.fresh))])
                if arms is not None:
                    made.append((parts[0][0].stored, arms))
        return tuple(made)

    def files(self, statistic: Statistic) -> tuple[str, ...]:
        """The names of the records that count."""
        return tuple(dict.fromkeys(file for files, _ in self.runs(statistic) for file in files))

    def runs(self, statistic: Statistic) -> list[tuple[tuple[str, ...], Estimate]]:
        """The estimate of each run by itself, under the names of its files.

        A comparison takes runs that hold both sides; only where there are none does it join records of one side each.
        """
        known = self._runs.get(statistic)
        if known is None:
            known = self._runs[statistic] = self._each_run(statistic)
        return known

    @cached_property
    def _runs(self) -> dict[Statistic, list[tuple[tuple[str, ...], Estimate]]]:
        return {}

    def _each_run(self, statistic: Statistic) -> list[tuple[tuple[str, ...], Estimate]]:
        name = self.request.measure
        found: list[tuple[tuple[str, ...], Estimate | None]]
        if len(self.request.sides) == 1 or statistic == "value":
            found = [((f.stored.name,), estimate_arm(f.stored.evidence, f.arm, name)) for f in self.fresh[-1]]
        else:
            found = [((s.name,), compare_arms(s.evidence, *_pair(s, arms), name, statistic)) for s, arms in self.joint]
            found = [run for run in found if run[1] is not None] or list(self._across(statistic))
        return [(files, estimate) for files, estimate in found if estimate is not None]

    def _across(self, statistic: Statistic) -> Iterator[tuple[tuple[str, ...], Estimate | None]]:
        if len(self.fresh) != 2 or not all(self.fresh):
            return
        (first, a), (second, b) = (_merged(side, self.request.measure) for side in self.fresh)
        files = dict.fromkeys(f.stored.name for side in self.fresh for f in side)
        yield tuple(files), compare_arms(first, a, second, b, self.request.measure, statistic)

    def side_estimates(self) -> list[tuple[str, Estimate]]:
        """Each side's own value, pooled over its records."""
        made = []
        for side, found in zip(self.request.sides, self.fresh, strict=True):
            each = [estimate_arm(f.stored.evidence, f.arm, self.request.measure) for f in found]
            known = [e for e in each if e is not None]
            if known:
                made.append((side.name, pool(known)))
        return made

    def estimate(self, statistic: Statistic) -> Estimate | None:
        """All runs pooled; None where there is none."""
        if statistic not in self._pooled:
            runs = [estimate for _, estimate in self.runs(statistic)]
            self._pooled[statistic] = pool(runs) if runs else None
        return self._pooled[statistic]

    @cached_property
    def _pooled(self) -> dict[Statistic, Estimate | None]:
        return {}

    def contradicting(self, statistic: Statistic) -> list[str]:
        """Each run that contradicts another, with its interval."""
        runs = self.runs(statistic)
        numbers = {i for pair in contradictions([e for _, e in runs]) for i in pair}
        return [
            f"{' and '.join(files)}: {e.value:.4g} ({e.low:.4g} to {e.high:.4g})"
            for i, (files, e) in enumerate(runs)
            if i in numbers
        ]

    def at_chance(self) -> list[str]:
        """The sides whose accuracy lies within two standard errors of guessing."""
        measure = self.measure
        if measure is None or measure.chance is None:
            return []
        chance = measure.chance * measure.scale
        return [n for n, e in self.side_estimates() if e.bounded and abs(e.value - chance) <= 2 * standard_error(e)]


def _pair(stored: Stored, arms: tuple[Arm, ...]) -> tuple[Arm, Evidence, Arm]:
    return arms[0], stored.evidence, arms[-1]


def _distinct(choices: Sequence[Sequence[Found]]) -> tuple[Arm, ...] | None:
    """One arm a side, none twice: first the sides that have one choice alone."""
    taken: dict[int, Arm] = {}
    for number in sorted(range(len(choices)), key=lambda n: len(choices[n])):
        free = [f.arm for f in choices[number] if all(f.arm is not other for other in taken.values())]
        if not free:
            return None
        taken[number] = free[0]
    return tuple(taken[n] for n in range(len(choices)))


def _merged(side: Sequence[Found], name: str) -> tuple[Evidence, Arm]:
    """Several records of one side as one: samples joined by key (a repeated key by its mean), else the first alone."""
    first = side[0]
    if len(side) == 1 or not all(f.arm.keys.get(name) for f in side):
        return first.stored.evidence, first.arm
    joined: dict[Any, list[float]] = {}
    for found in side:
        for key, value in zip(found.arm.keys[name], found.arm.samples[name], strict=True):
            joined.setdefault(key, []).append(value)
    samples = {name: [sum(values) / len(values) for values in joined.values()]}
    return first.stored.evidence, replace(first.arm, samples=samples, keys={name: list(joined)}, stated={}, curves=())


# Looking --------------------------------------------------------------------------------------------------------


def observe(request: Request, store: Store, root: Path | None = None, present: Present | None = None) -> Observation:
    """What the store holds about a request. The same request is answered once for each store.

    `root` is the project's, for the code of its own modules; `present` the versions installed now, for age.
    """
    known: dict[Any, Observation] = store.__dict__.setdefault("_observed", {})
    key = (request.key, root, tuple(sorted((present or {}).items())))
    if key not in known:
        known[key] = _observe(request, store, root, present or {})
    found = known[key]
    return found if found.request is request else replace(found, request=request)


_Index = Mapping[tuple[Any, ...], Sequence[Found]]
_MOST = 50
"""How many records that no longer count are looked at to say why."""


def _index(store: Store) -> _Index:
    """Arms by what they observed, of which parts and workload."""
    made: dict[tuple[Any, ...], list[Found]] | None = store.__dict__.get("_arms")
    if made is None:
        made = store.__dict__.setdefault("_arms", {})
        for found, head in _measured(store):
            evidence, known = found.stored.evidence, found.arm.architecture
            key = (*head, known.parts if known else "", *_load(evidence.kind, evidence.settings))
            made.setdefault(key, []).append(found)
    return made


def _loose_index(store: Store) -> _Index:
    """The same by parts or names alone, for what no longer counts; made when the first claim asks why."""
    made: dict[tuple[Any, ...], list[Found]] | None = store.__dict__.get("_loose")
    if made is None:
        made = store.__dict__.setdefault("_loose", {})
        for found, head in _measured(store):
            known = found.arm.architecture
            names = {found.arm.name, known.name if known else ""} - {""}
            for loose in (known.parts if known else "", *names):
                made.setdefault((*head, loose), []).append(found)
    return made


def _measured(store: Store) -> Iterator[tuple[Found, tuple[Any, ...]]]:
    """Every arm with each thing that was observed of it."""
    for stored in store.records:
        evidence = stored.evidence
        for arm in evidence.arms:
            found = Found(stored, arm)
            taken = {*arm.samples, *arm.stated}
            if evidence.kind == "bench":
                taken |= {n for n in DERIVED if evidence.has(arm, n)}
            for measure in taken:
                yield found, _head(evidence.kind, evidence.target, measure, evidence.device)


def _head(kind: str, target: str, measure: str, device: str | None) -> tuple[Any, ...]:
    return (kind, target, measure, device) if kind == "bench" else (kind, "", measure, None)


def _load(kind: str, settings: Mapping[str, Any]) -> tuple[Any, ...]:
    return (settings.get("batch"), settings.get("context")) if kind == "bench" else ()


def _observe(request: Request, store: Store, root: Path | None, present: Present) -> Observation:
    fresh, stale = [], []
    index = _index(store)
    for side in request.sides:
        settings = request.settings_of(side)
        parts = _parts(request, side, settings)
        head = _head(request.kind, request.target, request.measure, request.device)
        load = _load(request.kind, settings)
        exact = dict.fromkeys(f for p in parts for f in index.get((*head, p, *load), ()))
        good = [f for f in exact if not _reasons(f, side, settings, root)]
        good.sort(key=lambda f: (f.stored.name, f.arm.name != side.name, len(f.arm.settings)))
        fresh.append(tuple(_one_a_record(good) if len(request.sides) == 1 else good))
        old: list[Stale] = []
        if not good:
            names = (side.name, side.architecture.name, *parts)
            loose = [f for n in names if n for f in _loose_index(store).get((*head, n), ())]
            for found in list(dict.fromkeys(loose))[-_MOST:]:
                old.append(Stale(found.stored, found.arm, _reasons(found, side, settings, root)))
        stale.append(tuple(sorted(old, key=lambda s: (len(s.reasons), s.arm.name != side.name, s.stored.name))))
    used = {f.stored.name: f.stored for side in fresh for f in side}
    aged = [f"{name}: {', '.join(versions)}" for name, s in used.items() if (versions := age(s.evidence, present))]
    return Observation(request, tuple(fresh), tuple(stale), tuple(aged))


def _reasons(found: Found, side: Side, settings: Mapping[str, Any], root: Path | None) -> tuple[str, ...]:
    return tuple(arm_differences(found.stored.evidence, found.arm, side.architecture, settings, root))


def _one_a_record(found: Sequence[Found]) -> list[Found]:
    """Of several arms of one record that all match, the best (they come best first)."""
    return list({f.stored.name: f for f in reversed(found)}.values())[::-1]


def _parts(request: Request, side: Side, settings: Mapping[str, Any]) -> list[str]:
    """The fingerprints under which an arm about this side may stand."""
    if request.kind == "bench":
        scopes = [SCOPE_OF[request.target]]
    else:
        scopes = ["inference", "training"] if request.kind == "eval" else ["training"]
    where, passes = str(settings.get("where", "")), str(settings.get("passes", "forward"))
    return [parts_fingerprint(side.architecture, scope, where, passes) for scope in scopes]
