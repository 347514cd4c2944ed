"""Governance: which accepted record decides a field, per concrete layer, and whether the present file keeps to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..arch.change import PARTS, entries_by_layer
from ..arch.config import ArchitectureConfig
from ..arch.fields import FIELDS
from ..arch.layer import FLAT_IN_LAYER
from ..arch.selectors import as_ranges, indices, parse_path
from ..errors import InvalidValue
from .names import name_parts

if TYPE_CHECKING:
    from .links import Graph
    from .record import Record

MISSING = object()
"""Stands for a field that a layer does not have."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One field that a decision gives a value.

    `field` is a path in a layer (`attention.window_size`), or of the model where `of_layers` is False. With `layers`
    it holds in those; without, in all layers that do not say otherwise, apart from `except_for`, which said otherwise
    when it was decided. `key` is the decision's own key.
    """

    key: str
    field: str
    value: Any
    of_layers: bool = True
    layers: frozenset[int] | None = None
    except_for: frozenset[int] = frozenset()

    @property
    def explicit(self) -> bool:
        """Whether the decision names the layers."""
        return self.layers is not None

    def reaches(self, layer: int) -> bool:
        """Whether it says something of a layer, as far as it alone knows."""
        return layer in self.layers if self.layers is not None else layer not in self.except_for

    def named(self, layers: Iterable[int] | None = None) -> str:
        """The field as people write it, with the layers where the decision names them."""
        if self.layers is None:
            return self.key if self.key.endswith(self.field.rpartition(".")[2]) else self.field
        return f"layers[{as_ranges(sorted(self.layers if layers is None else layers))}].{self.field}"


@dataclass(frozen=True, slots=True)
class Ruling:
    """An accepted record with what it decided: its base's file today, and the architecture before and after."""

    record: Record
    file: str
    before: ArchitectureConfig
    after: ArchitectureConfig
    leaves: tuple[Leaf, ...] = ()

    @property
    def order(self) -> tuple[int, str, str]:
        """Later records sort after earlier ones."""
        digits = name_parts(self.record.stem).digits
        return int(digits) if digits else 0, self.record.date or "", self.record.path


# What a decision says -----------------------------------------------------------------------------------------


def leaves_of(decision: Mapping[str, Any], before: ArchitectureConfig, after: ArchitectureConfig) -> tuple[Leaf, ...]:
    """Every field that a decision gives a value, with the value that follows from it."""
    found: list[Leaf] = []
    for key, value in decision.items():
        path = parse_path(key)
        head = path.field.partition(".")[0]
        if path.select is not None:
            chosen = [i for i in indices(path.select, before.n_layers, before.layers) if i < after.n_layers]
            found += _in_layers(key, path.field, value, chosen, after)
        elif head in ("layers", "pattern"):
            found += _overrides(key, head, value, after)
        elif FIELDS[head].per_layer and _in_a_layer(head, path.field, after):
            found += [_default(key, name, after) for name in _names(path.field, value)]
        else:
            found += [_of_model(key, name, after) for name in _names(path.field, value)]
    return tuple(leaf for leaf in found if leaf.value is not MISSING)


def _names(field: str, value: Any) -> Iterator[str]:
    """The fields that a value sets: one for each key of a map."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _names(f"{field}.{key}", inner)
    elif field in PARTS and isinstance(value, str):
        yield f"{field}.type"
    else:
        yield field


def in_layer(field: str) -> str:
    """A field's path in a layer: `n_kv_heads` is `attention.n_kv_heads` there."""
    return FLAT_IN_LAYER.get(field, field)


def _in_a_layer(head: str, field: str, config: ArchitectureConfig) -> bool:
    return head in FLAT_IN_LAYER or head in PARTS or value_in(config, 0, in_layer(field)) is not MISSING


def value_in(config: ArchitectureConfig, layer: int, field: str) -> Any:
    """The value of a field in one layer; MISSING where the layer, or the field in it, does not exist."""
    if layer >= config.n_layers:
        return MISSING
    try:
        return config.layers[layer].value(field)
    except AttributeError:
        return MISSING


def value_of(config: ArchitectureConfig, field: str) -> Any:
    """The value of a field of the model as a whole; MISSING where there is none."""
    head, *rest = field.split(".")
    value: Any = getattr(config, head, MISSING)
    for key in rest:
        value = value.get(key, MISSING) if isinstance(value, Mapping) else MISSING
    return value


def _in_layers(key: str, field: str, value: Any, chosen: list[int], after: ArchitectureConfig) -> Iterator[Leaf]:
    for name in _names(field, value):
        groups: dict[str, tuple[Any, set[int]]] = {}
        for i in chosen:
            here = value_in(after, i, in_layer(name))
            groups.setdefault(repr(here), (here, set()))[1].add(i)
        for here, layers in groups.values():
            yield Leaf(key, in_layer(name), here, layers=frozenset(layers))


