"""Attention of small blocks: the fused call that every block of a window is given to, and its gradient.

A number of equal blocks is one batch: q (C, K, M, H), k and v (C, K, L, H), hidden (M, L) bool or None.
On a CPU these are torch's own flash kernels, which return the logsumexp and take views that overlap; elsewhere
scaled_dot_product_attention, whose gradient computes the block once more.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def has_logsumexp(device: torch.device) -> bool:
    """Whether `attend` returns one on this device; its gradient needs one there."""
    return device.type == "cpu"


def attend(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None, scale: float) -> tuple[Tensor, Tensor | None]:
    """(C, K, M, H) and, on a CPU, the logsumexp of the scores (C, K, M) in at least float32."""
    if has_logsumexp(q.device):
        out, logsumexp = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q, k, v, 0.0, False, attn_mask=_additive(hidden, q.dtype), scale=scale
        )
        return out, logsumexp
    return F.scaled_dot_product_attention(q, k, v, attn_mask=_visible(hidden), scale=scale), None


def attend_backward(
    grad: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    logsumexp: Tensor | None,
    hidden: Tensor | None,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q, k and v for the gradient of the output, (C, K, M, H)."""
    if logsumexp is not None:
        grads = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            grad, q, k, v, out, logsumexp, 0.0, False, attn_mask=_additive(hidden, q.dtype), scale=scale
        )
        return grads[0], grads[1], grads[2]
    with torch.enable_grad():
        q, k, v = (x.detach().requires_grad_() for x in (q, k, v))
        again = F.scaled_dot_product_attention(q, k, v, attn_mask=_visible(hidden), scale=scale)
    dq, dk, dv = torch.autograd.grad(again, (q, k, v), grad)
    return dq, dk, dv


def _additive(hidden: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    if hidden is None:
        return None
    return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill_(hidden, float("-inf"))


def _visible(hidden: Tensor | None) -> Tensor | None:
    return None if hidden is None else hidden.logical_not()
