"""From a label to a value: which side, which settings, which metric or field, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..arch.config import ArchitectureConfig
from ..arch.fields import FIELDS
from ..errors import NOTHING, ArchwrightError, InvalidValue, Problem, did_you_mean
from ..units import Quantity
from .labels import Label

if TYPE_CHECKING:
    from .recorded import Recorded

Kind = Literal["computed", "measured", "trained", "evaluated", "cited", "assumed", "requirement", "error"]
EVIDENCE_KEYS: dict[str, Kind] = {"bench": "measured", "ablation": "trained", "eval": "evaluated"}
BETTER = {"less": "lower", "more": "higher"}
"""A metric's word for better, as the grammar of texts says it."""
SOURCES = ("metric", *EVIDENCE_KEYS, "source", "assumed")
"""An entry of `claims:` has exactly one of these keys."""


@dataclass(slots=True)
class Side:
    """One side of a claim: an architecture and the settings that go with it, or why there is none."""

    name: str
    config: ArchitectureConfig | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(slots=True)
class Context:
    """What the labels of one document speak about."""

    sides: dict[str, Side]
    settings: Mapping[str, Any] = field(default_factory=dict)
    entries: Mapping[str, Any] = field(default_factory=dict)
    default: str = "base"
    values: dict[Any, Quantity] = field(default_factory=dict)
    """Values computed so far, shared by all documents of one run."""
    used: set[str] = field(default_factory=set)
    """Entries of `claims:` that some label used."""
    devices: Mapping[str, Any] = field(default_factory=dict)
    """Accelerators as they were when a record was accepted, by name."""
    recorded: Recorded | None = None
    """Values as they were computed when a record was accepted."""
    observer: Any = None
    """What answers claims that need evidence (`decisions.observed.Observer`); None where the project keeps none."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A value on one side."""

    side: str
    value: Any
    config: ArchitectureConfig
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a label stands for: one operand, or two for a comparison; or a source, or why nothing came out."""

    kind: Kind
    name: str
    operands: tuple[Operand, ...] = ()
    better: str | None = None
    problem: Problem | None = None
    code: str = ""
    detail: str = ""
    notes: tuple[str, ...] = ()

    @property
    def compares(self) -> bool:
        """Whether the claim is about two sides."""
        return len(self.operands) == 2


class Bases:
    """Architectures by what names them, read and changed once a run."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str], ArchitectureConfig | ArchwrightError] = {}
        self._changed: dict[tuple[int, str], ArchitectureConfig | ArchwrightError] = {}
        self._alive: list[ArchitectureConfig] = []

    def load(self, name: str, root: Path) -> ArchitectureConfig:
        """The architecture that a `base:` names, relative to the project's root."""
        key = (name, str(root))
        found = self._loaded.get(key)
        if found is None:
            from ..arch.loading import load

            try:
                path = root / name
                if name.startswith("preset:"):
                    found = load(name, root)
                elif path.exists() or "/" in name or "." in name:
                    found = load(path, root)
                else:
                    found = load(name, root)
            except ArchwrightError as error:
                found = error
            self._loaded[key] = found
        if isinstance(found, ArchwrightError):
            raise found
        return found

    def change(self, base: ArchitectureConfig, changes: Mapping[str, Any]) -> ArchitectureConfig:
        """The base with changes; the same ones give the same object."""
        if not changes:
            return base
        key = (id(base), repr(changes))
        found = self._changed.get(key)
        if found is None:
            try:
                found = base.change(changes)
            except ArchwrightError as error:
                found = error
            self._changed[key] = found
            self._alive.append(base)  # ids of collected objects are used again
        if isinstance(found, ArchwrightError):
            raise found
        return found


