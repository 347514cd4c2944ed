"""The order in which `auto` tries backends: a static table by device and shape class, from committed measurements."""

from __future__ import annotations

from .base import Kind, Reason, Request, backends

RANKED: dict[tuple[str, Kind], tuple[str, ...]] = {
    ("cpu", "full"): ("sdpa", "reference"),
    ("cpu", "window"): ("chunked", "sdpa", "flex", "reference"),
    ("cpu", "decode"): ("chunked", "sdpa", "reference"),
    ("cpu", "pattern"): ("sdpa", "flex", "reference"),
    ("cuda", "full"): ("flash", "sdpa", "flex", "chunked", "reference"),
    ("cuda", "window"): ("flash", "flex", "chunked", "sdpa", "reference"),
    ("cuda", "decode"): ("chunked", "sdpa", "reference"),
    ("cuda", "pattern"): ("flex", "sdpa", "reference"),
}
"""Best first. Other devices use the order of `cpu`."""

DENSE = ("reference", "sdpa")
"""Backends that may hold one value for every (query, key) pair."""

DENSE_LIMIT = 2 * 2**30
"""Bytes of float32 scores up to which `auto` takes the reference."""

MASK_LIMIT = 2**28
"""Mask elements (one byte each) up to which `auto` lets SDPA read a mask."""


def ranked(request: Request) -> tuple[str, ...]:
    """The names to try for a request, best first."""
    device = request.device_type if request.device_type in ("cpu", "cuda") else "cpu"
    return tuple(n for n in RANKED[device, request.kind] if n in backends)


def too_dense(name: str, request: Request) -> tuple[Reason, ...]:
    """The reason of `auto` against memory that grows with T * S; who wants it names the backend."""
    if request.device_type == "meta":
        return ()
    if name == "reference" and request.score_bytes > DENSE_LIMIT:
        sizes = f"{request.score_bytes / 2**30:.1f} GiB and auto stops at {DENSE_LIMIT // 2**30}"
        return (Reason(f"its scores take {sizes}: name it to run it anyway"),)
    if name == "sdpa" and request.kind != "full" and request.batch * request.q_len * request.k_len > MASK_LIMIT:
        return (Reason(f"its mask has over {MASK_LIMIT:,} elements: name it to run it anyway"),)
    return ()
