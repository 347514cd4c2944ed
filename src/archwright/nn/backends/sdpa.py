"""SDPA: torch's scaled_dot_product_attention, with what it gets wrong put right.

B batch, T query tokens, S key tokens, N query heads, K key/value heads, H head_dim.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ...arch.attention.full import Full
from .base import Backend, Reason, Request, View


class Sdpa(Backend):
    """torch's fused kernels. Without a mask they need O(T) memory; a mask has T * S elements.

    Grouped decoding treats the query heads of a group as query tokens, so that keys and values are not repeated.
    Dropout is given only in training (the function itself does not follow eval mode).
    """

    name = "sdpa"

    def why_not(self, request: Request) -> list[Reason]:
        reasons = []
        if request.dropout and request.device_type == "cpu":
            reasons.append(Reason("on a CPU, dropout makes it hold every score: the reference says so openly"))
        if request.dropout == 1:
            reasons.append(Reason("dropping everything divides by zero there"))
        if request.device_type == "meta":
            reasons.append(Reason("shapes on the meta device are the reference's"))
        return reasons

    def run(
        self, q: Tensor, k: Tensor, v: Tensor, view: View, *, scale: float | None = None, dropout: float = 0.0
    ) -> Tensor:
        if view.segments is not None and view.segments.lengths is not None:
            return self._segments(q, k, v, view, view.segments.lengths, scale, dropout)
        q_len, k_len = q.shape[2], k.shape[2]
        full = type(view.spec) is Full and view.layout == "rows"
        causal = full and view.spec.causal
        if view.unmasked or (full and (not causal or q_len == 1)):
            return _groups_as_tokens(q, k, v, None, scale, dropout)
        if causal and q_len == k_len:
            if k.shape[1] == 1 and q.device.type == "cpu":  # its backward of one shared head takes six times as long
                k, v = (x.expand(-1, q.shape[1], -1, -1) for x in (k, v))
            grouped = k.shape[1] != q.shape[1]
            return F.scaled_dot_product_attention(
                q, k, v, dropout_p=dropout, is_causal=True, scale=scale, enable_gqa=grouped
            )
        mask = view.mask()
        blind = ~mask.any(-1, keepdim=True)  # (B or 1, T, 1): such a row would be NaN or a mean, by device and type
        out = _groups_as_tokens(q, k, v, mask | blind, scale, dropout)
        return torch.where(blind[:, None], torch.zeros((), dtype=out.dtype, device=out.device), out)

    def _segments(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        view: View,
        lengths: tuple[int, ...],
        scale: float | None,
        dropout: float,
    ) -> Tensor:
        """A packed row, one segment at a time: a mask of all pairs would be mostly of pairs that never meet."""
        parts, end = [], 0
        for length in filter(None, lengths):
            at = slice(end, end + length)
            place = torch.arange(length, device=q.device)[None]
            own = View(view.spec, place, place, "rows")
            parts.append(self.run(q[:, :, at], k[:, :, at], v[:, :, at], own, scale=scale, dropout=dropout))
            end += length
        return torch.cat(parts, 2)


def _groups_as_tokens(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float | None, dropout: float
) -> Tensor:
    """(B, N, T, H) with the N / K query heads of a group as further query tokens of its K head."""
    batch, n_heads, q_len, width = q.shape
    kv_heads = k.shape[1]
    group = n_heads // kv_heads
    if mask is None and group > 1 and q.is_cuda:
        # the kernels there split the keys over the chip only when they know the groups themselves
        return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scale, enable_gqa=True)
    tokens = q.reshape(batch, kv_heads, group * q_len, width)
    if mask is not None:
        mask = mask[:, None].repeat(1, 1, group, 1) if group > 1 and q_len > 1 else mask[:, None]
        if mask.shape[2] == 1 and group > 1:
            mask = mask.expand(-1, -1, group, -1)
    out = F.scaled_dot_product_attention(tokens, k, v, attn_mask=mask, dropout_p=dropout, scale=scale)
    return out.reshape(batch, n_heads, q_len, v.shape[-1])


backend = Sdpa()
"""The one instance in the registry."""
