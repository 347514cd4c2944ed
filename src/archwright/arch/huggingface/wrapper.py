"""Multimodal configs: the language model within, where it stands on its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import InvalidValue, Location, NotSupported, Problem, show
from .families import MODULES
from .unsupported import reason

if TYPE_CHECKING:
    from ..files import Document

INNER = ("text_config", "llm_config", "language_config")
"""Where multimodal configs keep their language model."""

_BESIDE = ("vision_config", "audio_config", "vision_tower_config", "encoder_config", "vit_config")


def inner_key(data: Mapping[str, Any]) -> str | None:
    """The key with the language model of a multimodal config."""
    return next((k for k in INNER if isinstance(data.get(k), Mapping) and data[k]), None)


class TextPart:
    """The part of a document under one key, as a document: its places are those of the file."""

    def __init__(self, document: Document, key: str) -> None:
        self.document = document
        self.key = key
        self.data: Any = document.data[key]
        self.path = document.path

    def where(self, keys: tuple[str | int, ...] = (), key: bool = False) -> Location | None:
        """The place of a value of the part in the whole file."""
        return self.document.where((self.key, *keys), key)


def text_part(document: Document, key: str) -> tuple[TextPart, str]:
    """The language model's part and a note that it is only a part.

    NotSupported where the part does not say what it is, or is of a type that cannot be imported. InvalidValue where
    the outside ties the embeddings and the inside does not, or the reverse: the weights know, the file does not.
    """
    outer, inner = document.data, document.data[key]
    whole, kind = outer.get("model_type"), inner.get("model_type")
    if kind not in MODULES:
        named = f" ({show(kind)})" if kind is not None else ", which does not say its model_type,"
        rule = f"is a multimodal wrapper, and its language model in {key}{named} cannot be imported"
        why = reason(kind) if isinstance(kind, str) else None
        if why:
            rule += f": it {why[0]}"
        remedy = f"A {key} of a known type can be imported on its own: save it as a config.json with its model_type"
        raise NotSupported(Problem("model_type", whole, rule, remedy).at(document.where(("model_type",))))
    tied, own = outer.get("tie_word_embeddings"), inner.get("tie_word_embeddings")
    if isinstance(tied, bool) and isinstance(own, bool) and tied != own:
        rule = f"contradicts {key}.tie_word_embeddings ({show(own)})"
        problem = Problem("tie_word_embeddings", tied, rule, f"Keep the one of {key} if the weights fit it")
        raise InvalidValue(problem.at(document.where(("tie_word_embeddings",))))
    beside = ", ".join(k.removesuffix("_config") for k in _BESIDE if outer.get(k)) or "the other parts"
    note = f"this is the language model of {whole} alone ({key}, {kind}): {beside} left out"
    return TextPart(document, key), note
