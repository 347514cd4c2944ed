"""JSON Schema of architecture files, made from the field table and the registered variants."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from ..registry import Registry
from .attention import attention_types
from .ends import Embedding, Head
from .feed_forward import feed_forward_types
from .fields import FIELDS, POSITIVE
from .layer import PLACEMENTS
from .loading import BOUNDS
from .norm import LayerNorm, RMSNorm
from .position import position_types, rope_scalings
from .spec import Spec, field_types

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def architecture_schema() -> dict[str, Any]:
    """The schema of an architecture file, with or without the top key `architecture`."""
    fields = {name: _field(name) for name in FIELDS}
    flat = {"type": "object", "properties": fields, "additionalProperties": False}
    top = {
        "name": {"type": "string", "description": "How people call the model."},
        "extends": {"type": "string", "description": "A file in the project, or preset:NAME, that this one changes."},
        "requirements": {"type": "array", "items": _requirement()},
    }
    return {
        "$schema": DIALECT,
        "title": "Archwright architecture",
        "anyOf": [
            {
                "type": "object",
                "required": ["architecture"],
                "properties": {"architecture": {**flat, "description": "The model."}, **top},
                "additionalProperties": False,
            },
            {
                "type": "object",
                "not": {"required": ["architecture"]},
                "properties": {**fields, **top},
                "additionalProperties": False,
            },
        ],
    }


def _requirement() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["name", "metric"],
        "properties": {
            "name": {"type": "string"},
            "metric": {"type": "string"},
            **{bound: {"type": ["number", "string"]} for bound in BOUNDS},
        },
        "description": "What the model must meet: a metric, its settings and a bound.",
    }


def _field(name: str) -> dict[str, Any]:
    field = FIELDS[name]
    described = {"description": field.doc}
    if name == "attention":
        return {**described, **_part(attention_types)}
    if name == "feed_forward":
        return {**described, **_part(feed_forward_types)}
    if name == "rope_scaling":
        return {**described, **_part(rope_scalings, short=False)}
    if name == "position":
        return {**described, **_part(position_types)}
    if name in _MAPS:
        return {**described, **_map(*_MAPS[name])}
    if name in ("layers", "pattern"):
        return {**described, **_entries(name)}
    schema: dict[str, Any] = {**json_type(field.kind), **described}
    if field.default is not None:
        schema["default"] = field.default
    if name in POSITIVE:
        schema["minimum"] = 1
    if name.endswith("dropout"):
        schema |= {"minimum": 0, "maximum": 1}
    if name == "custom_attention":
        schema["enum"] = [*attention_types.names(), None]
    if name == "norm_placement":
        schema["enum"] = list(PLACEMENTS)
    return schema


_MAPS: dict[str, tuple[type[Spec], ...]] = {"norm": (RMSNorm, LayerNorm), "embedding": (Embedding,), "head": (Head,)}
"""Flat maps without a type, and the specs whose fields they hold."""


def _map(*specs: type[Spec]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for cls in specs:
        options |= _options(cls)
    return {"anyOf": [{"type": "object", "properties": options, "additionalProperties": False}, {"type": "null"}]}


def json_type(kind: Any) -> dict[str, Any]:
    """The JSON Schema of a Python annotation.

    >>> json_type(int | None), json_type(tuple[str, ...])
    ({'type': ['integer', 'null']}, {'type': 'array', 'items': {'type': 'string'}})
    """
    names = {int: "integer", float: "number", bool: "boolean", str: "string", type(None): "null"}
    if kind in names:
        return {"type": names[kind]}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": json_type(get_args(kind)[0])}
    parts = [names[p] for p in get_args(kind) if p in names]
    return {"type": parts if len(parts) > 1 else parts[0]} if parts else {}


def _options(cls: type[Spec]) -> dict[str, Any]:
    """The fields of a variant that a file may set."""
    docs = {f.name: f for f in dataclasses.fields(cls)}
    options = {}
    for name, kind in field_types(cls).items():
        if name in cls.TIED_TO_MODEL:
            continue
        schema = json_type(kind)
        if name == "bias" and kind is not bool:
            projections = {"type": "array", "items": {"enum": ["q", "k", "v", "o"]}}
            schema = {"anyOf": [projections, {"type": "boolean"}]}
        default = docs[name].default
        if default is not dataclasses.MISSING and isinstance(default, int | float | str | bool):
            schema = {**schema, "default": default}
        options[name] = schema
    return options


def _part(registry: Registry[Any], short: bool = True) -> dict[str, Any]:
    """A part by its type: a map whose fields depend on the type, or the type alone."""
    every: dict[str, Any] = {}
    for _, cls in registry.items():
        every |= _options(cls)
    mapped = {
        "type": "object",
        "properties": {"type": {"enum": registry.names()}, **every},
        "additionalProperties": False,
    }
    return {"anyOf": [mapped, {"enum": registry.names()}, {"type": "null"}] if short else [mapped, {"type": "null"}]}


def _entries(name: str) -> dict[str, Any]:
    own: Mapping[str, Any] = {n: _field(n) for n, f in FIELDS.items() if f.per_layer}
    if name == "layers":
        selector = {"type": ["string", "integer", "array"], "description": "3, 0-15, 0-3,8 or ::2"}
        item: dict[str, Any] = {
            "type": "object",
            "required": ["layers"],
            "properties": {"layers": selector, **own},
            "additionalProperties": False,
        }
    else:
        times = {"type": "integer", "minimum": 1, "description": "How often in a row."}
        attention: dict[str, Any] = {}
        for _, cls in attention_types.items():
            attention |= _options(cls)
        item = {
            "anyOf": [
                {"enum": attention_types.names()},
                {
                    "type": "object",
                    "properties": {"type": {"enum": attention_types.names()}, "times": times, **attention, **own},
                    "additionalProperties": False,
                },
            ]
        }
    return {"anyOf": [{"type": "array", "items": item}, {"type": "null"}]}
