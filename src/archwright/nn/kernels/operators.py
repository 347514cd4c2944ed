"""Operators `archwright::sliding_forward`, `sliding_backward` and `grouped_decode`: one node each for torch.compile.

Saved for the gradient: q, k, v, the output and two numbers a row (`statistics`: the largest score and 1 over the sum,
from the native kernels); nothing that grows with tokens * window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...errors import NOTHING, NotSupported, Problem
from . import finite, gradient, grouped, native, windows
from .band import Band
from .classes import ResidueClass, classes

NATIVE_FROM = 2**22
"""Multiplications (pairs * heads * head_dim) from which `auto` takes the native kernels; the first builds them."""

_SCHEMA = "int left, int right, int dilation, int[] lengths, float scale, str implementation"
_library = torch.library.Library("archwright", "DEF")
_library.define(f"sliding_forward(Tensor q, Tensor k, Tensor v, {_SCHEMA}) -> (Tensor, Tensor)")
_library.define(
    "sliding_backward(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor out, Tensor statistics, "
    f"{_SCHEMA}) -> (Tensor, Tensor, Tensor)"
)
_library.define(
    "grouped_decode(Tensor q, Tensor k, Tensor v, Tensor? visible, int[]? lengths, float scale, "
    "str implementation) -> Tensor"
)


def uses_native(q: Tensor, band_width: int, implementation: str) -> bool:
    """Whether a call runs on the native kernels; "native" was checked to be possible before."""
    if implementation != "auto":
        return implementation == "native"
    if q.device.type != "cpu" or q.numel() * min(q.shape[2], band_width + 1) < NATIVE_FROM:
        return False
    return not native.why_not(q)


def _parts(
    q: Tensor, k: Tensor, left: int, right: int, dilation: int, lengths: Sequence[int]
) -> Iterator[tuple[int, int, ResidueClass]]:
    """(start, length, class): every plain window in the call; one sequence unless packed."""
    if not lengths:
        for c in classes(q.shape[2], k.shape[2], left, right, dilation):
            yield 0, -1, c
        return
    start = 0
    for length in lengths:
        for c in classes(length, length, left, right, dilation):
            yield start, length, c
        start += length


def _cut(x: Tensor, start: int, length: int) -> Tensor:
    return x if length < 0 else x[:, :, start : start + length]


def _of_rows(stats: Tensor | None, c: ResidueClass, start: int, length: int) -> Tensor | None:
    """The statistics (2, B, N, T) of a class's queries."""
    if stats is None:
        return None
    stop = stats.shape[3] if length < 0 else start + length
    return stats[..., start + c.first_query : stop : c.step]


def _new_results(q: Tensor) -> tuple[Tensor, Tensor]:
    batch, n_heads, tokens, width = q.shape
    out = q.new_empty(batch, tokens, n_heads, width).transpose(1, 2)  # a module flattens the heads next: no copy
    if q.device.type != "cpu" or q.dtype not in native.TYPES:
        return out, q.new_empty(0, dtype=torch.float32)
    return out, q.new_empty(2, batch, n_heads, tokens, dtype=torch.float32)


def _forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    left: int,
    right: int,
    dilation: int,
    lengths: Sequence[int],
    scale: float,
    implementation: str,
) -> tuple[Tensor, Tensor]:
    out, statistics = _new_results(q)
    stats = statistics if statistics.numel() else None
    fast = uses_native(q, left + right, implementation)
    q, k, v = map(_rows_adjacent, (q, k, v))

    def run(band: Band, q: Tensor, k: Tensor, v: Tensor, out: Tensor, stats: Tensor | None) -> None:
        if fast and stats is not None:
            native.forward(q, k, v, band, scale, out, stats)
        else:
            windows.forward(q, k, v, band, scale, out)

    for start, length, c in _parts(q, k, left, right, dilation, lengths):
        q_, out_ = (c.queries(_cut(x, start, length)) for x in (q, out))
        k_, v_ = (c.keys(_cut(x, start, length)) for x in (k, v))
        finite.forward(partial(run, c.band), q_, k_, v_, c.band, out_, _of_rows(stats, c, start, length))
    if stats is not None and not fast:
        stats.flatten()[-1] = 0.0  # never so after a native call: the gradient then knows which one it was
    return out, statistics


