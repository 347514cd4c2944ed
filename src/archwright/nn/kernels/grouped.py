"""Grouped decode in torch: the query heads of a group as rows against keys and values that are not repeated.

B batch, T query tokens (few), S keys held, N query heads, K key/value heads, R = N / K * T rows of a group, H head_dim.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .primitives import attend, with_logsumexp

FEW_ROWS = 8
"""Rows of a group up to which matrix products over all keys are quicker on a CPU than torch's blocked kernel."""

SPLIT = 2048
"""Keys of a part where a group has many rows: enough parts for all threads, each in the cache."""


def decode(
    q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None, lengths: Sequence[int] | None, factor: float
) -> Tensor:
    """(B, N, T, H); arguments as `grouped_decode` checked them, `visible` (B or 1, T or 1, S)."""
    if lengths is not None and len(set(lengths)) == 1:
        k, v, lengths = k[:, :, : lengths[0]], v[:, :, : lengths[0]], None
    if lengths is not None:
        return torch.stack([_one(q[b], k[b, :, :n], v[b, :, :n], factor) for b, n in enumerate(lengths)])
    if k.shape[2] == 0:
        return torch.zeros_like(q)
    if visible is not None:
        return _masked(q, k, v, visible, factor)
    return _unmasked(q, k, v, None, factor)


def _one(q: Tensor, k: Tensor, v: Tensor, factor: float) -> Tensor:
    return torch.zeros_like(q) if k.shape[1] == 0 else _unmasked(q[None], k[None], v[None], None, factor)[0]


def _masked(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, factor: float) -> Tensor:
    """`visible` is (B or 1, T or 1, S)."""
    blind = visible.any(-1).logical_not()[:, None, :, None]  # (B or 1, 1, T or 1, 1)
    unseen = visible.any(1).logical_not()[:, None, :, None]  # (B or 1, 1, S, 1)
    on_cpu = q.device.type == "cpu"
    if not on_cpu:  # looking at the result would wait for the device
        k, v = k.masked_fill(unseen, 0.0), v.masked_fill(unseen, 0.0)
    out = _unmasked(q, k, v, visible, factor).masked_fill(blind, 0.0)
    if on_cpu and not bool(out.sum(dtype=torch.promote_types(out.dtype, torch.float32)).isfinite()):
        k, v = k.masked_fill(unseen, 0.0), v.masked_fill(unseen, 0.0)
        out = _unmasked(q, k, v, visible, factor).masked_fill(blind, 0.0)
    return out


def _unmasked(q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None, factor: float) -> Tensor:
    batch, n_heads, tokens, width = q.shape
    kv_heads = k.shape[1]
    rows = q.reshape(batch, kv_heads, n_heads // kv_heads * tokens, width)
    hidden = None
    if visible is not None:
        hidden = visible.logical_not()[:, None, None].expand(-1, -1, n_heads // kv_heads, tokens, -1).flatten(2, 3)
    if q.device.type != "cpu":
        out = attend(rows, k, v, hidden, factor)
    elif q.dtype in (torch.float32, torch.float64) and (rows.shape[2] <= FEW_ROWS or k.shape[2] < SPLIT):
        out = _products(rows, k, v, hidden, factor)
    else:
        out = _in_parts(rows, k, v, hidden, factor)
    return out.reshape(batch, n_heads, tokens, width)


def _products(rows: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None, factor: float) -> Tensor:
    """Two matrix products with the keys as the long side: one pass over K, one over V."""
    made = []
    for at, (q_, k_, v_) in enumerate(_mergeable(rows, k, v)):
        scores = torch.bmm(k_, (q_ * factor).transpose(1, 2))  # (heads, S, R)
        if hidden is not None:
            mask = hidden.expand(rows.shape[0], rows.shape[1], -1, -1).flatten(0, 1)
            mask = mask if q_.shape[0] == mask.shape[0] else mask[at * q_.shape[0] : (at + 1) * q_.shape[0]]
            scores = scores.masked_fill(mask.transpose(1, 2), float("-inf"))
        made.append(torch.bmm(torch.softmax(scores, 1).transpose(1, 2), v_))
    return torch.cat(made).view(rows.shape)


def _mergeable(rows: Tensor, k: Tensor, v: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(B * K, ...) where that is a view of the cache, else one sequence after the other."""
    if all(x.shape[0] == 1 or x.stride(0) == x.shape[1] * x.stride(1) for x in (k, v)):
        yield rows.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)
    else:
        yield from zip(rows, k, v, strict=True)


def _in_parts(rows: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None, factor: float) -> Tensor:
    """torch's own kernel over parts of the keys, merged by their logsumexp."""
    outs = []
    keys = k.shape[2]
    whole = keys // SPLIT if hidden is None and rows.shape[0] * rows.shape[1] < 4 * torch.get_num_threads() else 0
    if whole > 1:
        for q_, k_, v_ in zip(rows, k, v, strict=True):
            some_k, some_v = (x[:, : whole * SPLIT].unflatten(1, (whole, SPLIT)).transpose(0, 1) for x in (k_, v_))
            out, lse = with_logsumexp(q_.expand(whole, *q_.shape), some_k, some_v, None, factor)
            if whole * SPLIT < keys:
                rest = with_logsumexp(
                    q_[None], k_[None, :, whole * SPLIT :], v_[None, :, whole * SPLIT :], None, factor
                )
                out, lse = torch.cat((out, rest[0])), torch.cat((lse, rest[1]))
            share = torch.softmax(lse, 0)[..., None]
            outs.append((out * share).sum(0).to(rows.dtype))
        return torch.stack(outs)
    return attend(rows, k, v, hidden, factor)
