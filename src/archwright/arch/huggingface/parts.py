"""Parts that published families share: the keys of a decoder, biases, activations, positions, experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import did_you_mean
from .keys import Key, Keys
from .rope import ROPE_KEYS, Rotary, read_rope

_USUAL: dict[str, tuple[Any, str | None]] = {
    "vocab_size": (int, "vocab_size"),
    "hidden_size": (int, "d_model"),
    "intermediate_size": (int, "d_ff"),
    "num_hidden_layers": (int, "n_layers"),
    "num_attention_heads": (int, "n_heads"),
    "num_key_value_heads": (int | None, "n_kv_heads"),
    "head_dim": (int | None, "head_dim"),
    "max_position_embeddings": (int, "max_seq_len"),
    "rms_norm_eps": (float, "norm_eps"),
    "layer_norm_eps": (float, "norm_eps"),
    "layer_norm_epsilon": (float, "norm_eps"),
    "norm_epsilon": (float, "norm_eps"),
    "norm_eps": (float, "norm_eps"),
    "tie_word_embeddings": (bool, "tie_embeddings"),
    "attention_dropout": (float | None, "attention_dropout"),
    "hidden_act": (str, None),
    "hidden_activation": (str, None),
    "activation_function": (str, None),
    "activation": (str, None),
    "initializer_range": (float, None),
    "init_std": (float, None),
    "attention_bias": (bool, None),
    "attention_out_bias": (bool, None),
    "qkv_bias": (bool, None),
    "use_qkv_bias": (bool, None),
    "mlp_bias": (bool, None),
    "use_bias": (bool, None),
    "bias": (bool, None),
    "enable_bias": (bool, None),
    "lm_head_bias": (bool, None),
    "sliding_window": (int | None, None),
    "use_sliding_window": (bool, None),
    "max_window_layers": (int, None),
    "layer_types": (list | None, None),
    "sliding_window_pattern": (int | str | None, None),
    "qk_layernorm": (bool, None),
    "use_qk_norm": (bool, None),
    "query_pre_attn_scalar": (float, None),
    "attn_logit_softcapping": (float | None, None),
    "final_logit_softcapping": (float | None, None),
    "logit_scale": (float | None, None),
    "embedding_multiplier": (float, None),
    "residual_multiplier": (float, "residual_multiplier"),
    "attention_multiplier": (float, None),
    "logits_scaling": (float, None),
    "clip_qkv": (float | None, None),
    "original_max_position_embeddings": (int | None, None),
    "num_local_experts": (int, None),
    "num_experts": (int, None),
    "n_routed_experts": (int | None, None),
    "n_shared_experts": (int | None, None),
    "num_experts_per_tok": (int | None, None),
    "moe_intermediate_size": (int, None),
    "shared_expert_intermediate_size": (int, None),
    "decoder_sparse_step": (int, None),
    "mlp_only_layers": (list | None, None),
    "norm_topk_prob": (bool, None),
    "first_k_dense_replace": (int, None),
    "routed_scaling_factor": (float, None),
    "n_group": (int | None, None),
    "topk_group": (int | None, None),
    "topk_method": (str | None, None),
    "router_jitter_noise": (float, None),
    "kv_lora_rank": (int, None),
    "q_lora_rank": (int | None, None),
    "qk_nope_head_dim": (int, None),
    "qk_rope_head_dim": (int, None),
    "v_head_dim": (int | None, None),
    "use_parallel_residual": (bool, None),
    "use_bidirectional_attention": (bool | None, None),
    "scale_attn_weights": (bool, None),
    "scale_embedding": (bool, None),
    "rotary_dim": (int | None, None),
    "multi_query": (bool, None),
}
"""The usual keys: what they hold, and the field of ours that they become as they stand."""


def decoder(*own: Key, rope: bool = True, **defaults: Any) -> tuple[Key, ...]:
    """Keys of a decoder with the defaults of its class, and others; `rope` adds those of rotary positions."""
    usual = [Key(name, _USUAL[name][0], value, _USUAL[name][1]) for name, value in defaults.items()]
    names = {key.name for key in own}
    return (*usual, *own, *(key for key in ROPE_KEYS if rope and key.name not in names))


def changed(shape: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Defaults of a class from those of another; `...` takes a key away."""
    return {name: value for name, value in {**shape, **changes}.items() if value is not ...}


def other(name: str, *aliases: str, default: Any = None, to: str | None = None, kind: Any = None) -> Key:
    """A usual key under the name that a family gives it, with the other names that the family accepts."""
    usual = next((_USUAL[n] for n in (name, *aliases) if n in _USUAL), (int, None))
    return Key(name, kind or usual[0], default, to or usual[1], tuple(aliases))


