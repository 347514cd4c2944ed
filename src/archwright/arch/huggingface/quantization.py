"""Quantised weights of a config.json: the type of the published weights, and the parts that keep another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .keys import QUANTIZATION_KEYS, Keys

PLAIN = ("embedding", "head")
"""Parts that no method quantises unless it says so."""
_MODULES = {
    "self_attn": ("attention.qkv", "attention.output"),
    "attn": ("attention.qkv", "attention.output"),
    "mlp.router": ("router",),
    "mlp.gate": ("router",),
    "block_sparse_moe.gate": ("router",),
    "gate": ("router",),
    "embed_tokens": ("embedding",),
    "lm_head": ("head",),
    "mlp": ("feed_forward", "experts", "router"),
    "mlp.shared_experts": ("feed_forward",),
    "mlp.shared_expert": ("feed_forward",),
    "mlp.shared_expert_gate": ("router",),
}
"""Names of published modules and our parts."""


def read_quantization(keys: Keys) -> tuple[str | None, tuple[str, ...]]:
    """The type of the weights as published, where it is clear, and the parts that keep another.

    Notes say it in words. The architecture is the same with and without: counts stay those of the plain model.
    Biases and norms are never quantised.
    """
    for name in QUANTIZATION_KEYS:
        data = keys.data.get(name)
        if isinstance(data, Mapping) and data:
            dtype = weights_dtype(data)
            method = data.get("quant_method", data.get("quantization_method"))
            method = method if isinstance(method, str) else name
            said = f"as {dtype}" if dtype else "in a form that has no type here"
            left = left_out(data)
            note = f"{name}: the weights are published {said} ({method})"
            keys.note(note + (f", without {left}" if left else ""))
            return dtype, kept_parts(data) if dtype else ()
    return None, ()


def kept_parts(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Our parts that keep their type in all layers.

    >>> kept_parts({"quant_method": "mxfp4"})
    ('attention.qkv', 'attention.output', 'feed_forward', 'router', 'embedding', 'head')
    """
    if data.get("quant_method") == "mxfp4":  # the method is for experts alone
        return ("attention.qkv", "attention.output", "feed_forward", "router", *PLAIN)
    found = dict.fromkeys(PLAIN)
    for name in _listed(data):
        plain = re.sub(r"^(re:)?\^?(\.\*)?(model\\?\.)?(layers\\?\.(\*|\.\*|\\d\+)\\?\.)?|\$$|\\", "", name)
        found |= dict.fromkeys(_MODULES.get(plain, ()))
    return tuple(found)


def _listed(data: Mapping[str, Any]) -> list[str]:
    for name in ("modules_to_not_convert", "ignore", "ignored_layers", "llm_int8_skip_modules"):
        parts = data.get(name)
        if isinstance(parts, list) and parts:
            return [str(p) for p in parts]
    return []


def weights_dtype(data: Mapping[str, Any]) -> str | None:
    """Our type for a quantization_config, or None where it is not clear.

    >>> weights_dtype({"quant_method": "gptq", "bits": 4, "group_size": 128})
    'int4-g128'
    """
    method = str(data.get("quant_method", "")).lower()
    if method in ("fp8", "fbgemm_fp8", "finegrained_fp8"):
        return "fp8"
    if method in ("mxfp4", "nvfp4"):
        return method
    if method in ("gptq", "awq", "auto-round", "autoround", "") and data.get("bits") == 4:
        return "int4-g128" if data.get("group_size") == 128 else None
    if method in ("gptq", "awq", "auto-round", "autoround", "") and data.get("bits") == 8:
        return "int8"
    if method == "bitsandbytes":
        return "int8" if data.get("load_in_8bit") is True else None
    if method == "compressed-tensors":
        return _compressed(data)
    return None


def _compressed(data: Mapping[str, Any]) -> str | None:
    groups = data.get("config_groups")
    kinds = set()
    for group in groups.values() if isinstance(groups, Mapping) else ():
        weights = group.get("weights") if isinstance(group, Mapping) else None
        if not isinstance(weights, Mapping):
            return None
        bits, kind, size = weights.get("num_bits"), weights.get("type"), weights.get("group_size")
        kinds.add(
            "fp8"
            if (bits, kind) == (8, "float")
            else "int8"
            if (bits, kind) == (8, "int")
            else "int4-g128"
            if (bits, kind, size) == (4, "int", 128)
            else "nvfp4"
            if (bits, kind, size) == (4, "float", 16)
            else None
        )
    return kinds.pop() if len(kinds) == 1 else None


def left_out(data: Mapping[str, Any]) -> str:
    """The modules that keep their type, in a few words."""
    parts = _listed(data)
    shown = ", ".join(parts[:4])
    return shown if len(parts) <= 4 else f"{shown} and {len(parts) - 4} more"
