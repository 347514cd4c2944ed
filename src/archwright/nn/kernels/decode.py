"""Grouped decode: a few query tokens against a cache, every key and value read once for all heads of its group.

B batch, T query tokens (few), S keys held, N query heads, K key/value heads, H head_dim.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ...errors import InvalidValue, NotSupported, Problem
from . import grouped, native
from . import operators as operators  # registers the operators
from .sliding import Implementation


def grouped_decode(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    visible: Tensor | None = None,
    lengths: Sequence[int] | None = None,
    scale: float | None = None,
    implementation: Implementation = "auto",
) -> Tensor:
    """(B, N, T, H): attention of q (B, N, T, H) to k and v (B, K, S, H), which are neither repeated nor copied.

    At most one of: `visible`, bool, (B or 1, S) or (B or 1, T, S), True where a query sees a key; `lengths`, B ints,
    row b sees its first `lengths[b]` keys. None: every query sees every key. A query that sees nothing gives zeros;
    what lies in a slot that nobody sees has no effect, NaN neither. `native` has no gradient: where one is asked for,
    torch computes. InvalidValue: all problems at once. NotSupported: `native` asked for and not to be had.
    """
    problems = list(_problems(q, k, v, visible, lengths))
    if problems:
        raise InvalidValue(problems)
    factor = q.shape[-1] ** -0.5 if scale is None else float(scale)
    if visible is not None and visible.dim() == 2:
        visible = visible[:, None]
    if implementation == "native" and (reason := native.why_not_decode(q)):
        raise NotSupported(Problem("implementation", "native", f"is not to be had here: {reason}"))
    if torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v)):
        return grouped.decode(q, k, v, visible, lengths, factor)
    given = None if lengths is None else list(lengths)
    out: Tensor = torch.ops.archwright.grouped_decode(q, k, v, visible, given, factor, implementation)
    return out


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