def usual(keys: Keys) -> dict[str, Any]:
    """The fields of ours that keys become as they stand, and what hangs on them."""
    made = {key.to: keys[key.name] for key in keys.family.keys if key.to and keys[key.name] is not None}
    if made.get("n_kv_heads") is None:
        made["n_kv_heads"] = made.get("n_heads")
        keys.origin["n_kv_heads"] = keys.origin.get("n_heads", ("num_attention_heads",))
    for name in ("initializer_range", "init_std"):
        if keys.has(name):
            made["init_method"] = f"normal({keys[name]!r})"
            keys.origin["init_method"] = (name,)
    return made


def head_width(keys: Keys) -> int:
    """The width of a head: stated, else the model's width by its heads."""
    made = usual(keys)
    heads = made["n_heads"] if made["n_heads"] > 0 else 1
    return int(made.get("head_dim") or made["d_model"] // heads)


def rotary(
    keys: Keys,
    found: Rotary | None = None,
    *,
    interleaved: bool = False,
    theta: float = 10000.0,
    partial: float = 1.0,
    width: int | None = None,
) -> dict[str, Any]:
    """Fields of rotary positions; `theta` and `partial` are the class's defaults, `width` that of a head."""
    found = found or read_rope(keys, theta, partial)[""]
    position: dict[str, Any] = {}
    if found.partial < 1:
        position["dims"] = int((width or head_width(keys)) * found.partial)
        keys.origin["dims"] = ("partial_rotary_factor",)
    if interleaved:
        position["interleaved"] = True
    return {"rope_theta": found.theta, "rope_scaling": found.scaling, "position": position}


def bias(on: Any, projections: str = "qkvo") -> list[str]:
    """The projections with a bias, where they have one."""
    return list(projections) if on else []


ACTIVATIONS = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "relu2": "relu2",
    "xielu": "xielu",
}
"""Published names of activations and ours."""


def act(keys: Keys, name: str = "hidden_act") -> str:
    """Our name of an activation."""
    found = ACTIVATIONS.get(keys[name])
    if found is None:
        keys.cannot(
            (name,), "is not an activation that can be imported", did_you_mean(keys[name], ACTIVATIONS, "Known")
        )
    return found or "silu"


def gated(activation: str, bias: bool = False) -> dict[str, Any]:
    """A gated feed-forward by its activation, under its own name where it has one."""
    named = {"silu": {"type": "swiglu"}, "gelu": {"type": "geglu"}}
    return {**named.get(activation, {"type": "gated", "activation": activation}), "bias": bias}


def plain(activation: str, bias: bool = False) -> dict[str, Any]:
    """A feed-forward of two matrices by its activation."""
    named = {"gelu": {"type": "gelu"}}
    return {**named.get(activation, {"type": "plain", "activation": activation}), "bias": bias}


def moe(d_ff: int, n_experts: int, top_k: int, activation: str = "silu", **own: Any) -> dict[str, Any]:
    """A mixture of experts; options at their default are left out."""
    made = {"type": "moe", "d_ff": d_ff, "n_experts": n_experts, "top_k": top_k}
    plain = {"activation": "silu", "normalize": True, "routed_scale": 1.0, "shared_d_ff": 0, "n_groups": 1}
    for name, value in {"activation": activation, **own}.items():
        if value not in (None, False) and plain.get(name, ...) != value:
            made[name] = value
        elif name == "normalize" and not value:
            made[name] = False
    return made


def sparse(dense: Mapping[str, Any], experts: Mapping[str, Any], is_sparse: Sequence[bool]) -> list[dict[str, Any]]:
    """The feed-forward of each layer where some are dense."""
    return [{"feed_forward": dict(experts if yes else dense)} for yes in is_sparse]


def needed(keys: Keys, *names: str) -> bool:
    """Whether all these keys have values; a missing one is a problem."""
    for name in names:
        if keys[name] is None:
            keys.missing(name)
    return all(keys[name] is not None for name in names)


def tidy(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields without what is only the default: null, no bias, plain full attention."""
    made: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, dict) and name in ("attention", "feed_forward"):
            value = {k: v for k, v in value.items() if v not in (None, False, []) and (k, v) != ("type", "full")}
            if name == "feed_forward" and fields[name].get("normalize") is False:
                value["normalize"] = False
        if value is not None and value != {}:
            made[name] = value
    return made