def _overrides(key: str, head: str, value: Any, after: ArchitectureConfig) -> Iterator[Leaf]:
    by_layer = entries_by_layer({head: value}, after.n_layers) if value else {}
    if not by_layer:  # taken back: then every layer is of the type that the flat fields say
        yield from _in_layers(key, "attention.type", None, list(range(after.n_layers)), after)
        return
    together: dict[str, tuple[dict[str, Any], list[int]]] = {}
    for layer, body in by_layer.items():
        together.setdefault(repr(body), (body, []))[1].append(layer)
    for body, layers in together.values():
        for field, inner in body.items():
            yield from _in_layers(key, field, inner, layers, after)


def _default(key: str, name: str, after: ArchitectureConfig) -> Leaf:
    """A flat field: what all layers have that do not override it."""
    field = in_layer(name)
    part, _, inner = field.partition(".")
    authored = after.authored()
    apart = set()
    for layer, body in entries_by_layer(authored, after.n_layers).items():
        own = body.get(part)
        own = {"type": own} if isinstance(own, str) else own
        retyped = isinstance(own, Mapping) and "type" in own and inner != "type"
        if (
            (name.partition(".")[0] in body and "." not in name and name not in PARTS)
            or (isinstance(own, Mapping) and (not inner or inner in own))
            or (retyped and value_in(after, layer, field) is MISSING)
        ):
            apart.add(layer)
    reached = next((i for i in range(after.n_layers) if i not in apart), None)
    value = MISSING if reached is None else value_in(after, reached, field)
    return Leaf(key, field, value, except_for=frozenset(apart))


def _of_model(key: str, name: str, after: ArchitectureConfig) -> Leaf:
    return Leaf(key, name, value_of(after, name), of_layers=False)


# Records against each other and the file ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two accepted records that give one field different values."""

    later: Ruling
    earlier: Ruling
    leaf: Leaf
    other: Leaf
    layers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Breach:
    """A field of the present file that differs from what a record decided; `found` is MISSING where it is gone."""

    ruling: Ruling
    leaf: Leaf
    found: Any
    layers: tuple[int, ...]


