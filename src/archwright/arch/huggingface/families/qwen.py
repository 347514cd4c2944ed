"""qwen2, qwen2_moe, qwen3, qwen3_moe: gated windows, biases or norms of queries and keys, interleaved experts."""

from __future__ import annotations

from typing import Any

from ..keys import Family, Keys
from ..layers import attended, gated_windows, joined, layered, upper, window
from ..parts import act, bias, changed, decoder, gated, moe, needed, other, rotary, sparse, usual

_SHAPE: dict[str, Any] = {
    "vocab_size": 151936,
    "hidden_size": 4096,
    "intermediate_size": 22016,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "head_dim": None,
    "max_position_embeddings": 32768,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
    "attention_dropout": 0.0,
    "use_sliding_window": False,
    "sliding_window": 4096,
    "max_window_layers": 28,
    "layer_types": None,
}


def qwen2(keys: Keys) -> dict[str, Any]:
    """Biases on q, k and v always, on o never. `head_dim` is read although the class does not declare it."""
    found = attended(gated_windows(keys, *upper(keys)), bias=["q", "k", "v"])
    return {**usual(keys), **rotary(keys), **layered(found), "feed_forward": gated(act(keys))}


def qwen3(keys: Keys) -> dict[str, Any]:
    """A norm on each head of queries and keys; biases on all projections or none."""
    found = attended(gated_windows(keys, *upper(keys)), bias=bias(keys["attention_bias"]), qk_norm="head")
    return {**usual(keys), **rotary(keys), **layered(found), "feed_forward": gated(act(keys))}


def sparse_layers(keys: Keys) -> list[bool]:
    """Every `decoder_sparse_step`-th layer has experts, counted from 1, but for `mlp_only_layers`."""
    step, dense = keys["decoder_sparse_step"], keys["mlp_only_layers"] or []
    n_layers = max(0, keys["num_hidden_layers"])
    if step < 1:
        keys.refuse(("decoder_sparse_step",), "must be positive")
        return [True] * n_layers
    outside = [i for i in dense if not isinstance(i, int) or isinstance(i, bool) or not 0 <= i < n_layers]
    if outside:
        keys.refuse(("mlp_only_layers",), f"must hold numbers of layers, 0 to {n_layers - 1}")
    return [i not in dense and keys["num_experts"] > 0 and (i + 1) % step == 0 for i in range(n_layers)]


def _experts(keys: Keys, **own: Any) -> list[dict[str, Any]]:
    if not needed(keys, "num_experts_per_tok"):
        return []
    experts = moe(
        keys["moe_intermediate_size"],
        keys["num_experts"],
        keys["num_experts_per_tok"],
        act(keys),
        normalize=keys["norm_topk_prob"],
        **own,
    )
    return sparse({**gated(act(keys)), "d_ff": keys["intermediate_size"]}, experts, sparse_layers(keys))


def qwen2_moe(keys: Keys) -> dict[str, Any]:
    """A shared expert with a gate. Of the layers under `max_window_layers`, every other one slides by default."""
    n_layers, first = max(0, keys["num_hidden_layers"]), keys["max_window_layers"]
    rule = f"every other layer under max_window_layers ({first}) slides, and there is none"
    attention = gated_windows(keys, [i % 2 == 0 and i < first for i in range(n_layers)], rule)
    found = attended(attention, bias=bias(keys["qkv_bias"], "qkv"))
    experts = _experts(keys, shared_d_ff=keys["shared_expert_intermediate_size"], shared_gate=True)
    return {**usual(keys), **rotary(keys), **layered(joined(found, experts) if experts else found)}


def qwen3_moe(keys: Keys) -> dict[str, Any]:
    """As qwen3 with experts; where a window is switched on, it holds in all layers."""
    if keys["use_sliding_window"]:
        attention = window(keys)
    else:
        attention = {"type": "full"}
        if keys.stated("sliding_window") and keys["sliding_window"] is not None:
            keys.note(f"sliding_window ({keys['sliding_window']}) has no effect: use_sliding_window is false")
    n_layers = max(0, keys["num_hidden_layers"])
    found = attended([attention] * n_layers, bias=bias(keys["attention_bias"]), qk_norm="head")
    experts = _experts(keys)
    return {**usual(keys), **rotary(keys), **layered(joined(found, experts) if experts else found)}


_MOE: dict[str, Any] = {
    "decoder_sparse_step": 1,
    "mlp_only_layers": None,
    "norm_topk_prob": False,
    "hidden_size": 2048,
    "num_hidden_layers": 24,
}

FAMILIES = {
    "qwen2": Family(
        "qwen2",
        decoder(**_SHAPE),
        qwen2,
        fixed={"qkv_bias": (True,), "attention_bias": (True,), "mlp_bias": (False,), "use_mrope": (False,)},
    ),
    "qwen3": Family(
        "qwen3",
        decoder(**changed(_SHAPE, head_dim=128, attention_bias=False)),
        qwen3,
        fixed={"use_qk_norm": (True,), "mlp_bias": (False,)},
    ),
    "qwen2_moe": Family(
        "qwen2_moe",
        decoder(
            **changed(_SHAPE, **_MOE, intermediate_size=5632, num_attention_heads=16, num_key_value_heads=16),
            qkv_bias=True,
            num_experts=60,
            num_experts_per_tok=4,
            moe_intermediate_size=1408,
            shared_expert_intermediate_size=5632,
        ),
        qwen2_moe,
        fixed={"use_mrope": (False,)},
    ),
    "qwen3_moe": Family(
        "qwen3_moe",
        decoder(
            other("num_experts", "num_local_experts", default=128),
            **changed(
                _SHAPE, **_MOE, intermediate_size=6144, num_key_value_heads=4, max_window_layers=..., layer_types=...
            ),
            num_experts_per_tok=8,
            moe_intermediate_size=768,
            attention_bias=False,
        ),
        qwen3_moe,
        fixed={
            "use_qk_norm": (True,),
            "qkv_bias": (False,),
            "shared_expert_intermediate_size": (0,),
            "layer_types": ("full_attention",),
        },
        ignored=("max_window_layers",),
    ),
}
