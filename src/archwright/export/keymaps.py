"""Key maps: the names of each family's published tensors beside ours, as data.

A name that ends in `.*` stands for its weight and, where there is one, its bias. `{e}` numbers the first axis of a
stacked tensor of ours, each entry of which is a tensor of theirs. A pair of a name and a layout says how theirs holds
ours (see `layouts`); a tuple of our names shares one of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Ours = str | tuple[str, ...]
Theirs = str | tuple[str, str]
Table = dict[Ours, Theirs]


@dataclass(frozen=True)
class KeyMap:
    """The tensors outside the layers, the prefix of layer `{l}`, and the tensors of a layer."""

    outer: Table
    prefix: str
    layer: Table
    ignored: tuple[str, ...] = field(default=())
    """Patterns of published tensors that are no weights."""
    placed: dict[str, Table] = field(default_factory=dict)
    """Other names of a layer's tensors where its norms stand elsewhere, by the name of the placement."""
    constants: dict[str, float] = field(default_factory=dict)
    """Numbers that published files hold in every layer and no training changes."""


QKV = ("attention.q_proj.*", "attention.k_proj.*", "attention.v_proj.*")
GATE_UP = ("feed_forward.gate_proj.*", "feed_forward.up_proj.*")
EXPERT_GATE_UP = ("feed_forward.experts.gate_proj.*", "feed_forward.experts.up_proj.*")
BUFFERS = (r".*rotary_emb\.inv_freq", r".*\.attn\.(masked_)?bias", r".*\.attention\.(masked_)?bias")

ENDS: Table = {"embedding.*": "model.embed_tokens.*", "final_norm.*": "model.norm.*", "head.*": "lm_head.*"}
ATTENTION: Table = {
    "attention.q_proj.*": "self_attn.q_proj.*",
    "attention.k_proj.*": "self_attn.k_proj.*",
    "attention.v_proj.*": "self_attn.v_proj.*",
    "attention.o_proj.*": "self_attn.o_proj.*",
    "attention.q_norm.*": "self_attn.q_norm.*",
    "attention.k_norm.*": "self_attn.k_norm.*",
}
NETWORK: Table = {
    "feed_forward.gate_proj.*": "mlp.gate_proj.*",
    "feed_forward.up_proj.*": "mlp.up_proj.*",
    "feed_forward.down_proj.*": "mlp.down_proj.*",
}
PRE_NORMS: Table = {
    "attention_norm.*": "input_layernorm.*",
    "feed_forward_norm.*": "post_attention_layernorm.*",
}
LLAMA: Table = {**ATTENTION, **NETWORK, **PRE_NORMS}
OUTPUT_NORMS: Table = {
    "attention_output_norm.*": "post_attention_layernorm.*",
    "feed_forward_output_norm.*": "post_feedforward_layernorm.*",
}
SANDWICH: Table = {
    "attention_norm.*": "input_layernorm.*",
    "feed_forward_norm.*": "pre_feedforward_layernorm.*",
    **OUTPUT_NORMS,
}
LATENT: Table = {
    "attention.q_proj.*": "self_attn.q_proj.*",
    "attention.q_a_proj.*": "self_attn.q_a_proj.*",
    "attention.q_a_norm.*": "self_attn.q_a_layernorm.*",
    "attention.q_b_proj.*": "self_attn.q_b_proj.*",
    "attention.kv_a_proj.*": "self_attn.kv_a_proj_with_mqa.*",
    "attention.kv_a_norm.*": "self_attn.kv_a_layernorm.*",
    "attention.kv_b_proj.*": "self_attn.kv_b_proj.*",
    "attention.o_proj.*": "self_attn.o_proj.*",
}


