"""gpt2, openai-gpt, gpt_bigcode, gpt_neo, opt, xglm, biogpt: tables of positions, LayerNorms, biases, two matrices."""

from __future__ import annotations

import math
from typing import Any

from ..keys import Family, Key, Keys
from ..layers import attended, layered, window
from ..parts import act, bias, changed, decoder, other, plain, usual

_EVERYWHERE = ["q", "k", "v", "o"]


def _common(keys: Keys, activation: str, offset: int = 0, **embedding: Any) -> dict[str, Any]:
    """What all have: LayerNorms, no positions in attention, four times the width where nothing else is said."""
    made = usual(keys)
    made.setdefault("d_ff", 4 * made["d_model"])
    table: dict[str, Any] = {"positions": "learned", **embedding}
    if offset:
        table["position_offset"] = offset
    return {
        **made,
        "use_rms_norm": False,
        "position": {"type": "none"},
        "embedding": table,
        "attention": {"bias": _EVERYWHERE},
        "feed_forward": plain(activation, True),
    }


def _plain_attention(keys: Keys) -> dict[str, Any]:
    if keys["add_cross_attention"]:
        keys.cannot(("add_cross_attention",), "adds layers that read another model, which is not imported")
    return {"bias": _EVERYWHERE, "scale": None if keys["scale_attn_weights"] else 1.0}


def gpt2(keys: Keys) -> dict[str, Any]:
    """Attention may be scaled by the layer's number, which is not imported."""
    if keys["scale_attn_by_inverse_layer_idx"]:
        keys.cannot(("scale_attn_by_inverse_layer_idx",), "scales each layer's scores by its number")
    return {**_common(keys, act(keys, "activation_function")), "attention": _plain_attention(keys)}


def gpt_bigcode(keys: Keys) -> dict[str, Any]:
    """One head of keys and values for all queries."""
    made = {**_common(keys, act(keys, "activation_function")), "attention": _plain_attention(keys)}
    return {**made, "n_kv_heads": 1} if keys["multi_query"] else made


def openai_gpt(keys: Keys) -> dict[str, Any]:
    """Norms after each sum and none before the head. Its "gelu" is the tanh approximation."""
    names = {"gelu": "gelu_tanh", "relu": "relu", "silu": "silu", "swish": "silu"}
    if keys["afn"] not in names:
        keys.cannot(("afn",), "is not an activation that can be imported", f"Known: {', '.join(names)}")
    made = _common(keys, names.get(keys["afn"], "relu"))
    return {**made, "norm_placement": "post", "head": {"norm": False}}


def gpt_neo(keys: Keys) -> dict[str, Any]:
    """Scores are not scaled; only the output projection has a bias; local layers have a window."""
    kinds = _attention_layers(keys)
    n_layers = keys["num_layers"]
    if kinds is None or len(kinds) != n_layers:
        if kinds is not None:
            rule = f"describes {len(kinds)} layers, and there are {n_layers} (num_layers)"
            keys.refuse(("attention_types",), rule)
        return {}
    local = window(keys, "window_size")
    specs = [local if kind == "local" else {"type": "full"} for kind in kinds]
    made = _common(keys, act(keys, "activation_function"))
    del made["attention"]
    return {**made, **layered(attended(specs, bias=["o"], scale=1.0))}


def _attention_layers(keys: Keys) -> list[str] | None:
    """`attention_types` written out: `[[["global", "local"], 12]]` is 24 layers."""
    stated = keys["attention_types"] if keys["attention_types"] is not None else [[["global", "local"], 12]]
    found: list[str] = []
    for item in stated:
        kinds, times = item if isinstance(item, list) and len(item) == 2 else (None, None)
        names = isinstance(kinds, list) and all(kind in ("global", "local") for kind in kinds)
        if not names or not isinstance(kinds, list) or not isinstance(times, int) or not 0 <= times <= 10_000:
            keys.refuse(("attention_types",), "must hold lists of global and local, each with how often")
            return None
        found += kinds * times
    if keys["attention_layers"] is not None and keys["attention_layers"] != found:
        keys.contradiction(("attention_layers",), ("attention_types",))
    return found


def opt(keys: Keys) -> dict[str, Any]:
    """A table of positions that starts at row 2; one size has norms after the sums and a narrower token table."""
    width = keys["word_embed_proj_dim"]
    narrow = width if width is not None and width != keys["hidden_size"] else None
    made = _common(keys, act(keys, "activation_function"), 2, width=narrow)
    before = keys["do_layer_norm_before"]
    final = before and not keys["_remove_final_layer_norm"]
    return {
        **made,
        "embedding": {k: v for k, v in made["embedding"].items() if v is not None},
        "norm": None if keys["layer_norm_elementwise_affine"] else {"without_weight": True},
        "norm_eps": 1e-5,
        "norm_placement": "pre" if before else "post",
        "attention": {"bias": bias(keys["enable_bias"])},
        "feed_forward": plain(act(keys, "activation_function"), keys["enable_bias"]),
        "head": None if final else {"norm": False},
    }


def _embedding_factor(keys: Keys, width: int) -> dict[str, float]:
    return {"multiplier": math.sqrt(width)} if keys["scale_embedding"] and width > 0 else {}


