"""Parts that published families share: the keys of a decoder, windows, activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import did_you_mean
from ..selectors import as_ranges
from .keys import Key, Keys
from .rope import ROPE_KEYS, Rotary

_DECODER: dict[str, tuple[Any, str | None]] = {
    "vocab_size": (int, "vocab_size"),
    "hidden_size": (int, "d_model"),
    "intermediate_size": (int, "d_ff"),
    "num_hidden_layers": (int, "n_layers"),
    "num_attention_heads": (int, "n_heads"),
    "num_key_value_heads": (int | None, "n_kv_heads"),
    "head_dim": (int | None, "head_dim"),
    "max_position_embeddings": (int, "max_seq_len"),
    "hidden_act": (str, None),
    "rms_norm_eps": (float, "norm_eps"),
    "layer_norm_eps": (float, "norm_eps"),
    "tie_word_embeddings": (bool, "tie_embeddings"),
    "initializer_range": (float, None),
    "attention_dropout": (float | None, "attention_dropout"),
    "attention_bias": (bool, None),
    "mlp_bias": (bool, None),
    "sliding_window": (int | None, None),
    "use_sliding_window": (bool, None),
    "max_window_layers": (int, None),
    "layer_types": (list | None, None),
}
"""The usual keys: what they hold, and the field of ours that they become as they stand."""


def decoder(rope: bool = True, **defaults: Any) -> tuple[Key, ...]:
    """Keys of a decoder with the defaults of its class; `rope` adds those of rotary positions."""
    made = [Key(name, _DECODER[name][0], value, _DECODER[name][1]) for name, value in defaults.items()]
    return (*made, *(k for k in ROPE_KEYS if rope))


def usual(keys: Keys) -> dict[str, Any]:
    """The fields of ours that keys become as they stand."""
    made = {}
    for key in keys.family.keys:
        value = keys[key.name]
        if key.to and value is not None:
            made[key.to] = value
    if keys.has("num_key_value_heads") and keys["num_key_value_heads"] is None:
        made["n_kv_heads"] = keys["num_attention_heads"]
        keys.origin["n_kv_heads"] = ("num_attention_heads",)
    if keys.has("initializer_range"):
        made["init_method"] = f"normal({keys['initializer_range']!r})"
        keys.origin["init_method"] = ("initializer_range",)
    return made


def rotary(found: Rotary) -> dict[str, Any]:
    """Flat fields of rotary positions."""
    return {"rope_theta": found.theta, "rope_scaling": found.scaling}


_GATED = {"silu": "swiglu", "swish": "swiglu", "gelu": "geglu"}


def gated(keys: Keys, name: str = "hidden_act") -> str:
    """The gated feed-forward type of an activation."""
    kind = _GATED.get(keys[name])
    if kind is None:
        hint = did_you_mean(keys[name], _GATED, "Known")
        keys.cannot((name,), "is not an activation of a gated feed-forward that can be imported", hint)
    return kind or "swiglu"


def window(keys: Keys, name: str = "sliding_window") -> dict[str, Any]:
    """Attention with a published window, which counts the token itself; null is none."""
    width = keys[name]
    if width is None:
        return {"type": "full"}
    keys.origin["window_size"] = (name,)
    if width < 1:
        keys.refuse((name,), "must be positive: it counts the token itself", "Use null for no window")
        return {"type": "full"}
    return {"type": "sliding", "window_size": width - 1}


LAYER_TYPES = {"full_attention": "full", "sliding_attention": "sliding"}


def by_type(keys: Keys, types: list[Any], made: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]] | None:
    """The entry of each layer from its published type; None and a problem where types are wrong."""
    n_layers = keys["num_hidden_layers"]
    if len(types) != n_layers:
        keys.refuse(("layer_types",), f"must name {n_layers} layers (num_hidden_layers), and names {len(types)}")
        return None
    for kind in types:
        if not isinstance(kind, str) or kind not in made:
            keys.cannot(("layer_types",), f"has {kind!r}, which cannot be imported", f"Known: {', '.join(made)}")
            return None
    return [made[kind] for kind in types]


def tidy(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields without what is only the default: null, no bias, plain full attention."""
    made: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, dict) and name in ("attention", "feed_forward"):
            value = {k: v for k, v in value.items() if v not in (None, False, []) and (k, v) != ("type", "full")}
        if value is not None and value != {}:
            made[name] = value
    return made


def layered(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Fields for layers that differ: the common ones flat, the rest as a pattern where it repeats, else by numbers.

    `entries` holds the parts and per-layer fields of each layer.
    """
    if not entries:
        return {}
    flat = _shared(entries)
    rest = [_beyond(entry, flat) for entry in entries]
    if not any(rest):
        return flat
    n = len(rest)
    for period in range(2, min(n // 2, 12) + 1):
        if all(rest[i] == rest[i % period] for i in range(n)):
            return {**flat, "pattern": [_item(body, times) for body, times in _runs(rest[:period])]}
    overrides, first = [], 0
    for body, times in _runs(rest):
        if body:
            overrides.append({"layers": as_ranges(range(first, first + times)), **body})
        first += times
    return {**flat, "layers": overrides}


def _shared(entries: list[dict[str, Any]]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in entries[0].items():
        if isinstance(value, dict):
            same = {k: v for k, v in value.items() if all(e.get(name, {}).get(k, entries) == v for e in entries)}
            if same:
                flat[name] = same
        elif all(e.get(name, entries) == value for e in entries):
            flat[name] = value
    return flat


def _beyond(entry: dict[str, Any], flat: Mapping[str, Any]) -> dict[str, Any]:
    """What a layer says that is neither shared nor the default type."""
    own: dict[str, Any] = {}
    for name, value in entry.items():
        if isinstance(value, dict):
            value = {k: v for k, v in value.items() if k not in flat.get(name, {})}
            if value and value != {"type": "full"}:
                own[name] = value
        elif name not in flat:
            own[name] = value
    return own


def _runs(bodies: list[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    runs: list[tuple[dict[str, Any], int]] = []
    for body in bodies:
        if runs and runs[-1][0] == body:
            runs[-1] = (body, runs[-1][1] + 1)
        else:
            runs.append((body, 1))
    return runs


def _item(body: dict[str, Any], times: int) -> Any:
    """One item of a pattern."""
    plain = dict(body["attention"]) if set(body) == {"attention"} and "type" in body["attention"] else dict(body)
    if not plain:
        plain = {"type": "full"}
    if times > 1:
        return {**plain, "times": times}
    return plain["type"] if set(plain) == {"type"} else plain
