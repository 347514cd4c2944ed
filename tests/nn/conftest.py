"""Fixtures of the running modules: one thread for small shapes, and small models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from archwright.arch.config import ArchitectureConfig
from archwright.nn import Transformer


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small shapes run best on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small(**fields: object) -> ArchitectureConfig:
    """Four layers of three kinds: two sliding, one dilated, one full."""
    layers = [
        {"layers": "0-1", "attention": {"type": "sliding", "window_size": 5}},
        {"layers": "2", "attention": {"type": "dilated", "window_size": 3, "dilation": 3}},
    ]
    base = {"d_model": 32, "n_layers": 4, "n_heads": 4, "n_kv_heads": 2, "d_ff": 48, "vocab_size": 50}
    return ArchitectureConfig(**{**base, "max_seq_len": 128, "layers": layers, **fields})


@pytest.fixture
def config() -> ArchitectureConfig:
    return small()


@pytest.fixture
def model(config: ArchitectureConfig) -> Transformer:
    return Transformer(config, seed=0).eval()


@pytest.fixture
def registries() -> Iterator[None]:
    """Whatever a test registers is forgotten after it, so that no inventory counts it."""
    from archwright.arch.attention import attention_types
    from archwright.nn.factory import variants

    attention_types.names(), variants.names()  # what is built in loads first
    before = [(r, dict(r._items)) for r in (attention_types, variants)]
    yield
    for registry, items in before:
        registry._items = items
