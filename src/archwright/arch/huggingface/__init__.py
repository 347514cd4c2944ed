"""Published models: `config.json` to an `ArchitectureConfig`, exactly or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import NOTHING, InvalidValue, NotSupported, Problem, UnknownName, Unreadable, nearest
from ..config import ArchitectureConfig, Source
from .families import MODULES, family
from .keys import Keys
from .parts import tidy

if TYPE_CHECKING:
    from ..files import Document

__all__ = ["import_config", "model_types"]


def model_types() -> tuple[str, ...]:
    """The model types that can be imported, sorted."""
    return tuple(sorted(MODULES))


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

    dtype = read_quantization(keys)
    name = data.get("_name_or_path")
    source = Source(
        name=_short(name) if isinstance(name, str) else "",
        notes=tuple(keys.notes),
        weights_dtype=dtype,
        ignored=tuple(keys.ignored),
    )
    return made.sourced(source)


def _fields(keys: Keys) -> dict[str, Any]:
    """Our authored fields; where types are wrong, only those problems count."""
    if any(p.field in keys.mistyped for p in keys.problems):
        return {}
    return keys.family.fields(keys)


def _short(name: str) -> str:
    """The last part of a repository's name or a path."""
    return name.rstrip("/").rpartition("/")[2]


def _model_type(document: Document) -> str:
    """The model type, if it can be imported."""
    from .unsupported import parts_of_wrapper, reason

    data = document.data
    kind = data.get("model_type")
    if kind is None:
        hint = _from_class(data.get("architectures"))
        remedy = f"Add model_type: {hint}" if hint else f"Add it; known: {', '.join(model_types())}"
        raise InvalidValue(Problem("model_type", NOTHING, "is missing", remedy).at(document.where(())))
    where = document.where(("model_type",))
    if not isinstance(kind, str):
        raise InvalidValue(Problem("model_type", kind, "must be a text").at(where))
    why = reason(kind)
    if why:
        raise NotSupported(Problem("model_type", kind, *why).at(where))
    inner = parts_of_wrapper(data)
    if inner:
        raise NotSupported(Problem("model_type", kind, *_wrapper(data, inner)).at(where))
    if kind in MODULES:
        return kind
    hint = nearest(kind, MODULES)
    listed = f"Known: {', '.join(model_types())}"
    remedy = f"Did you mean {hint}? {listed}" if hint else listed
    raise UnknownName(Problem("model_type", kind, "is not a model type that is known here", remedy).at(where))


def _wrapper(data: Mapping[str, Any], inner: str) -> tuple[str, str]:
    kind = data[inner].get("model_type")
    named = f" ({kind})" if isinstance(kind, str) else ""
    rule = f"is a multimodal wrapper: its language model is in {inner}, and the whole is not imported"
    return rule, f"The model in {inner}{named} can be imported on its own: save it as a config.json"


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