def _backward(
    grad: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    statistics: Tensor,
    left: int,
    right: int,
    dilation: int,
    lengths: Sequence[int],
    scale: float,
    implementation: str,
) -> tuple[Tensor, Tensor, Tensor]:
    stats = statistics if statistics.numel() else None
    fast = stats is not None and bool(stats.flatten()[-1])
    grad, q, k, v = map(_rows_adjacent, (grad, q, k, v))

    def run(
        band: Band, grad: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, stats: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        if fast and stats is not None:
            return native.backward(grad, q, k, v, out, stats, band, scale)
        return gradient.backward(grad, q, k, v, band, scale)

    whole = not lengths and dilation == 1
    results = None if whole else (torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v))
    for start, length, c in _parts(q, k, left, right, dilation, lengths):
        grad_, q_, out_ = (c.queries(_cut(x, start, length)) for x in (grad, q, out))
        k_, v_ = (c.keys(_cut(x, start, length)) for x in (k, v))
        rows = _of_rows(stats, c, start, length)
        found = finite.backward(partial(run, c.band), grad_, q_, k_, v_, out_, rows, c.band)
        if results is None:
            return found
        c.queries(_cut(results[0], start, length)).copy_(found[0])
        c.keys(_cut(results[1], start, length)).copy_(found[1])
        c.keys(_cut(results[2], start, length)).copy_(found[2])
    assert results is not None
    return results


def _rows_adjacent(x: Tensor) -> Tensor:
    """x with the channels of a token side by side, as every kernel reads them."""
    return x if x.stride(-1) == 1 and min(x.stride()) > 0 else x.contiguous()


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:3], *output)
    ctx.options = inputs[3:]


def _gradients(ctx: Any, grad: Tensor, _statistics: Tensor | None) -> tuple[Tensor | None, ...]:
    found = torch.ops.archwright.sliding_backward(grad, *ctx.saved_tensors, *ctx.options)
    return (*found, *(None for _ in ctx.options))


def _no_second(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
    rule = "has no second derivative"
    raise NotSupported(
        Problem("sliding_attention", NOTHING, rule, "Use backend='reference' for gradients of gradients")
    )


def _fake_forward(q: Tensor, k: Tensor, v: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    return _new_results(q)


def _fake_backward(grad: Tensor, q: Tensor, k: Tensor, v: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)


def _decode(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    visible: Tensor | None,
    lengths: Sequence[int] | None,
    scale: float,
    implementation: str,
) -> Tensor:
    k, v = _rows_adjacent(k), _rows_adjacent(v)
    fast = implementation == "native"
    if implementation == "auto" and q.device.type == "cpu":
        rows = q.shape[1] // k.shape[1] * q.shape[2]  # one row is a matrix and a vector: torch reads as fast
        fast = rows > 1 and k.numel() * rows >= NATIVE_FROM and not native.why_not_decode(q)
    if fast:
        return native.decode(q, k, v, visible, lengths, scale)
    return grouped.decode(q, k, v, visible, lengths, scale)


_library.impl("grouped_decode", _decode, "CompositeExplicitAutograd")
torch.library.register_fake("archwright::grouped_decode", lambda q, *rest: q.new_empty(q.shape), lib=_library)
for _name, _run, _fake in (("forward", _forward, _fake_forward), ("backward", _backward, _fake_backward)):
    _library.impl(f"sliding_{_name}", _run, "CompositeExplicitAutograd")
    torch.library.register_fake(f"archwright::sliding_{_name}", _fake, lib=_library)
torch.library.register_autograd("archwright::sliding_forward", _gradients, setup_context=_setup, lib=_library)
torch.library.register_autograd("archwright::sliding_backward", _no_second, lib=_library)
