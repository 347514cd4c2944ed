"""mistral: llama with a sliding window on every layer, where one is stated."""

from __future__ import annotations

from typing import Any

from ..keys import Family, Keys
from ..parts import LAYER_TYPES, by_type, decoder, gated, rotary, usual, window
from ..rope import read_rope

KEYS = decoder(
    vocab_size=32000,
    hidden_size=4096,
    intermediate_size=14336,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=None,
    max_position_embeddings=131072,
    hidden_act="silu",
    rms_norm_eps=1e-6,
    tie_word_embeddings=False,
    initializer_range=0.02,
    attention_dropout=0.0,
    sliding_window=4096,
    layer_types=None,
)


def fields(keys: Keys) -> dict[str, Any]:
    """The window holds in all layers; `layer_types` is not read by the class and must not say otherwise."""
    attention = window(keys)
    stated = keys["layer_types"]
    if stated is not None:
        kinds = by_type(keys, stated, {name: {"type": ours} for name, ours in LAYER_TYPES.items()})
        if kinds and any(kind["type"] != attention["type"] for kind in kinds):
            remedy = "The class puts its window in all layers: alternating ones are model_type ministral"
            keys.contradiction(("layer_types",), ("sliding_window",), remedy)
    return {
        **usual(keys),
        **rotary(read_rope(keys)[""]),
        "attention": attention,
        "feed_forward": {"type": gated(keys)},
    }


FAMILY = Family("mistral", KEYS, fields, fixed={"attention_bias": (False,), "mlp_bias": (False,)})