def experts(prefix: str, router: str, names: tuple[str, str, str], shared: str = "", bias: str = "") -> Table:
    """Experts one by one under `prefix`, their router, the shared network and the correction bias."""
    made: Table = {"feed_forward.router.*": f"{prefix}{router}.*"}
    for ours, theirs in zip(("gate_proj", "up_proj", "down_proj"), names, strict=True):
        made[f"feed_forward.experts.{ours}.weight"] = f"{prefix}experts.{{e}}.{theirs}.weight"
        if shared:
            made[f"feed_forward.shared.{ours}.*"] = f"{prefix}{shared}.{ours}.*"
    if bias:
        made["feed_forward.router.correction_bias"] = f"{prefix}{bias}"
    return made


PLAIN_NAMES = ("gate_proj", "up_proj", "down_proj")
MIXTRAL_NAMES = ("w1", "w3", "w2")
QWEN_MOE: Table = {
    **experts("mlp.", "gate", PLAIN_NAMES, "shared_expert"),
    "feed_forward.shared_gate.*": "mlp.shared_expert_gate.*",
}
DEEPSEEK_MOE = experts("mlp.", "gate", PLAIN_NAMES, "shared_experts", "gate.e_score_correction_bias")


def llama(*more: Table, norms: Table = PRE_NORMS, without: tuple[str, ...] = ()) -> KeyMap:
    """The llama names, with others beside or instead."""
    layer: Table = {**ATTENTION, **NETWORK, **norms}
    for table in more:
        layer.update(table)
    return KeyMap(ENDS, "model.layers.{l}.", {k: v for k, v in layer.items() if k not in without}, BUFFERS)


def fused(table: Table, *tuples: tuple[str, ...]) -> Table:
    """A table without the names that a tuple of the same table holds."""
    held = {name for names in tuples for name in names}
    return {k: v for k, v in table.items() if k not in held}


MLP_FC: Table = {"feed_forward.up_proj.*": "fc1.*", "feed_forward.down_proj.*": "fc2.*"}
OPT_LAYER: Table = {
    **ATTENTION,
    "attention.o_proj.*": "self_attn.out_proj.*",
    **MLP_FC,
    "attention_norm.*": "self_attn_layer_norm.*",
    "feed_forward_norm.*": "final_layer_norm.*",
}
DENSE_4H: Table = {
    "feed_forward.up_proj.*": "mlp.dense_h_to_4h.*",
    "feed_forward.down_proj.*": "mlp.dense_4h_to_h.*",
}
GPT_ENDS: Table = {
    "embedding.weight": "transformer.wte.weight",
    "embedding.positions.weight": "transformer.wpe.weight",
    "final_norm.*": "transformer.ln_f.*",
    "head.*": "lm_head.*",
}
GPT_NORMS: Table = {"attention_norm.*": "ln_1.*", "feed_forward_norm.*": "ln_2.*"}
CONV: Table = {
    QKV: ("attn.c_attn.*", "rows turned"),
    "attention.o_proj.*": ("attn.c_proj.*", "turned"),
    "feed_forward.up_proj.*": ("mlp.c_fc.*", "turned"),
    "feed_forward.down_proj.*": ("mlp.c_proj.*", "turned"),
}
FC_IN: Table = {"feed_forward.up_proj.*": "mlp.fc_in.*", "feed_forward.down_proj.*": "mlp.fc_out.*"}

