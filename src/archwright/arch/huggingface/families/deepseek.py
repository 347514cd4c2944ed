"""deepseek_v2, deepseek_v3, kimi_k2, minicpm3, glm4_moe, dots1: latent attention, experts after some dense layers."""

from __future__ import annotations

import math
from typing import Any

from ..keys import Family, Keys
from ..layers import attended, joined, layered, upper, windows
from ..parts import act, bias, changed, decoder, gated, moe, needed, other, rotary, sparse, usual
from ..rope import Rotary, read_rope

_LATENT: dict[str, Any] = {
    "vocab_size": 129280,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "max_position_embeddings": 4096,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
    "attention_dropout": 0.0,
    "attention_bias": False,
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}

_EXPERTS: dict[str, Any] = {
    "moe_intermediate_size": 2048,
    "num_experts_per_tok": 8,
    "n_shared_experts": 1,
    "first_k_dense_replace": 3,
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "n_group": 8,
    "topk_group": 4,
}


def _latent(keys: Keys, found: Rotary, values: int) -> dict[str, Any]:
    """Latent attention. The norms of the latents keep the class's epsilon of 1e-6 whatever the file says of others."""
    key_width = keys["qk_nope_head_dim"] + keys["qk_rope_head_dim"]
    scale = None
    scaling = found.scaling or {}
    share = scaling.get("mscale_all_dim")
    if share and scaling.get("factor", 1) > 1 and key_width > 0:
        temperature = 0.1 * share * math.log(scaling["factor"]) + 1.0
        scale = key_width**-0.5 * temperature * temperature
    for name in ("kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"):
        keys.origin[name] = (name,)
    return {
        "type": "mla",
        "kv_lora_rank": keys["kv_lora_rank"],
        "q_lora_rank": keys["q_lora_rank"],
        "qk_nope_head_dim": keys["qk_nope_head_dim"],
        "qk_rope_head_dim": keys["qk_rope_head_dim"],
        "v_head_dim": values,
        "latent_eps": 1e-6,
        "latent_bias": keys["attention_bias"],
        "bias": bias(keys["attention_bias"], "o"),
        "scale": scale,
    }


def _sparse(keys: Keys, **own: Any) -> list[dict[str, Any]]:
    """Dense layers up to `first_k_dense_replace`, then experts with shared ones."""
    names = ("n_routed_experts", "num_experts_per_tok", "n_shared_experts")
    if not needed(keys, *names):
        return []
    n_layers, first = max(0, keys["num_hidden_layers"]), keys["first_k_dense_replace"]
    width = keys["moe_intermediate_size"]
    keys.origin |= {
        "n_experts": ("n_routed_experts",),
        "top_k": ("num_experts_per_tok",),
        "shared_d_ff": ("n_shared_experts",),
        "n_groups": ("n_group",),
        "top_groups": ("topk_group",),
    }
    experts = moe(
        width,
        keys["n_routed_experts"],
        keys["num_experts_per_tok"],
        act(keys),
        shared_d_ff=width * keys["n_shared_experts"],
        routed_scale=float(keys["routed_scaling_factor"]),
        **own,
    )
    dense = {**gated(act(keys), own.get("bias", False)), "d_ff": keys["intermediate_size"]}
    return sparse(dense, experts, [i >= first for i in range(n_layers)])


def _sigmoid(keys: Keys) -> dict[str, Any]:
    """Sigmoid scores with a correction bias, a first choice of groups by their two best."""
    own = {"routing": "sigmoid", "normalize": keys["norm_topk_prob"], "correction_bias": "buffer"}
    return {**own, **_groups(keys)}


def _groups(keys: Keys) -> dict[str, Any]:
    groups = keys["n_group"] or 1
    return {"n_groups": groups, "top_groups": keys["topk_group"] or 1} if groups > 1 else {}


def deepseek_v3(keys: Keys) -> dict[str, Any]:
    """Latent attention everywhere; `num_key_value_heads` has no meaning in it."""
    if not needed(keys, "v_head_dim"):
        return {}
    found = read_rope(keys)[""]
    n_layers = max(0, keys["num_hidden_layers"])
    attention = attended([_latent(keys, found, keys["v_head_dim"])] * n_layers)
    experts = _sparse(keys, **_sigmoid(keys))
    return {
        **usual(keys),
        "n_kv_heads": keys["num_attention_heads"],
        **rotary(keys, found, interleaved=keys["rope_interleave"], width=keys["qk_rope_head_dim"]),
        **layered(joined(attention, experts) if experts else attention),
    }


