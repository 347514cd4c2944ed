"""Calls into the compiled library: tensors as pointers and strides, threads those of torch."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from .. import gradient, grouped, windows
from ..band import Band

TYPES = (torch.float32, torch.bfloat16, torch.float16)
"""What the kernels are given; they compute in float32, and half precision is converted on the way in and out."""


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("batch", ctypes.c_int64),
        ("head", ctypes.c_int64),
        ("token", ctypes.c_int64),
    )


class _Threads(ctypes.Structure):
    _fields_ = (("count", ctypes.c_int64), ("parallel", ctypes.c_void_p))


class _Problem(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("B", "N", "K", "T", "S", "H", "left", "right")),
        ("scale", ctypes.c_double),
        ("team", _Threads),
    )


class _Decode(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("B", "K", "R", "S", "H", "half")),
        ("scale", ctypes.c_double),
        ("lengths", ctypes.c_void_p),
        ("visible", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("visible_batch", "visible_token", "visible_key", "tokens")),
        ("team", _Threads),
    )


def why_not(q: Tensor) -> str:
    """The reason against the native kernels for queries (B, N, T, H), or an empty text."""
    from .library import status

    if q.device.type != "cpu" or q.dtype not in TYPES:
        return "native kernels take float32, bfloat16 and float16 on a CPU"
    found = status()
    if found.library is None:
        return found.reason
    if q.shape[-1] % found.lanes:
        return f"native kernels need a head_dim that is a multiple of {found.lanes}"
    return ""


def why_not_decode(q: Tensor) -> str:
    """The reason against native decoding of queries (B, N, T, H), or an empty text."""
    if q.dtype == torch.float16:
        return "native decoding reads float32 and bfloat16"
    return why_not(q)


def forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    band: Band,
    scale: float,
    out: Tensor,
    statistics: Tensor,
    library: ctypes.CDLL | None = None,
) -> None:
    """Fill out (B, N, T, H) and statistics (2, B, N, T): each row's largest score, and 1 over its sum."""
    q, k, v = q.float(), k.float(), v.float()
    made = out if out.dtype == torch.float32 else torch.empty_like(out, dtype=torch.float32)
    tensors = [_tensor(x) for x in (q, k, v, made, statistics[0], statistics[1])]
    _library(library).archwright_sliding_forward(_problem(q, k, band, scale), *tensors)
    if made is not out:
        out.copy_(made)


def backward(
    grad: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    statistics: Tensor,
    band: Band,
    scale: float,
    library: ctypes.CDLL | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q, k and v from what `forward` filled."""
    dtype = q.dtype
    grad, q, k, v, out = (x.float() for x in (grad, q, k, v, out))
    dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
    tensors = [_tensor(x) for x in (grad, q, k, v, out, *statistics, dq, dk, dv)]
    _library(library).archwright_sliding_backward(_problem(q, k, band, scale), *tensors)
    return dq.to(dtype), dk.to(dtype), dv.to(dtype)


def decode(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    visible: Tensor | None,
    lengths: Sequence[int] | None,
    scale: float,
    library: ctypes.CDLL | None = None,
) -> Tensor:
    """(B, N, T, H) of q against k and v (B, K, S, H), float32 or bfloat16; `visible` (B or 1, T or 1, S)."""
    batch, n_heads, tokens, width = q.shape
    kv_heads, keys = k.shape[1], k.shape[2]
    rows = q.float().reshape(batch, kv_heads, n_heads // kv_heads * tokens, width).contiguous()
    out = torch.empty_like(rows)
    ends = None if lengths is None else (ctypes.c_int64 * batch)(*lengths)
    steps = (0, 0, 0)
    if visible is not None:
        over_batch, over_tokens, over_keys = visible.stride()
        steps = (over_batch * (visible.shape[0] > 1), over_tokens * (visible.shape[1] > 1), over_keys)
    asked = _Decode(
        *(batch, kv_heads, rows.shape[2], keys, width, k.dtype == torch.bfloat16, scale),
        None if ends is None else ctypes.addressof(ends),
        None if visible is None else visible.data_ptr(),
        *(*steps, tokens, _team()),
    )
    tensors = [ctypes.byref(_Tensor(x.data_ptr(), *x.stride()[:3])) for x in (k, v)]
    pointers = [ctypes.c_void_p(x.data_ptr()) for x in (rows, out)]
    _library(library).archwright_decode(ctypes.byref(asked), pointers[0], *tensors, pointers[1])
    return out.view(q.shape).to(q.dtype)


def self_check(library: ctypes.CDLL) -> str:
    """Compare with torch on a small case: the reason not to trust what the compiler made, or an empty text."""
    source = torch.Generator().manual_seed(0)
    width = 2 * int(library.archwright_lanes())
    q, k, v, grad = (torch.randn(1, n, 75, width, generator=source) for n in (2, 1, 1, 2))
    band, scale = Band(19, 3, 75, 75), width**-0.5
    out, statistics = torch.full_like(q, float("nan")), torch.full((2, *q.shape[:3]), float("nan"))
    forward(q, k, v, band, scale, out, statistics, library)
    got = [out, *backward(grad, q, k, v, out, statistics, band, scale, library)]
    expected = torch.empty_like(q)
    windows.forward(q, k, v, band, scale, expected)
    wanted = [expected, *gradient.backward(grad, q, k, v, band, scale)]
    visible = torch.rand(1, 2, 75, generator=source) < 0.5
    few = q[:, :, :2]
    got.append(decode(few, k, v, visible, None, scale, library))
    wanted.append(grouped.decode(few, k, v, visible, None, scale))
    if all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(got, wanted, strict=True)):
        return ""
    return "the native kernels were built, but their results are wrong on this machine"


def _library(given: ctypes.CDLL | None) -> ctypes.CDLL:
    from .library import status

    library = given if given is not None else status().library
    assert library is not None, "why_not was not asked"
    return library


def _tensor(x: Tensor) -> object:
    assert x.dtype == torch.float32 and (x.dim() == 3 or x.stride(-1) == 1)
    return ctypes.byref(_Tensor(x.data_ptr(), *x.stride()[:3]))


def _problem(q: Tensor, k: Tensor, band: Band, scale: float) -> object:
    batch, n_heads, tokens, width = q.shape
    sizes = (batch, n_heads, k.shape[1], tokens, k.shape[2], width, band.left, band.right)
    return ctypes.byref(_Problem(*sizes, scale, _team()))


def _team() -> _Threads:
    return _Threads(torch.get_num_threads(), _threads_of_torch())


@lru_cache(maxsize=1)
def _threads_of_torch() -> int | None:
    """Address of GOMP_parallel in the OpenMP library torch has loaded: its idle threads wait busily, ours would
    compete with them. None where torch has another one; the kernels then start threads of their own."""
    try:
        lines = Path("/proc/self/maps").read_text("utf-8", "replace").splitlines()
        paths = {line.split(maxsplit=5)[5] for line in lines if "libgomp" in line}
        libraries = [ctypes.CDLL(path) for path in sorted(paths)]
    except OSError:
        return None
    if len(libraries) != 1:
        return None
    return ctypes.cast(libraries[0].GOMP_parallel, ctypes.c_void_p).value
