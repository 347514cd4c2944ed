"""Small random models of every family in transformers, with every switch that matters turned on somewhere."""

from __future__ import annotations

import json
from typing import Any

import torch

import archwright as aw

USUAL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 96,
    "max_position_embeddings": 128,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 10000.0}
LONG = {
    "rope_type": "longrope",
    "short_factor": [1.0 + i / 8 for i in range(8)],
    "long_factor": [2.0 + i for i in range(8)],
    "original_max_position_embeddings": 128,
    "rope_theta": 10000.0,
}
MLA: dict[str, Any] = {
    "num_key_value_heads": 4,
    "kv_lora_rank": 24,
    "q_lora_rank": 20,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 12,
}
SHARED: dict[str, Any] = {
    "n_routed_experts": 8,
    "num_experts_per_tok": 3,
    "n_shared_experts": 2,
    "moe_intermediate_size": 24,
    "first_k_dense_replace": 1,
}
GROUPED: dict[str, Any] = {"n_group": 4, "topk_group": 2}
GPT: dict[str, Any] = {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 128, "vocab_size": 96}
LOCAL: dict[str, Any] = {"num_local_experts": 6, "num_experts_per_tok": 2}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {**USUAL, "attention_bias": True, "mlp_bias": True, "head_dim": 24}),
    "llama tied": ("llama", {**USUAL, "tie_word_embeddings": True}),
    "llama llama3": (
        "llama",
        {
            **USUAL,
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 5000.0,
                "factor": 4.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
            },
        },
    ),
    "llama linear": (
        "llama",
        {**USUAL, "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}},
    ),
    "mistral": ("mistral", {**USUAL, "sliding_window": 8}),
    "mixtral": ("mixtral", {**USUAL, **LOCAL}),
    "qwen2": ("qwen2", {**USUAL, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2}),
    "qwen3": ("qwen3", {**USUAL, "head_dim": 24, "attention_bias": True}),
    "gemma2": (
        "gemma2",
        {
            **USUAL,
            "head_dim": 24,
            "sliding_window": 8,
            "query_pre_attn_scalar": 20,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
        },
    ),
    "deepseek_v3": ("deepseek_v3", {**USUAL, **MLA, **SHARED, **GROUPED, "routed_scaling_factor": 2.5}),
    "deepseek_v3 yarn": (
        "deepseek_v3",
        {
            **USUAL,
            **MLA,
            **SHARED,
            **GROUPED,
            "q_lora_rank": None,
            "attention_bias": True,
            "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0},
        },
    ),
    "gpt_oss": (
        "gpt_oss",
        {
            **USUAL,
            **LOCAL,
            "head_dim": 16,
            "sliding_window": 8,
            "rope_parameters": {**YARN, "truncate": False, "beta_fast": 32.0, "beta_slow": 1.0},
        },
    ),
    "kimi_k2": ("kimi_k2", {**USUAL, **MLA, **SHARED, "n_group": 1, "topk_group": 1, "routed_scaling_factor": 2.8}),
    "apertus": ("apertus", {**USUAL, "hidden_act": "xielu"}),
    "arcee": ("arcee", {**USUAL, "mlp_bias": True, "attention_bias": True}),
    "biogpt": ("biogpt", {**USUAL, "num_key_value_heads": None}),
    "bloom": ("bloom", {"hidden_size": 64, "n_layer": 3, "n_head": 4, "vocab_size": 96}),
    "codegen": ("codegen", {**GPT, "n_ctx": 128, "rotary_dim": 8}),
    "cohere": ("cohere", {**USUAL, "use_qk_norm": True, "logit_scale": 0.5}),
    "cohere2": ("cohere2", {**USUAL, "sliding_window": 8, "sliding_window_pattern": 4}),
    "dbrx": (
        "dbrx",
        {
            "d_model": 64,
            "n_heads": 4,
            "n_layers": 2,
            "max_seq_len": 128,
            "vocab_size": 96,
            "attn_config": {"kv_n_heads": 2, "clip_qkv": 1.0, "rope_theta": 10000.0},
            "ffn_config": {"moe_num_experts": 4, "moe_top_k": 2, "ffn_hidden_size": 48},
        },
    ),
    "deepseek_v2": (
        "deepseek_v2",
        {**USUAL, **MLA, **SHARED, **GROUPED, "topk_method": "group_limited_greedy", "norm_topk_prob": False},
    ),
    "dots1": ("dots1", {**USUAL, **SHARED, "head_dim": 16, "sliding_window": None}),
    "ernie4_5": ("ernie4_5", {**USUAL, "head_dim": 16, "use_bias": True}),
    "ernie4_5_moe": (
        "ernie4_5_moe",
        {
            **USUAL,
            "moe_num_experts": 6,
            "moe_k": 2,
            "moe_num_shared_experts": 1,
            "moe_intermediate_size": 24,
            "moe_layer_start_index": 1,
        },
    ),
    "exaone4": ("exaone4", {**USUAL, "sliding_window": 8, "sliding_window_pattern": 4}),
    "falcon 7b": ("falcon", {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 96}),
    "falcon new": (
        "falcon",
        {
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_kv_heads": 2,
            "new_decoder_architecture": True,
            "vocab_size": 96,
            "bias": True,
        },
    ),
    "falcon alibi": (
        "falcon",
        {
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "vocab_size": 96,
            "alibi": True,
            "multi_query": False,
            "parallel_attn": False,
            "bias": True,
        },
    ),
    "gemma": ("gemma", {**USUAL, "head_dim": 24}),
    "gemma3_text": ("gemma3_text", {**USUAL, "head_dim": 24, "sliding_window": 8, "sliding_window_pattern": 3}),
    "glm": ("glm", {**USUAL, "head_dim": 16, "attention_bias": True}),
    "glm4": ("glm4", {**USUAL, "head_dim": 16, "attention_bias": True}),
    "glm4_moe": ("glm4_moe", {**USUAL, **SHARED, "head_dim": 16, "use_qk_norm": True, "attention_bias": True}),
    "gpt2": ("gpt2", GPT),
    "gpt_bigcode": ("gpt_bigcode", GPT),
    "gpt_bigcode many": ("gpt_bigcode", {**GPT, "multi_query": False}),
    "gpt_neo": (
        "gpt_neo",
        {
            "hidden_size": 64,
            "num_layers": 4,
            "num_heads": 4,
            "vocab_size": 96,
            "max_position_embeddings": 128,
            "window_size": 8,
            "attention_types": [[["global", "local"], 2]],
        },
    ),
    "gpt_neox": ("gpt_neox", {**USUAL, "num_key_value_heads": None}),
    "gpt_neox sequential": ("gpt_neox", {**USUAL, "num_key_value_heads": None, "use_parallel_residual": False}),
    "gptj": ("gptj", {**GPT, "rotary_dim": 8}),
    "granite": (
        "granite",
        {
            **USUAL,
            "embedding_multiplier": 3.0,
            "attention_multiplier": 0.3,
            "residual_multiplier": 0.5,
            "logits_scaling": 2.0,
        },
    ),
    "granitemoe": (
        "granitemoe",
        {
            **USUAL,
            **LOCAL,
            "embedding_multiplier": 3.0,
            "attention_multiplier": 0.3,
            "residual_multiplier": 0.5,
            "logits_scaling": 2.0,
        },
    ),
    "helium": ("helium", {**USUAL, "head_dim": 16}),
    "hunyuan_v1_dense": ("hunyuan_v1_dense", {**USUAL, "head_dim": 16}),
    "hunyuan_v1_moe": ("hunyuan_v1_moe", {**USUAL, "head_dim": 16, "num_experts": 4, "moe_topk": 2}),
    "internlm3": ("internlm3", {**USUAL, "qkv_bias": True, "bias": True}),
    "minicpm3": (
        "minicpm3",
        {**USUAL, **MLA, "v_head_dim": 16, "scale_emb": 3.0, "scale_depth": 1.4, "dim_model_base": 32},
    ),
    "minimax_m2": ("minimax_m2", {**USUAL, **LOCAL, "head_dim": 16, "rotary_dim": 8}),
    "ministral": ("ministral", {**USUAL, "head_dim": 16, "sliding_window": 8}),
    "mpt": ("mpt", {"d_model": 64, "n_heads": 4, "n_layers": 3, "vocab_size": 96, "max_seq_len": 128}),
    "nemotron": ("nemotron", {**USUAL, "head_dim": 16, "partial_rotary_factor": 0.5}),
    "olmo": ("olmo", {**USUAL, "clip_qkv": 0.5}),
    "olmo2": ("olmo2", USUAL),
    "olmo3": ("olmo3", {**USUAL, "sliding_window": 8}),
    "olmoe": ("olmoe", {**USUAL, "num_experts": 6, "num_experts_per_tok": 2}),
    "openai-gpt": ("openai-gpt", GPT),
    "opt": (
        "opt",
        {
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "ffn_dim": 96,
            "vocab_size": 96,
            "max_position_embeddings": 128,
            "word_embed_proj_dim": 64,
        },
    ),
    "opt post": (
        "opt",
        {
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "ffn_dim": 96,
            "vocab_size": 96,
            "max_position_embeddings": 128,
            "word_embed_proj_dim": 32,
            "do_layer_norm_before": False,
        },
    ),
    "persimmon": ("persimmon", {k: v for k, v in USUAL.items() if k != "num_key_value_heads"}),
    "phi": ("phi", {**USUAL, "qk_layernorm": True}),
    "phi3": ("phi3", {**USUAL, "sliding_window": None}),
    "phi3 longrope": (
        "phi3",
        {**USUAL, "rope_parameters": LONG, "original_max_position_embeddings": 128, "max_position_embeddings": 512},
    ),
    "phimoe": ("phimoe", {**USUAL, **LOCAL, "attention_bias": True, "lm_head_bias": True}),
    "qwen2_moe": (
        "qwen2_moe",
        {
            **USUAL,
            "num_experts": 6,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 24,
            "shared_expert_intermediate_size": 40,
            "decoder_sparse_step": 2,
        },
    ),
    "qwen3_moe": (
        "qwen3_moe",
        {
            **USUAL,
            "num_experts": 6,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 24,
            "head_dim": 16,
            "mlp_only_layers": [0],
        },
    ),
    "seed_oss": ("seed_oss", {**USUAL, "head_dim": 16, "attention_out_bias": True, "mlp_bias": True}),
    "smollm3": ("smollm3", USUAL),
    "stablelm": ("stablelm", {**USUAL, "use_qkv_bias": True, "qk_layernorm": True}),
    "stablelm parallel": ("stablelm", {**USUAL, "use_parallel_residual": True}),
    "starcoder2": ("starcoder2", {**USUAL, "sliding_window": 8}),
    "xglm": (
        "xglm",
        {
            "d_model": 64,
            "num_layers": 3,
            "attention_heads": 4,
            "ffn_dim": 96,
            "vocab_size": 96,
            "max_position_embeddings": 128,
        },
    ),
}
"""A name each: the model type and the keys of its config.json."""


