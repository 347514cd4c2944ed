"""Attention of small blocks: the fused call that every block of a window is given to.

A number C of equal blocks is one batch: q (K, C, M, H), k and v (K, C, L, H), hidden (M, L) bool or None.
On a CPU this is torch's own flash kernel, which takes views that overlap; elsewhere scaled_dot_product_attention.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def attend(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None, scale: float) -> Tensor:
    """(K, C, M, H): softmax(scale q k^T) v over what is not hidden."""
    if q.device.type == "cpu":
        return with_logsumexp(q, k, v, hidden, scale)[0]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=None if hidden is None else ~hidden, scale=scale)


def with_logsumexp(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
    """The same on a CPU, and the logsumexp of the scores (K, C, M) in at least float32."""
    mask = None
    if hidden is not None:
        mask = torch.zeros(hidden.shape, dtype=q.dtype).masked_fill_(hidden, float("-inf"))
    out, logsumexp = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        q, k, v, 0.0, False, attn_mask=mask, scale=scale
    )
    return out, logsumexp
