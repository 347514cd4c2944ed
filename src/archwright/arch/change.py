"""Changes to an architecture in its authored form, and reading a field by its path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import NOTHING, InvalidValue, Problem, did_you_mean
from .fields import FIELDS, unknown_field
from .selectors import Path, as_ranges, indices, no_field, parse_path, plain

if TYPE_CHECKING:
    from .config import ArchitectureConfig

PARTS = ("attention", "feed_forward", "rope_scaling", "position", "norm", "embedding", "head")


def merged(old: Any, new: Any) -> Any:
    """RFC 7396: maps merge, everything else replaces, null removes; a changed `type` starts its map afresh.

    Fields that the new type shares with the old are kept by the derivation, which knows both.
    """
    if not isinstance(new, Mapping):
        return plain(new)
    out = dict(old) if isinstance(old, Mapping) else {}
    for key, value in new.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merged(out.get(key), value)
    return out


def retyped(name: str, old: Any, new: Any) -> Any:
    """`merged` for a part that has a type: changing it drops the fields that the new type lacks."""
    from .attention import attention_types
    from .feed_forward import feed_forward_types
    from .position import position_types, rope_scalings
    from .spec import field_types

    if isinstance(old, str):
        old = {"type": old}
    if isinstance(new, str):
        new = {"type": new}
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        kind = new.get("type", old.get("type"))
        registry: Any = {
            "attention": attention_types,
            "feed_forward": feed_forward_types,
            "rope_scaling": rope_scalings,
            "position": position_types,
        }.get(name)
        if registry is not None and kind != old.get("type") and isinstance(kind, str) and kind in registry:
            known = field_types(registry.get(kind))
            old = {k: v for k, v in old.items() if k in known or k == "type"}
    return merged(old, new)


def changed(config: ArchitectureConfig, changes: Mapping[str, Any]) -> ArchitectureConfig:
    """The architecture with changes applied in order; all problems at once."""
    fields = config.authored()
    problems: list[Problem] = []
    for text, value in changes.items():
        try:
            apply(fields, config, text, value)
        except InvalidValue as error:
            problems.extend(error.problems)
    if problems:
        raise InvalidValue(problems)
    given = {k: v for k, v in fields.items() if v is not None}
    return type(config).from_fields(given, source=config.source)


def apply(fields: dict[str, Any], config: ArchitectureConfig, text: str, value: Any) -> None:
    """One change to authored fields, in place."""
    path = parse_path(text)
    head, *rest = path.field.split(".")
    if path.select is None:
        if head not in FIELDS:
            raise InvalidValue(unknown_field(head, "", {**fields, head: value}))
        if rest and head not in PARTS:
            raise no_field(path, f"is not a field: {head} has no parts")
        patch: Any = plain(value)
        for key in reversed(rest):
            patch = {key: patch}
        if head == "layers" and patch is not None:
            fields["pattern"] = None
        if head == "pattern" and patch is not None:
            fields["layers"] = None
        if head == "custom_attention" and patch is not None and isinstance(fields.get("attention"), Mapping):
            fields["attention"] = {k: v for k, v in fields["attention"].items() if k != "type"} or None
        if head in PARTS and patch is not None:
            if head == "attention" and isinstance(patch, Mapping) and "type" in patch:
                fields["custom_attention"] = None
            fields[head] = retyped(head, fields.get(head), patch)
        else:
            fields[head] = patch
        return
    from .derive import LAYER_KEYS

    if head not in LAYER_KEYS:
        raise no_field(path, "is not a field of a layer", did_you_mean(head, LAYER_KEYS, "A layer's fields"))
    chosen = set(indices(path.select, config.n_layers, config.layers))
    if not chosen:
        raise no_field(path, "selects no layer")
    patch = plain(value)
    for key in reversed(rest):
        patch = {key: patch}
    entries = _entries(fields, config.n_layers)
    if fields.get("custom_attention") and head == "attention":
        fields["attention"] = retyped("attention", fields.get("attention"), {"type": fields["custom_attention"]})
        fields["custom_attention"] = None
    by_layer: list[dict[str, Any]] = [entries.get(i, {}) for i in range(config.n_layers)]
    for i in chosen:
        mine = dict(by_layer[i])
        if patch is None:
            mine.pop(head, None)
        elif head in PARTS:
            mine[head] = retyped(head, mine.get(head), patch)
        else:
            mine[head] = patch
        by_layer[i] = mine
    fields["pattern"] = None
    fields["layers"] = _joined(by_layer) or None


def _entries(fields: Mapping[str, Any], n_layers: int) -> dict[int, dict[str, Any]]:
    """What the authored form says of each layer."""
    found: dict[int, dict[str, Any]] = {}
    for entry in fields.get("layers") or ():
        body = {k: v for k, v in entry.items() if k != "layers"}
        for i in indices(entry["layers"], n_layers):
            found[i] = body
    cycle: list[dict[str, Any]] = []
    for item in fields.get("pattern") or ():
        body = {"type": item} if isinstance(item, str) else {k: v for k, v in item.items() if k != "times"}
        body = {"attention": body} if "type" in body else body
        cycle += [body] * (1 if isinstance(item, str) else item.get("times", 1))
    if cycle:
        found = {i: cycle[i % len(cycle)] for i in range(n_layers)}
    return found


def _joined(by_layer: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries with their layers, equal neighbours joined."""
    groups: list[tuple[dict[str, Any], list[int]]] = []
    for i, body in enumerate(by_layer):
        if not body:
            continue
        if groups and groups[-1][0] == body and groups[-1][1][-1] == i - 1:
            groups[-1][1].append(i)
        else:
            groups.append((body, [i]))
    return [{"layers": as_ranges(numbers), **body} for body, numbers in groups]


