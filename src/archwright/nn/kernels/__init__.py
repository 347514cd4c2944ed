"""Kernels: attention of sliding windows and grouped decoding, without quadratic memory and without repeated keys."""

from .decode import grouped_decode
from .sliding import sliding_attention, sliding_attention_varlen

__all__ = ["grouped_decode", "sliding_attention", "sliding_attention_varlen"]