def theirs(case: str) -> torch.nn.Module:
    """The model of transformers with random weights everywhere, norms and biases too, in float32."""
    import transformers

    kind, keys = CASES[case]
    known_as = "deepseek_v3" if kind == "kimi_k2" else kind  # its class
    config = transformers.AutoConfig.for_model(known_as, **json.loads(json.dumps(keys)))
    config.pad_token_id = None  # some default to a row that a small table does not have
    torch.manual_seed(0)
    # the eager attention of falcon adds its slopes twice (5.24)
    path = "sdpa" if kind == "falcon" else "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=path).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        buffers = [(n, b) for n, b in model.named_buffers() if "correction_bias" in n]
        for name, tensor in [*model.named_parameters(), *buffers]:
            if tensor.dim() > 1:
                tensor.normal_(0.0, tensor.shape[-1] ** -0.5, generator=generator)
            elif "norm" in name or "ln_" in name or "alpha" in name:
                tensor.add_(torch.empty_like(tensor).normal_(0.0, 0.2, generator=generator))
            elif "correction_bias" in name or "bias" in name or "sinks" in name:
                tensor.normal_(0.0, 0.3, generator=generator)
    return model


def ours(case: str) -> aw.ArchitectureConfig:
    """Our reading of the same config.json."""
    kind, keys = CASES[case]
    return aw.load({"model_type": kind, **json.loads(json.dumps(keys))})