KEYMAPS: dict[str, KeyMap] = {
    **dict.fromkeys(
        (
            "llama",
            "mistral",
            "ministral",
            "qwen2",
            "qwen3",
            "gemma",
            "granite",
            "helium",
            "internlm3",
            "smollm3",
            "ernie4_5",
            "seed_oss",
            "cohere",
            "cohere2",
            "olmo",
            "arcee",
            "nemotron",
        ),
        llama(),
    ),
    **dict.fromkeys(("gemma2", "gemma3_text"), llama(norms=SANDWICH)),
    **dict.fromkeys(("olmo2", "olmo3", "exaone4"), llama(norms=OUTPUT_NORMS)),
    "mixtral": llama(experts("block_sparse_moe.", "gate", MIXTRAL_NAMES)),
    "minimax_m2": llama(experts("block_sparse_moe.", "gate", MIXTRAL_NAMES, "", "e_score_correction_bias")),
    "phimoe": llama(experts("block_sparse_moe.", "gate", MIXTRAL_NAMES)),
    **dict.fromkeys(("qwen2_moe", "qwen3_moe", "olmoe"), llama(QWEN_MOE)),
    **dict.fromkeys(("deepseek_v2", "deepseek_v3", "kimi_k2", "minicpm3"), llama(LATENT, DEEPSEEK_MOE)),
    **dict.fromkeys(("glm4_moe", "dots1"), llama(DEEPSEEK_MOE)),
    "ernie4_5_moe": llama(
        experts("mlp.", "gate", PLAIN_NAMES, "shared_experts"),
        {"feed_forward.router.correction_bias": ("mlp.moe_statics.e_score_correction_bias", "row")},
    ),
    "hunyuan_v1_dense": llama(
        {"attention.q_norm.*": "self_attn.query_layernorm.*", "attention.k_norm.*": "self_attn.key_layernorm.*"}
    ),
    "hunyuan_v1_moe": llama(
        experts("mlp.", "gate.wg", PLAIN_NAMES, "shared_mlp"),
        {"attention.q_norm.*": "self_attn.query_layernorm.*", "attention.k_norm.*": "self_attn.key_layernorm.*"},
    ),
    "gpt_oss": llama(
        {
            "attention.sinks": "self_attn.sinks",
            "feed_forward.router.*": "mlp.router.*",
            ("feed_forward.experts.gate_proj.weight", "feed_forward.experts.up_proj.weight"): (
                "mlp.experts.gate_up_proj",
                "alternate",
            ),
            ("feed_forward.experts.gate_proj.bias", "feed_forward.experts.up_proj.bias"): (
                "mlp.experts.gate_up_proj_bias",
                "alternate",
            ),
            "feed_forward.experts.down_proj.weight": ("mlp.experts.down_proj", "stacked turned"),
            "feed_forward.experts.down_proj.bias": ("mlp.experts.down_proj_bias", "stacked turned"),
        }
    ),
    "granitemoe": llama(
        {
            "feed_forward.router.*": "block_sparse_moe.router.layer.*",
            EXPERT_GATE_UP: ("block_sparse_moe.input_linear.*", "middle"),
            "feed_forward.experts.down_proj.*": "block_sparse_moe.output_linear.*",
        }
    ),
    "phi3": llama(
        {QKV: ("self_attn.qkv_proj.*", "rows"), GATE_UP: ("mlp.gate_up_proj.*", "rows")}, without=(*QKV, *GATE_UP)
    ),
    "glm": llama({GATE_UP: ("mlp.gate_up_proj.*", "rows")}, without=GATE_UP),
    "glm4": llama(
        {
            GATE_UP: ("mlp.gate_up_proj.*", "rows"),
            "attention_output_norm.*": "post_self_attn_layernorm.*",
            "feed_forward_output_norm.*": "post_mlp_layernorm.*",
        },
        without=GATE_UP,
    ),
    "stablelm": llama(
        {
            "attention.q_norm.weight": "self_attn.q_layernorm.norms.{e}.weight",
            "attention.k_norm.weight": "self_attn.k_layernorm.norms.{e}.weight",
        },
        without=("attention.q_norm.*", "attention.k_norm.*"),
    ),
    "starcoder2": llama({"feed_forward.up_proj.*": "mlp.c_fc.*", "feed_forward.down_proj.*": "mlp.c_proj.*"}),
    "apertus": KeyMap(
        ENDS,
        "model.layers.{l}.",
        {
            **ATTENTION,
            **NETWORK,
            "attention_norm.*": "attention_layernorm.*",
            "feed_forward_norm.*": "feedforward_layernorm.*",
            "feed_forward.activation.alpha_p": "mlp.act_fn.alpha_p",
            "feed_forward.activation.alpha_n": "mlp.act_fn.alpha_n",
        },
        (*BUFFERS, r".*\.act_fn\.(beta|eps)"),
        constants={"mlp.act_fn.beta": 0.5, "mlp.act_fn.eps": -1e-6},
    ),
    "phi": KeyMap(
        {**ENDS, "final_norm.*": "model.final_layernorm.*"},
        "model.layers.{l}.",
        {
            **ATTENTION,
            "attention.o_proj.*": "self_attn.dense.*",
            "attention.q_norm.*": "self_attn.q_layernorm.*",
            "attention.k_norm.*": "self_attn.k_layernorm.*",
            "feed_forward.up_proj.*": "mlp.fc1.*",
            "feed_forward.down_proj.*": "mlp.fc2.*",
            **PRE_NORMS,
        },
        BUFFERS,
    ),
    "persimmon": KeyMap(
        {**ENDS, "final_norm.*": "model.final_layernorm.*"},
        "model.layers.{l}.",
        {
            QKV: ("self_attn.query_key_value.*", "groups"),
            "attention.o_proj.*": "self_attn.dense.*",
            "attention.q_norm.*": "self_attn.q_layernorm.*",
            "attention.k_norm.*": "self_attn.k_layernorm.*",
            **DENSE_4H,
            **PRE_NORMS,
        },
        BUFFERS,
    ),
    "gpt_neox": KeyMap(
        {"embedding.*": "gpt_neox.embed_in.*", "final_norm.*": "gpt_neox.final_layer_norm.*", "head.*": "embed_out.*"},
        "gpt_neox.layers.{l}.",
        {
            QKV: ("attention.query_key_value.*", "groups"),
            "attention.o_proj.*": "attention.dense.*",
            **DENSE_4H,
            **PRE_NORMS,
        },
        (*BUFFERS, r".*\.attention\.rotary_emb\..*"),
    ),
    "bloom": KeyMap(
        {
            "embedding.weight": "transformer.word_embeddings.weight",
            "embedding.norm.*": "transformer.word_embeddings_layernorm.*",
            "final_norm.*": "transformer.ln_f.*",
            "head.*": "lm_head.*",
        },
        "transformer.h.{l}.",
        {
            QKV: ("self_attention.query_key_value.*", "groups"),
            "attention.o_proj.*": "self_attention.dense.*",
            **DENSE_4H,
            **PRE_NORMS,
        },
    ),
    "falcon": KeyMap(
        {
            "embedding.weight": "transformer.word_embeddings.weight",
            "final_norm.*": "transformer.ln_f.*",
            "head.*": "lm_head.*",
        },
        "transformer.h.{l}.",
        {
            QKV: ("self_attention.query_key_value.*", "groups"),
            "attention.o_proj.*": "self_attention.dense.*",
            **DENSE_4H,
            **PRE_NORMS,
        },
        BUFFERS,
        {"parallel_two": {"attention_norm.*": "ln_attn.*", "feed_forward_norm.*": "ln_mlp.*"}},
    ),
    "gpt2": KeyMap(GPT_ENDS, "transformer.h.{l}.", {**CONV, **GPT_NORMS}, BUFFERS),
    "gpt_bigcode": KeyMap(
        GPT_ENDS,
        "transformer.h.{l}.",
        {
            QKV: ("attn.c_attn.*", "groups"),
            "attention.o_proj.*": "attn.c_proj.*",
            "feed_forward.up_proj.*": "mlp.c_fc.*",
            "feed_forward.down_proj.*": "mlp.c_proj.*",
            **GPT_NORMS,
        },
        BUFFERS,
    ),
    "openai-gpt": KeyMap(
        {
            "embedding.weight": "transformer.tokens_embed.weight",
            "embedding.positions.weight": "transformer.positions_embed.weight",
            "head.*": "lm_head.*",
        },
        "transformer.h.{l}.",
        {**CONV, **GPT_NORMS},
        BUFFERS,
    ),
    "gpt_neo": KeyMap(
        GPT_ENDS,
        "transformer.h.{l}.",
        {
            "attention.q_proj.*": "attn.attention.q_proj.*",
            "attention.k_proj.*": "attn.attention.k_proj.*",
            "attention.v_proj.*": "attn.attention.v_proj.*",
            "attention.o_proj.*": "attn.attention.out_proj.*",
            "feed_forward.up_proj.*": "mlp.c_fc.*",
            "feed_forward.down_proj.*": "mlp.c_proj.*",
            **GPT_NORMS,
        },
        BUFFERS,
    ),
    "gptj": KeyMap(
        GPT_ENDS,
        "transformer.h.{l}.",
        {
            "attention.q_proj.*": "attn.q_proj.*",
            "attention.k_proj.*": "attn.k_proj.*",
            "attention.v_proj.*": "attn.v_proj.*",
            "attention.o_proj.*": "attn.out_proj.*",
            **FC_IN,
            **GPT_NORMS,
        },
        BUFFERS,
    ),
    "codegen": KeyMap(
        GPT_ENDS,
        "transformer.h.{l}.",
        {QKV: ("attn.qkv_proj.*", "codegen"), "attention.o_proj.*": "attn.out_proj.*", **FC_IN, **GPT_NORMS},
        (*BUFFERS, r".*\.attn\.causal_mask"),
    ),
    "mpt": KeyMap(
        {"embedding.*": "transformer.wte.*", "final_norm.*": "transformer.norm_f.*", "head.*": "lm_head.*"},
        "transformer.blocks.{l}.",
        {
            QKV: ("attn.Wqkv.*", "rows"),
            "attention.o_proj.*": "attn.out_proj.*",
            "feed_forward.up_proj.*": "ffn.up_proj.*",
            "feed_forward.down_proj.*": "ffn.down_proj.*",
            "attention_norm.*": "norm_1.*",
            "feed_forward_norm.*": "norm_2.*",
        },
    ),
    "dbrx": KeyMap(
        {"embedding.*": "transformer.wte.*", "final_norm.*": "transformer.norm_f.*", "head.*": "lm_head.*"},
        "transformer.blocks.{l}.",
        {
            QKV: ("norm_attn_norm.attn.Wqkv.*", "rows"),
            "attention.o_proj.*": "norm_attn_norm.attn.out_proj.*",
            "attention_norm.*": "norm_attn_norm.norm_1.*",
            "feed_forward_norm.*": "norm_attn_norm.norm_2.*",
            "feed_forward.router.*": "ffn.router.layer.*",
            "feed_forward.experts.gate_proj.weight": ("ffn.experts.mlp.w1", "flat"),
            "feed_forward.experts.up_proj.weight": ("ffn.experts.mlp.v1", "flat"),
            "feed_forward.experts.down_proj.weight": ("ffn.experts.mlp.w2", "flat turned"),
        },
        BUFFERS,
    ),
    "opt": KeyMap(
        {
            "embedding.weight": "model.decoder.embed_tokens.weight",
            "embedding.positions.weight": "model.decoder.embed_positions.weight",
            "embedding.projection.weight": "model.decoder.project_in.weight",
            "final_norm.*": "model.decoder.final_layer_norm.*",
            "head.projection.weight": "model.decoder.project_out.weight",
            "head.weight": "lm_head.weight",
        },
        "model.decoder.layers.{l}.",
        OPT_LAYER,
    ),
    "xglm": KeyMap(
        {**ENDS, "final_norm.*": "model.layer_norm.*"},
        "model.layers.{l}.",
        OPT_LAYER,
        (r".*embed_positions\.weights",),
    ),
    "biogpt": KeyMap(
        {
            "embedding.weight": "biogpt.embed_tokens.weight",
            "embedding.positions.weight": "biogpt.embed_positions.weight",
            "final_norm.*": "biogpt.layer_norm.*",
            "head.*": "output_projection.*",
        },
        "biogpt.layers.{l}.",
        OPT_LAYER,
    ),
}
"""Every model type whose weights can be read and written."""
