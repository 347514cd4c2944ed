"""Feed-forward variants, one file each."""

from .base import FeedForwardSpec, feed_forward, feed_forward_types

__all__ = ["FeedForwardSpec", "feed_forward", "feed_forward_types"]