class Governance:
    """The accepted, not superseded records of a set, field by field and file by file."""

    def __init__(self, rulings: Iterable[Ruling], graph: Graph) -> None:
        self._leaves: dict[tuple[int, int, str], tuple[Leaf, ...]] = {}
        self._amended: dict[str, set[str]] = {}
        self._conflicts: dict[str, list[Conflict]] = {}
        self.files: dict[str, list[Ruling]] = {}
        """Rulings by the file that they are about, earlier ones first."""
        released = {
            old.path
            for new in graph.records
            for old in graph.predecessors.get(new.path, ())
            if graph.supersedes(new, old)
        }
        for ruling in sorted(rulings, key=lambda r: r.order):
            record = ruling.record
            gone = record.path in released or any(
                graph.supersedes(new, record) for new in graph.successors.get(record.path, ())
            )
            if record.status == "accepted" and not gone:
                self.files.setdefault(ruling.file, []).append(self._with_leaves(ruling))
        for record in graph.records:
            for link in record.links:
                if link.kind in ("amends", "amended_by"):
                    for other in graph.candidates(link, record):
                        old, new = (other, record) if link.kind == "amends" else (record, other)
                        self._amended.setdefault(old.path, set()).add(new.path)

    def _with_leaves(self, ruling: Ruling) -> Ruling:
        key = (id(ruling.before), id(ruling.after), repr(change_of(ruling.record)))
        if key not in self._leaves:
            self._leaves[key] = leaves_with(ruling).leaves
        return Ruling(ruling.record, ruling.file, ruling.before, ruling.after, self._leaves[key])

    def _gives_way(self, old: Ruling, new: Ruling) -> bool:
        """Whether a record amends another, and so has the last word on the fields that both decide."""
        return new.record.path in self._amended.get(old.record.path, ())

    def conflicts(self, file: str) -> list[Conflict]:
        """Fields of a file that two of its records give different values: each later record with one earlier."""
        found = self._conflicts.get(file)
        if found is None:
            found = self._conflicts[file] = list(self._find_conflicts(file))
        return found

    def _find_conflicts(self, file: str) -> Iterator[Conflict]:
        fields: dict[tuple[str, bool, bool], dict[Any, list[tuple[Ruling, Leaf]]]] = {}
        for ruling in self.files.get(file, ()):
            for leaf in ruling.leaves:
                said = fields.setdefault((leaf.field, leaf.of_layers, leaf.explicit), {})
                mine = (leaf.layers, repr(leaf.value))
                found = [
                    c for key, others in said.items() if key[1] != mine[1] for c in self._against(ruling, leaf, others)
                ]
                if found:
                    yield max(found, key=lambda c: c.earlier.order)
                said.setdefault(mine, []).append((ruling, leaf))

    def _against(self, ruling: Ruling, leaf: Leaf, others: list[tuple[Ruling, Leaf]]) -> Iterator[Conflict]:
        """The last of the earlier records with one other value that contradicts a later one."""
        shared = _shared(leaf, others[0][1])
        for earlier, other in reversed(others) if shared is not None else ():
            apart = earlier.record is not ruling.record
            if apart and not self._gives_way(earlier, ruling) and not self._gives_way(ruling, earlier):
                assert shared is not None
                yield Conflict(ruling, earlier, leaf, other, shared)
                return

    def breaches(self, file: str, present: ArchitectureConfig) -> list[Breach]:
        """Fields in which the present architecture differs from what is decided, conflicts apart."""
        disputed = {
            (c.leaf.field, c.leaf.of_layers, c.leaf.explicit, i)
            for c in self.conflicts(file)
            for i in c.layers or (-1,)
        }
        found: list[Breach] = []
        seen: set[Any] = set()
        for ruling in self.files.get(file, ()):
            for leaf in ruling.leaves:
                key = (leaf.field, leaf.of_layers, leaf.layers, leaf.except_for, repr(leaf.value))
                if key not in seen:  # another record says exactly the same
                    seen.add(key)
                    found += self._breached(file, ruling, leaf, present, disputed)
        return found

    def _breached(
        self,
        file: str,
        ruling: Ruling,
        leaf: Leaf,
        present: ArchitectureConfig,
        disputed: set[tuple[str, bool, bool, int]],
    ) -> Iterator[Breach]:
        kind = (leaf.field, leaf.of_layers, leaf.explicit)
        if (*kind, -1) in disputed:
            return
        if not leaf.of_layers:
            value = value_of(present, leaf.field)
            if value != leaf.value and not self._overruled(file, ruling, leaf, -1):
                yield Breach(ruling, leaf, value, ())
            return
        differing: dict[str, tuple[Any, list[int]]] = {}
        for i in sorted(leaf.layers) if leaf.layers is not None else range(present.n_layers):
            if not leaf.reaches(i):
                continue
            value = value_in(present, i, leaf.field)
            if value == leaf.value or (*kind, i) in disputed or self._overruled(file, ruling, leaf, i):
                continue
            differing.setdefault(repr(value), (value, []))[1].append(i)
        for value, where in differing.values():
            yield Breach(ruling, leaf, value, tuple(where))

    def _overruled(self, file: str, ruling: Ruling, leaf: Leaf, layer: int) -> bool:
        """Whether a record that names the layer, or that amends this one, decides the field there."""
        for other_ruling in self.files.get(file, ()):
            for other in other_ruling.leaves:
                if other is leaf or not (other.reaches(layer) or layer < 0):
                    continue
                stronger = (other.explicit and not leaf.explicit) or self._gives_way(ruling, other_ruling)
                if stronger and (other.field, other.of_layers) == (leaf.field, leaf.of_layers):
                    return True
                # a record may give the layer another type of attention, which then lacks the field
                retyped = other.field == "attention.type" and leaf.field.startswith("attention.")
                if stronger and retyped and value_in(other_ruling.after, layer, leaf.field) is MISSING:
                    return True
        return False

    def who(self, file: str, field: str, layer: int | None, of_layers: bool) -> list[tuple[Ruling, Leaf]]:
        """The records that decide a field of a file (in one layer), the one with the last word first."""
        found = []
        for ruling in self.files.get(file, ()):
            for leaf in ruling.leaves:
                if leaf.of_layers == of_layers and same_field(leaf, field) and (layer is None or leaf.reaches(layer)):
                    found.append((ruling, leaf))
        return strongest_first(found, layer)


def strongest_first(found: list[tuple[Ruling, Leaf]], layer: int | None) -> list[tuple[Ruling, Leaf]]:
    """Those that name the layer before those that speak of all, later records before earlier ones."""
    return sorted(found, key=lambda f: (f[1].explicit or layer is None, f[0].order), reverse=True)


def leaves_with(ruling: Ruling) -> Ruling:
    """A record with every field that it decided; none where its decision does not fit its base."""
    try:
        leaves = leaves_of(change_of(ruling.record), ruling.before, ruling.after)
    except InvalidValue:
        leaves = ()  # the record's own findings say what is wrong with it
    return Ruling(ruling.record, ruling.file, ruling.before, ruling.after, leaves)


def change_of(record: Record) -> dict[str, Any]:
    """The decision's change, in its short or long form."""
    from ..claims.resolve import alternative

    return alternative(record.decision or {})[0]


def same_field(leaf: Leaf, field: str) -> bool:
    """Whether a field asked for is the one decided, or a part of it, or it is asked for by the decision's own key."""
    if leaf.field == field or leaf.field.startswith(field + ".") or field.startswith(leaf.field + "."):
        return True
    return leaf.key == field or leaf.key.partition(".")[0] == field


def _shared(a: Leaf, b: Leaf) -> tuple[int, ...] | None:
    """The layers that two leaves both decide; () for all or for the model; None where they do not meet.

    A leaf that names layers and one that is the default of all do not meet: the former is the exception to the latter.
    """
    if a.explicit != b.explicit:
        return None
    if a.layers is None or b.layers is None:
        return ()
    return tuple(sorted(a.layers & b.layers)) or None


def file_of(config: ArchitectureConfig) -> str | None:
    """The file that an architecture was read from; None for a preset, which nobody here can change."""
    return os.path.abspath(config.source.path) if config.source.path else None
