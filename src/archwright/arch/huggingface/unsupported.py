"""Model types that are known and not imported, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SSM = "is built on state-space layers, which this vocabulary does not have"
_LINEAR = "is built on linear-attention layers, which this vocabulary does not have"
_SPARSE = "has sparse attention through an index of keys, which this vocabulary does not have"
_ENCODER = "is an encoder, not a decoder-only language model"
_SEQ2SEQ = "is an encoder-decoder, not a decoder-only language model"
_REMOTE = "is defined by code beside the weights, in no released class"
_VISION = "is multimodal with cross-attention into the language model"

_REASONS: dict[str, str] = {
    _SSM: "mamba mamba2 falcon_mamba jamba zamba zamba2 bamba nemotron_h granitemoehybrid falcon_h1 plamo plamo2",
    _LINEAR: """rwkv rwkv5 rwkv6 rwkv7 recurrent_gemma minimax minimax_text_01 qwen3_next qwen3_5 qwen3_5_text
        qwen3_5_moe qwen3_5_moe_text kimi_k3 kimi_linear lfm2 lfm2_moe lfm3 xlstm retnet gla bitnet_linear olmo_hybrid""",
    _SPARSE: "deepseek_v32 deepseek_v4 glm_moe_dsa",
    _ENCODER: """bert roberta xlm-roberta electra albert deberta deberta-v2 distilbert camembert modernbert mpnet
        nomic_bert roformer longformer big_bird""",
    _SEQ2SEQ: "t5 mt5 umt5 bart mbart pegasus marian m2m_100 led longt5 switch_transformers whisper t5gemma",
    _REMOTE: "chatglm phi3small qwen deepseek minicpm exaone baichuan internlm internlm2 xverse yi aquila orion grok-1",
    _VISION: "mllama idefics flamingo",
}


def reason(model_type: str) -> tuple[str, str] | None:
    """Why a known model type is not imported, and what one can do; None for a name that is not known."""
    for text, names in _REASONS.items():
        if model_type in names.split():
            remedy = "Write its layers as an architecture file" if text is _REMOTE else ""
            return text, remedy
    return None


INNER = ("text_config", "llm_config", "language_config", "thinker_config")
"""Where multimodal configs keep their language model."""


def parts_of_wrapper(data: Mapping[str, Any]) -> str | None:
    """The key with the language model of a multimodal config."""
    return next((k for k in INNER if isinstance(data.get(k), Mapping) and data[k]), None)
