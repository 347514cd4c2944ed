"""An architecture's fields as YAML text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .fields import FIELDS
from .inplace import render

if TYPE_CHECKING:
    from .config import ArchitectureConfig


def to_yaml(fields: Mapping[str, Any]) -> str:
    """Flat keys, one a line; a list of maps one item a line."""
    return "".join(f"{line}\n" for line in _lines(fields))


def _lines(fields: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, value in fields.items():
        if isinstance(value, list) and value and any(isinstance(v, Mapping) for v in value):
            lines.append(f"{name}:")
            lines.extend(f"  - {render(item)}" for item in value)
        else:
            lines.append(f"{name}: {render(value)}")
    return lines


def commented(config: ArchitectureConfig) -> str:
    """An architecture file with a comment for every field, as `init` writes it."""
    lines = [f"name: {render(config.name)}"] if config.name else []
    lines.append("architecture:")
    fields = config.to_dict()
    plain = _lines(fields)
    width = max(len(line) for line in plain if len(line) < 40)
    for line in plain:
        name = line.partition(":")[0]
        doc = FIELDS[name].doc if name in FIELDS else ""
        lines.append(f"  {line:<{width}}  # {doc}" if doc and len(line) <= width else f"  {line}")
    return "\n".join(lines) + "\n"
