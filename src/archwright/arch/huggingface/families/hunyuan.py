"""hunyuan_v1_dense, hunyuan_v1_moe, ernie4_5_moe: norms after rotation, experts in a range of layers."""

from __future__ import annotations

from typing import Any

from ..keys import Family, Keys, uniform
from ..layers import layered
from ..parts import act, bias, changed, decoder, gated, head_width, moe, other, rotary, sparse, usual
from ..rope import Rotary, read_rope

_SHAPE: dict[str, Any] = {
    "vocab_size": 290943,
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
    "attention_bias": False,
}


def _stretched(keys: Keys) -> Rotary:
    """A fixed `alpha` of the scaling "dynamic" makes the base alpha ** (d / (d - 2)) times as large, for good."""
    source = "rope_parameters" if keys["rope_parameters"] else "rope_scaling"
    data = keys[source] or {}
    kind, alpha, width = data.get("rope_type", data.get("type")), data.get("alpha"), head_width(keys)
    if kind != "dynamic" or not alpha:
        return read_rope(keys, extra=("alpha",))[""]
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or alpha <= 0 or width < 4:
        keys.refuse((source, "alpha"), "must be a positive number")
        return Rotary(10000.0)
    for name in sorted(set(data) - {"type", "rope_type", "alpha", "rope_theta", "factor"}):
        if data[name] not in (None, False, 0):
            keys.note(f"{source}.{name} ({data[name]}) has no effect: alpha fixes the base")
    outer = keys["rope_theta"] if keys["rope_theta"] is not None else 10000.0
    return Rotary(float(data.get("rope_theta", outer)) * alpha ** (width / (width - 2)))


def hunyuan(keys: Keys) -> dict[str, Any]:
    """A norm on each head of queries and keys, after the rotation."""
    norm = {"qk_norm": "head", "qk_norm_after_rope": True}
    return {
        **usual(keys),
        **rotary(keys, _stretched(keys)),
        "attention": {"bias": bias(keys["attention_bias"]), **norm},
        "feed_forward": gated(act(keys)),
    }


def hunyuan_moe(keys: Keys) -> dict[str, Any]:
    """Experts and a shared network, all as wide as `intermediate_size`, in every layer."""
    counts = {name: uniform(keys[name]) for name in ("num_experts", "moe_topk")}
    for name, count in counts.items():
        if isinstance(count, list):
            keys.cannot((name,), "differs from layer to layer, which the class does not build")
            return hunyuan(keys)
    width = keys["intermediate_size"]
    stated = uniform(keys["moe_intermediate_size"])
    if stated is not None and stated != width:
        keys.contradiction(("moe_intermediate_size",), ("intermediate_size",), "The class reads intermediate_size")
    experts = moe(width, counts["num_experts"], counts["moe_topk"], act(keys), shared_d_ff=width)
    del experts["d_ff"]
    keys.origin |= {"n_experts": ("num_experts",), "top_k": ("moe_topk",)}
    return {**hunyuan(keys), "feed_forward": experts}


def ernie_moe(keys: Keys) -> dict[str, Any]:
    """Experts from one layer to another, every so often; a correction bias that is a parameter."""
    n_layers, width = max(0, keys["num_hidden_layers"]), keys["moe_intermediate_size"]
    first, last, step = keys["moe_layer_start_index"], keys["moe_layer_end_index"], keys["moe_layer_interval"]
    last = n_layers - 1 if last == -1 else last
    if step < 1:
        keys.refuse(("moe_layer_interval",), "must be positive")
        return {}
    chosen = [(i + 1) % step == 0 and first <= i <= last for i in range(n_layers)]
    biased = keys["use_bias"]
    experts = moe(
        width,
        keys["moe_num_experts"],
        keys["moe_k"],
        act(keys),
        shared_d_ff=width * keys["moe_num_shared_experts"],
        correction_bias="parameter",
    )
    if biased:
        keys.cannot(("use_bias",), "is on: dense and shared networks have biases and experts have none")
    keys.origin |= {"n_experts": ("moe_num_experts",), "top_k": ("moe_k",), "shared_d_ff": ("moe_num_shared_experts",)}
    dense = {**gated(act(keys)), "d_ff": keys["intermediate_size"]}
    return {
        **usual(keys),
        **rotary(keys, interleaved=True, theta=500000.0),
        **layered(sparse(dense, experts, chosen)),
    }


FAMILIES = {
    "hunyuan_v1_dense": Family(
        "hunyuan_v1_dense",
        decoder(**_SHAPE),
        hunyuan,
        fixed={"use_qk_norm": (True,), "use_cla": (False,), "mlp_bias": (False,), "norm_type": ("rms",)},
        unread={"attention_head_dim": "head_dim", "org_vocab_size": "vocab_size"},
        ignored=("cla_share_factor", "num_experts", "dense_list", "use_rotary_pos_emb", "add_classification_head"),
    ),
    "hunyuan_v1_moe": Family(
        "hunyuan_v1_moe",
        decoder(
            other("num_experts", "num_local_experts", default=1, kind=int | list),
            other("moe_topk", "num_experts_per_tok", default=1, kind=int | list),
            other("moe_intermediate_size", default=None, kind=int | list | None),
            **_SHAPE,
        ),
        hunyuan_moe,
        fixed={
            "use_qk_norm": (True,),
            "use_cla": (False,),
            "mlp_bias": (False,),
            "norm_type": ("rms",),
            "use_mixed_mlp_moe": (True,),
            "num_shared_expert": (1,),
            "moe_layer_num_skipped": (0,),
            "use_mla": (False,),
            "norm_topk_prob": (True,),
        },
        unread={"attention_head_dim": "head_dim", "org_vocab_size": "vocab_size"},
        ignored=(
            "cla_share_factor",
            "use_rotary_pos_emb",
            "capacity_factor",
            "moe_drop_tokens",
            "moe_random_routing_dropped_token",
            "add_classification_head",
            "class_num",
            "group_limited_greedy",
        ),
    ),
    "ernie4_5_moe": Family(
        "ernie4_5_moe",
        decoder(
            other("moe_intermediate_size", default=1536),
            other("moe_k", "num_experts_per_tok", default=6, kind=int),
            other("moe_num_experts", "num_experts", default=64),
            other("moe_num_shared_experts", default=2),
            other("moe_layer_start_index", default=1),
            other("moe_layer_end_index", default=-1),
            other("moe_layer_interval", default=1),
            **changed(
                _SHAPE,
                vocab_size=103424,
                hidden_size=2560,
                intermediate_size=12288,
                num_hidden_layers=28,
                num_attention_heads=20,
                num_key_value_heads=4,
                max_position_embeddings=131072,
                tie_word_embeddings=True,
                attention_bias=...,
            ),
            use_bias=False,
        ),
        ernie_moe,
        fixed={"moe_use_aux_free": (True,), "moe_gate": ("topk",), "moe_gate_act": ("softmax",)},
        ignored=("moe_norm_min", "moe_capacity", "fuse_rope", "moe_group", "moe_use_hard_gate"),
    ),
}
