"""Published models: `config.json` to an `ArchitectureConfig`, exactly or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import (
    NOTHING,
    ArchwrightError,
    InvalidValue,
    NotSupported,
    Problem,
    UnknownName,
    Unreadable,
    nearest,
)
from ..config import ArchitectureConfig, Source
from .families import MODULES, family
from .keys import Keys
from .parts import tidy
from .wrapper import INNER, TextPart, inner_key, text_part

if TYPE_CHECKING:
    from ..files import Document

__all__ = ["export_config", "import_config", "model_types"]


def model_types() -> tuple[str, ...]:
    """The model types that can be imported, sorted."""
    return tuple(sorted(MODULES))


def export_config(config: ArchitectureConfig, model_type: str) -> dict[str, Any]:
    """The config.json of that model type which describes this architecture, read back and compared.

    NotSupported names what the family cannot say. UnknownName: a model type that nobody knows.
    """
    from .export import export_config

    return export_config(config, model_type)


def import_config(document: Document) -> ArchitectureConfig:
    """The architecture that a config.json describes, with `.source.notes` on what has no effect.

    A key that is missing has the default of its family's class. UnknownName: a model type that nobody knows.
    NotSupported: one that is known and cannot be expressed, or a value of a key that cannot. InvalidValue: wrong
    types, keys that contradict each other, keys that may change the model and are not understood; all at once.
    """
    data = document.data
    if not isinstance(data, Mapping):
        raise Unreadable(Problem("config.json", NOTHING, "is not a map of keys").at(document.where(())))
    kind = _model_type(document)
    if kind is not None:
        return _import(document, kind, ())
    key = inner_key(data) or INNER[0]
    part, note = text_part(document, key)
    try:
        made = _import(part, part.data["model_type"], (note,))
    except ArchwrightError as error:
        raise type(error)([replace(p, field=f"{key}.{p.field}") for p in error.problems]) from None
    return made


def _import(document: Document | TextPart, kind: str, notes: tuple[str, ...]) -> ArchitectureConfig:
    """The architecture of a map that is one causal language model."""
    data = document.data
    keys = Keys(data, family(kind), document.where)
    _check_class(keys)
    fields = _fields(keys)
    keys.raise_problems()
    try:
        made = ArchitectureConfig.from_fields(tidy(fields))
    except InvalidValue as error:
        problems = {str(p): p for p in (keys.translated(p) for p in error.problems)}
        raise InvalidValue(problems.values()) from None
    from .quantization import read_quantization

    dtype, kept = read_quantization(keys)
    name = data.get("_name_or_path")
    return made.sourced(
        Source(
            name=_short(name) if isinstance(name, str) else "",
            notes=(*notes, *keys.notes),
            weights_dtype=dtype,
            ignored=tuple(keys.ignored),
            kept_parts=kept,
        )
    )


def _fields(keys: Keys) -> dict[str, Any]:
    """Our authored fields; where types are wrong, only those problems count."""
    if any(p.field in keys.mistyped for p in keys.problems):
        return {}
    return keys.family.fields(keys)


def _short(name: str) -> str:
    """The last part of a repository's name or a path."""
    return name.rstrip("/").rpartition("/")[2]


def _model_type(document: Document) -> str | None:
    """The model type, if it can be imported; None where a language model is within that may be."""
    from .unsupported import mixed, reason

    data = document.data
    kind = data.get("model_type")
    if kind is None:
        if inner_key(data):
            return None
        hint = _from_class(data.get("architectures"))
        remedy = f"Add model_type: {hint}" if hint else f"Add it; known: {', '.join(model_types())}"
        raise InvalidValue(Problem("model_type", NOTHING, "is missing", remedy).at(document.where(())))
    where = document.where(("model_type",))
    if not isinstance(kind, str):
        raise InvalidValue(Problem("model_type", kind, "must be a text").at(where))
    why = reason(kind)
    if why:
        raise NotSupported(Problem("model_type", kind, *why).at(where))
    if inner_key(data):
        return None
    if kind in MODULES:
        return kind
    why = mixed(kind)
    if why:
        raise NotSupported(Problem("model_type", kind, *why).at(where))
    hint = nearest(kind, MODULES)
    remedy = f"Did you mean {hint}?" if hint else f"Known: {', '.join(model_types())}"
    raise UnknownName(Problem("model_type", kind, "is not a model type that is known here", remedy).at(where))


def _from_class(architectures: Any) -> str | None:
    """The model type that a class name begins with."""
    if not isinstance(architectures, list) or not architectures or not isinstance(architectures[0], str):
        return None
    stem = architectures[0].partition("For")[0].lower()
    return next((k for k in MODULES if k.replace("_", "") == stem), None)


def _check_class(keys: Keys) -> None:
    """A note where the named class is another model than the causal language model."""
    classes = keys.data.get("architectures")
    for name in classes if isinstance(classes, list) else ():
        if isinstance(name, str) and not any(part in name for part in ("CausalLM", "LMHead", "ConditionalGeneration")):
            keys.note(f"architectures names {name}: read as the causal language model of {keys.family.model_type}")
