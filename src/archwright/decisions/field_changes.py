"""What differs between two architectures, field by field, and layer by layer where only some differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..arch.change import PARTS
from ..arch.config import ArchitectureConfig
from ..arch.fields import FIELDS
from ..arch.layer import FLAT_IN_LAYER, Layer
from ..arch.selectors import as_ranges
from .governance import MISSING, value_in

FOLLOWS = ("d_model", "width")
"""Fields of a part that only repeat what the model says."""
_FLAT = {path: name for name, path in FLAT_IN_LAYER.items() if name != "custom_attention"}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field with its value before and after; `layers` where only some differ. MISSING: not there."""

    name: str
    field: str
    before: Any
    after: Any
    of_layers: bool = False
    layers: tuple[int, ...] = ()

    @property
    def shown(self) -> str:
        """The name, with the number of layers where a list of them would be long."""
        if len(self.name) - len(self.field) <= 32:
            return self.name
        return f"{self.field} in {len(self.layers)} layers"


def field_changes(before: ArchitectureConfig, after: ArchitectureConfig) -> list[FieldChange]:
    """Every difference of the derived models: of the whole first, then of layers."""
    found = list(_of_model(before, after))
    common = min(before.n_layers, after.n_layers)
    groups: dict[str, tuple[str, Any, Any, list[int]]] = {}
    seen: dict[tuple[int, int], list[tuple[str, Any, Any]]] = {}
    for i in range(common):
        pair = (id(before.layers[i]), id(after.layers[i]))
        if pair not in seen:
            seen[pair] = _of_layer(before, after, i)
        for path, old, new in seen[pair]:
            groups.setdefault(repr((path, old, new)), (path, old, new, []))[3].append(i)
    for path, old, new, layers in groups.values():
        whole = len(layers) == common
        flat = _FLAT.get(path, path) if whole else path
        name = flat if whole else f"layers[{as_ranges(layers)}].{path}"
        found.append(FieldChange(name, path, old, new, True, () if whole else tuple(layers)))
    return found


def _of_model(before: ArchitectureConfig, after: ArchitectureConfig) -> Iterator[FieldChange]:
    for name, field in FIELDS.items():
        if field.per_layer or name in (*PARTS, "layers", "pattern", "custom_attention"):
            continue
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield FieldChange(name, name, old, new)
    for name in ("norm", "embedding", "head"):
        old, new = getattr(before, name) or {}, getattr(after, name) or {}
        for key in {**old, **new}:
            if old.get(key) != new.get(key):
                yield FieldChange(f"{name}.{key}", f"{name}.{key}", old.get(key, MISSING), new.get(key, MISSING))


def _of_layer(before: ArchitectureConfig, after: ArchitectureConfig, layer: int) -> list[tuple[str, Any, Any]]:
    if before.layers[layer] == after.layers[layer]:
        return []
    old, new = _flat(before.layers[layer]), _flat(after.layers[layer])
    found = []
    for path in {**old, **new}:
        if path.rpartition(".")[2] in FOLLOWS or path.partition(".")[0].endswith("_norm"):
            continue  # the model's own fields say that
        values = [s.get(path, value_in(c, layer, path)) for s, c in ((old, before), (new, after))]
        if values[0] != values[1]:
            found.append((path, *values))
    return found


def _flat(layer: Layer) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in layer.canonical().items():
        if isinstance(part, Mapping):
            found |= {f"{name}.{key}": value for key, value in part.items()}
        else:
            found[name] = part
    found["norm_placement"] = layer.norm_placement
    found.pop("residual", None)
    return found
