"""Attention modules: one implementation, final variants of it under the names people use."""

from .latent import LatentAttention
from .module import AttentionModule
from .variants import (
    FullAttention,
    GroupedQueryAttention,
    MultiQueryAttention,
    PatternAttention,
    SlidingWindowAttention,
)

__all__ = [
    "AttentionModule",
    "FullAttention",
    "GroupedQueryAttention",
    "LatentAttention",
    "MultiQueryAttention",
    "PatternAttention",
    "SlidingWindowAttention",
]