def deepseek_v2(keys: Keys) -> dict[str, Any]:
    """Softmax scores that are not divided by their sum; groups, where there are any, by their best."""
    if not needed(keys, "v_head_dim"):
        return {}
    method = keys["topk_method"]
    if method not in ("greedy", "group_limited_greedy"):
        keys.cannot(
            ("topk_method",),
            "is not a way to choose experts that can be imported",
            "Known: greedy, group_limited_greedy",
        )
    if keys["norm_topk_prob"]:
        keys.cannot(("norm_topk_prob",), "is not read by the class, whose weights are never divided by their sum")
    own: dict[str, Any] = {"normalize": False}
    if method == "group_limited_greedy" and needed(keys, "n_group", "topk_group"):
        own |= {"n_groups": keys["n_group"], "top_groups": keys["topk_group"], "group_score": "max"}
    found = read_rope(keys)[""]
    n_layers = max(0, keys["num_hidden_layers"])
    attention = attended([_latent(keys, found, keys["v_head_dim"])] * n_layers)
    experts = _sparse(keys, **own)
    if keys["mlp_bias"]:
        keys.cannot(("mlp_bias",), "is on: dense and shared networks have biases and experts have none")
    return {
        **usual(keys),
        "n_kv_heads": keys["num_attention_heads"],
        **rotary(keys, found, interleaved=True, width=keys["qk_rope_head_dim"]),
        **layered(joined(attention, experts) if experts else attention),
    }


def minicpm3(keys: Keys) -> dict[str, Any]:
    """Latent attention in a dense model with factors of the embedding, what each part adds, and the logits."""
    found = read_rope(keys)[""]
    heads, n_layers, width = keys["num_attention_heads"], keys["num_hidden_layers"], keys["hidden_size"]
    if min(heads, n_layers, width) < 1:
        return usual(keys)
    values = keys["v_head_dim"] if keys["v_head_dim"] is not None else width // heads
    depth = keys["scale_depth"] if keys["scale_depth"] is not None else math.sqrt(n_layers)
    base = keys["dim_model_base"] if keys["dim_model_base"] is not None else width
    for name in ("scale_emb", "scale_depth", "dim_model_base"):
        if keys[name] is not None and keys[name] <= 0:
            keys.refuse((name,), "must be positive")
            return usual(keys)
    return {
        **usual(keys),
        "n_kv_heads": heads,
        **rotary(keys, found, width=keys["qk_rope_head_dim"]),
        "attention": _latent(keys, found, values),
        "feed_forward": gated(act(keys), keys["mlp_bias"]),
        "embedding": {"multiplier": float(keys["scale_emb"])} if keys["scale_emb"] != 1 else None,
        "residual_multiplier": depth / math.sqrt(n_layers),
        "head": {"multiplier": base / width} if base != width else None,
    }


def glm4_moe(keys: Keys) -> dict[str, Any]:
    """Grouped heads with partial rotation, biases on q, k and v, and an optional norm on each head."""
    n_layers = max(0, keys["num_hidden_layers"])
    own = {"bias": bias(keys["attention_bias"], "qkv"), "qk_norm": "head" if keys["use_qk_norm"] else None}
    attention = attended([{"type": "full"}] * n_layers, **own)
    experts = _sparse(keys, **_sigmoid(keys))
    return {**usual(keys), **rotary(keys, partial=0.5), **layered(joined(attention, experts) if experts else attention)}


def dots1(keys: Keys) -> dict[str, Any]:
    """A norm on each head, windows from `max_window_layers` on."""
    chosen, rule = upper(keys)
    specs = windows(keys, [yes and keys["sliding_window"] is not None for yes in chosen])
    if keys.stated("sliding_window") and keys["sliding_window"] is not None and not any(chosen):
        keys.note(f"sliding_window ({keys['sliding_window']}) has no effect: {rule}")
    attention = attended(specs, bias=bias(keys["attention_bias"]), qk_norm="head")
    experts = _sparse(keys, **_sigmoid(keys))
    return {**usual(keys), **rotary(keys), **layered(joined(attention, experts) if experts else attention)}


_FIXED = {"moe_layer_freq": (1,), "topk_method": ("noaux_tc",), "scoring_func": ("sigmoid", "noaux_tc")}

