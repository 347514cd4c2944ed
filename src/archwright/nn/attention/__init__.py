"""Attention modules: one implementation, final variants of it under the names people use."""

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
    "MultiQueryAttention",
    "PatternAttention",
    "SlidingWindowAttention",
]
