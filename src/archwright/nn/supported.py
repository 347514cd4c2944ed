"""What the running modules can do of what an architecture can say; anything else is refused by name, never ignored."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from ..arch.attention import AttentionSpec
from ..arch.config import ArchitectureConfig
from ..arch.position import NoPosition, Rope
from ..errors import NotSupported, Problem

ATTENTION = frozenset({"type", "d_model", "n_heads", "n_kv_heads", "head_dim", "dropout", "causal", "bias"})
"""Common fields of attention that the modules compute; a variant's own fields are its module's business."""
POSITION = frozenset({"type", "dims", "theta", "scaling"})
NORM = frozenset({"type", "width", "eps"})
FEED_FORWARD = frozenset({"type", "d_model", "d_ff", "dropout", "bias", "activation"})
NORMS = ("attention_norm", "attention_output_norm", "feed_forward_norm", "feed_forward_output_norm")
LAYER = frozenset({"attention", "feed_forward", "position", "residual", "residual_multiplier", *NORMS})
MODEL = frozenset({"d_model", "vocab_size", "max_seq_len", "init_method", "final_norm", "layers", "tie_embeddings"})


def attention_problems(spec: AttentionSpec, path: str = "attention") -> Iterator[Problem]:
    """Common fields that are set and have no module here."""
    common = {f.name for f in dataclasses.fields(AttentionSpec)}
    stated = {k: v for k, v in spec.canonical().items() if k in common}
    yield from _beyond(stated, ATTENTION, path)


def problems(config: ArchitectureConfig) -> Iterator[Problem]:
    """Everything that an architecture states and the modules here do not compute."""
    tree = config.canonical()
    yield from _beyond(tree, MODEL, "")
    yield from _beyond(tree.get("final_norm") or {}, NORM, "final_norm")
    for layer, numbers in config.groups:
        path = f"layers[{numbers[0]}]"
        stated = layer.canonical()
        yield from _beyond(stated, LAYER, path)
        yield from attention_problems(layer.attention, f"{path}.attention")
        for part in NORMS:
            yield from _beyond(stated.get(part, {}), NORM, f"{path}.{part}")
        yield from _beyond(layer.feed_forward.canonical(), FEED_FORWARD, f"{path}.feed_forward")
        position = layer.position
        if position is not None and not isinstance(position, Rope | NoPosition):
            yield from _beyond({"type": position.type}, frozenset(), f"{path}.position")
        elif position is not None:
            yield from _beyond(position.canonical(), POSITION, f"{path}.position")


def require_supported(config: ArchitectureConfig) -> None:
    """NotSupported: with every field that the modules here do not compute."""
    found = list(problems(config))
    if found:
        raise NotSupported(found)


def _beyond(stated: Mapping[str, Any], known: frozenset[str], path: str) -> Iterator[Problem]:
    for name, value in stated.items():
        if name not in known:
            field = f"{path}.{name}" if path else name
            yield Problem(field, value, "is known, and no module here computes it", "Costs of it are available")
