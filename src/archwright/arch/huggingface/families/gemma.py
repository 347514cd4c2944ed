"""gemma, gemma2, gemma3_text: scaled embeddings, norms stored less one, sandwich norms, local and global layers."""

from __future__ import annotations

import math
from typing import Any

from ..keys import Family, Keys
from ..layers import attended, every, joined, layered, windows
from ..parts import act, bias, changed, decoder, gated, other, rotary, usual
from ..rope import Rotary, read_rope

_SHAPE: dict[str, Any] = {
    "vocab_size": 256000,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "initializer_range": 0.02,
    "attention_dropout": 0.0,
    "attention_bias": False,
    "use_bidirectional_attention": None,
}


def _common(keys: Keys) -> dict[str, Any]:
    if keys["use_bidirectional_attention"]:
        keys.cannot(("use_bidirectional_attention",), "makes it an encoder, which is not imported")
    width = keys["hidden_size"]
    return {
        **usual(keys),
        "norm": {"one_plus": True},
        "embedding": {"multiplier": math.sqrt(width)} if width > 0 else None,
    }


def gemma(keys: Keys) -> dict[str, Any]:
    """The value "gelu" of early files means the tanh approximation."""
    activation = act(keys)
    if keys["hidden_act"] == "gelu":
        activation = "gelu_tanh"
    return {
        **_common(keys),
        **rotary(keys),
        "attention": {"bias": bias(keys["attention_bias"])},
        "feed_forward": gated(activation),
    }


def _scaled(keys: Keys) -> dict[str, Any]:
    """What gemma2 and gemma3 have in all attention layers."""
    scalar = keys["query_pre_attn_scalar"]
    if scalar <= 0:
        keys.refuse(("query_pre_attn_scalar",), "must be positive")
        scalar = 1
    scale = None if scalar == keys["head_dim"] else scalar**-0.5
    return {"bias": bias(keys["attention_bias"]), "scale": scale, "softcap": keys["attn_logit_softcapping"]}


def _head(keys: Keys) -> dict[str, Any] | None:
    cap = keys["final_logit_softcapping"]
    keys.origin |= {"head.softcap": ("final_logit_softcapping",), "softcap": ("attn_logit_softcapping",)}
    return None if cap is None else {"softcap": float(cap)}


def gemma2(keys: Keys) -> dict[str, Any]:
    """Every other layer has the window, the first among them."""
    n_layers = max(0, keys["num_hidden_layers"])
    return {
        **_common(keys),
        **rotary(keys),
        **layered(attended(windows(keys, every(2, n_layers)), **_scaled(keys))),
        "norm_placement": "sandwich",
        "feed_forward": gated(act(keys, "hidden_activation")),
        "head": _head(keys),
    }


def gemma3(keys: Keys) -> dict[str, Any]:
    """Five local layers with a base of their own, then a global one; a norm on each head of queries and keys."""
    n_layers, pattern = max(0, keys["num_hidden_layers"]), keys["sliding_window_pattern"]
    if not isinstance(pattern, int) or pattern < 1:
        keys.refuse(("sliding_window_pattern",), "must be a positive number")
        pattern = 6
    attention = windows(keys, every(pattern, n_layers))
    base = float(keys["rope_local_base_freq"])
    ropes = read_rope(keys, 1e6, labels=("sliding_attention", "full_attention"), thetas={"sliding_attention": base})
    distant = ropes.get("full_attention") or ropes.get("") or Rotary(1e6)
    local = ropes.get("sliding_attention") or Rotary(base)
    positions = [rotary(keys, local if spec["type"] == "sliding" else distant) for spec in attention]
    own = {**_scaled(keys), "qk_norm": "head", "qk_norm_type": "rms_one_plus"}
    return {
        **_common(keys),
        **layered(joined(attended(attention, **own), positions)),
        "norm_placement": "sandwich",
        "feed_forward": gated(act(keys, "hidden_activation")),
        "head": _head(keys),
    }


FAMILIES = {
    "gemma": Family(
        "gemma",
        decoder(
            **changed(
                _SHAPE,
                hidden_size=3072,
                intermediate_size=24576,
                num_hidden_layers=28,
                num_attention_heads=16,
                num_key_value_heads=16,
                hidden_activation=...,
                hidden_act="gelu_pytorch_tanh",
            )
        ),
        gemma,
        ignored=("hidden_activation",),
    ),
    "gemma2": Family(
        "gemma2",
        decoder(
            **_SHAPE,
            query_pre_attn_scalar=256,
            attn_logit_softcapping=50.0,
            final_logit_softcapping=30.0,
            sliding_window=4096,
            layer_types=None,
        ),
        gemma2,
        unread={"hidden_act": "hidden_activation", "sliding_window_size": "sliding_window"},
    ),
    "gemma3_text": Family(
        "gemma3_text",
        decoder(
            other("sliding_window_pattern", "_sliding_window_pattern", default=6),
            other("rope_local_base_freq", default=10000.0, kind=float),
            **changed(_SHAPE, vocab_size=262208, max_position_embeddings=131072),
            query_pre_attn_scalar=256,
            attn_logit_softcapping=None,
            final_logit_softcapping=None,
            sliding_window=4096,
            layer_types=None,
        ),
        gemma3,
        unread={"hidden_act": "hidden_activation"},
    ),
}
