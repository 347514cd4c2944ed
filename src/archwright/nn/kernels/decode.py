"""Grouped decode: a few query tokens against a cache, every key and value read once for all heads of its group.

B batch, T query tokens (few), S keys held, N query heads, K key/value heads, R = N / K * T rows of a group, H head_dim.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ...errors import InvalidValue, Problem
from .primitives import attend, with_logsumexp

FEW_ROWS = 8
"""Rows of a group up to which matrix products over all keys are quicker on a CPU than torch's blocked kernel."""

SPLIT = 2048
"""Keys of a part where a group has many rows: enough parts for all threads, each in the cache."""


def grouped_decode(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    visible: Tensor | None = None,
    lengths: Sequence[int] | None = None,
    scale: float | None = None,
) -> Tensor:
    """(B, N, T, H): attention of q (B, N, T, H) to k and v (B, K, S, H), which are neither repeated nor copied.

    At most one of: `visible`, bool, (B or 1, S) or (B or 1, T, S), True where a query sees a key; `lengths`, B ints,
    row b sees its first `lengths[b]` keys. None: every query sees every key. A query that sees nothing gives zeros;
    what lies in a slot that nobody sees has no effect, NaN neither. InvalidValue: all problems at once.
    """
    problems = list(_problems(q, k, v, visible, lengths))
    if problems:
        raise InvalidValue(problems)
    factor = q.shape[-1] ** -0.5 if scale is None else float(scale)
    if lengths is not None and len(set(lengths)) == 1:
        k, v, lengths = k[:, :, : lengths[0]], v[:, :, : lengths[0]], None
    if lengths is not None:
        parts = [_one(q[b], k[b, :, :n], v[b, :, :n], factor) for b, n in enumerate(lengths)]
        return torch.stack(parts)
    if k.shape[2] == 0:
        return torch.zeros_like(q)
    if visible is not None:
        return _masked(q, k, v, visible if visible.dim() == 3 else visible[:, None], factor)
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


def _problems(
    q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None, lengths: Sequence[int] | None
) -> Iterator[Problem]:
    if q.dim() != 4 or k.dim() != 4 or k.shape != v.shape:
        shapes = ", ".join(str(tuple(x.shape)) for x in (q, k, v))
        yield Problem("q, k, v", f"of shapes {shapes}", "must be (B, N, T, H) and twice (B, K, S, H)")
        return
    if q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3] or k.shape[1] == 0 or q.shape[1] % k.shape[1]:
        rule = f"must agree with q, of shape {tuple(q.shape)}, in batch and head_dim, its heads a divisor of q's"
        yield Problem("k", f"of shape {tuple(k.shape)}", rule)
    if any(x.dtype != q.dtype or x.device != q.device for x in (k, v)):
        yield Problem("k, v", f"of type {k.dtype} on {k.device}", f"must be like q, {q.dtype} on {q.device}")
    if visible is not None and lengths is not None:
        yield Problem("lengths", list(lengths), "cannot be given beside visible")
    if visible is not None:
        middles: tuple[tuple[int, ...], ...] = ((), (1,), (q.shape[2],))
        allowed = [(b, *middle, k.shape[2]) for b in {1, q.shape[0]} for middle in middles]
        if visible.dtype != torch.bool or tuple(visible.shape) not in allowed:
            found = f"{visible.dtype} of shape {tuple(visible.shape)}"
            yield Problem("visible", found, f"must be bool of shape (B or 1, T, S) or (B or 1, S), S = {k.shape[2]}")
    if lengths is not None and (len(lengths) != q.shape[0] or not all(0 <= n <= k.shape[2] for n in lengths)):
        yield Problem("lengths", list(lengths), f"must be {q.shape[0]} numbers from 0 to {k.shape[2]}")
