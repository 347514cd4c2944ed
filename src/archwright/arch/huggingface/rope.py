"""Rotary positions of a config.json: three spellings over the years, one meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import NOTHING, Problem, did_you_mean, show
from ..spec import check_type, is_of
from .keys import Key, Keys

ROPE_KEYS = (
    Key("rope_theta", float | None, None, "rope_theta"),
    Key("rope_scaling", Mapping | None, None),
    Key("rope_parameters", Mapping | None, None),
    Key("partial_rotary_factor", float | None, None),
)
"""What every rotary family reads: the base alone, `rope_scaling` (`type`, later `rope_type`), `rope_parameters`."""

_INT, _FLOAT = int, float
_YARN = {
    "factor": ("factor", _FLOAT),
    "original_max_position_embeddings": ("original_max_position", _INT),
    "beta_fast": ("beta_fast", _FLOAT),
    "beta_slow": ("beta_slow", _FLOAT),
    "mscale": ("mscale", _FLOAT),
    "mscale_all_dim": ("mscale_all_dim", _FLOAT),
    "attention_factor": ("attention_scale", _FLOAT),
    "truncate": ("truncate", bool),
}
SCALINGS: dict[str, dict[str, tuple[str, Any]]] = {
    "linear": {"factor": ("factor", _FLOAT)},
    "dynamic": {"factor": ("factor", _FLOAT)},
    "yarn": _YARN,
    "llama3": {
        "factor": ("factor", _FLOAT),
        "original_max_position_embeddings": ("original_max_position", _INT),
        "low_freq_factor": ("low_freq_factor", _FLOAT),
        "high_freq_factor": ("high_freq_factor", _FLOAT),
    },
    "longrope": {
        "factor": ("factor", _FLOAT),
        "original_max_position_embeddings": ("original_max_position", _INT),
        "short_factor": ("short_factor", list),
        "long_factor": ("long_factor", list),
        "attention_factor": ("attention_scale", _FLOAT),
        "short_mscale": ("attention_scale", _FLOAT),
        "long_mscale": ("long_attention_scale", _FLOAT),
    },
}
"""Of each scaling, the published keys: ours and the type."""
REQUIRED = {
    "linear": ("factor",),
    "dynamic": ("factor",),
    "yarn": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor"),
    "longrope": ("short_factor", "long_factor"),
}
_SYNONYMS = {"su": "longrope"}
_ENTRIES = frozenset(
    {"type", "rope_type", "rope_theta", "partial_rotary_factor"} | {k for s in SCALINGS.values() for k in s}
)


@dataclass(frozen=True, slots=True)
class Rotary:
    """What a config says of its rotary positions: base, scaling in our form, rotated share of a head."""

    theta: float
    scaling: dict[str, Any] | None = None
    partial: float = 1.0


def read_rope(
    keys: Keys,
    theta: float = 10000.0,
    partial: float = 1.0,
    labels: Sequence[str] = (),
    thetas: Mapping[str, float] | None = None,
    renamed: Mapping[str, str] | None = None,
    extra: Sequence[str] = (),
) -> dict[str, Rotary]:
    """The rotary positions of each layer type in `labels` that the file tells apart; under "" those of the others.

    `theta` and `partial` are the class's defaults; `thetas` are those of layer types that the base beside the map
    is not for. `renamed` are scalings that the family knows under another name, `extra` entries that it reads
    itself. Two spellings that disagree are refused with both values.
    """
    aside = _Aside(renamed or {}, frozenset(extra))
    source = _source(keys)
    data = keys[source] if source else None
    if not data:
        return {"": _one(keys, {}, (), theta, partial, aside)}
    nested = [name for name in data if name in labels]
    if not nested:
        return {"": _one(keys, data, (source,), theta, partial, aside)}
    found: dict[str, Rotary] = {}
    for name in data:
        if name not in nested:
            keys.refuse((source, name), "stands beside entries for layer types", "Move it into them")
        elif isinstance(data[name], Mapping):
            own = (thetas or {}).get(name)
            inner = data[name] if own is None else {"rope_theta": own, **data[name]}
            found[name] = _one(keys, inner, (source, name), theta, partial, aside, own is not None)
        else:
            keys.refuse((source, name), "must be a map")
    return found


def _source(keys: Keys) -> str:
    """The key that holds the map; two maps that say different things are refused."""
    old, new = keys["rope_scaling"], keys["rope_parameters"]
    if old and new and _plain(old) != _plain({k: v for k, v in new.items() if k in old or k != "rope_theta"}):
        keys.contradiction(("rope_scaling",), ("rope_parameters",))
    return "rope_parameters" if new else "rope_scaling" if old else ""


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    made = {("rope_type" if k == "type" else k): v for k, v in data.items() if v is not None}
    return {k: v for k, v in made.items() if v != "default"}


@dataclass(frozen=True, slots=True)
class _Aside:
    """What a family does its own way."""

    renamed: Mapping[str, str]
    extra: frozenset[str]


def _one(
    keys: Keys,
    data: Mapping[str, Any],
    way: tuple[str, ...],
    theta: float,
    partial: float,
    aside: _Aside,
    apart: bool = False,
) -> Rotary:
    for name, value in data.items():
        kind: Any = {"type": str, "rope_type": str, "rope_theta": float, "partial_rotary_factor": float}.get(name)
        problem = check_type(".".join((*way, name)), value, kind | None) if kind else None
        if problem:
            keys.problems.append(problem.at(keys.where((*way, name), False)))
            return Rotary(theta)
    base = float(data["rope_theta"]) if apart else _shared(keys, data, way, "rope_theta", theta)
    share = _shared(keys, data, way, "partial_rotary_factor", partial)
    if not 0 < share <= 1:
        at = (*way, "partial_rotary_factor") if "partial_rotary_factor" in data else ("partial_rotary_factor",)
        keys.refuse(at, "must be over 0 and at most 1")
        return Rotary(theta)
    first, second = data.get("rope_type"), data.get("type")
    if first is not None and second is not None and _SYNONYMS.get(first, first) != _SYNONYMS.get(second, second):
        keys.contradiction((*way, "type"), (*way, "rope_type"))
        return Rotary(base)
    kind = first if first is not None else second
    kind = aside.renamed.get(kind, _SYNONYMS.get(kind, kind))
    read = {k: v for k, v in data.items() if k not in aside.extra}
    return Rotary(base, _scaling(keys, read, way, kind), share)


def _shared(keys: Keys, data: Mapping[str, Any], way: tuple[str, ...], name: str, default: float) -> float:
    """A value that may stand beside the map or in it; both must agree."""
    outer = keys[name] if keys.has(name) else None
    inner = data.get(name)
    if inner is not None and outer is not None and inner != outer:
        keys.contradiction((*way, name), (name,))
    if inner is not None:
        keys.origin[name] = (*way, name)
    value = inner if inner is not None else outer if outer is not None else default
    return float(value)


def _scaling(keys: Keys, data: Mapping[str, Any], way: tuple[str, ...], kind: str | None) -> dict[str, Any] | None:
    if kind is None or kind == "default":
        if kind is None and "factor" in data:
            keys.refuse((*way, "factor"), "needs a rope_type beside it", f"Known: {', '.join(SCALINGS)}")
        else:
            _unread(keys, data, way, "the plain rotary embedding", set())
        return None
    known = SCALINGS.get(kind)
    if known is None:
        named = "rope_type" if data.get("rope_type") is not None else "type"
        hint = did_you_mean(kind, SCALINGS)
        listed = f"{hint} Known: {', '.join(SCALINGS)}" if hint.startswith("Did") else hint
        keys.cannot((*way, named), "is not a RoPE scaling that can be imported", listed)
        return None
    made: dict[str, Any] = {"type": kind}
    for theirs, (ours, wanted) in known.items():
        keys.origin[f"rope_scaling.{ours}"] = (*way, theirs)
        value = data.get(theirs)
        if value is None:
            continue
        problem = check_type(".".join((*way, theirs)), value, wanted)
        if problem or (wanted is list and not all(is_of(v, float) for v in value)):
            problem = problem or Problem(".".join((*way, theirs)), value, "must be a list of numbers")
            keys.problems.append(problem.at(keys.where((*way, theirs), False)))
        made[ours] = [float(v) for v in value] if wanted is list and not problem else value
    _complete(keys, made, data, way, kind)
    for theirs in REQUIRED[kind]:
        if known[theirs][0] not in made:
            label = ".".join((*way, theirs))
            keys.problems.append(Problem(label, NOTHING, f"is missing: {kind} needs it").at(keys.where(way, False)))
    _unread(keys, data, way, f"{kind} scaling", set(known))
    return made


def _complete(keys: Keys, made: dict[str, Any], data: Mapping[str, Any], way: tuple[str, ...], kind: str) -> None:
    """The trained length and what follows from it, as the classes take it where it is missing."""
    longest = keys["max_position_embeddings"] if keys.has("max_position_embeddings") else None
    if kind in ("yarn", "llama3", "longrope"):
        outer = "original_max_position_embeddings"
        if keys.has(outer) and keys.stated(outer) and keys[outer] is not None:
            inner = data.get(outer)
            if inner is not None and inner != keys[outer]:
                keys.contradiction((*way, outer), (outer,))
            made["original_max_position"] = keys[outer]
        elif longest is not None:
            made.setdefault("original_max_position", longest)
    original = made.get("original_max_position")
    if kind == "longrope" and "factor" not in made and longest and original:
        made["factor"] = max(1.0, longest / original)
    if kind == "yarn":
        if "factor" not in made and "factor" in data and longest and original:  # null: the ratio of the lengths
            made["factor"] = longest / original
        for name in ("beta_fast", "beta_slow", "mscale", "mscale_all_dim"):
            if made.get(name) == 0:
                del made[name]


def _unread(keys: Keys, data: Mapping[str, Any], way: tuple[str, ...], by: str, known: set[str]) -> None:
    """Entries that the scaling does not read: a note where the name is one of another scaling, else refused."""
    for name, value in data.items():
        if name in known or name in ("type", "rope_type", "rope_theta", "partial_rotary_factor") or value is None:
            continue
        label = ".".join((*way, name))
        if name in _ENTRIES:
            keys.note(f"{label} ({show(value)}) has no effect: {by} does not read it")
        elif value is not False:
            hint = did_you_mean(name, _ENTRIES)
            rule = "is not an entry of rotary positions and may change the model"
            remedy = hint if hint.startswith("Did") else ""
            keys.problems.append(Problem(label, value, rule, remedy).at(keys.where((*way, name), True)))
