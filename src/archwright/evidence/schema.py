"""The JSON Schema of an evidence record, and the reader that holds a record against it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from ..errors import NOTHING, Problem, did_you_mean

VERSION = "archwright/evidence/1"
KINDS = ("bench", "ablation", "eval", "calibration")
TARGETS = ("attention", "layer", "prefill", "decode")
"""What a bench may run."""
SCOPES = ("attention", "layer", "inference", "training")
"""The parts of an architecture on which an observation may depend."""

_TEXT = {"type": "string"}
_NAME = {"type": "string", "minLength": 1}
_NUMBER = {"type": "number"}
_SCALAR = {"type": ["string", "number", "boolean", "null"]}
_SETTINGS = {"type": "object", "additionalProperties": _SCALAR}
_NUMBERS = {"type": "array", "items": _NUMBER}
_COUNT = {"type": "integer", "minimum": 0}
_END = {"type": ["number", "null"]}


def _object(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


_ESTIMATE = {"n": _COUNT, "value": _NUMBER, "low": _END, "high": _END, "method": _TEXT}
_STATED = _object({"value": _NUMBER, "stderr": {"type": ["number", "null"], "minimum": 0}, "n": _COUNT})
_ARM = _object(
    {
        "name": _NAME,
        "architecture": {
            "type": ["object", "null"],
            "required": ["name", "fingerprint", "scope", "parts"],
            "properties": {
                "name": _TEXT,
                "fingerprint": {"type": "string", "pattern": "^v[0-9]+-[0-9a-f]{16}$"},
                "scope": {"enum": list(SCOPES)},
                "where": _TEXT,
                "parts": {"type": "string", "pattern": "^v[0-9]+-[0-9a-f]{16}$"},
                "fields": {"type": "object"},
            },
            "additionalProperties": False,
        },
    },
    {
        "settings": _SETTINGS,
        "code": {"type": "object", "additionalProperties": _TEXT},
        "work": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
        "samples": {"type": "object", "additionalProperties": _NUMBERS},
        "keys": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": ["string", "integer"]}}},
        "stated": {"type": "object", "additionalProperties": _STATED},
        "curves": {
            "type": "array",
            "items": _object({"measure": _NAME, "key": {"type": ["string", "integer"]}, "x": _NUMBERS, "y": _NUMBERS}),
        },
    },
)

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "archwright evidence",
    **_object(
        {
            "schema": {"const": VERSION},
            "kind": {"enum": list(KINDS)},
            "created": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"},
            "command": {"type": "array", "items": _TEXT},
            "target": _NAME,
            "device": {"type": ["string", "null"]},
            "settings": _SETTINGS,
            "measures": {
                "type": "object",
                "additionalProperties": _object(
                    {
                        "unit": _TEXT,
                        "better": {"enum": ["lower", "higher"]},
                        "summary": {"enum": ["median", "mean", "range"]},
                    },
                    {
                        "chance": {"type": "number", "minimum": 0, "maximum": 1},
                        "scale": {"type": "number", "exclusiveMinimum": 0},
                    },
                ),
            },
            "arms": {"type": "array", "minItems": 1, "items": _ARM},
            "paired": {"type": "boolean"},
            "environment": {"type": "object"},
            "summary": _object(
                {
                    "confidence": _NUMBER,
                    "arms": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object",
                            "additionalProperties": _object(_ESTIMATE, {"quartiles": _NUMBERS}),
                        },
                    },
                    "compared": {
                        "type": "array",
                        "items": _object(
                            {
                                "measure": _NAME,
                                "from": _NAME,
                                "to": _NAME,
                                "statistic": {"enum": ["ratio", "difference"]},
                                **_ESTIMATE,
                            }
                        ),
                    },
                }
            ),
            "hash": {"type": "string", "pattern": "^sha256-[0-9a-f]{64}$"},
        },
        {
            "peaks": _object(
                {"flops": {"type": ["number", "null"]}, "bytes": {"type": ["number", "null"]}, "source": _TEXT},
                {"measured": {"type": "boolean"}},
            ),
            "conditions": {"type": "object"},
            "notes": {"type": "array", "items": _TEXT},
        },
    ),
}
"""Draft 2020-12. Every tool that knows JSON Schema can check a record; `problems` below reads the same text."""


def problems(value: Any) -> list[Problem]:
    """All that a record breaks of the schema, each with its path."""
    return [] if _fits(SCHEMA)(value) else list(_broken(value, SCHEMA, ""))


def _fits(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    """Whether a value keeps a schema, as a function made once: reading a thousand records must cost little."""
    made = _MADE.get(id(schema))
    if made is None:
        made = _MADE[id(schema)] = _make(schema)
    return made


_MADE: dict[int, Callable[[Any], bool]] = {}


def _make(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    kinds = schema.get("type", ())
    allowed = _python_types((kinds,) if isinstance(kinds, str) else tuple(kinds))
    if dict in allowed:
        return _make_object(schema, allowed)
    if "items" in schema:
        fewest, item = schema.get("minItems", 0), schema["items"]
        if item is _NUMBER:
            return lambda value: type(value) is list and len(value) >= fewest and {*map(type, value)} <= _NUMBERS_ARE
        each = _fits(item)
        return lambda value: type(value) is list and len(value) >= fewest and all(map(each, value))
    if len(schema) == 1 and kinds:
        return lambda value: type(value) in allowed
    return _make_plain(schema, allowed)


def _make_plain(schema: Mapping[str, Any], allowed: frozenset[type]) -> Callable[[Any], bool]:
    """A function for values that hold no others: what most of a record is, and so without the words of `_broken`."""
    keys = schema.keys()
    if keys == {"const"} or keys == {"enum"}:
        known = frozenset((schema["const"],) if "const" in schema else schema["enum"])
        return lambda value: isinstance(value, str) and value in known
    if keys == {"type", "pattern"}:
        matches = _compiled(schema["pattern"]).search
        return lambda value: isinstance(value, str) and matches(value) is not None
    if keys == {"type", "minLength"}:
        fewest = schema["minLength"]
        return lambda value: isinstance(value, str) and len(value) >= fewest
    if keys == {"type", "minimum"} and type(None) not in allowed:
        least = schema["minimum"]
        return lambda value: type(value) in allowed and value >= least
    return lambda value: next(_broken(value, schema, ""), None) is None


def _make_object(schema: Mapping[str, Any], allowed: frozenset[type]) -> Callable[[Any], bool]:
    parts = {name: _fits(part) for name, part in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))
    extra = schema.get("additionalProperties", True)
    other: Callable[[Any], bool] = _fits(extra) if isinstance(extra, Mapping) else lambda _: bool(extra)

    def fits(value: Any) -> bool:
        if type(value) is not dict:
            return type(value) in allowed
        return required <= value.keys() and all(parts.get(name, other)(member) for name, member in value.items())

    return fits


_NUMBERS_ARE = frozenset((int, float))


def _broken(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[Problem]:
    kinds = schema.get("type")
    if kinds is not None:
        allowed = _python_types(tuple([kinds] if isinstance(kinds, str) else kinds))
        if type(value) not in allowed:
            yield Problem(path, _shown(value), f"must be {_in_words(kinds)}")
            return
    if "const" in schema and value != schema["const"]:
        yield Problem(path, value, f"must be {schema['const']}", "Use the version of archwright that wrote it")
    if "enum" in schema and value not in schema["enum"]:
        yield Problem(path, value, f"must be one of {', '.join(schema['enum'])}")
    if isinstance(value, str):
        if "pattern" in schema and not _compiled(schema["pattern"]).search(value):
            yield Problem(path, value, f"must look like {schema['pattern']}")
        if len(value) < schema.get("minLength", 0):
            yield Problem(path, value, "must not be empty")
    elif isinstance(value, dict):
        yield from _of_object(value, schema, path)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield Problem(path, NOTHING, "must not be empty")
        item = schema.get("items")
        if item is _NUMBER and all(type(v) is float or type(v) is int for v in value):
            return
        if item:
            for number, member in enumerate(value):
                yield from _broken(member, item, f"{path}[{number}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            bounds = (
                f"from {schema.get('minimum', 0)} to {schema['maximum']}" if "maximum" in schema else "not negative"
            )
            yield Problem(path, value, f"must be {bounds}")
        if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
            yield Problem(path, value, f"must be over {schema['exclusiveMinimum']}")


def _of_object(value: Mapping[Any, Any], schema: Mapping[str, Any], path: str) -> Iterator[Problem]:
    dot = f"{path}." if path else ""
    properties: Mapping[str, Any] = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield Problem(dot + name, NOTHING, "is missing")
    extra = schema.get("additionalProperties", True)
    for name, member in value.items():
        part = properties.get(name)
        if part is not None:
            yield from _broken(member, part, dot + name)
        elif extra is False:
            yield Problem(dot + name, NOTHING, "is not a key of evidence", did_you_mean(name, properties, "Known"))
        elif isinstance(extra, Mapping):
            yield from _broken(member, extra, dot + name)


_compiled = lru_cache(re.compile)
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


@lru_cache
def _python_types(kinds: tuple[str, ...]) -> frozenset[type]:
    return frozenset(t for kind in kinds for t in _TYPES[kind])


def _in_words(kinds: Any) -> str:
    words = {
        "object": "a map",
        "array": "a list",
        "string": "a text",
        "number": "a number",
        "integer": "a whole number",
    }
    words |= {"boolean": "true or false", "null": "null"}
    return " or ".join(words[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _shown(value: Any) -> Any:
    return f"a {type(value).__name__}" if isinstance(value, dict | list) else value
