"""Keeping NaN and infinity where they belong: a row is spoilt by what it sees, never by what shares its block.

A hidden key has probability 0, but 0 * NaN is NaN, and a block multiplies by all of its keys. So blocks are given
finite numbers, and the rows that see a spoilt key, or are spoilt themselves, are made NaN afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .band import Band

Forward = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor | None], None]
"""(q, k, v, out, statistics): fills the last two."""

Backward = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor, Tensor]]
"""(grad, q, k, v, out, statistics): the gradients of q, k and v."""


def forward(run: Forward, q: Tensor, k: Tensor, v: Tensor, band: Band, out: Tensor, statistics: Tensor | None) -> None:
    """Fill out and statistics by `run`. On a CPU a finite result proves that nothing was spoilt."""
    if q.device.type == "cpu":
        run(q, k, v, out, statistics)
        if _finite(out):
            return
    bad_q, bad_k = _spoilt(q), _spoilt(k) | _spoilt(v)
    run(_cleared(q, bad_q), _cleared(k, bad_k), _cleared(v, bad_k), out, statistics)
    blind = bad_q | band.seen(bad_k).repeat_interleave(q.shape[1] // k.shape[1], 1)
    out.masked_fill_(blind[..., None], float("nan"))
    if statistics is not None:
        statistics.masked_fill_(blind, float("nan"))


def backward(
    run: Backward, grad: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, statistics: Tensor | None, band: Band
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by `run`; those of a spoilt row, and of every key it sees, are NaN."""
    if q.device.type == "cpu":
        grads = run(grad, q, k, v, out, statistics)
        if all(map(_finite, grads)):
            return grads
    bad_q, bad_k = _spoilt(out) | _spoilt(grad), _spoilt(k) | _spoilt(v)
    sums = None if statistics is None else statistics.masked_fill(bad_q, 0.0)
    clean = [_cleared(x, bad_q) for x in (grad, q, out)]
    dq, dk, dv = run(clean[0], clean[1], _cleared(k, bad_k), _cleared(v, bad_k), clean[2], sums)
    blind = band.seen_by(bad_q).unflatten(1, (k.shape[1], -1)).any(2)[..., None]
    dq.masked_fill_(bad_q[..., None], float("nan"))
    return dq, dk.masked_fill_(blind, float("nan")), dv.masked_fill_(blind, float("nan"))


def _finite(x: Tensor) -> bool:
    """Whether all of x is finite; a sum is the quickest look, and a sum that overflows only costs a second one."""
    return bool(x.sum(dtype=torch.promote_types(x.dtype, torch.float32)).isfinite())


def _spoilt(x: Tensor) -> Tensor:
    return x.isfinite().all(-1).logical_not()


def _cleared(x: Tensor, bad: Tensor) -> Tensor:
    return x.masked_fill(bad[..., None], 0.0)