def alternative(data: Any) -> tuple[dict[str, Any], dict[str, Any], str | None, str]:
    """Change, settings, base and note of an alternative, in its short or long form.

    >>> alternative({"n_kv_heads": 1})
    ({'n_kv_heads': 1}, {}, None, '')
    >>> alternative({"settings": {"backend": "flash"}})
    ({}, {'backend': 'flash'}, None, '')
    """
    if not isinstance(data, Mapping):
        return {}, {}, None, ""
    if data and set(data) <= {"change", "settings", "base", "note"}:
        change, settings = data.get("change"), data.get("settings")
        base = data.get("base")
        return (
            dict(change) if isinstance(change, Mapping) else {},
            dict(settings) if isinstance(settings, Mapping) else {},
            base if isinstance(base, str) else None,
            str(data.get("note") or ""),
        )
    return dict(data), {}, None, ""


def context_of(
    base: str | None,
    decision: Any,
    alternatives: Any,
    settings: Any,
    entries: Any,
    root: Path,
    bases: Bases,
    values: dict[Any, Quantity] | None = None,
) -> Context:
    """The frame of reference of a record, from its front matter; sides that cannot be built say why."""
    sides: dict[str, Side] = {}
    start: ArchitectureConfig | None = None
    problem = "the record names no base: add base: architecture.yaml"
    if base:
        try:
            start, problem = bases.load(base, root), ""
        except ArchwrightError as error:
            problem = _first(error)
    sides["base"] = Side("base", start, {}, problem)
    if isinstance(decision, Mapping):
        sides["decision"] = _side("decision", decision, start, problem, root, bases)
    if isinstance(alternatives, Mapping):
        for name, data in alternatives.items():
            if isinstance(name, str):
                sides[name] = _side(name, data, start, problem, root, bases)
    return Context(
        sides,
        settings if isinstance(settings, Mapping) else {},
        entries if isinstance(entries, Mapping) else {},
        "decision" if "decision" in sides else "base",
        {} if values is None else values,
    )


def _first(error: ArchwrightError) -> str:
    """The first problem of an error on one line, and how many more there are."""
    if not error.problems:
        return str(error)
    first, more = error.problems[0], len(error.problems) - 1
    said = f"{first.where} {first.message}" if first.where else first.message
    return said + (f" (and {more} more problem{'s' * (more > 1)})" if more else "")


def _side(name: str, data: Any, start: ArchitectureConfig | None, problem: str, root: Path, bases: Bases) -> Side:
    change, settings, base, _ = alternative(data)
    if base:
        try:
            start, problem = bases.load(base, root), ""
        except ArchwrightError as error:
            start, problem = None, _first(error)
    if start is None:
        return Side(name, None, settings, problem)
    try:
        return Side(name, bases.change(start, change), settings)
    except ArchwrightError as error:
        return Side(name, None, settings, _first(error))


# Labels -------------------------------------------------------------------------------------------------------


def resolve(label: Label, context: Context) -> Resolved:
    """What a label stands for in a context. Never raises for what a document can say."""
    try:
        return _resolve(label, context)
    except _Unresolved as stop:
        return Resolved("error", label.name, problem=stop.problem, code=stop.code)


class _Unresolved(Exception):
    def __init__(self, problem: Problem, code: str = "unresolved-label") -> None:
        self.problem = problem
        self.code = code
        super().__init__(problem)


def _resolve(label: Label, context: Context) -> Resolved:
    from ..costs.metric import metrics

    if label.name == "requirement":
        return Resolved("requirement", label.name, detail="requirements are checked with their architecture file")
    entry = context.entries.get(label.name)
    is_metric, is_field = label.name in metrics, label.name in FIELDS
    if entry is not None:
        context.used.add(label.name)
        if is_metric or is_field:
            what = "metric" if is_metric else "field"
            raise _Unresolved(
                Problem(f"claims.{label.name}", NOTHING, f"has the name of a {what}", "Give the entry another name")
            )
        return _entry(label, entry, context)
    if is_metric or is_field:
        return _computed(label, label.name, {}, context)
    known = [*metrics.names(), *FIELDS, *map(str, context.entries)]
    hint = did_you_mean(label.name, known)
    remedy = hint if hint.startswith("Did") else "See archwright metrics, or add an entry under claims:"
    raise _Unresolved(Problem("label", label.raw or str(label), "is no metric, field or entry of claims:", remedy))


