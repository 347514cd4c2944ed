"""A field of an architecture as a number, so that it can stand in a table beside metrics."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from ..arch.change import readings
from ..arch.config import ArchitectureConfig
from ..arch.fields import FIELDS
from ..arch.selectors import as_ranges, parse_path
from ..errors import NOTHING, InvalidValue, Problem
from ..units import Quantity

FIELD_UNITS = {
    "n_layers": "layers",
    "n_heads": "heads",
    "n_kv_heads": "heads",
    "max_seq_len": "tokens",
    "window_size": "tokens",
}
"""Units of the fields that are counts of something; the others are plain numbers."""


def is_field(name: str) -> bool:
    """Whether a name is a flat field or a path into layers."""
    try:
        path = parse_path(name)
    except InvalidValue:
        return False
    return path.select is not None or path.field.split(".")[0] in FIELDS


def field_value(config: ArchitectureConfig, name: str) -> Quantity | bool | str:
    """The value of a field; InvalidValue where it differs between the selected layers."""
    found = readings(config, name)
    if len(found) > 1:
        values = "; ".join(f"{r.value} in layers {as_ranges(r.layers or ())}" for r in found)
        raise InvalidValue(Problem(name, values, "has more than one value", "Select layers that agree"))
    value = found[0].value
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        unit = FIELD_UNITS.get(name.rpartition(".")[2], "")
        return Quantity(value if isinstance(value, int) else Fraction(repr(value)), unit)
    if value is None or isinstance(value, str):
        return "null" if value is None else value
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    if isinstance(kind, str):
        return kind  # a part of a layer, by the name of its kind
    raise InvalidValue(Problem(name, NOTHING, "is not one value", "Choose a field that is a number or a word"))


def field_quantity(config: ArchitectureConfig, name: str) -> Quantity:
    """The value of a field that is one number; InvalidValue where it is none, or differs between layers."""
    value = field_value(config, name)
    if not isinstance(value, Quantity):
        raise InvalidValue(Problem(name, value, "is not a number", "Choose a field that is one, or a metric"))
    return value
