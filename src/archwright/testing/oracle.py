"""The oracle: attention written a second time, query by query, from the meaning alone; it shares no code with `nn`.

B batch, T tokens, N query heads, K key/value heads, H head_dim, D d_model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def sees(spec: Any, query: int, key: int) -> bool:
    """Whether position `query` sees position `key`, causality included; plain numbers in, a bool out."""
    return bool(spec.visible(query, key)) and (key <= query or not spec.causal)


def visible_keys(spec: Any, positions: Sequence[int], segments: Sequence[int] | None = None) -> list[list[int]]:
    """For each token the indices of the tokens that it sees."""
    of = [0] * len(positions) if segments is None else segments
    return [
        [j for j, k in enumerate(positions) if of[i] == of[j] and sees(spec, q, k)] for i, q in enumerate(positions)
    ]


def one_by_one(keys: Tensor, query: Tensor) -> Tensor:
    """Scores (B, N, n) of keys (B, N, n, H) and a query (B, N, 1, H), added one after the other."""
    return _sum(keys * query)


def by_product(keys: Tensor, query: Tensor) -> Tensor:
    """The same by the machine's matrix product, which adds in an order of its own."""
    return torch.matmul(keys, query.mT)[..., 0]


Dot = Callable[[Tensor, Tensor], Tensor]


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    keys: Sequence[Sequence[int]],
    scale: float | None = None,
    dot: Dot = one_by_one,
) -> Tensor:
    """(B, N, T, H) in the type of its inputs: each query's softmax over its own keys, one query at a time."""
    group = q.shape[1] // k.shape[1]
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    rows = []
    for i, seen in enumerate(keys):
        if not seen:
            rows.append(torch.zeros_like(v[:, :1, :1, :]).expand(-1, q.shape[1], -1, -1))
            continue
        at = torch.tensor(list(seen), device=q.device)
        of_head = torch.tensor([h // group for h in range(q.shape[1])], device=q.device)
        mine_k, mine_v = k[:, of_head][:, :, at], v[:, of_head][:, :, at]
        scores = dot(mine_k, q[:, :, i : i + 1]) * scale
        shares = torch.exp(scores - scores.amax(-1, keepdim=True))
        shares = shares / shares.sum(-1, keepdim=True)
        rows.append((shares[..., None] * mine_v).sum(2, keepdim=True))
    return torch.cat(rows, 2)


def _hidden(q: Tensor, k: Tensor, keys: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """(T, S) and (T, 1) bool: keys that a query does not see, and queries that see none."""
    hidden = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool)
    for i, seen in enumerate(keys):
        hidden[i, list(seen)] = False
    return hidden.to(q.device), hidden.all(-1)[:, None].to(q.device)


def dense(q: Tensor, k: Tensor, v: Tensor, keys: Sequence[Sequence[int]], scale: float | None = None) -> Tensor:
    """The same as `attention` by whole matrix products and torch's softmax over a mask: what anybody writes first."""
    hidden, blind = _hidden(q, k, keys)
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = (q.unflatten(1, (k.shape[1], -1)).flatten(2, 3) @ k.mT).view(*q.shape[:3], k.shape[2]) * scale
    shares = scores.masked_fill(hidden, float("-inf")).masked_fill(blind, 0.0).softmax(-1)
    out: Tensor = shares.unflatten(1, (k.shape[1], -1)).flatten(2, 3) @ v
    return out.view(*q.shape[:3], v.shape[-1]).masked_fill(blind, 0.0)


def vendor(q: Tensor, k: Tensor, v: Tensor, keys: Sequence[Sequence[int]], scale: float | None = None) -> Tensor:
    """The same by torch's own attention on the device, keys and values repeated: its kernels round in their own way."""
    hidden, blind = _hidden(q, k, keys)
    group = q.shape[1] // k.shape[1]
    wide_k, wide_v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    out = torch.nn.functional.scaled_dot_product_attention(q, wide_k, wide_v, attn_mask=~hidden | blind, scale=scale)
    return out.masked_fill(blind, 0.0)


def by_autograd(
    compute: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, keys: Sequence[Sequence[int]], *upstream: Tensor
) -> Any:
    """A result, or with an upstream gradient the gradients of q, k and v."""
    leaves = [t.detach().clone().requires_grad_(bool(upstream)) for t in (q, k, v)]
    with torch.enable_grad():
        out = compute(*leaves, keys)
    return torch.autograd.grad(out, leaves, upstream[0]) if upstream else out


def in_orders(
    compute: Callable[..., Any], q: Tensor, k: Tensor, v: Tensor, keys: Sequence[Sequence[int]], *more: Tensor
) -> list[Any]:
    """The same computation with its sums in several orders: results that differ by rounding alone."""
    found = [compute(q, k, v, keys, *more, dot=by_product), by_autograd(dense, q, k, v, keys, *more)]
    if q.is_cuda:
        found.append(by_autograd(vendor, q, k, v, keys, *more))
    for shift in range(3):
        place = torch.arange(q.shape[-1], device=q.device).roll(5 * shift)
        turned = [list(seen)[shift:] + list(seen)[:shift] for seen in keys]
        result = compute(q[..., place], k[..., place], v, turned, *more)
        if isinstance(result, tuple):  # gradients of q and k come back in the order of q and k
            back = place.argsort()
            result = (result[0][..., back], result[1][..., back], *result[2:])
        found.append(result)
    return found


def gradients(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    keys: Sequence[Sequence[int]],
    upstream: Tensor,
    scale: float | None = None,
    dot: Dot = one_by_one,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q, k and v by the formulas of the softmax, in the type of the inputs, one query at a time.

    dP = dO V^T, dS = P (dP - rowsum(dO O)). The row sum runs the other way round than the product, so that errors
    of summation do not cancel by luck.
    """
    group, scale = q.shape[1] // k.shape[1], 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    of_head = torch.tensor([h // group for h in range(q.shape[1])], device=q.device)
    d_q, d_k, d_v = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    for i, seen in enumerate(keys):
        if not seen:
            continue
        at = torch.tensor(list(seen), device=q.device)
        mine_k, mine_v, mine_q, up = k[:, of_head][:, :, at], v[:, of_head][:, :, at], q[:, :, i], upstream[:, :, i]
        shares = torch.softmax(dot(mine_k, mine_q[:, :, None]) * scale, -1)
        out = (shares[..., None] * mine_v).sum(2)
        d_shares = torch.matmul(mine_v, up[..., None])[..., 0]
        d_scores = shares * (d_shares - _sum((up * out).flip(-1))[..., None]) * scale
        d_q[:, :, i] = (d_scores[..., None] * mine_k).sum(2)
        rows = torch.zeros_like(k).index_add(1, of_head, _spread(d_scores[..., None] * mine_q[:, :, None], at, k))
        d_k = d_k + rows
        d_v = d_v + torch.zeros_like(v).index_add(1, of_head, _spread(shares[..., None] * up[:, :, None], at, v))
    return d_q, d_k, d_v


def _sum(terms: Tensor) -> Tensor:
    """Over the last axis one after the other, as a loop adds."""
    return terms.cumsum(-1)[..., -1]


def _spread(values: Tensor, at: Tensor, like: Tensor) -> Tensor:
    """Values (B, N, n, H) of some tokens at their places among all T."""
    out = like.new_zeros(values.shape[0], values.shape[1], like.shape[2], values.shape[3])
    return out.index_copy(2, at, values)


def rotate(x: Tensor, positions: Sequence[int], theta: float, dims: int) -> Tensor:
    """x (B, N, T, H): the pair (i, i + dims / 2) turned by position * theta ** (-2 i / dims)."""
    half = dims // 2
    turned = x.clone()
    for i in range(half):
        angle = [p * theta ** (-2 * i / dims) for p in positions]
        cos = torch.tensor([math.cos(a) for a in angle], dtype=x.dtype, device=x.device)
        sin = torch.tensor([math.sin(a) for a in angle], dtype=x.dtype, device=x.device)
        turned[..., i] = x[..., i] * cos - x[..., i + half] * sin
        turned[..., i + half] = x[..., i + half] * cos + x[..., i] * sin
    return turned


def module(
    weights: Mapping[str, Tensor],
    spec: Any,
    x: Tensor,
    *,
    positions: Sequence[int] | None = None,
    segments: Sequence[int] | None = None,
    theta: float | None = None,
) -> Tensor:
    """(B, T, D): projections, rotary positions (with `theta`), attention, output projection, in the type of x."""
    places = list(range(x.shape[1])) if positions is None else list(positions)

    def project(name: str, y: Tensor) -> Tensor:
        out = y @ weights[f"{name}_proj.weight"].to(x.dtype).T
        bias = weights.get(f"{name}_proj.bias")
        return out if bias is None else out + bias.to(x.dtype)

    def heads(name: str, count: int) -> Tensor:
        y = project(name, x)
        return y.view(*y.shape[:2], count, -1).permute(0, 2, 1, 3)

    q, k, v = heads("q", spec.n_heads), heads("k", spec.n_kv_heads), heads("v", spec.n_kv_heads)
    if theta is not None:
        q, k = rotate(q, places, theta, spec.head_dim), rotate(k, places, theta, spec.head_dim)
    out = attention(q, k, v, visible_keys(spec, places, segments))
    return project("o", out.permute(0, 2, 1, 3).flatten(2))
