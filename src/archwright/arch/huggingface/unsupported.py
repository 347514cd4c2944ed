"""Model types that are known and not imported, each with the reason."""

from __future__ import annotations

_REASONS: dict[str, str] = {
    "is a hybrid with state-space (Mamba) layers, which this vocabulary does not have": """
        mamba mamba2 falcon_mamba falcon_h1 jamba zamba zamba2 bamba nemotron_h granitemoehybrid plamo plamo2 zaya""",
    "is a hybrid with recurrent or linear attention layers, which this vocabulary does not have": """
        rwkv rwkv5 rwkv6 rwkv7 recurrent_gemma minimax minimax_text_01 bailing_hybrid xlstm retnet gla
        kimi_k3 kimi_linear lfm2 lfm2_moe lfm3 olmo_hybrid""",
    "is a hybrid with linear attention (Gated DeltaNet), which this vocabulary does not have": """
        qwen3_next qwen3_5 qwen3_5_text qwen3_5_moe qwen3_5_moe_text qwen4_exp qwen4_exp_text""",
    "has sparse attention: an indexer with parameters and a cache of its own chooses the keys": """
        deepseek_v32 deepseek_v4 glm_moe_dsa""",
    "is an encoder, not a causal language model": """
        bert bert-generation roberta roberta-prelayernorm xlm-roberta xlm-roberta-xl electra albert deberta deberta-v2
        distilbert camembert modernbert mpnet nomic_bert roformer longformer big_bird data2vec-text ernie megatron-bert
        rembert roc_bert xmod""",
    "is an encoder-decoder, not a decoder-only language model": """
        t5 mt5 umt5 bart mbart pegasus marian m2m_100 led longt5 switch_transformers whisper t5gemma t5gemma2
        bigbird_pegasus blenderbot blenderbot-small mvp plbart prophetnet trocr""",
    "has remote code only: it is defined beside its weights, in no released class": """
        chatglm phi3small qwen deepseek minicpm exaone baichuan internlm internlm2 xverse yi aquila orion grok-1
        RefinedWeb RefinedWebModel stablelm_epoch jais stablelm_alpha skywork telechat orion hunyuan""",
    "is multimodal with cross-attention from the language model, which this vocabulary does not have": """
        mllama idefics flamingo""",
    "adds embeddings of each layer or streams beside the residual one, which this vocabulary does not have": """
        gemma3n gemma3n_text gemma4 gemma4_text gemma4_unified gemma4_unified_text hrm_text blt longcat_flash""",
    "has attention that subtracts two maps, which this vocabulary does not have": "diffllama",
    "has permuted or segment-level recurrence, which this vocabulary does not have": "xlnet xlm ctrl reformer",
    "is a decoder of transformers whose import has not been written": """
        afmoe apertus1p5_text aria_text axk1 axk2 beam bitnet cohere2_moe cohere_compass_text cpmant cwm doge dory
        dots3_note dots3_note_text exaone_moe flex_olmo flint glm4_moe_lite gpt-sw3 gpt_neox_japanese granite_swa
        granitemoe_swa granitemoeshared hy_v3 hy_v4 hyperclovax inkling_text inkling2_text iquestcoder jais2 jetmoe
        kolibri1 laguna lara_mini llama4_text mellum mimo_v2_flash minimax_m3_vl_text ministral3 mistral4
        modernbert-decoder nanochat sarvam_mla sarvam_moe solar_open vaultgemma youtu""",
}
_MIXED = """qwen2_vl qwen2_5_vl qwen3_vl qwen3_vl_moe phi3_v phi4mm phi4_multimodal llava llava_next minicpmv
    internvl_chat fuyu emu3 deepseek_vl_v2 multi_modality cogvlm mplug_owl2 molmo"""
"""Multimodal types whose configs may keep the language model's keys beside the others."""
_WORTH_WRITING = ("remote code", "has not been written")


def reason(model_type: str) -> tuple[str, str] | None:
    """Why a known model type is not imported, and what one can do; None for a name that is not known."""
    for text, names in _REASONS.items():
        if model_type in names.split():
            remedy = "Write its shape as an architecture file" if any(w in text for w in _WORTH_WRITING) else ""
            return text, remedy
    return None


def mixed(model_type: str) -> tuple[str, str] | None:
    """Why a multimodal config without a part for its language model is not imported."""
    if model_type not in _MIXED.split():
        return None
    return (
        "is multimodal, and the keys of its language model stand among the others",
        "Save those of the language model alone as a config.json with its own model_type",
    )
