"""llama and those that differ from it in a name, a default, a bias or an activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..keys import Family, Key, Keys
from ..layers import attended, layered, windows
from ..parts import act, bias, changed, decoder, gated, other, plain, rotary, usual

_SHAPE: dict[str, Any] = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": None,
    "head_dim": None,
    "max_position_embeddings": 2048,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
    "attention_dropout": 0.0,
}
"""The defaults of llama's class; others state what they have otherwise."""

Fields = Callable[[Keys], dict[str, Any]]


def llama(keys: Keys) -> dict[str, Any]:
    """`attention_bias` is all four projections, `mlp_bias` all matrices."""
    return {
        **usual(keys),
        **rotary(keys),
        "attention": {"bias": bias(keys["attention_bias"])},
        "feed_forward": gated(act(keys), keys["mlp_bias"]),
    }


def arcee(keys: Keys) -> dict[str, Any]:
    """A plain feed-forward of two matrices."""
    return {**llama(keys), "feed_forward": plain(act(keys), keys["mlp_bias"])}


def internlm3(keys: Keys) -> dict[str, Any]:
    """One switch for all biases, under two names that must agree."""
    if keys["attention_bias"] != keys["mlp_bias"]:
        keys.contradiction(("qkv_bias",), ("bias",))
    return llama(keys)


def seed_oss(keys: Keys) -> dict[str, Any]:
    """A switch of its own for the bias of the output projection."""
    biases = bias(keys["attention_bias"], "qkv") + bias(keys["attention_out_bias"], "o")
    return {**llama(keys), "attention": {"bias": biases}}


def helium(keys: Keys) -> dict[str, Any]:
    """Neighbouring dimensions form the rotary pairs; no bias on the output projection."""
    return {
        **usual(keys),
        **rotary(keys, interleaved=True, theta=100000.0),
        "attention": {"bias": bias(keys["attention_bias"], "qkv")},
        "feed_forward": gated(act(keys), keys["mlp_bias"]),
    }


def ernie4_5(keys: Keys) -> dict[str, Any]:
    """Neighbouring dimensions form the rotary pairs; one switch for all biases but the head's."""
    return {
        **usual(keys),
        **rotary(keys, interleaved=True, theta=500000.0),
        "attention": {"bias": bias(keys["use_bias"])},
        "feed_forward": gated(act(keys), keys["use_bias"]),
    }


def mistral(keys: Keys) -> dict[str, Any]:
    """The window holds in all layers; `layer_types` is not read by the class and must not say otherwise."""
    n_layers = max(0, keys["num_hidden_layers"])
    found = windows(keys, [keys["sliding_window"] is not None] * n_layers)
    if keys["layer_types"] is not None and len({spec["type"] for spec in found}) > 1:
        remedy = "The class puts its window in all layers: alternating ones are model_type ministral"
        keys.contradiction(("layer_types",), ("sliding_window",), remedy)
    elif keys["layer_types"] is not None and found and found[0]["type"] == "full" and keys["sliding_window"]:
        keys.contradiction(("layer_types",), ("sliding_window",))
    return {**usual(keys), **rotary(keys), **layered(attended(found)), "feed_forward": gated(act(keys))}


def ministral(keys: Keys) -> dict[str, Any]:
    """`layer_types` says which layers have the window; all have it by default."""
    n_layers = max(0, keys["num_hidden_layers"])
    found = windows(keys, [keys["sliding_window"] is not None] * n_layers)
    return {**usual(keys), **rotary(keys), **layered(attended(found)), "feed_forward": gated(act(keys))}


def olmo(keys: Keys) -> dict[str, Any]:
    """LayerNorms without weights; queries, keys and values may be clamped."""
    return {
        **usual(keys),
        **rotary(keys),
        "use_rms_norm": False,
        "norm": {"without_weight": True},
        "norm_eps": 1e-5,
        "attention": {"bias": bias(keys["attention_bias"]), "clip": keys["clip_qkv"]},
        "feed_forward": gated(act(keys)),
    }


_MISTRAL: dict[str, Any] = {
    "intermediate_size": 14336,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131072,
    "sliding_window": 4096,
    "layer_types": None,
}


def _family(kind: str, fields: Fields, *own: Key, fixed: Any = None, unread: Any = None, **defaults: Any) -> Family:
    return Family(kind, decoder(*own, **changed(_SHAPE, **defaults)), fields, fixed or {}, unread or {})


FAMILIES = {
    "llama": _family(
        "llama",
        llama,
        attention_bias=False,
        mlp_bias=False,
        fixed={"rope_interleaved": (False,)},
        unread={"max_sequence_length": "max_position_embeddings"},
    ),
    "mistral": _family("mistral", mistral, **_MISTRAL, fixed={"attention_bias": (False,), "mlp_bias": (False,)}),
    "ministral": _family("ministral", ministral, **_MISTRAL, fixed={"attention_bias": (False,)}),
    "arcee": _family(
        "arcee",
        arcee,
        hidden_size=2560,
        intermediate_size=18432,
        max_position_embeddings=4096,
        hidden_act="relu2",
        rms_norm_eps=1e-5,
        attention_bias=False,
        mlp_bias=False,
    ),
    "internlm3": _family(
        "internlm3",
        internlm3,
        other("attention_bias", "qkv_bias", default=False),
        other("mlp_bias", "bias", default=False),
        vocab_size=128512,
        intermediate_size=10240,
        num_hidden_layers=48,
        num_key_value_heads=2,
        head_dim=128,
        max_position_embeddings=32768,
        rms_norm_eps=1e-5,
    ),
    "seed_oss": _family(
        "seed_oss",
        seed_oss,
        vocab_size=155136,
        intermediate_size=27648,
        num_hidden_layers=64,
        num_attention_heads=80,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=524288,
        attention_dropout=0.1,
        attention_bias=True,
        attention_out_bias=False,
        mlp_bias=False,
    ),
    "helium": _family(
        "helium",
        helium,
        vocab_size=48000,
        hidden_size=2560,
        intermediate_size=7040,
        num_hidden_layers=24,
        num_attention_heads=20,
        num_key_value_heads=20,
        head_dim=128,
        max_position_embeddings=4096,
        rms_norm_eps=1e-8,
        attention_bias=False,
        mlp_bias=False,
    ),
    "ernie4_5": _family(
        "ernie4_5",
        ernie4_5,
        vocab_size=103424,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=18,
        num_attention_heads=16,
        num_key_value_heads=2,
        head_dim=128,
        max_position_embeddings=131072,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        use_bias=False,
    ),
    "olmo": _family(
        "olmo",
        olmo,
        vocab_size=50304,
        rms_norm_eps=...,
        attention_bias=False,
        clip_qkv=None,
    ),
}
