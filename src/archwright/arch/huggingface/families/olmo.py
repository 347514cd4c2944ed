"""olmo2, olmo3, exaone4, smollm3, apertus, cohere, cohere2, glm, glm4, nemotron: norms placed otherwise."""

from __future__ import annotations

from typing import Any

from ..keys import Family, Keys
from ..layers import attended, every, gated_windows, joined, layered, windows
from ..parts import act, bias, changed, decoder, gated, other, plain, rotary, usual
from ..rope import Rotary, read_rope

_SHAPE: dict[str, Any] = {
    "vocab_size": 50304,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": None,
    "head_dim": None,
    "max_position_embeddings": 2048,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
    "attention_dropout": 0.0,
}

NOWHERE = {"position": {"type": "none"}}


def olmo2(keys: Keys) -> dict[str, Any]:
    """Norms on what each part adds, and over the whole width of queries and keys."""
    return {
        **usual(keys),
        **rotary(keys),
        "norm_placement": "output",
        "attention": {"bias": bias(keys["attention_bias"]), "qk_norm": "width"},
        "feed_forward": gated(act(keys)),
    }


def olmo3(keys: Keys) -> dict[str, Any]:
    """Three local layers, then a global one; scaled rotary positions are those of the global layers alone."""
    n_layers = max(0, keys["num_hidden_layers"])
    attention = windows(keys, every(4, n_layers))
    ropes = read_rope(keys, 500000.0, labels=("sliding_attention", "full_attention"))
    distant = ropes.get("full_attention") or ropes.get("") or Rotary(500000.0)
    local = ropes.get("sliding_attention") or Rotary(distant.theta)
    positions = [rotary(keys, local if spec["type"] == "sliding" else distant) for spec in attention]
    found = attended(attention, bias=bias(keys["attention_bias"]), qk_norm="width")
    return {
        **usual(keys),
        **layered(joined(found, positions)),
        "norm_placement": "output",
        "feed_forward": gated(act(keys)),
    }


def exaone4(keys: Keys) -> dict[str, Any]:
    """Norms as olmo2 but on each head; where there are windows, global layers have no positions.

    `sliding_window_pattern` is a number (every n-th layer is global) or letters, L for local and G for global.
    """
    n_layers, pattern = max(0, keys["num_hidden_layers"]), keys["sliding_window_pattern"]
    if keys["sliding_window"] is None:
        default = [False] * n_layers
    elif isinstance(pattern, str):
        if not pattern or set(pattern) - {"L", "G"}:
            keys.refuse(("sliding_window_pattern",), "must be a number, or letters L and G", "Write LLLG or 4")
            pattern = "G"
        default = [pattern[i % len(pattern)] == "L" for i in range(n_layers)]
    elif pattern is None or pattern < 1:
        keys.refuse(("sliding_window_pattern",), "must be positive", "Write LLLG or 4")
        default = [False] * n_layers
    else:
        default = every(pattern, n_layers)
    attention = windows(keys, default)
    found = rotary(keys)
    global_layers = NOWHERE if keys["sliding_window"] is not None else {}
    positions = [{} if spec["type"] == "sliding" else global_layers for spec in attention]
    return {
        **usual(keys),
        **found,
        **layered(joined(attended(attention, qk_norm="head"), positions)),
        "norm_placement": "output",
        "feed_forward": gated(act(keys)),
    }


def smollm3(keys: Keys) -> dict[str, Any]:
    """llama in which every fourth layer has no positions. In `no_rope_layers`, 1 is a layer that has them."""
    n_layers, step = max(0, keys["num_hidden_layers"]), keys["no_rope_layer_interval"]
    stated = keys["no_rope_layers"]
    if step < 1:
        keys.refuse(("no_rope_layer_interval",), "must be positive")
        step = 4
    with_rope = every(step, n_layers)
    if stated is not None:
        if len(stated) != n_layers or any(value not in (0, 1) for value in stated):
            keys.refuse(("no_rope_layers",), f"must hold 0 or 1 for each of the {n_layers} layers")
        else:
            with_rope = [bool(value) for value in stated]
    rule = "layers without positions slide, and there is none"
    attention = gated_windows(keys, [not yes for yes in with_rope], rule)
    positions = [{} if yes else NOWHERE for yes in with_rope]
    return {
        **usual(keys),
        **rotary(keys, theta=2e6),
        **layered(joined(attended(attention, bias=bias(keys["attention_bias"])), positions)),
        "feed_forward": gated(act(keys), keys["mlp_bias"]),
    }


