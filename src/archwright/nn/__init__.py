"""The same model, running: attention modules and their factory, backends, caches, the transformer."""

from ..arch.attention.config import AttentionConfig
from ..arch.config import ArchitectureConfig
from .attention import (
    AttentionModule,
    FullAttention,
    GroupedQueryAttention,
    MultiQueryAttention,
    PatternAttention,
    SlidingWindowAttention,
)
from .caches import Cache, DenseCache, RollingCache
from .factory import CustomAttentionFactory
from .feed_forward import FeedForward
from .norm import LayerNorm, RMSNorm
from .rotary import Rotary
from .segments import Segments
from .transformer import Transformer

__all__ = [
    "ArchitectureConfig",
    "AttentionConfig",
    "AttentionModule",
    "Cache",
    "CustomAttentionFactory",
    "DenseCache",
    "FeedForward",
    "FullAttention",
    "GroupedQueryAttention",
    "LayerNorm",
    "MultiQueryAttention",
    "PatternAttention",
    "RMSNorm",
    "RollingCache",
    "Rotary",
    "Segments",
    "SlidingWindowAttention",
    "Transformer",
]
