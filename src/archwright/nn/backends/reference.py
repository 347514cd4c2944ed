"""The reference: dense attention over the explicit mask. It defines the meaning; every other backend is held to it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .base import Backend, Reason, Request, View

BLOCK_BYTES = 2**28
"""Float32 scores that are held at once where softcap, sinks or slopes leave no other backend."""


def probabilities(q: Tensor, k: Tensor, view: View, scale: float | None = None) -> Tensor:
    """(B, K, N / K, T, S): how much each query takes of each key; rows sum to 1, or to 0 where nothing is visible,
    or to less than 1 where sinks take a share.


    Scores and softmax of half-precision inputs are computed in float32.
    """
    batch, n_heads, q_len, head_dim = q.shape
    kv_heads, k_len = k.shape[1], k.shape[2]
    mask = view.mask()[:, None, None]  # (B or 1, 1, 1, T, S)
    if view.k_valid is not None:  # a dead slot may hold NaN, and NaN times zero is NaN
        k = torch.where(view.k_valid[:, None, :, None], k, torch.zeros((), dtype=k.dtype, device=k.device))
    wide = torch.promote_types(q.dtype, torch.float32)
    grouped = q.reshape(batch, kv_heads, n_heads // kv_heads * q_len, head_dim)
    scores = torch.matmul(grouped.to(wide), k.to(wide).transpose(-1, -2))
    scores = scores.view(batch, kv_heads, n_heads // kv_heads, q_len, k_len)
    scores = scores * (head_dim**-0.5 if scale is None else scale)
    if view.spec.softcap is not None:
        scores = view.spec.softcap * torch.tanh(scores / view.spec.softcap)
    if view.slopes is not None:
        distance = (view.q_positions[:, :, None] - view.k_positions[:, None, :]).abs()[:, None, None]
        scores = scores - view.slopes.to(wide).view(kv_heads, -1, 1, 1) * distance
    scores = scores.masked_fill(~mask, float("-inf"))
    top = scores.amax(-1, keepdim=True).detach()
    sinks = None if view.sinks is None else view.sinks.to(wide).view(kv_heads, -1, 1, 1)
    if sinks is not None:
        top = torch.maximum(top, sinks.detach())
    # a row that sees nothing: its maximum is -inf, and -inf - -inf is NaN
    weights = torch.exp(scores - top.masked_fill(top == float("-inf"), 0.0))
    total = weights.sum(-1, keepdim=True)
    if sinks is not None:
        total = total + torch.exp(sinks - top)
    return weights / total.masked_fill(total == 0, 1.0)


class Reference(Backend):
    """Dense attention for any pattern, on any device, in O(T * S) memory; with softcap, sinks or slopes in blocks."""

    name = "reference"
    score_terms = frozenset({"softcap", "sinks", "slopes"})

    def why_not(self, request: Request) -> list[Reason]:
        return []

    def run(
        self, q: Tensor, k: Tensor, v: Tensor, view: View, *, scale: float | None = None, dropout: float = 0.0
    ) -> Tensor:
        request = view.request(q, k, dropout)
        if request.score_terms and request.score_bytes > BLOCK_BYTES and not q.is_meta:
            return self._in_blocks(q, k, v, view, scale, dropout, request)
        return self._dense(q, k, v, view, scale, dropout)

    def _in_blocks(
        self, q: Tensor, k: Tensor, v: Tensor, view: View, scale: float | None, dropout: float, request: Request
    ) -> Tensor:
        """The same, some queries at a time and only the keys of their window; a backward pass computes each anew.

        No other backend computes what is done to these scores, so their memory is bounded here.
        """
        q_len, k_len, window = request.q_len, request.k_len, request.window
        width = window[0] * window[1] if window is not None and view.layout == "rows" else k_len
        keys = min(k_len, 2 * width + 1)
        rows = max(16, BLOCK_BYTES // (4 * request.batch * request.spec.n_heads * keys))
        parts = []
        for start in range(0, q_len, rows):
            stop = min(start + rows, q_len)
            first = max(0, k_len - q_len + start - width) if width < k_len else 0
            last = min(k_len, k_len - q_len + stop + width) if width < k_len else k_len
            own = _cut(view, slice(start, stop), slice(first, last))
            given = (q[:, :, start:stop], k[:, :, first:last], v[:, :, first:last], own, scale, dropout)
            if request.needs_grad:
                parts.append(checkpoint(self._dense, *given, use_reentrant=False))
            else:
                parts.append(self._dense(*given))
        return torch.cat(parts, 2)

    def _dense(self, q: Tensor, k: Tensor, v: Tensor, view: View, scale: float | None, dropout: float) -> Tensor:
        batch, n_heads, q_len, _ = q.shape
        kv_heads = k.shape[1]
        weights = probabilities(q, k, view, scale)
        if dropout:
            weights = F.dropout(weights, dropout)
        if view.k_valid is not None:
            v = torch.where(view.k_valid[:, None, :, None], v, torch.zeros((), dtype=v.dtype, device=v.device))
        grouped = weights.view(batch, kv_heads, n_heads // kv_heads * q_len, k.shape[2])
        out = torch.matmul(grouped, v.to(weights.dtype)).to(v.dtype)
        return out.view(batch, n_heads, q_len, v.shape[-1])


def _cut(view: View, queries: slice, keys: slice) -> View:
    """The view of some queries and some keys."""

    def of(tensor: Tensor | None, at: slice) -> Tensor | None:
        return None if tensor is None else tensor[:, at]

    return replace(
        view,
        q_positions=view.q_positions[:, queries],
        k_positions=view.k_positions[:, keys],
        layout="general",
        k_valid=of(view.k_valid, keys),
        q_segments=of(view.q_segments, queries),
        k_segments=of(view.k_segments, keys),
        segments=None,
    )


backend = Reference()
"""The one instance in the registry."""
