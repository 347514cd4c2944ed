"""The flat fields of an architecture: name, type, default, meaning. Validation, schema and pages read this table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import NOTHING, Problem, did_you_mean
from .attention import attention_types
from .attention.base import divisors, either
from .layer import PLACEMENTS
from .spec import LARGEST, check_type

MAX_LAYERS = 10_000
INIT_METHODS = ("kaiming", "xavier", "normal", "scaled")
_INIT = re.compile(r"(kaiming|xavier|normal|scaled)(\((\d+(\.\d+)?(e-?\d+)?|\.\d+)\))?\Z")


@dataclass(frozen=True, slots=True)
class Field:
    """One flat field of `ArchitectureConfig`."""

    name: str
    kind: Any
    default: Any
    doc: str
    extra: bool = False
    per_layer: bool = False


_ALL = (
    Field("d_model", int, 4096, "Width of the residual stream."),
    Field("n_layers", int, 32, "Number of layers."),
    Field("n_heads", int, 32, "Query heads of a layer.", per_layer=True),
    Field("n_kv_heads", int, 8, "Key and value heads of a layer.", per_layer=True),
    Field("d_ff", int, 11008, "Width of the feed-forward hidden layer.", per_layer=True),
    Field("vocab_size", int, 32000, "Rows of the embedding table and of the output head."),
    Field("max_seq_len", int, 32768, "Longest sequence the model is made for, in tokens."),
    Field("rope_theta", float, 10000.0, "Base of the rotary wavelengths.", per_layer=True),
    Field("attention_dropout", float, 0.0, "Share of attention probabilities dropped in training.", per_layer=True),
    Field("ffn_dropout", float, 0.0, "Share of feed-forward activations dropped in training.", per_layer=True),
    Field("use_gated_geglu", bool, True, "Gated GELU with three matrices; false: plain GELU with two.", per_layer=True),
    Field("use_rms_norm", bool, True, "RMSNorm; false: LayerNorm with bias."),
    Field("custom_attention", str | None, None, "Attention type of every layer, by its registered name."),
    Field("init_method", str, "kaiming", "How weights start: kaiming, xavier, normal, normal(0.02) or scaled."),
    Field("head_dim", int | None, None, "Width of one head; by default d_model / n_heads.", True, True),
    Field("tie_embeddings", bool, False, "Whether the output head is the embedding table.", True),
    Field("norm_eps", float, 1e-5, "Epsilon of every norm.", True),
    Field(
        "rope_scaling",
        Mapping | None,
        None,
        "How RoPE is stretched: {type: linear|dynamic|yarn|llama3|longrope, factor: ...}.",
        True,
        True,
    ),
    Field(
        "attention", Mapping | None, None, "Attention of every layer: {type: ..., bias: [q, k, v, o], ...}.", True, True
    ),
    Field(
        "feed_forward",
        Mapping | None,
        None,
        "Feed-forward of every layer: {type: geglu|swiglu|gelu|moe, bias: ...}.",
        True,
        True,
    ),
    Field(
        "position",
        Mapping | None,
        None,
        "How layers know positions: {type: rope|alibi|none, dims: ..., interleaved: ...}.",
        True,
        True,
    ),
    Field("norm", Mapping | None, None, "What norms lack: {without_bias: true}, {without_weight: true} ...", True),
    Field(
        "norm_placement",
        str,
        "pre",
        "Where a layer's norms stand: pre, post, output, sandwich, parallel or parallel_two.",
        True,
        True,
    ),
    Field("residual_multiplier", float, 1.0, "Factor of what each part adds to the residual stream.", True, True),
    Field("embedding", Mapping | None, None, "Before the layers: {positions: learned, multiplier: ...}.", True),
    Field("head", Mapping | None, None, "After the layers: {bias: true, softcap: ..., multiplier: ...}.", True),
    Field(
        "layers", list | tuple | None, None, "Overrides of some layers: [{layers: 0-15, attention: {...}}, ...].", True
    ),
    Field(
        "pattern",
        list | tuple | None,
        None,
        "Attention types that repeat over the layers: [{type: ..., times: 5}, full].",
        True,
    ),
)
FIELDS: dict[str, Field] = {f.name: f for f in _ALL}
USER_FIELDS = tuple(f.name for f in _ALL if not f.extra)
"""The fourteen fields that `to_dict` always gives."""

POSITIVE = ("d_model", "n_layers", "n_heads", "n_kv_heads", "d_ff", "vocab_size", "max_seq_len", "head_dim")


def known_names(found: object, known: list[str]) -> str:
    """A remedy for an unknown name: the nearest where one is near, and all known ones."""
    listed = f"Known: {', '.join(known)}"
    hint = did_you_mean(found, known) if isinstance(found, str) else ""
    return f"{hint} {listed}" if hint.startswith("Did") else listed


def unknown_field(key: str, prefix: str, values: Mapping[str, Any]) -> Problem:
    """The problem with a key that is no field; `groups` gets both of its readings."""
    if key in ("n_kv_groups", "num_kv_groups", "kv_groups", "n_groups", "num_query_groups"):
        number, heads = values.get(key), values.get("n_heads", FIELDS["n_heads"].default)
        first = then = ""
        if isinstance(number, int) and isinstance(heads, int) and number > 0:
            other = f"{heads // number}" if heads % number == 0 else f"{heads}/{number}"
            first, then = f" ({number})", f" (then {other} KV heads)"
        rule = f"is not a field: groups are read both as the number of KV heads{first} and as queries per KV head{then}"
        return Problem(prefix + key, NOTHING, rule, "Did you mean n_kv_heads? State the number of KV heads")
    return Problem(prefix + key, NOTHING, "is not a field", did_you_mean(key, FIELDS, "Fields"))


def flat_problems(values: Mapping[str, Any], prefix: str = "") -> Iterator[Problem]:
    """All problems of the flat fields, every rule whose inputs are sound. Field names carry `prefix`."""
    sound: dict[str, Any] = {}
    for name, field in FIELDS.items():
        value = values[name]
        problem = check_type(prefix + name, value, field.kind)
        if not problem and isinstance(value, float) and not (-LARGEST < value < LARGEST):
            problem = Problem(prefix + name, value, "must be a finite number")
        if not problem and name in POSITIVE and value is not None and value < 1:
            problem = Problem(prefix + name, value, "must be positive")
        if not problem and name in POSITIVE and value is not None and value > LARGEST:
            problem = Problem(prefix + name, value, "must be at most 2^53: no model is that large")
        if not problem and name == "n_layers" and value > MAX_LAYERS:
            problem = Problem(prefix + name, value, f"must be at most {MAX_LAYERS:,}")
        if not problem and name in ("attention_dropout", "ffn_dropout") and not 0 <= value <= 1:
            problem = Problem(prefix + name, value, "must be in [0, 1]")
        if not problem and name in ("rope_theta", "norm_eps") and value <= 0:
            problem = Problem(prefix + name, value, "must be positive")
        if not problem and name == "residual_multiplier" and value == 0:
            problem = Problem(prefix + name, value, "must not be zero: no part would have any effect")
        if not problem and name == "norm_placement" and value not in PLACEMENTS:
            problem = Problem(
                prefix + name, value, "is not a known placement of norms", did_you_mean(value, PLACEMENTS, "Known")
            )
        if not problem and name == "init_method" and not _INIT.match(value):
            problem = Problem(
                prefix + name, value, "is not a known initialisation", did_you_mean(value, INIT_METHODS, "Known")
            )
        if not problem and name == "custom_attention" and value is not None and value not in attention_types:
            problem = Problem(
                prefix + name, value, "is not a known attention type", known_names(value, attention_types.names())
            )
        if problem:
            yield problem
        else:
            sound[name] = value
    yield from _relations(sound, prefix)


def _relations(sound: Mapping[str, Any], prefix: str) -> Iterator[Problem]:
    d_model, n_heads, n_kv_heads = (sound.get(n) for n in ("d_model", "n_heads", "n_kv_heads"))
    derived = "head_dim" in sound and sound["head_dim"] is None
    if n_heads and n_kv_heads and n_heads % n_kv_heads:
        yield Problem(
            f"{prefix}n_kv_heads",
            n_kv_heads,
            f"n_heads ({n_heads}) must be divisible by n_kv_heads ({n_kv_heads})",
            f"Use {either(divisors(n_heads))}",
        )
    if derived and d_model and n_heads and d_model % n_heads:
        yield Problem(
            f"{prefix}n_heads",
            n_heads,
            f"d_model ({d_model}) must be divisible by n_heads ({n_heads})",
            "Change one of them, or give head_dim",
        )
    elif derived and d_model and n_kv_heads and n_heads and n_heads % n_kv_heads == 0 and d_model % n_kv_heads:
        yield Problem(
            f"{prefix}n_kv_heads",
            n_kv_heads,
            f"d_model ({d_model}) must be divisible by n_kv_heads ({n_kv_heads})",
            "Change one of them, or give head_dim",
        )
    if sound.get("layers") is not None and sound.get("pattern") is not None:
        yield Problem(f"{prefix}pattern", NOTHING, "and layers exclude each other", "Keep one of them")