def _entry(label: Label, entry: Any, context: Context) -> Resolved:
    name = f"claims.{label.name}"
    if isinstance(entry, str):
        entry = {"metric": entry}
    if not isinstance(entry, Mapping):
        raise _Unresolved(Problem(name, entry, "must be a map or the name of a metric", "Write {metric: kv_cache}"))
    kinds = [key for key in SOURCES if key in entry]
    if len(kinds) != 1:
        rule = f"has {' and '.join(kinds)}" if kinds else "says of no value where it comes from"
        raise _Unresolved(Problem(name, NOTHING, rule, f"Give exactly one of {', '.join(SOURCES)}"))
    kind = kinds[0]
    value = entry[kind]
    if kind in ("source", "assumed"):
        _check_sides(label, context)
    if kind == "source":
        return Resolved("cited", label.name, detail=str(value), notes=() if _has_locator(value) else ("no-locator",))
    if kind == "assumed":
        return Resolved("assumed", label.name, detail=str(value))
    if kind in EVIDENCE_KEYS:
        _check_sides(label, context)
        return Resolved(EVIDENCE_KEYS[kind], label.name, detail=_evidence_text(kind, entry, label))
    _check_metric(name, value)
    own = {k: v for k, v in entry.items() if k not in ("metric", "from", "to", "of", "note")}
    if "from" in entry or "to" in entry:
        if label.side:
            rule = f"names its sides itself, so [{label.name}.{label.side}] cannot name others"
            raise _Unresolved(Problem(name, NOTHING, rule, f"Write [text][{label.name}]"))
        return _two_sided(label, str(value), entry, own, context)
    if isinstance(entry.get("of"), str) and not label.side:
        label = Label(label.name, label.settings, entry["of"], "", label.raw)
    return _computed(label, str(value), own, context)


def _check_metric(name: str, value: Any) -> None:
    """Refuse an entry whose metric is neither a metric nor a field, with the nearest."""
    from ..costs.fields import is_field
    from ..costs.metric import metrics

    if isinstance(value, str) and (value in metrics or is_field(value)):
        return
    known = [*metrics.names(), *FIELDS]
    hint = did_you_mean(value, known) if isinstance(value, str) else ""
    remedy = hint if hint.startswith("Did") else "See archwright metrics"
    raise _Unresolved(Problem(f"{name}.metric", value, "is no metric or field", remedy))


def _has_locator(source: Any) -> bool:
    """Whether a citation says where: an address, or a section, table, figure or page."""
    text = str(source).lower()
    words = ("http", "section", "sec.", "table", "figure", "fig.", "page", "p.", "§", "appendix", "arxiv", "doi")
    return any(word in text for word in words)


def _evidence_text(kind: str, entry: Mapping[str, Any], label: Label) -> str:
    settings = {**{k: v for k, v in entry.items() if k != kind}, **dict(label.settings)}
    shown = ", ".join(f"{'on' if k == 'device' else k} {v}" for k, v in settings.items())
    what = {"bench": "benchmark", "ablation": "training run", "eval": "evaluation"}[kind]
    return f"no {what} of {entry[kind]}" + (f", {shown}" if shown else "")


def _check_sides(label: Label, context: Context) -> None:
    for name in (label.side, label.to_side):
        if name and name not in context.sides:
            raise _unknown_side(name, context)


def _unknown_side(name: str, context: Context) -> _Unresolved:
    known = list(context.sides)
    hint = did_you_mean(name, known)
    remedy = hint if hint.startswith("Did") else f"Sides: {', '.join(known)}"
    return _Unresolved(Problem("label", name, "is no side of this record", remedy))


def _side_of(name: str, context: Context) -> Side:
    side = context.sides.get(name or context.default)
    if side is None:
        raise _unknown_side(name, context)
    if side.config is None:
        raise _Unresolved(Problem(side.name, NOTHING, f"cannot be computed: {side.problem}"), "broken-base")
    return side


def side_of(name: str, context: Context) -> Side | Problem:
    """The side that a label names (empty: the default), or why there is none that can be computed."""
    try:
        return _side_of(name, context)
    except _Unresolved as stop:
        return stop.problem


