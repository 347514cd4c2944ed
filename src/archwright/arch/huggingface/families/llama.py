"""llama: the shape that most later families refine."""

from __future__ import annotations

from typing import Any

from ..keys import Family, Keys
from ..parts import decoder, gated, rotary, usual
from ..rope import read_rope

KEYS = decoder(
    vocab_size=32000,
    hidden_size=4096,
    intermediate_size=11008,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=None,
    head_dim=None,
    max_position_embeddings=2048,
    hidden_act="silu",
    rms_norm_eps=1e-6,
    tie_word_embeddings=False,
    initializer_range=0.02,
    attention_dropout=0.0,
    attention_bias=False,
    mlp_bias=False,
)


def fields(keys: Keys) -> dict[str, Any]:
    """`attention_bias` is all four projections, `mlp_bias` all three matrices."""
    return {
        **usual(keys),
        **rotary(read_rope(keys)[""]),
        "attention": {"bias": ["q", "k", "v", "o"]} if keys["attention_bias"] else None,
        "feed_forward": {"type": gated(keys), "bias": keys["mlp_bias"]},
    }


FAMILY = Family(
    "llama",
    KEYS,
    fields,
    fixed={"rope_interleaved": (False,)},
    without_effect={"max_sequence_length": "llama reads max_position_embeddings"},
)
