"""What the running modules can do of what an architecture can say; anything else is refused by name, never ignored."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from ..arch.attention import AttentionSpec
from ..arch.config import ArchitectureConfig
from ..errors import NotSupported, Problem

ATTENTION = frozenset(
    {"type", "d_model", "n_heads", "n_kv_heads", "head_dim", "dropout", "causal", "bias", "scale", "softcap", "sinks"}
    | {"clip", "qk_norm", "qk_norm_type", "qk_norm_eps", "qk_norm_after_rope"}
)
"""Common fields of attention that the modules compute; a variant's own fields are its module's business."""
POSITION = {
    "rope": frozenset({"type", "dims", "theta", "scaling", "interleaved"}),
    "alibi": frozenset({"type", "max_bias", "scaled"}),
    "none": frozenset({"type"}),
}
SCALING = {
    "linear": frozenset({"type", "factor"}),
    "dynamic": frozenset({"type", "factor", "original_max_position"}),
    "yarn": frozenset({"type", "factor", "original_max_position", "beta_fast", "beta_slow", "mscale"})
    | {"mscale_all_dim", "attention_scale", "truncate"},
    "llama3": frozenset({"type", "factor", "original_max_position", "low_freq_factor", "high_freq_factor"}),
    "longrope": frozenset({"type", "factor", "original_max_position", "short_factor", "long_factor"})
    | {"attention_scale", "long_attention_scale"},
}
NORM = frozenset({"type", "width", "eps", "one_plus", "without_weight", "without_bias"})
_NETWORK = frozenset({"type", "d_model", "d_ff", "dropout", "bias"})
FEED_FORWARD = {
    "geglu": _NETWORK,
    "swiglu": _NETWORK,
    "gelu": _NETWORK,
    "gated": _NETWORK | {"activation"},
    "plain": _NETWORK | {"activation"},
    "moe": _NETWORK
    | {"n_experts", "top_k", "activation", "routing", "normalize", "routed_scale", "n_groups", "top_groups"}
    | {"group_score", "correction_bias", "router_bias", "shared_d_ff", "shared_gate", "limit", "up_plus_one", "jitter"},
}
EMBEDDING = frozenset({"width", "multiplier", "positions", "position_rows", "position_offset", "norm"})
HEAD = frozenset({"width", "bias", "multiplier", "softcap"})
NORMS = ("attention_norm", "attention_output_norm", "feed_forward_norm", "feed_forward_output_norm")
LAYER = frozenset({"attention", "feed_forward", "position", "residual", "residual_multiplier", *NORMS})
MODEL = frozenset(
    {"d_model", "vocab_size", "max_seq_len", "init_method", "final_norm", "layers", "tie_embeddings"}
    | {"embedding", "head"}
)


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
    yield from _beyond(tree.get("embedding") or {}, EMBEDDING, "embedding")
    yield from _beyond(tree.get("head") or {}, HEAD, "head")
    for layer, numbers in config.groups:
        path = f"layers[{numbers[0]}]"
        stated = layer.canonical()
        yield from _beyond(stated, LAYER, path)
        yield from attention_problems(layer.attention, f"{path}.attention")
        for part in NORMS:
            yield from _beyond(stated.get(part, {}), NORM, f"{path}.{part}")
        yield from _of_type(stated["feed_forward"], FEED_FORWARD, f"{path}.feed_forward")
        position = stated.get("position")
        if position is not None:
            yield from _of_type(position, POSITION, f"{path}.position")
            if position.get("scaling"):
                yield from _of_type(position["scaling"], SCALING, f"{path}.position.scaling")


def _of_type(stated: Mapping[str, Any], known: Mapping[str, frozenset[str]], path: str) -> Iterator[Problem]:
    """A part whose type has a module, field by field; else the type itself."""
    if stated["type"] in known:
        yield from _beyond(stated, known[stated["type"]], path)
    else:
        yield from _beyond({"type": stated["type"]}, frozenset(), path)


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