def entries_by_layer(fields: Mapping[str, Any], n_layers: int) -> dict[int, dict[str, Any]]:
    """What `layers:` or `pattern:` of authored fields say of each layer that they say something of."""
    return _entries(fields, n_layers)


def restored(config: ArchitectureConfig, before: ArchitectureConfig, change: Mapping[str, Any]) -> ArchitectureConfig:
    """The architecture with every field that a change touches as it was authored before; all else stays.

    InvalidValue: the two cannot be combined.
    """
    fields, old = config.authored(), before.authored()
    for text, patch in change.items():
        path = parse_path(text)
        head, *rest = path.field.split(".")
        for key in reversed(rest):
            patch = {key: patch}
        if path.select is None:
            names = ("layers", "pattern") if head in ("layers", "pattern") else (head,)
            names = ("attention", "custom_attention") if head in ("attention", "custom_attention") else names
            for name in names:
                fields[name] = _as_before(fields.get(name), old.get(name), patch if name == head else None)
            continue
        now, then = _entries(fields, config.n_layers), _entries(old, before.n_layers)
        by_layer = [now.get(i, {}) for i in range(config.n_layers)]
        for i in indices(path.select, before.n_layers, before.layers):
            if i < config.n_layers:
                mine = {**by_layer[i], head: _as_before(by_layer[i].get(head), then.get(i, {}).get(head), patch)}
                by_layer[i] = {k: v for k, v in mine.items() if v is not None}
        fields["pattern"] = None
        fields["layers"] = _joined(by_layer) or None
    given = {k: v for k, v in fields.items() if v is not None}
    return type(config).from_fields(given, source=config.source)


def _as_before(now: Any, before: Any, patch: Any) -> Any:
    """A value as it was; of a map only the keys that a patch names."""
    if not isinstance(patch, Mapping):
        return plain(before)
    out, old = ({"type": v} if isinstance(v, str) else dict(v) if isinstance(v, Mapping) else {} for v in (now, before))
    for key, inner in patch.items():
        value = _as_before(out.get(key), old.get(key), inner)
        if value is None:
            out.pop(key, None)
        else:
            out[key] = value
    return out or None


# Reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """A field's value, and in which layers it holds (None: of the model as a whole)."""

    value: Any
    layers: tuple[int, ...] | None = None


def readings(config: ArchitectureConfig, text: str) -> list[Reading]:
    """The distinct values at a path, each with its layers; InvalidValue where the path leads nowhere."""
    path: Path = parse_path(text)
    head, *rest = path.field.split(".")
    if path.select is None:
        if head not in FIELDS:
            raise InvalidValue(unknown_field(head, "", {}))
        value: Any = config.layers if head == "layers" else getattr(config, head)
        for key in rest:
            if not isinstance(value, Mapping) or key not in value:
                raise no_field(path, "is not set", f"Its layers may set it: layers[0].{path.field}")
            value = value[key]
        return [Reading(value)]
    found: dict[str, tuple[Any, list[int]]] = {}
    missing: list[int] = []
    for i in indices(path.select, config.n_layers, config.layers):
        try:
            value = config.layers[i].value(path.field)
        except AttributeError:
            missing.append(i)
            continue
        found.setdefault(repr(value), (value, []))[1].append(i)
    if missing:
        kinds = sorted({config.layers[i].attention.type for i in missing})
        raise InvalidValue(
            Problem(
                str(path),
                NOTHING,
                f"is not a field of layers {as_ranges(missing)} (attention {', '.join(kinds)})",
                "Select other layers",
            )
        )
    return [Reading(value, tuple(numbers)) for value, numbers in found.values()]
