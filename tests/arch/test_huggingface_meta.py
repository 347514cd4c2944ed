"""The second derivation: every family built by transformers on the meta device, tensor by tensor the same count."""

from __future__ import annotations

import json

import pytest

import archwright as aw
from archwright.arch.huggingface import model_types

torch = pytest.importorskip("torch", reason="torch builds the models that the counts are compared with")
transformers = pytest.importorskip(
    "transformers", reason="transformers has the classes that the counts are compared with"
)

pytestmark = pytest.mark.filterwarnings("ignore")

LAYERS = {
    "bloom": "n_layer",
    "codegen": "n_layer",
    "dbrx": "n_layers",
    "gpt2": "n_layer",
    "gpt_bigcode": "n_layer",
    "gpt_neo": "num_layers",
    "gptj": "n_layer",
    "mpt": "n_layers",
    "openai-gpt": "n_layer",
    "xglm": "num_layers",
}
NEEDED = {
    "dbrx": {"attn_config": {"kv_n_heads": 4, "clip_qkv": 8, "rope_theta": 500000.0}},
    "deepseek_v2": {"num_experts_per_tok": 6},
    "dots1": {"n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6},
    "glm4_moe": {"head_dim": 128},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "hunyuan_v1_dense": {"head_dim": 128},
    "hunyuan_v1_moe": {"head_dim": 128},
    "ministral": {"head_dim": 128},
    "nemotron": {"num_key_value_heads": 48},
}
"""What a class cannot do without."""

GROUPED = {"num_key_value_heads": 8}
NEW_FALCON = {"new_decoder_architecture": True, "num_kv_heads": 8, "num_attention_heads": 64, "hidden_size": 4096}
VARIANTS = {
    "apertus": [{**GROUPED, "attention_bias": True}, {"hidden_act": "relu2"}],
    "arcee": [{"mlp_bias": True, "attention_bias": True}],
    "biogpt": [{"scale_embedding": False}],
    "cohere": [{**GROUPED, "use_qk_norm": True, "attention_bias": True}],
    "cohere2": [GROUPED],
    "dbrx": [{"ffn_config": {"moe_num_experts": 8, "moe_top_k": 2, "ffn_hidden_size": 512}}],
    "deepseek_v2": [{"q_lora_rank": None, "first_k_dense_replace": 1, "attention_bias": True}],
    "deepseek_v3": [{"q_lora_rank": None, "first_k_dense_replace": 1, "num_hidden_layers": 3, "attention_bias": True}],
    "dots1": [{"first_k_dense_replace": 1, "attention_bias": True, "head_dim": 128}],
    "ernie4_5": [{"use_bias": True}],
    "ernie4_5_moe": [{"moe_num_shared_experts": 0}, {"moe_layer_interval": 2}],
    "exaone4": [{**GROUPED, "head_dim": 64}],
    "falcon": [
        {"multi_query": False},
        {"bias": True, "parallel_attn": False},
        NEW_FALCON,
        {**NEW_FALCON, "num_ln_in_parallel_attn": 1},
        {"alibi": True},
    ],
    "gemma2": [{"query_pre_attn_scalar": 144}],
    "gemma3_text": [{"sliding_window_pattern": 2, "attention_bias": True}],
    "glm": [{"attention_bias": False}],
    "glm4_moe": [{"use_qk_norm": True, "attention_bias": True}],
    "gpt_bigcode": [{"multi_query": False, "n_inner": 999}],
    "gpt_neo": [{"attention_types": [[["global"], 1], [["local"], 1]], "intermediate_size": 999}],
    "gpt_neox": [{"use_parallel_residual": False, "attention_bias": False}],
    "gpt_oss": [{"attention_bias": False}],
    "granite": [{**GROUPED, "attention_bias": True, "mlp_bias": True}],
    "granitemoe": [{"attention_bias": True}],
    "helium": [{"attention_bias": True, "mlp_bias": True}],
    "hunyuan_v1_dense": [{**GROUPED, "attention_bias": True}],
    "hunyuan_v1_moe": [{"num_experts": 8, "moe_topk": 2}],
    "internlm3": [{"qkv_bias": True, "bias": True}],
    "llama": [{**GROUPED, "attention_bias": True, "mlp_bias": True, "head_dim": 64, "tie_word_embeddings": True}],
    "minicpm3": [{"v_head_dim": 48, "mlp_bias": True, "attention_bias": True}],
    "minimax_m2": [{"rotary_dim": 64}],
    "mpt": [{"attn_config": {"clip_qkv": 6.0}}],
    "nemotron": [{**GROUPED, "attention_bias": True, "mlp_bias": True, "head_dim": 64}],
    "olmo": [GROUPED],
    "olmo2": [{**GROUPED, "attention_bias": True}],
    "olmo3": [GROUPED],
    "olmoe": [GROUPED],
    "opt": [
        {"word_embed_proj_dim": 512, "do_layer_norm_before": False},
        {"enable_bias": False, "layer_norm_elementwise_affine": False},
        {"word_embed_proj_dim": 512},
        {"_remove_final_layer_norm": True},
    ],
    "persimmon": [{"qk_layernorm": False}],
    "phi": [{**GROUPED, "qk_layernorm": True}],
    "phi3": [GROUPED],
    "phimoe": [{"attention_bias": True, "lm_head_bias": True}],
    "qwen2": [{"num_key_value_heads": 4, "use_sliding_window": True, "max_window_layers": 1}],
    "qwen2_moe": [
        {"qkv_bias": False},
        {"decoder_sparse_step": 2},
        {"mlp_only_layers": [1]},
        {"use_sliding_window": True},
    ],
    "qwen3": [{**GROUPED, "attention_bias": True}],
    "qwen3_moe": [{"attention_bias": True, "mlp_only_layers": [0]}],
    "seed_oss": [{"attention_out_bias": True, "mlp_bias": True}],
    "smollm3": [{"attention_bias": True, "mlp_bias": True}],
    "stablelm": [{**GROUPED, "use_qkv_bias": True, "qk_layernorm": True}, {"use_parallel_residual": True}],
    "starcoder2": [{"use_bias": False}],
    "xglm": [{"scale_embedding": False}],
}
CASES = [(kind, keys) for kind in model_types() for keys in ({}, *VARIANTS.get(kind, ()))]


@pytest.mark.parametrize(("kind", "keys"), CASES, ids=[f"{k}-{'-'.join(v) or 'defaults'}" for k, v in CASES])
def test_counts_scales_windows_and_rotation_are_those_of_the_class(kind, keys):
    data = {**NEEDED.get(kind, {}), LAYERS.get(kind, "num_hidden_layers"): 2, **keys}
    built_as = "deepseek_v3" if kind == "kimi_k2" else kind
    theirs = transformers.AutoConfig.for_model(built_as, **json.loads(json.dumps(data)))
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(theirs, attn_implementation="eager")
    ours = aw.load({"model_type": kind, **data})
    assert ours.estimate_params() == sum(p.numel() for p in model.parameters())
    theirs = model.config
    assert ours.tie_embeddings == theirs.tie_word_embeddings
    layers = ours.layers
    scales = [m.scaling for n, m in model.named_modules() if "attn" in n and hasattr(m, "scaling")]
    for scale, layer in zip(scales, layers, strict=False):
        attention = layer.attention
        assert scale == pytest.approx(attention.key_dim**-0.5 if attention.scale is None else attention.scale)
    if getattr(theirs, "layer_types", None):
        slides = [layer.attention.type == "sliding" for layer in layers]
        assert slides == [t == "sliding_attention" for t in theirs.layer_types]
    ropes = [layer.position for layer in layers if getattr(layer.position, "type", "") == "rope"]
    for name, module in model.named_modules():
        if name.endswith("rotary_emb") and hasattr(module, "inv_freq") and ropes:
            assert 2 * module.inv_freq.numel() in {rope.dims for rope in ropes}


ROPES = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 256,
    },
    "longrope": {
        "rope_type": "longrope",
        "short_factor": [1.0 + i / 64 for i in range(32)],
        "long_factor": [2.0 + i for i in range(32)],
        "original_max_position_embeddings": 512,
    },
}


@pytest.mark.parametrize("kind", ROPES)
def test_scaled_frequencies_are_those_of_the_class(kind):
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    data = {
        "hidden_size": 256,
        "num_attention_heads": 4,
        "max_position_embeddings": 2048,
        "rope_parameters": {**ROPES[kind], "rope_theta": 5000.0},
    }
    theirs = transformers.AutoConfig.for_model("llama", **json.loads(json.dumps(data)))
    position = aw.load({"model_type": "llama", **data}).layers[0].position
    for length in (256, 2048, 8192):
        frequencies, factor = ROPE_INIT_FUNCTIONS[kind](theirs, torch.device("cpu"), seq_len=length)
        assert position.inverse_frequencies(length) == pytest.approx(frequencies.tolist(), rel=1e-5)
        assert position.attention_factor == pytest.approx(factor)
