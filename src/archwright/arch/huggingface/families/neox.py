"""gpt_neox, gptj, codegen, falcon, bloom, mpt, phi, phi3, stablelm, starcoder2, persimmon: each its own way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..keys import Family, Key, Keys
from ..layers import window
from ..parts import act, bias, changed, decoder, gated, other, plain, rotary, usual
from ..rope import read_rope

_SHAPE: dict[str, Any] = {
    "vocab_size": 50432,
    "hidden_size": 2560,
    "intermediate_size": 6912,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
    "attention_dropout": 0.0,
}

_EVERYWHERE = ["q", "k", "v", "o"]
_LAYER = {"use_rms_norm": False}


def gpt_neox(keys: Keys) -> dict[str, Any]:
    """Both parts read the stream through norms of their own; a quarter of each head is rotated."""
    found = read_rope(keys, keys["rotary_emb_base"], keys["rotary_pct"])[""]
    return {
        **usual(keys),
        **rotary(keys, found),
        **_LAYER,
        "norm_placement": "parallel_two" if keys["use_parallel_residual"] else "pre",
        "attention": {"bias": bias(keys["attention_bias"])},
        "feed_forward": plain(act(keys), True),
    }


def gptj(keys: Keys) -> dict[str, Any]:
    """Parallel parts under one norm, neighbouring rotary pairs, biases in the feed-forward and on the head alone."""
    made = usual(keys)
    made.setdefault("d_ff", 4 * made["d_model"])
    dims = keys["rotary_dim"]
    if dims is None:
        keys.cannot(("rotary_dim",), "is null, for which the class has no table of the right width")
    keys.origin["dims"] = ("rotary_dim",)
    return {
        **made,
        **_LAYER,
        "norm_placement": "parallel",
        "rope_theta": 10000.0,
        "position": {"dims": dims, "interleaved": True} if dims is not None else {"interleaved": True},
        "feed_forward": plain(act(keys, "activation_function"), True),
        "head": {"bias": True},
    }


def falcon(keys: Keys) -> dict[str, Any]:
    """One KV head, or some with the new decoder; parallel parts under one norm or two; rotary or linear biases."""
    new, parallel, norms = keys["new_decoder_architecture"], keys["parallel_attn"], keys["num_ln_in_parallel_attn"]
    made = usual(keys)
    if not new:
        made["n_kv_heads"] = 1 if keys["multi_query"] else made["n_heads"]
        keys.origin["n_kv_heads"] = ("multi_query",)
    made.setdefault("d_ff", 4 * made["d_model"])
    norms = norms if norms is not None else 2 if new else 1
    if norms not in (1, 2) or (norms == 2 and not (new and parallel)):
        keys.refuse(("num_ln_in_parallel_attn",), "must be 1, or 2 with new_decoder_architecture and parallel_attn")
    if keys["alibi"]:
        positions: dict[str, Any] = {"position": {"type": "alibi", "scaled": True}}
    else:
        positions = rotary(keys)
    return {
        **made,
        **positions,
        **_LAYER,
        "norm_placement": ("parallel_two" if norms == 2 else "parallel") if parallel else "pre",
        "attention": {"bias": bias(keys["bias"])},
        "feed_forward": plain(act(keys, "activation"), keys["bias"]),
    }


def bloom(keys: Keys) -> dict[str, Any]:
    """Linear biases, a norm on the embedding, biases everywhere; its GELU is the tanh approximation."""
    if keys["apply_residual_connection_post_layernorm"]:
        keys.cannot(("apply_residual_connection_post_layernorm",), "adds what the norm gives, not what it reads")
    made = usual(keys)
    made["d_ff"] = 4 * made["d_model"]
    if not keys.stated("seq_length"):
        keys.note(f"max_seq_len is {keys['seq_length']}, the length bloom was trained at: linear biases have no limit")
    return {
        **made,
        **_LAYER,
        "position": {"type": "alibi"},
        "embedding": {"norm": True},
        "attention": {"bias": _EVERYWHERE},
        "feed_forward": plain("gelu_tanh", True),
    }


_MPT = {
    "attn_type": (str, "multihead_attention"),
    "clip_qkv": (float | None, None),
    "softmax_scale": (float | None, None),
    "alibi": (bool, True),
    "alibi_bias_max": (float, 8),
    "prefix_lm": (bool, False),
    "qk_ln": (bool, False),
}


def mpt(keys: Keys) -> dict[str, Any]:
    """Linear biases, no bias anywhere, also not in the LayerNorms; the hidden layer is four times as wide."""
    attention = keys.inner("attn_config", _MPT, ("model_type", "attn_impl", "attn_pdrop", "attn_uses_sequence_id"))
    if attention is None:
        return {}
    plain_values = {"attn_type": "multihead_attention", "alibi": True, "prefix_lm": False, "qk_ln": False}
    for name, value in plain_values.items():
        if attention[name] != value:
            keys.cannot(("attn_config", name), f"is not {str(value).lower()}, all that the class has")
    made = usual(keys)
    made["d_ff"] = 4 * made["d_model"]
    maximum = attention["alibi_bias_max"]
    return {
        **made,
        **_LAYER,
        "norm": {"without_bias": True},
        "position": {"type": "alibi", "max_bias": float(maximum)} if maximum != 8 else {"type": "alibi"},
        "attention": {"clip": attention["clip_qkv"] or None, "scale": attention["softmax_scale"]},
        "feed_forward": plain("gelu"),
    }


def phi(keys: Keys) -> dict[str, Any]:
    """Parallel parts under one norm, biases everywhere and on the head, half of each head rotated."""
    attention: dict[str, Any] = {"bias": _EVERYWHERE}
    if keys["qk_layernorm"]:
        attention |= {"qk_norm": "head", "qk_norm_type": "layer"}
    return {
        **usual(keys),
        **rotary(keys, partial=0.5),
        **_LAYER,
        "norm_placement": "parallel",
        "attention": attention,
        "feed_forward": plain(act(keys), True),
        "head": {"bias": True},
    }


def phi3(keys: Keys) -> dict[str, Any]:
    """llama with a window in all layers; its scalings su and yarn of old files are longrope."""
    return {
        **usual(keys),
        **rotary(keys, read_rope(keys, renamed={"su": "longrope", "yarn": "longrope"})[""]),
        "attention": window(keys),
        "feed_forward": gated(act(keys)),
    }


def stablelm(keys: Keys) -> dict[str, Any]:
    """LayerNorms, a quarter of each head rotated, an optional LayerNorm of its own for each head."""
    attention: dict[str, Any] = {"bias": bias(keys["use_qkv_bias"], "qkv")}
    if keys["qk_layernorm"]:
        attention |= {"qk_norm": "heads", "qk_norm_type": "layer_no_bias"}
    return {
        **usual(keys),
        **rotary(keys, partial=0.25),
        **_LAYER,
        "norm_placement": "parallel" if keys["use_parallel_residual"] else "pre",
        "attention": attention,
        "feed_forward": gated(act(keys)),
    }


def starcoder2(keys: Keys) -> dict[str, Any]:
    """LayerNorms, one switch for all biases, a window in all layers where one is stated."""
    return {
        **usual(keys),
        **rotary(keys),
        **_LAYER,
        "attention": {**window(keys), "bias": bias(keys["use_bias"])},
        "feed_forward": plain(act(keys), keys["use_bias"]),
    }


def persimmon(keys: Keys) -> dict[str, Any]:
    """Biases everywhere but on the head, a LayerNorm on each head, half of each head rotated."""
    attention: dict[str, Any] = {"bias": _EVERYWHERE}
    if keys["qk_layernorm"]:
        attention |= {"qk_norm": "head", "qk_norm_type": "layer"}
    return {
        **usual(keys),
        **rotary(keys, partial=0.5),
        **_LAYER,
        "attention": attention,
        "feed_forward": plain(act(keys), True),
    }


def _j(kind: str) -> Family:
    return Family(
        kind,
        decoder(
            other("n_positions", "max_position_embeddings", default=2048),
            other("n_embd", "hidden_size", default=4096),
            other("n_layer", "num_hidden_layers", default=28),
            other("n_head", "num_attention_heads", default=16),
            other("n_inner", default=None, kind=int | None, to="d_ff"),
            other("rotary_dim", default=64),
            other("attn_pdrop", default=0.0, kind=float, to="attention_dropout"),
            rope=False,
            vocab_size=50400,
            activation_function="gelu_new",
            layer_norm_epsilon=1e-5,
            tie_word_embeddings=False,
            initializer_range=0.02,
        ),
        gptj,
        fixed={"rotary": (True,), "scale_attn_weights": (True,), "rope_scaling": ({"rope_type": "gptj"},)},
        unread={"n_ctx": "n_positions"},
    )


FAMILIES = {
    "gpt_neox": Family(
        "gpt_neox",
        decoder(
            Key("rotary_pct", float, 0.25),
            Key("rotary_emb_base", float, 10000.0),
            **changed(_SHAPE, hidden_size=6144, intermediate_size=24576, num_hidden_layers=44, num_attention_heads=64),
            use_parallel_residual=True,
            attention_bias=True,
        ),
        gpt_neox,
        ignored=("is_decoder",),
    ),
    "gptj": _j("gptj"),
    "codegen": _j("codegen"),
    "falcon": Family(
        "falcon",
        decoder(
            other("hidden_size", "n_embed", default=4544),
            other("num_hidden_layers", "n_layer", default=32),
            other("num_attention_heads", "n_head", default=71),
            other("num_kv_heads", "n_head_kv", default=None, kind=int | None, to="n_kv_heads"),
            other("ffn_hidden_size", kind=int | None, to="d_ff"),
            other("num_ln_in_parallel_attn", kind=int | None),
            other("alibi", default=False, kind=bool),
            other("new_decoder_architecture", default=False, kind=bool),
            other("parallel_attn", default=True, kind=bool),
            vocab_size=65024,
            max_position_embeddings=2048,
            activation="gelu",
            multi_query=True,
            bias=False,
            layer_norm_epsilon=1e-5,
            tie_word_embeddings=True,
            initializer_range=0.02,
            attention_dropout=0.0,
        ),
        falcon,
        fixed={"apply_residual_connection_post_layernorm": (False,)},
        ignored=("rotary",),
    ),
    "bloom": Family(
        "bloom",
        decoder(
            other("hidden_size", "n_embed", default=64),
            other("n_layer", "num_hidden_layers", default=2),
            other("n_head", "num_attention_heads", default=8),
            other("seq_length", default=2048, to="max_seq_len"),
            other("apply_residual_connection_post_layernorm", default=False, kind=bool),
            rope=False,
            vocab_size=250880,
            layer_norm_epsilon=1e-5,
            tie_word_embeddings=True,
            initializer_range=0.02,
            attention_dropout=0.0,
        ),
        bloom,
        ignored=(
            "slow_but_exact",
            "masked_softmax_fusion",
            "bias_dropout_fusion",
            "offset_alibi",
            "skip_bias_add",
            "skip_bias_add_qkv",
        ),
    ),
    "mpt": Family(
        "mpt",
        decoder(
            other("d_model", "hidden_size", default=2048, to="d_model"),
            other("n_heads", "num_attention_heads", default=16, to="n_heads"),
            other("n_layers", "num_hidden_layers", default=24, to="n_layers"),
            other("max_seq_len", default=2048, to="max_seq_len"),
            Key("attn_config", Mapping | None, None),
            rope=False,
            vocab_size=50368,
            layer_norm_epsilon=1e-5,
            tie_word_embeddings=True,
            initializer_range=0.02,
        ),
        mpt,
        fixed={"expansion_ratio": (4,), "no_bias": (True,), "embedding_fraction": (1,), "logit_scale": (None,)},
        ignored=("learned_pos_emb", "norm_type"),
    ),
    "phi": Family(
        "phi",
        decoder(
            **changed(
                _SHAPE,
                vocab_size=51200,
                hidden_size=2048,
                intermediate_size=8192,
                num_hidden_layers=24,
                hidden_act="gelu_new",
            ),
            num_key_value_heads=None,
            head_dim=None,
            qk_layernorm=False,
        ),
        phi,
    ),
    "phi3": Family(
        "phi3",
        decoder(
            **changed(
                _SHAPE,
                vocab_size=32064,
                hidden_size=3072,
                intermediate_size=8192,
                max_position_embeddings=4096,
                hidden_act="silu",
                layer_norm_eps=...,
                rms_norm_eps=1e-5,
            ),
            num_key_value_heads=None,
            head_dim=None,
            sliding_window=None,
            original_max_position_embeddings=4096,
        ),
        phi3,
        fixed={
            "attention_bias": (False,),
            "mlp_bias": (False,),
            "lm_head_bias": (False,),
            "full_attn_mod": (1,),
            "interpolate_factor": (1,),
        },
    ),
    "stablelm": Family(
        "stablelm",
        decoder(
            **changed(_SHAPE, vocab_size=50304, max_position_embeddings=4096, hidden_act="silu"),
            num_key_value_heads=32,
            use_qkv_bias=False,
            qk_layernorm=False,
            use_parallel_residual=False,
        ),
        stablelm,
        unread={"rope_pct": "partial_rotary_factor", "norm_eps": "layer_norm_eps"},
    ),
    "starcoder2": Family(
        "starcoder2",
        decoder(
            **changed(
                _SHAPE,
                vocab_size=49152,
                hidden_size=3072,
                intermediate_size=12288,
                num_hidden_layers=30,
                num_attention_heads=24,
                max_position_embeddings=4096,
                hidden_act="gelu_pytorch_tanh",
                layer_norm_eps=...,
                norm_epsilon=1e-5,
                tie_word_embeddings=True,
                initializer_range=0.018042,
            ),
            num_key_value_heads=2,
            head_dim=None,
            sliding_window=None,
            use_bias=True,
        ),
        starcoder2,
        fixed={"mlp_type": ("default",), "norm_type": ("layer_norm",), "scale_attn_weights": (True,)},
        unread={"activation_function": "hidden_act", "layer_norm_epsilon": "norm_epsilon"},
    ),
    "persimmon": Family(
        "persimmon",
        decoder(
            **changed(
                _SHAPE,
                vocab_size=262144,
                hidden_size=4096,
                intermediate_size=16384,
                num_hidden_layers=36,
                num_attention_heads=64,
                max_position_embeddings=16384,
                hidden_act="relu2",
            ),
            qk_layernorm=True,
        ),
        persimmon,
        fixed={"num_key_value_heads": ()},
    ),
}