_V3 = decoder(
    other("n_routed_experts", "num_local_experts", default=256),
    other("rope_interleave", default=True, kind=bool),
    **_LATENT,
    **_EXPERTS,
)

FAMILIES = {
    "deepseek_v3": Family(
        "deepseek_v3", _V3, deepseek_v3, fixed={**_FIXED, "mlp_bias": (False,)}, ignored=("head_dim", "num_mtp_layers")
    ),
    "kimi_k2": Family(
        "kimi_k2", _V3, deepseek_v3, fixed={**_FIXED, "mlp_bias": (False,)}, ignored=("head_dim", "num_mtp_layers")
    ),
    "deepseek_v2": Family(
        "deepseek_v2",
        decoder(
            other("n_routed_experts", "num_experts", default=64),
            **changed(
                _LATENT,
                vocab_size=102400,
                hidden_size=4096,
                intermediate_size=11008,
                num_hidden_layers=32,
                num_attention_heads=32,
                num_key_value_heads=None,
                max_position_embeddings=2048,
            ),
            **changed(
                _EXPERTS,
                moe_intermediate_size=1407,
                num_experts_per_tok=None,
                n_shared_experts=2,
                first_k_dense_replace=0,
                norm_topk_prob=False,
                routed_scaling_factor=1.0,
                n_group=None,
                topk_group=None,
            ),
            topk_method="greedy",
            mlp_bias=False,
        ),
        deepseek_v2,
        fixed={"moe_layer_freq": (1,), "scoring_func": ("softmax",)},
        ignored=("head_dim",),
    ),
    "minicpm3": Family(
        "minicpm3",
        decoder(
            other("scale_emb", default=12, kind=float),
            other("scale_depth", default=1.4, kind=float | None),
            other("dim_model_base", default=256, kind=int | None),
            **changed(
                _LATENT,
                vocab_size=73448,
                hidden_size=2560,
                intermediate_size=6400,
                num_hidden_layers=62,
                num_attention_heads=40,
                num_key_value_heads=40,
                max_position_embeddings=32768,
                rms_norm_eps=1e-5,
                tie_word_embeddings=True,
                initializer_range=0.1,
                kv_lora_rank=256,
                q_lora_rank=768,
                qk_nope_head_dim=64,
                qk_rope_head_dim=32,
                v_head_dim=None,
            ),
            mlp_bias=False,
        ),
        minicpm3,
        ignored=("head_dim",),
    ),
    "glm4_moe": Family(
        "glm4_moe",
        decoder(
            other("n_routed_experts", "num_local_experts", default=128),
            vocab_size=151552,
            hidden_size=4096,
            intermediate_size=10944,
            num_hidden_layers=46,
            num_attention_heads=96,
            num_key_value_heads=8,
            head_dim=None,
            max_position_embeddings=131072,
            hidden_act="silu",
            rms_norm_eps=1e-5,
            tie_word_embeddings=False,
            initializer_range=0.02,
            attention_dropout=0.0,
            attention_bias=False,
            use_qk_norm=False,
            **changed(
                _EXPERTS,
                moe_intermediate_size=1408,
                first_k_dense_replace=1,
                routed_scaling_factor=1.0,
                n_group=1,
                topk_group=1,
            ),
        ),
        glm4_moe,
        fixed={"scoring_func": ("sigmoid",), "topk_method": ("noaux_tc",)},
        ignored=("num_mtp_layers",),
    ),
    "dots1": Family(
        "dots1",
        decoder(
            other("n_routed_experts", "num_local_experts"),
            vocab_size=152064,
            hidden_size=4608,
            intermediate_size=10944,
            num_hidden_layers=62,
            num_attention_heads=32,
            num_key_value_heads=32,
            head_dim=None,
            max_position_embeddings=2048,
            hidden_act="silu",
            rms_norm_eps=1e-6,
            tie_word_embeddings=False,
            initializer_range=0.02,
            attention_dropout=0.0,
            attention_bias=False,
            sliding_window=4096,
            max_window_layers=62,
            layer_types=None,
            **changed(
                _EXPERTS,
                moe_intermediate_size=1408,
                num_experts_per_tok=None,
                n_shared_experts=None,
                first_k_dense_replace=0,
                norm_topk_prob=False,
                routed_scaling_factor=1.0,
                n_group=1,
                topk_group=1,
            ),
        ),
        dots1,
        fixed={"scoring_func": ("noaux_tc", "sigmoid"), "moe_layer_freq": (1,), "topk_method": ("noaux_tc",)},
    ),
}
