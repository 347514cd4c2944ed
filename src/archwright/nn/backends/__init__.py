"""Backends: ways to compute the same attention, one file each."""

from .base import Backend, Explanation, Reason, Request, View, backends, choose, explain, window_of

__all__ = ["Backend", "Explanation", "Reason", "Request", "View", "backends", "choose", "explain", "window_of"]
