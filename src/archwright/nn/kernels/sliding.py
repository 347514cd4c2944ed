"""Sliding-window attention: exact, differentiable, in O(T * W) time and memory.

B batch, T query tokens, S key tokens, N query heads, K key/value heads, H head_dim, W window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from ...errors import InvalidValue, NotSupported, Problem
from . import native
from . import operators as operators  # registers the operators

Implementation = Literal["auto", "torch", "native"]
"""`torch` runs everywhere; `native` is compiled for this CPU; `auto` takes the native one where it can be had."""


def sliding_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    window: int,
    dilation: int = 1,
    causal: bool = True,
    scale: float | None = None,
    implementation: Implementation = "auto",
) -> Tensor:
    """(B, N, T, H): attention of each token to the `window` nearest on its side, or both sides, and itself.

    q is (B, N, T, H), k and v are (B, K, S, H) with S >= T: the queries are the last T of the S tokens. K divides N,
    and query head n reads key/value head n // (N / K). Causal, a query sees keys at distance 0, d, 2 d, ... up to
    window * d (d the dilation), `window + 1` of them; with `causal=False` on both sides, `2 * window + 1`. `scale`
    defaults to H ** -0.5. Rows that see a key or value that is not finite are NaN; no other row is touched by it.

    InvalidValue: all problems of the arguments at once. NotSupported: `native` asked for and not to be had.
    """
    problems = list(_problems(q, k, v, 4, window, dilation, implementation))
    if not problems and k.shape[2] < q.shape[2]:
        rule = f"must be at least as many tokens as queries ({q.shape[2]})"
        problems.append(Problem("k", f"of {k.shape[2]} tokens", rule, "The queries are the last of the keys' tokens"))
    if problems:
        raise InvalidValue(problems)
    return _call(q, k, v, window, dilation, causal, scale, implementation, ())


def sliding_attention_varlen(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens: Tensor | Sequence[int],
    *,
    window: int,
    dilation: int = 1,
    causal: bool = True,
    scale: float | None = None,
    implementation: Implementation = "auto",
) -> Tensor:
    """(total, N, H): the same for sequences packed into one row, q (total, N, H), k and v (total, K, H).

    `cu_seqlens` are the boundaries, from 0 to total; as a tensor on a device they are read on the host, as a
    sequence of ints nothing waits. No token sees another sequence.
    """
    problems = list(_problems(q, k, v, 3, window, dilation, implementation))
    ends = cu_seqlens.tolist() if isinstance(cu_seqlens, Tensor) else list(cu_seqlens)
    if not problems and q.shape[0] != k.shape[0]:
        problems.append(Problem("k", f"of {k.shape[0]} tokens", f"must have the tokens of q ({q.shape[0]})"))
    if not ends or ends[0] != 0 or any(b < a for a, b in pairwise(ends)):
        problems.append(Problem("cu_seqlens", ends, "must start at 0 and not fall"))
    elif not problems and ends[-1] != q.shape[0]:
        problems.append(Problem("cu_seqlens", ends[-1], f"must end at the number of tokens ({q.shape[0]})"))
    if problems:
        raise InvalidValue(problems)
    lengths = [b - a for a, b in pairwise(ends) if b > a]
    q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
    return _call(q, k, v, window, dilation, causal, scale, implementation, lengths)[0].transpose(0, 1)


def _call(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    window: int,
    dilation: int,
    causal: bool,
    scale: float | None,
    implementation: Implementation,
    lengths: Sequence[int],
) -> Tensor:
    if implementation == "native" and (reason := native.why_not(q)):
        raise NotSupported(Problem("implementation", "native", f"is not to be had here: {reason}"))
    window = min(window, -(-k.shape[2] // dilation))  # nothing lies further away
    right = 0 if causal else window
    factor = q.shape[-1] ** -0.5 if scale is None else float(scale)
    made = torch.ops.archwright.sliding_forward(q, k, v, window, right, dilation, lengths, factor, implementation)
    out: Tensor = made[0]
    return out


def _problems(
    q: Tensor, k: Tensor, v: Tensor, dims: int, window: int, dilation: int, implementation: str
) -> Iterator[Problem]:
    shape = "(B, heads, tokens, H)" if dims == 4 else "(tokens, heads, H)"
    heads = 1
    for name, x in (("q", q), ("k", k), ("v", v)):
        if x.dim() != dims or x.numel() == 0:
            yield Problem(name, f"of shape {tuple(x.shape)}", f"must be {shape} with at least one token")
        if not x.is_floating_point():
            yield Problem(name, f"of type {x.dtype}", "must be a floating-point tensor")
        if x.dtype != q.dtype or x.device != q.device:
            rule = f"must be like q, of type {q.dtype} on {q.device}"
            yield Problem(name, f"of type {x.dtype} on {x.device}", rule)
    if q.dim() == k.dim() == v.dim() == dims:
        if k.shape != v.shape:
            yield Problem("v", f"of shape {tuple(v.shape)}", f"must have the shape of k, {tuple(k.shape)}")
        if k.shape[-1] != q.shape[-1] or (dims == 4 and k.shape[0] != q.shape[0]):
            rule = f"must agree with q, of shape {tuple(q.shape)}, in batch and head_dim"
            yield Problem("k", f"of shape {tuple(k.shape)}", rule)
        if k.shape[heads] and q.shape[heads] % k.shape[heads]:
            yield Problem("k", f"of {k.shape[heads]} heads", f"must divide the {q.shape[heads]} heads of q")
    if not isinstance(window, int) or isinstance(window, bool) or window < 0:
        yield Problem("window", window, "must be a whole number and not negative", "Use 0 for the token alone")
    if not isinstance(dilation, int) or isinstance(dilation, bool) or dilation < 1:
        yield Problem("dilation", dilation, "must be a positive whole number", "Use 1 for no gaps")
    if implementation not in ("auto", "torch", "native"):
        yield Problem("implementation", implementation, "must be auto, torch or native")
