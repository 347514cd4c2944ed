"""A second derivation of every cost: plain arithmetic on a published config's keys, sharing no code with the formulas.

It imports nothing of the project. `Shape` is what a llama, mistral or qwen2 config says in its own words; a window
counts the token itself, as the config has it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Shape:
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool
    qkv_bias: bool
    windows: tuple[int | None, ...]


def shape_of(path: Path) -> Shape:
    """From a config.json of one of the three families, by their documented defaults."""
    c = json.loads(path.read_text())
    kind = c["model_type"]
    heads = c["num_attention_heads"]
    kv = c.get("num_key_value_heads")
    if kv is None:
        kv = {"llama": heads, "mistral": 8, "qwen2": 32}[kind]
    head_dim = c.get("head_dim") or c["hidden_size"] // heads
    layers = c["num_hidden_layers"]
    windows: list[int | None] = [None] * layers
    if kind == "mistral":
        windows = [c.get("sliding_window", 4096)] * layers
    if kind == "qwen2" and c.get("use_sliding_window"):
        first = c.get("max_window_layers", 28)
        windows = [c.get("sliding_window", 4096) if i >= first else None for i in range(layers)]
    return Shape(
        hidden=c["hidden_size"],
        intermediate=c["intermediate_size"],
        layers=layers,
        heads=heads,
        kv_heads=kv,
        head_dim=head_dim,
        vocab=c["vocab_size"],
        tied=c.get("tie_word_embeddings", False),
        qkv_bias=kind == "qwen2",
        windows=tuple(windows),
    )


def parameters(s: Shape) -> int:
    q = s.hidden * s.heads * s.head_dim
    k = s.hidden * s.kv_heads * s.head_dim
    attention = q + k + k + q
    if s.qkv_bias:
        attention += s.heads * s.head_dim + 2 * s.kv_heads * s.head_dim
    layer = attention + 3 * s.hidden * s.intermediate + 2 * s.hidden
    vocabulary = s.vocab * s.hidden * (1 if s.tied else 2)
    return s.layers * layer + vocabulary + s.hidden


def matrix_elements(s: Shape) -> int:
    """Elements that multiply each token: everything but biases, norms and the look-up."""
    layer = 2 * s.hidden * s.heads * s.head_dim + 2 * s.hidden * s.kv_heads * s.head_dim
    layer += 3 * s.hidden * s.intermediate
    return s.layers * layer + s.vocab * s.hidden


def seen(window: int | None, query: int) -> list[int]:
    """The keys that a query sees, one by one."""
    return [k for k in range(query + 1) if window is None or query - k < window]


def pairs(window: int | None, tokens: int) -> int:
    return sum(len(seen(window, q)) for q in range(tokens))


def forward(s: Shape, tokens: int, dense: bool = False) -> int:
    total = tokens * 2 * matrix_elements(s)
    for window in s.windows:
        number = tokens * tokens if dense else pairs(window, tokens)
        total += s.heads * number * (2 * s.head_dim + 2 * s.head_dim)
    return total


def decode(s: Shape, tokens: int) -> int:
    total = 2 * matrix_elements(s)
    for window in s.windows:
        total += s.heads * len(seen(window, tokens - 1)) * 4 * s.head_dim
    return total


def cache_bytes(s: Shape, tokens: int, windowed: bool = True, element: float = 2) -> float:
    """Bytes of keys and values that a later query can still see."""
    total = 0.0
    for window in s.windows:
        held = min(tokens, window) if window and windowed else tokens
        total += 2 * s.kv_heads * s.head_dim * held * element
    return total