def apertus(keys: Keys) -> dict[str, Any]:
    """A plain feed-forward with xIELU, a norm on each head; llama3 scaling where nothing is said of rope."""
    found = read_rope(keys, 12e6)[""]
    if not keys["rope_scaling"] and not keys["rope_parameters"]:
        bands = {"original_max_position": 8192, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
        found = Rotary(found.theta, {"type": "llama3", "factor": 8.0, **bands}, found.partial)
    return {
        **usual(keys),
        **rotary(keys, found),
        "attention": {"bias": bias(keys["attention_bias"]), "qk_norm": "head"},
        "feed_forward": plain(act(keys)),
    }


def _cohere(keys: Keys) -> dict[str, Any]:
    """Parallel parts under one LayerNorm without bias, scaled logits."""
    scale = keys["logit_scale"]
    if scale == 0:
        keys.refuse(("logit_scale",), "must not be zero")
    return {
        **usual(keys),
        "use_rms_norm": False,
        "norm": {"without_bias": True},
        "norm_placement": "parallel",
        "feed_forward": gated(act(keys)),
        "head": {"multiplier": float(scale)} if scale not in (None, 0, 1) else None,
    }


def cohere(keys: Keys) -> dict[str, Any]:
    """Neighbouring dimensions form the rotary pairs; an optional LayerNorm of its own for each head."""
    attention: dict[str, Any] = {"bias": bias(keys["attention_bias"])}
    if keys["use_qk_norm"]:
        attention |= {"qk_norm": "heads", "qk_norm_type": "layer_no_bias"}
    return {**_cohere(keys), **rotary(keys, interleaved=True, theta=500000.0), "attention": attention}


def cohere2(keys: Keys) -> dict[str, Any]:
    """Three local layers with positions, then a global one without."""
    n_layers, pattern = max(0, keys["num_hidden_layers"]), keys["sliding_window_pattern"]
    if not isinstance(pattern, int) or pattern < 1:
        keys.refuse(("sliding_window_pattern",), "must be a positive number")
        pattern = 4
    attention = windows(keys, every(pattern, n_layers))
    positions = [{} if spec["type"] == "sliding" else NOWHERE for spec in attention]
    return {
        **_cohere(keys),
        **rotary(keys, interleaved=True),
        **layered(joined(attended(attention, bias=bias(keys["attention_bias"])), positions)),
    }


def glm(keys: Keys) -> dict[str, Any]:
    """Half of each head is rotated, in neighbouring pairs; biases on q, k and v."""
    return {
        **usual(keys),
        **rotary(keys, interleaved=True, partial=0.5),
        "attention": {"bias": bias(keys["attention_bias"], "qkv")},
        "feed_forward": gated(act(keys)),
    }


def glm4(keys: Keys) -> dict[str, Any]:
    """glm with norms before and after each part."""
    return {**glm(keys), "norm_placement": "sandwich"}


def nemotron(keys: Keys) -> dict[str, Any]:
    """LayerNorms whose weight is stored less one, a plain feed-forward, half of each head rotated."""
    return {
        **usual(keys),
        **rotary(keys, partial=0.5),
        "use_rms_norm": False,
        "norm": {"one_plus": True},
        "attention": {"bias": bias(keys["attention_bias"])},
        "feed_forward": plain(act(keys), keys["mlp_bias"]),
    }


_COHERE = changed(
    _SHAPE,
    vocab_size=256000,
    hidden_size=8192,
    intermediate_size=22528,
    num_hidden_layers=40,
    num_attention_heads=64,
    max_position_embeddings=8192,
    rms_norm_eps=...,
    layer_norm_eps=1e-5,
    tie_word_embeddings=True,
    logit_scale=0.0625,
    attention_bias=False,
)
_GLM = changed(
    _SHAPE,
    vocab_size=151552,
    intermediate_size=13696,
    num_hidden_layers=40,
    num_key_value_heads=2,
    head_dim=128,
    max_position_embeddings=131072,
    rms_norm_eps=1.5625e-07,
    attention_bias=True,
)

FAMILIES = {
    "olmo2": Family("olmo2", decoder(**_SHAPE, attention_bias=False), olmo2),
    "olmo3": Family("olmo3", decoder(**_SHAPE, attention_bias=False, sliding_window=4096, layer_types=None), olmo3),
    "exaone4": Family(
        "exaone4",
        decoder(
            **changed(_SHAPE, vocab_size=102400, intermediate_size=16384, num_key_value_heads=32),
            sliding_window=4096,
            sliding_window_pattern=4,
            layer_types=None,
        ),
        exaone4,
        fixed={"attention_bias": (False,)},
    ),
    "smollm3": Family(
        "smollm3",
        decoder(
            other("no_rope_layers", kind=list | None),
            other("no_rope_layer_interval", default=4),
            **changed(
                _SHAPE,
                vocab_size=128256,
                hidden_size=2048,
                num_hidden_layers=36,
                num_attention_heads=16,
                num_key_value_heads=4,
                max_position_embeddings=32768,
                rms_norm_eps=1e-6,
                tie_word_embeddings=True,
            ),
            use_sliding_window=False,
            sliding_window=None,
            layer_types=None,
            attention_bias=False,
            mlp_bias=False,
        ),
        smollm3,
        ignored=("max_window_layers",),
    ),
    "apertus": Family(
        "apertus",
        decoder(
            **changed(
                _SHAPE,
                vocab_size=131072,
                intermediate_size=14336,
                max_position_embeddings=65536,
                hidden_act="xielu",
            ),
            attention_bias=False,
        ),
        apertus,
        fixed={"mlp_bias": (False,), "qk_norm": (True,), "post_norm": (False,)},
    ),
    "cohere": Family("cohere", decoder(**_COHERE, use_qk_norm=False), cohere),
    "cohere2": Family(
        "cohere2",
        decoder(**_COHERE, sliding_window=4096, sliding_window_pattern=4, layer_types=None),
        cohere2,
        fixed={
            "use_qk_norm": (False,),
            "rope_interleaved": (True,),
            "order_of_interleaved_layers": ("local_attn_first",),
        },
    ),
    "glm": Family("glm", decoder(**_GLM), glm),
    "glm4": Family("glm4", decoder(**_GLM), glm4),
    "nemotron": Family(
        "nemotron",
        decoder(
            **changed(
                _SHAPE,
                vocab_size=256000,
                hidden_size=6144,
                intermediate_size=24576,
                num_attention_heads=48,
                max_position_embeddings=4096,
                hidden_act="relu2",
                rms_norm_eps=...,
                norm_eps=1e-5,
                initializer_range=0.0134,
            ),
            attention_bias=False,
            mlp_bias=False,
        ),
        nemotron,
    ),
}
