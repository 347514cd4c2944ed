"""Where the value of a field comes from: a line of the file, what it extends, or the default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..arch.config import ArchitectureConfig
from ..arch.layer import FLAT_IN_LAYER
from ..arch.loading import is_foreign
from ..errors import ArchwrightError
from .frame import shown


@dataclass(frozen=True, slots=True)
class Origin:
    """In words, with the place in the file where it has one (0: none)."""

    words: str
    path: str = ""
    line: int = 0
    column: int = 0


def origin_of(config: ArchitectureConfig, file: str, name: str, layer: int | None) -> Origin:
    """Where a field's value, in one layer or in the model, is written."""
    from ..arch.files import load

    if not config.source.path:
        return Origin(f"as {config.name or file} has it")
    try:
        document = load(Path(file))
    except ArchwrightError:
        return Origin(f"as {shown(file)} has it")
    data = document.data
    if not isinstance(data, Mapping) or is_foreign(data):
        return Origin(f"as {shown(file)} has it", shown(file))
    top: tuple[str, ...] = ("architecture",) if "architecture" in data else ()
    own: Any = data.get("architecture") if top else data
    keys = _written(own if isinstance(own, Mapping) else {}, name, layer, config)
    if keys is not None:
        place = document.where((*top, *keys))
        if place is not None:
            return Origin(
                f"written in {shown(place.path)}:{place.line}:{place.column}",
                shown(place.path),
                place.line,
                place.column,
            )
    extends = data.get("extends")
    if isinstance(extends, str):
        place = document.where(("extends",))
        return Origin(f"from {extends}, which {shown(file)} extends", shown(file), place.line if place else 0)
    return Origin("the default", shown(file))


def _written(
    own: Mapping[str, Any], name: str, layer: int | None, config: ArchitectureConfig
) -> tuple[Any, ...] | None:
    """The keys under which an architecture's own map sets a field; those of a layer's entry before the flat ones."""
    from ..arch.selectors import indices

    flat = next((k for k, v in FLAT_IN_LAYER.items() if v == name), name)
    head, _, inner = name.partition(".")
    if layer is not None:
        for number, entry in enumerate(own.get("layers") or ()):
            chosen = indices(entry.get("layers", []), config.n_layers, allow_none=True)
            keys = _in_entry(entry, flat, head, inner) if layer in chosen else None
            if keys is not None:
                return "layers", number, *keys
        if own.get("pattern") is not None and head == "attention":
            return ("pattern",)
    return _in_entry(own, flat, head, inner)


def _in_entry(entry: Mapping[str, Any], flat: str, head: str, inner: str) -> tuple[Any, ...] | None:
    if flat in entry:
        return (flat,)
    part = entry.get(head)
    if isinstance(part, Mapping) and inner in part:
        return head, inner
    return (head,) if isinstance(part, str) and inner in ("", "type") else None


def extended(file: str) -> ArchitectureConfig | None:
    """The architecture that a file extends; the defaults where it stands alone; None where that makes no sense."""
    from ..arch.files import load
    from ..arch.loading import load as load_architecture

    try:
        data = load(Path(file)).data
        if not isinstance(data, Mapping) or is_foreign(data):
            return None
        target = data.get("extends")
        if not isinstance(target, str):
            return ArchitectureConfig()
        if target.startswith("preset:"):
            return load_architecture(target)
        return load_architecture(Path(os.path.dirname(file)) / target)
    except ArchwrightError:
        return None
