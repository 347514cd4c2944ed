"""mixtral, phimoe, olmoe, granite, granitemoe, minimax_m2, dbrx, gpt_oss: experts in every layer, or multipliers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..keys import Family, Key, Keys
from ..layers import attended, layered, window, windows
from ..parts import act, bias, changed, decoder, gated, head_width, moe, needed, other, rotary, usual
from ..rope import Rotary, read_rope

_SHAPE: dict[str, Any] = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": None,
    "max_position_embeddings": 131072,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
    "attention_dropout": 0.0,
}


def _experts(keys: Keys, n_experts: str = "num_local_experts", **own: Any) -> dict[str, Any]:
    """Experts as wide as `intermediate_size` in every layer."""
    if not needed(keys, "num_experts_per_tok"):
        return {}
    made = moe(keys["intermediate_size"], keys[n_experts], keys["num_experts_per_tok"], act(keys), **own)
    keys.origin |= {"n_experts": (n_experts,), "top_k": ("num_experts_per_tok",)}
    del made["d_ff"]  # the flat field says it
    return made


def mixtral(keys: Keys) -> dict[str, Any]:
    """Softmax over the chosen experts; a window in all layers where one is stated."""
    return {
        **usual(keys),
        **rotary(keys, theta=1e6),
        "attention": window(keys),
        "feed_forward": _experts(keys),
    }


def phimoe(keys: Keys) -> dict[str, Any]:
    """LayerNorms with the epsilon of `rms_norm_eps`, sparsemixer routing, a bias on the head."""
    jitter = keys["router_jitter_noise"]
    if keys["num_experts_per_tok"] != 2:
        keys.cannot(("num_experts_per_tok",), "is not 2, the only number that sparsemixer is defined for")
    return {
        **usual(keys),
        **rotary(keys, theta=1e6),
        "use_rms_norm": False,
        "attention": {**window(keys), "bias": bias(keys["attention_bias"])},
        "feed_forward": _experts(keys, routing="sparsemixer", jitter=jitter),
        "head": {"bias": True} if keys["lm_head_bias"] else None,
    }


def olmoe(keys: Keys) -> dict[str, Any]:
    """A norm over the whole width of queries and keys; the weights of the chosen experts stay as they are."""
    attention = {"bias": bias(keys["attention_bias"]), "qk_norm": "width", "clip": keys["clip_qkv"]}
    return {
        **usual(keys),
        **rotary(keys),
        "attention": attention,
        "feed_forward": _experts(keys, "num_experts", normalize=keys["norm_topk_prob"]),
    }


def _multiplied(keys: Keys) -> dict[str, Any]:
    for name in ("embedding_multiplier", "attention_multiplier", "logits_scaling", "residual_multiplier"):
        if keys[name] == 0:
            keys.refuse((name,), "must not be zero")
            return usual(keys)
    multiplier = keys["embedding_multiplier"]
    return {
        **usual(keys),
        **rotary(keys),
        "embedding": {"multiplier": float(multiplier)} if multiplier != 1 else None,
        "head": {"multiplier": 1 / keys["logits_scaling"]} if keys["logits_scaling"] != 1 else None,
        "attention": {"bias": bias(keys["attention_bias"]), "scale": float(keys["attention_multiplier"])},
    }


def granite(keys: Keys) -> dict[str, Any]:
    """llama with factors of the embedding, the scores, what each part adds, and the logits."""
    return {**_multiplied(keys), "feed_forward": gated(act(keys), keys["mlp_bias"])}


def granitemoe(keys: Keys) -> dict[str, Any]:
    """granite with experts."""
    return {**_multiplied(keys), "feed_forward": _experts(keys)}


def minimax_m2(keys: Keys) -> dict[str, Any]:
    """Sigmoid routing with a correction bias; a norm over the whole width of queries and keys; partial rotation."""
    width = head_width(keys)
    share = keys["rotary_dim"] / width if keys["rotary_dim"] is not None else 1.0
    return {
        **usual(keys),
        **rotary(keys, theta=5e6, partial=share),
        "attention": {"qk_norm": "width"},
        "feed_forward": _experts(keys, routing="sigmoid", correction_bias="buffer"),
    }


def gpt_oss(keys: Keys) -> dict[str, Any]:
    """Sinks, windows on every other layer, biases on everything, clamped experts; YaRN by default."""
    n_layers = max(0, keys["num_hidden_layers"])
    alternating = windows(keys, [i % 2 == 0 for i in range(n_layers)])
    if keys["swiglu_alpha"] != 1.702:
        keys.cannot(("swiglu_alpha",), "is not 1.702, the only one that can be imported")
    if keys["hidden_act"] != "silu":
        keys.note(f"hidden_act ({keys['hidden_act']}) has no effect: the experts have an activation of their own")
    experts = _experts(keys, limit=float(keys["swiglu_limit"]), up_plus_one=True) | {"activation": "quick_gelu"}
    found = read_rope(keys, 150000.0)[""]
    if not keys["rope_scaling"] and not keys["rope_parameters"]:
        yarn = {"type": "yarn", "factor": 32.0, "original_max_position": 4096, "truncate": False}
        found = Rotary(found.theta, yarn, found.partial)
    return {
        **usual(keys),
        **rotary(keys, found),
        **layered(attended(alternating, bias=bias(keys["attention_bias"]), sinks=True)),
        "feed_forward": {**experts, "bias": True, "router_bias": True},
    }


_DBRX_ATTENTION = {"clip_qkv": None, "kv_n_heads": 1, "rope_theta": None}
_DBRX_EXPERTS = {
    "ffn_hidden_size": 3584,
    "moe_num_experts": 4,
    "moe_top_k": 1,
    "moe_normalize_expert_weights": 1.0,
    "ffn_act_fn": None,
}


def dbrx(keys: Keys) -> dict[str, Any]:
    """Attention and experts are described in maps of their own; LayerNorms without bias."""
    attention = _inner(keys, "attn_config", _DBRX_ATTENTION)
    experts = _inner(keys, "ffn_config", _DBRX_EXPERTS)
    if attention is None or experts is None:
        return {}
    if keys["tie_word_embeddings"]:
        keys.cannot(("tie_word_embeddings",), "is not defined for dbrx, whose head is its own")
    if experts["moe_normalize_expert_weights"] not in (None, 1):
        keys.cannot(("ffn_config", "moe_normalize_expert_weights"), "is another norm than the sum")
    activation = (experts["ffn_act_fn"] or {}).get("name", "silu")
    if activation != "silu":
        keys.cannot(("ffn_config", "ffn_act_fn"), "is not silu")
    keys.origin |= {
        "n_kv_heads": ("attn_config", "kv_n_heads"),
        "clip": ("attn_config", "clip_qkv"),
        "d_ff": ("ffn_config", "ffn_hidden_size"),
        "n_experts": ("ffn_config", "moe_num_experts"),
        "top_k": ("ffn_config", "moe_top_k"),
    }
    found = read_rope(keys, float(attention["rope_theta"] or 10000.0))[""]
    normalize = experts["moe_normalize_expert_weights"] is not None
    made = moe(experts["ffn_hidden_size"], experts["moe_num_experts"], experts["moe_top_k"], normalize=normalize)
    return {
        **usual(keys),
        **rotary(keys, found),
        "n_kv_heads": attention["kv_n_heads"],
        "d_ff": made.pop("d_ff"),
        "use_rms_norm": False,
        "norm": {"without_bias": True},
        "attention": {"clip": attention["clip_qkv"]},
        "feed_forward": made,
    }


_INNER_KINDS: dict[str, Any] = {
    "clip_qkv": float | None,
    "kv_n_heads": int,
    "rope_theta": float | None,
    "ffn_hidden_size": int,
    "moe_num_experts": int,
    "moe_top_k": int,
    "moe_normalize_expert_weights": float | None,
    "ffn_act_fn": Mapping | None,
}
_INNER_IGNORED = ("model_type", "attn_pdrop", "moe_jitter_eps", "moe_loss_weight", "uniform_expert_assignment")


def _inner(keys: Keys, name: str, defaults: Mapping[str, Any]) -> dict[str, Any] | None:
    """A map within the config, with its own defaults; None where its types are wrong."""
    return keys.inner(name, {k: (_INNER_KINDS[k], v) for k, v in defaults.items()}, _INNER_IGNORED)


FAMILIES = {
    "mixtral": Family(
        "mixtral",
        decoder(
            other("num_local_experts", "num_experts", default=8),
            **_SHAPE,
            sliding_window=None,
            num_experts_per_tok=2,
        ),
        mixtral,
        fixed={"attention_bias": (False,)},
    ),
    "phimoe": Family(
        "phimoe",
        decoder(
            **changed(_SHAPE, vocab_size=32064, intermediate_size=6400),
            sliding_window=None,
            num_local_experts=16,
            num_experts_per_tok=2,
            router_jitter_noise=0.01,
            attention_bias=False,
            lm_head_bias=False,
            original_max_position_embeddings=None,
        ),
        phimoe,
    ),
    "olmoe": Family(
        "olmoe",
        decoder(
            other("num_experts", "num_local_experts", default=64),
            **changed(
                _SHAPE,
                vocab_size=50304,
                hidden_size=2048,
                intermediate_size=2048,
                num_hidden_layers=16,
                num_attention_heads=16,
                num_key_value_heads=None,
                max_position_embeddings=4096,
            ),
            num_experts_per_tok=8,
            norm_topk_prob=False,
            attention_bias=False,
            clip_qkv=None,
        ),
        olmoe,
    ),
    "granite": Family(
        "granite",
        decoder(
            **changed(
                _SHAPE,
                intermediate_size=11008,
                num_key_value_heads=None,
                max_position_embeddings=2048,
                rms_norm_eps=1e-6,
            ),
            attention_bias=False,
            mlp_bias=False,
            embedding_multiplier=1.0,
            logits_scaling=1.0,
            residual_multiplier=1.0,
            attention_multiplier=1.0,
        ),
        granite,
    ),
    "granitemoe": Family(
        "granitemoe",
        decoder(
            **changed(
                _SHAPE,
                intermediate_size=11008,
                num_key_value_heads=None,
                max_position_embeddings=2048,
                rms_norm_eps=1e-6,
            ),
            attention_bias=False,
            embedding_multiplier=1.0,
            logits_scaling=1.0,
            residual_multiplier=1.0,
            attention_multiplier=1.0,
            num_local_experts=8,
            num_experts_per_tok=2,
        ),
        granitemoe,
        fixed={"mlp_bias": (False,)},
    ),
    "minimax_m2": Family(
        "minimax_m2",
        decoder(
            other("num_local_experts", "num_experts", default=256),
            **changed(
                _SHAPE,
                vocab_size=200064,
                hidden_size=3072,
                intermediate_size=1536,
                num_hidden_layers=62,
                num_attention_heads=48,
                head_dim=128,
                max_position_embeddings=196608,
                rms_norm_eps=1e-6,
            ),
            num_experts_per_tok=8,
            rotary_dim=None,
        ),
        minimax_m2,
        fixed={
            "use_qk_norm": (True,),
            "qk_norm_type": ("per_layer",),
            "use_routing_bias": (True,),
            "scoring_func": ("sigmoid",),
            "shared_intermediate_size": (0,),
            "attn_type_list": (1,),
            "attention_bias": (False,),
        },
    ),
    "gpt_oss": Family(
        "gpt_oss",
        decoder(
            other("num_local_experts", "num_experts", default=128),
            Key("swiglu_alpha", float, 1.702),
            Key("swiglu_limit", float, 7.0),
            **changed(
                _SHAPE,
                vocab_size=201088,
                hidden_size=2880,
                intermediate_size=2880,
                num_hidden_layers=36,
                num_attention_heads=64,
                head_dim=64,
            ),
            sliding_window=128,
            layer_types=None,
            num_experts_per_tok=4,
            attention_bias=True,
        ),
        gpt_oss,
        unread={"experts_per_token": "num_experts_per_tok"},
        ignored=("initial_context_length",),
    ),
    "dbrx": Family(
        "dbrx",
        decoder(
            other("d_model", "hidden_size", default=2048, to="d_model"),
            other("n_heads", "num_attention_heads", default=16, to="n_heads"),
            other("n_layers", "num_hidden_layers", default=24, to="n_layers"),
            other("max_seq_len", "max_position_embeddings", default=2048, to="max_seq_len"),
            Key("attn_config", Mapping | None, None),
            Key("ffn_config", Mapping | None, None),
            vocab_size=32000,
            tie_word_embeddings=False,
            initializer_range=0.02,
        ),
        dbrx,
    ),
}
