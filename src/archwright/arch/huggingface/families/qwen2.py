"""qwen2: llama with biases on queries, keys and values, and a gated window on the upper layers."""

from __future__ import annotations

from typing import Any

from ..keys import Family, Keys
from ..parts import decoder, gated, layered, rotary, usual
from ..rope import read_rope
from ..windows import gated_windows

KEYS = decoder(
    vocab_size=151936,
    hidden_size=4096,
    intermediate_size=22016,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=32,
    head_dim=None,
    max_position_embeddings=32768,
    hidden_act="silu",
    rms_norm_eps=1e-6,
    tie_word_embeddings=False,
    initializer_range=0.02,
    attention_dropout=0.0,
    use_sliding_window=False,
    sliding_window=4096,
    max_window_layers=28,
    layer_types=None,
)


def fields(keys: Keys) -> dict[str, Any]:
    """Biases on q, k and v always, on o never. `head_dim` is read although the class does not declare it."""
    bias = ["q", "k", "v"]
    return {
        **usual(keys),
        **rotary(read_rope(keys)[""]),
        **layered([{"attention": {**attention, "bias": bias}} for attention in gated_windows(keys)]),
        "feed_forward": {"type": gated(keys)},
    }


FAMILY = Family("qwen2", KEYS, fields, fixed={"qkv_bias": (True,), "attention_bias": (True,), "mlp_bias": (False,)})