def _computed(label: Label, metric: str, own: Mapping[str, Any], context: Context) -> Resolved:
    names = (label.side, label.to_side) if label.to_side else (label.side,)
    operands = []
    better: str | None = None
    notes: list[str] = []
    for name in names:
        side = _side_of(name, context)
        operand, better, more = _operand(metric, side, {**own, **dict(label.settings)}, context)
        operands.append(operand)
        notes += more
    return Resolved("computed", metric, tuple(operands), better, notes=tuple(dict.fromkeys(notes)))


def _two_sided(
    label: Label, metric: str, entry: Mapping[str, Any], own: Mapping[str, Any], context: Context
) -> Resolved:
    operands = []
    better: str | None = None
    notes: list[str] = []
    for end in ("from", "to"):
        data = entry.get(end)
        if not isinstance(data, Mapping):
            raise _Unresolved(
                Problem(f"claims.{label.name}.{end}", data, "must be a map", "Write {of: decision, kv_dtype: bf16}")
            )
        side = _side_of(str(data.get("of") or ""), context)
        strict = {**own, **{k: v for k, v in data.items() if k != "of"}, **dict(label.settings)}
        operand, better, more = _operand(metric, side, strict, context)
        operands.append(operand)
        notes += more
    return Resolved("computed", metric, tuple(operands), better, notes=tuple(dict.fromkeys(notes)))


def _operand(
    metric: str, side: Side, strict: Mapping[str, Any], context: Context
) -> tuple[Operand, str | None, list[str]]:
    """The value of a metric or field on one side; `strict` settings must be the metric's own."""
    from ..costs.metric import metrics

    assert side.config is not None
    if metric not in metrics:
        if strict:
            rule = f"{metric} is a field, which has no settings"
            raise _Unresolved(Problem("", NOTHING, rule, f"Leave out {', '.join(strict)}"), "bad-setting")
        return Operand(side.name, _field(metric, side), side.config, {}), None, []
    definition = metrics.get(metric)
    accepted = definition.settings
    assumed: list[str] = []
    given: dict[str, Any] = {}
    for source, must in ((context.settings, False), (side.settings, False), (strict, True)):
        for key, value in source.items():
            if key not in accepted:
                if must:
                    hint = did_you_mean(key, accepted)
                    known = f"It takes {', '.join(sorted(accepted)) or 'no settings'}"
                    remedy = f"{hint} {known}" if hint.startswith("Did") else known
                    raise _Unresolved(Problem("setting", key, f"is not a setting of {metric}", remedy), "bad-setting")
                continue
            given[key] = _setting(key, value, context, assumed)
    try:
        cell = (metric, id(side.config), tuple(sorted((k, repr(v)) for k, v in given.items())))
        value = context.values.get(cell)
        if value is None:
            value = context.values[cell] = definition(side.config, **given)
    except InvalidValue as error:
        raise _Unresolved(error.problems[0], "bad-setting") from None
    notes = [f"assumes {name}" for name in assumed]
    return Operand(side.name, value, side.config, given), BETTER.get(definition.better or ""), notes


def _setting(key: str, value: Any, context: Context, assumed: list[str]) -> Any:
    """A setting's value; `$name` is an assumption of `claims:`, `32Ki` a number of tokens."""
    if isinstance(value, str) and value.startswith("$"):
        name = value[1:]
        entry = context.entries.get(name)
        if not isinstance(entry, Mapping) or "assumed" not in entry:
            raise _Unresolved(
                Problem(key, value, "is no assumption of claims:", f"Add {name}: {{assumed: 40%}}"), "bad-setting"
            )
        context.used.add(name)
        assumed.append(f"{name} {entry['assumed']}")
        return entry["assumed"]
    if key == "device" and context.devices:
        return context.devices.get(value, value)
    return value


def _field(path: str, side: Side) -> Any:
    from ..costs.fields import field_value

    assert side.config is not None
    try:
        return field_value(side.config, path)
    except InvalidValue as error:
        raise _Unresolved(error.problems[0]) from None
