"""Families of published models: a table entry each, those that refine each other in one file."""

from __future__ import annotations

from importlib import import_module

from ..keys import Family

_BY_FILE = {
    "llama": "llama mistral ministral arcee internlm3 seed_oss helium ernie4_5 olmo",
    "mixtral": "mixtral phimoe olmoe granite granitemoe minimax_m2 gpt_oss dbrx",
    "gemma": "gemma gemma2 gemma3_text",
    "deepseek": "deepseek_v2 deepseek_v3 kimi_k2 minicpm3 glm4_moe dots1",
    "olmo": "olmo2 olmo3 exaone4 smollm3 apertus cohere cohere2 glm glm4 nemotron",
    "gpt": "gpt2 gpt_bigcode openai-gpt gpt_neo opt xglm biogpt",
    "neox": "gpt_neox gptj codegen falcon bloom mpt phi phi3 stablelm starcoder2 persimmon",
    "hunyuan": "hunyuan_v1_dense hunyuan_v1_moe ernie4_5_moe",
    "qwen": "qwen2 qwen2_moe qwen3 qwen3_moe",
}
MODULES: dict[str, str] = {kind: file for file, kinds in _BY_FILE.items() for kind in kinds.split()}
"""From each model type to the file that reads it."""


def family(model_type: str) -> Family:
    """The family of a model type that is in `MODULES`."""
    found: dict[str, Family] = import_module(f".{MODULES[model_type]}", __name__).FAMILIES
    return found[model_type]
