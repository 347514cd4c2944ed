"""Evidence: one run as it was observed: every sample, what ran, where, and the summary that follows from it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from ..errors import NOTHING, InvalidValue, Problem
from .schema import VERSION
from .schema import problems as schema_problems
from .statistics import Summary

Kind = Literal["bench", "ablation", "eval", "calibration"]
Scalar = str | int | float | bool | None
Key = str | int

DERIVED: dict[str, Measure]
"""What follows from a bench's time and the work that an arm does."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a number is: its unit, the direction of better, and how samples become one number.

    `chance` is the value of guessing (for `uninformative`), `scale` what a sample is multiplied with to be in `unit`.
    """

    unit: str
    better: Literal["lower", "higher"]
    summary: Summary
    chance: float | None = None
    scale: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """As in the file."""
        data: dict[str, Any] = {"unit": self.unit, "better": self.better, "summary": self.summary}
        if self.chance is not None:
            data["chance"] = self.chance
        if self.scale != 1:
            data["scale"] = self.scale
        return data


DERIVED = {
    "throughput": Measure("tokens/s", "higher", "median"),
    "flops_share": Measure("%", "higher", "median", scale=100),
    "bandwidth_share": Measure("%", "higher", "median", scale=100),
}

_DERIVED_FROM = {"throughput": ("tokens", ""), "flops_share": ("flops", "flops"), "bandwidth_share": ("bytes", "bytes")}
"""The work of an arm, and the peak of the device, that a derived measure needs."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which architecture an arm ran: its name and fingerprint, and the fingerprint of the parts that matter to the run.

    `scope` names those parts (attention, layer, inference, training), `where` the layer of a layer's bench; `fields`
    is what was written, so that a stale record can say what has changed.
    """

    name: str
    fingerprint: str
    scope: str
    parts: str
    where: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """As in the file."""
        data: dict[str, Any] = {"name": self.name, "fingerprint": self.fingerprint, "scope": self.scope}
        if self.where:
            data["where"] = self.where
        data["parts"] = self.parts
        if self.fields:
            data["fields"] = dict(self.fields)
        return data


@dataclass(frozen=True, slots=True)
class Stated:
    """A value somebody else computed, with its standard error (None: not stated) and the number of items."""

    value: float
    stderr: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Curve:
    """A measure over a run (steps and values); its last value is the run's sample under the same key."""

    measure: str
    key: Key
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a run: an architecture with settings of its own, and every sample by measure.

    `keys` name what each sample is of (a document, a seed), so that arms of different runs can be paired.
    `work` is what one sample does (tokens, flops, bytes); `code` the identity of the code that ran.
    """

    name: str
    architecture: Identity | None = None
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    work: Mapping[str, float] = field(default_factory=dict)
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    keys: Mapping[str, Sequence[Key]] = field(default_factory=dict)
    stated: Mapping[str, Stated] = field(default_factory=dict)
    curves: Sequence[Curve] = ()

    def to_dict(self) -> dict[str, Any]:
        """As in the file; what is empty is left out."""
        data: dict[str, Any] = {
            "name": self.name,
            "architecture": self.architecture.to_dict() if self.architecture else None,
        }
        parts: dict[str, Any] = {
            "settings": dict(self.settings),
            "code": dict(self.code),
            "work": dict(self.work),
            "samples": {name: list(values) for name, values in self.samples.items()},
            "keys": {name: list(values) for name, values in self.keys.items()},
            "stated": {n: {"value": s.value, "stderr": s.stderr, "n": s.n} for n, s in self.stated.items()},
            "curves": [{"measure": c.measure, "key": c.key, "x": list(c.x), "y": list(c.y)} for c in self.curves],
        }
        return data | {name: part for name, part in parts.items() if part}


@dataclass(frozen=True)
class Evidence:
    """One run. Made by `Evidence.of`, which computes the summary, or read from a file, which holds it to its samples.

    `paired`: the n-th samples of all arms were taken side by side. `settings` are the workload, shared by all arms.
    """

    kind: Kind
    target: str
    measures: Mapping[str, Measure]
    arms: tuple[Arm, ...]
    created: str
    command: tuple[str, ...] = ()
    device: str | None = None
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    paired: bool = False
    environment: Mapping[str, Any] = field(default_factory=dict)
    peaks: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, **fields: Any) -> Evidence:
        """A new record with its summary; InvalidValue lists all that is wrong with it."""
        from .summary import summarise

        made = cls(**fields)
        found = list(made.rules())
        if not found:
            made = replace(made, summary=summarise(made))
            found = schema_problems(made.to_dict())
        if found:
            raise InvalidValue(found)
        return made

    def to_dict(self) -> dict[str, Any]:
        """As in the file, hash included."""
        data = self._content()
        data["hash"] = content_hash(data)
        return data

    def _content(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "schema": VERSION,
            "kind": self.kind,
            "created": self.created,
            "command": list(self.command),
            "target": self.target,
            "device": self.device,
            "settings": dict(self.settings),
            "measures": {name: measure.to_dict() for name, measure in self.measures.items()},
            "arms": [arm.to_dict() for arm in self.arms],
            "paired": self.paired,
            "environment": dict(self.environment),
        }
        for name in ("peaks", "conditions"):
            if getattr(self, name):
                data[name] = dict(getattr(self, name))
        if self.notes:
            data["notes"] = list(self.notes)
        data["summary"] = dict(self.summary)
        return data

    @cached_property
    def hash(self) -> str:
        """`sha256-` and 64 hex digits over the canonical JSON of everything else."""
        return content_hash(self._content())

    @property
    def short_hash(self) -> str:
        """The eight digits in the file's name."""
        return self.hash[7:15]

    @property
    def file_name(self) -> str:
        """Kind, day and short hash: `bench-2026-11-20-1a2b3c4d.json`."""
        return f"{self.kind}-{self.created[:10]}-{self.short_hash}.json"

    def to_json(self) -> str:
        """The file's text: indented, with each list of numbers on one line."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        return _FLAT_LIST.sub(lambda m: "[" + " ".join(m[1].split()) + "]", text) + "\n"

    def arm(self, name: str) -> Arm | None:
        """The arm of that name."""
        return next((arm for arm in self.arms if arm.name == name), None)

    def measure(self, name: str) -> Measure | None:
        """A measure that was taken, or that follows from those taken."""
        return self.measures.get(name) or self._derived.get(name)

    @cached_property
    def _derived(self) -> dict[str, Measure]:
        """The measures that follow from times and work of every arm."""
        return {n: m for n, m in DERIVED.items() if all(self._factor(arm, n) for arm in self.arms)}

    def has(self, arm: Arm, name: str) -> bool:
        """Whether an arm holds a measure: as samples, as a stated value, or through its times and work."""
        return name in arm.samples or name in arm.stated or bool(self._factor(arm, name))

    def values(self, arm: Arm, name: str) -> Sequence[float] | None:
        """The samples of a measure in its unit: as taken, or from times and work; None without."""
        samples = arm.samples.get(name)
        if samples is not None:
            scale = self.measures[name].scale if name in self.measures else 1.0
            return samples if scale == 1 else [x * scale for x in samples]
        key = (arm.name, name)
        if key not in self._follow:
            factor = self._factor(arm, name)
            self._follow[key] = [factor / t for t in arm.samples["time"]] if factor else None
        return self._follow[key]

    @cached_property
    def _follow(self) -> dict[tuple[str, str], Sequence[float] | None]:
        return {}

    def _factor(self, arm: Arm, name: str) -> float:
        """What a time divides to give a derived measure; 0 where the arm does not say."""
        work, peak = _DERIVED_FROM.get(name, ("", ""))
        whole: float = self.peaks.get(peak) or 0 if peak else 1
        if not work or not whole or "time" not in arm.samples:
            return 0
        return DERIVED[name].scale * arm.work.get(work, 0) / whole

    # What must be true of a record beyond its schema ----------------------------------------------------------

    def rules(self) -> Iterator[Problem]:
        """All that the record breaks."""
        names = [arm.name for arm in self.arms]
        if len(set(names)) != len(names):
            yield Problem("arms", ", ".join(names), "must have different names")
        for number, arm in enumerate(self.arms):
            yield from self._arm_rules(arm, f"arms[{number}]")
        if self.paired:
            for name in self.measures:
                counts = {len(arm.samples.get(name, ())) for arm in self.arms}
                if len(counts) > 1:
                    yield Problem("arms", sorted(counts), f"must have equally many samples of {name}: they are paired")

    def _arm_rules(self, arm: Arm, path: str) -> Iterator[Problem]:
        if not arm.samples and not arm.stated:
            yield Problem(f"{path}.samples", NOTHING, "is missing: an arm holds samples or stated values")
        for name, values in arm.samples.items():
            if name not in self.measures:
                yield Problem(f"{path}.samples.{name}", NOTHING, "is not one of measures")
            elif not values:
                yield Problem(f"{path}.samples.{name}", NOTHING, "is empty")
            elif self.measures[name].summary == "median" and min(values) <= 0:
                yield Problem(f"{path}.samples.{name}", min(values), "must be positive")
            keys = arm.keys.get(name)
            if keys is not None and (len(keys) != len(values) or len(set(keys)) != len(keys)):
                yield Problem(f"{path}.keys.{name}", NOTHING, f"must name each of the {len(values)} samples once")
        for name in (*arm.keys, *arm.stated):
            if name not in self.measures:
                yield Problem(f"{path}.{name}", NOTHING, "is not one of measures")
        for curve in arm.curves:
            keys = arm.keys.get(curve.measure, ())
            values = arm.samples.get(curve.measure, ())
            last = dict(zip(keys, values, strict=False)).get(curve.key)
            if len(curve.x) != len(curve.y) or not curve.y:
                yield Problem(f"{path}.curves", curve.measure, "must have as many values as steps, and at least one")
            elif last != curve.y[-1]:
                yield Problem(
                    f"{path}.samples.{curve.measure}", last, f"is not the last value of its curve ({curve.y[-1]})"
                )
        if self.peaks.get("measured"):
            return  # a ceiling that was only measured may be passed, by what a cache holds for instance
        for share, what in (("flops_share", "flops"), ("bandwidth_share", "bytes")):
            timed = bool(arm.samples.get("time")) and min(arm.samples["time"]) > 0
            shares = self.values(arm, share) if timed else None
            if shares and sorted(shares)[len(shares) // 2] > 100:
                yield above_peak(path, arm, what, self.peaks)


def above_peak(path: str, arm: Arm, what: str, peaks: Mapping[str, Any]) -> Problem:
    """The problem of a measurement above what the device can do, with both figures."""
    from ..units import Quantity

    times = sorted(arm.samples["time"])
    rate = arm.work[what] / times[len(times) // 2]
    unit = "FLOP/s" if what == "flops" else "B/s"
    reached, peak = Quantity(round(rate), unit), Quantity(round(float(peaks[what])), unit)
    rule = f"is above what the device can do: {reached} measured, {peak} at most ({peaks.get('source', 'no source')})"
    return Problem(
        f"{path} {arm.name}", NOTHING, rule, "Look for work that was not done, or not waited for, and measure again"
    )


# Files ----------------------------------------------------------------------------------------------------------

_FLAT_LIST = re.compile(r'\[\s+((?:(?:-?[\d.][\d.eE+-]*|"(?:[^"\\]|\\.)*"),?\s+)+)\]')


def canonical(data: Any) -> bytes:
    """Canonical JSON: sorted keys, no space, ASCII, shortest numbers."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def content_hash(data: Mapping[str, Any]) -> str:
    """The hash of a record without its own `hash`."""
    return "sha256-" + hashlib.sha256(canonical({k: v for k, v in data.items() if k != "hash"})).hexdigest()
