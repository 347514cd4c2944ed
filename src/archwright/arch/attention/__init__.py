"""Attention variants, one file each."""

from .base import AttentionSpec, attention, attention_types

__all__ = ["AttentionSpec", "attention", "attention_types"]