def xglm(keys: Keys) -> dict[str, Any]:
    """Sinusoidal positions from row 2 on, scaled embeddings."""
    if keys["add_cross_attention"]:
        keys.cannot(("add_cross_attention",), "adds layers that read another model, which is not imported")
    factor = _embedding_factor(keys, keys["d_model"])
    return {**_common(keys, act(keys, "activation_function"), 2, positions="sinusoidal", **factor), "norm_eps": 1e-5}


def biogpt(keys: Keys) -> dict[str, Any]:
    """A table of positions from row 2 on, scaled embeddings; its layers' norms keep the epsilon of the class."""
    return {**_common(keys, act(keys), 2, **_embedding_factor(keys, keys["hidden_size"])), "norm_eps": 1e-5}


def _gpt(positions: int, **changes: Any) -> tuple[Any, ...]:
    shape = changed({"vocab_size": 50257, "tie_word_embeddings": True, "initializer_range": 0.02}, **changes)
    eps = {"layer_norm_epsilon": 1e-5}
    return decoder(
        other("n_positions", "max_position_embeddings", default=positions),
        other("n_embd", "hidden_size", default=768),
        other("n_layer", "num_hidden_layers", default=12),
        other("n_head", "num_attention_heads", default=12),
        rope=False,
        **eps,
        **shape,
    )


_SWITCHES = (
    other("scale_attn_weights", default=True),
    other("add_cross_attention", default=False, kind=bool),
    other("n_inner", default=None, kind=int | None, to="d_ff"),
    other("attn_pdrop", default=0.1, kind=float, to="attention_dropout"),
    other("resid_pdrop", default=0.1, kind=float),
)

FAMILIES = {
    "gpt2": Family(
        "gpt2",
        (
            *_gpt(1024, activation_function="gelu_new"),
            *_SWITCHES,
            other("scale_attn_by_inverse_layer_idx", default=False, kind=bool),
        ),
        gpt2,
        unread={"n_ctx": "n_positions"},
        ignored=("reorder_and_upcast_attn",),
    ),
    "gpt_bigcode": Family(
        "gpt_bigcode",
        (*_gpt(1024, activation_function="gelu_pytorch_tanh"), *_SWITCHES, other("multi_query", default=True)),
        gpt_bigcode,
        unread={"n_ctx": "n_positions"},
        ignored=("inference_runner", "pad_key_length", "pre_allocate_kv_cache", "validate_runner_input"),
    ),
    "openai-gpt": Family(
        "openai-gpt",
        (*_gpt(512, vocab_size=40478), _SWITCHES[3], other("afn", default="gelu", kind=str)),
        openai_gpt,
        unread={"n_ctx": "n_positions"},
    ),
    "gpt_neo": Family(
        "gpt_neo",
        decoder(
            other("num_layers", "num_hidden_layers", default=24),
            other("num_heads", "num_attention_heads", default=16),
            other("intermediate_size", default=None, kind=int | None),
            other("window_size", default=256, kind=int | None),
            other("attention_types", kind=list | None),
            other("attention_layers", kind=list | None),
            rope=False,
            vocab_size=50257,
            hidden_size=2048,
            max_position_embeddings=2048,
            activation_function="gelu_new",
            attention_dropout=0.0,
            layer_norm_epsilon=1e-5,
            tie_word_embeddings=True,
            initializer_range=0.02,
        ),
        gpt_neo,
    ),
    "opt": Family(
        "opt",
        decoder(
            other("ffn_dim", default=3072, to="d_ff"),
            other("word_embed_proj_dim", kind=int | None),
            other("do_layer_norm_before", default=True, kind=bool),
            other("_remove_final_layer_norm", default=False, kind=bool),
            other("layer_norm_elementwise_affine", default=True, kind=bool),
            rope=False,
            vocab_size=50272,
            hidden_size=768,
            num_hidden_layers=12,
            num_attention_heads=12,
            max_position_embeddings=2048,
            activation_function="relu",
            attention_dropout=0.0,
            enable_bias=True,
            tie_word_embeddings=True,
            init_std=0.02,
        ),
        opt,
        ignored=("layerdrop",),
    ),
    "xglm": Family(
        "xglm",
        decoder(
            other("d_model", "hidden_size", default=1024, to="d_model"),
            other("num_layers", "num_hidden_layers", default=24),
            other("attention_heads", "num_attention_heads", default=16),
            other("ffn_dim", default=4096, to="d_ff"),
            other("add_cross_attention", default=False, kind=bool),
            rope=False,
            vocab_size=256008,
            max_position_embeddings=2048,
            activation_function="gelu",
            attention_dropout=0.1,
            scale_embedding=True,
            tie_word_embeddings=True,
            init_std=0.02,
        ),
        xglm,
        ignored=("layerdrop",),
    ),
    "biogpt": Family(
        "biogpt",
        decoder(
            other("attention_probs_dropout_prob", default=0.1, kind=float, to="attention_dropout"),
            Key("layer_norm_eps", float, 1e-12),
            rope=False,
            vocab_size=42384,
            hidden_size=1024,
            num_hidden_layers=24,
            num_attention_heads=16,
            intermediate_size=4096,
            max_position_embeddings=1024,
            hidden_act="gelu",
            scale_embedding=True,
            tie_word_embeddings=True,
            initializer_range=0.02,
        ),
        biogpt,
        ignored=("layerdrop",),
    ),
}
