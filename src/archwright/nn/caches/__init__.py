"""Caches of keys and values: dense, and rolling for windows."""

from .base import Cache, Held
from .dense import DenseCache
from .rolling import RollingCache, held_shape, layout_of, new_cache

__all__ = ["Cache", "DenseCache", "Held", "RollingCache", "held_shape", "layout_of", "new_cache"]
