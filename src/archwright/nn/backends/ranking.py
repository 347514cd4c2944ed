"""The order in which `auto` tries backends: a static table by device and shape class, from committed measurements."""

from __future__ import annotations

from ...arch.attention.full import Full
from .base import Kind, Reason, Request

RANKED: dict[tuple[str, Kind], tuple[str, ...]] = {
    ("cpu", "full"): ("sdpa", "reference"),
    ("cpu", "window"): ("chunked", "sdpa", "flex", "reference"),
    ("cpu", "decode"): ("chunked", "sdpa", "reference"),
    ("cpu", "pattern"): ("sdpa", "flex", "reference"),
    ("cuda", "full"): ("flash", "sdpa", "flex", "chunked", "reference"),
    ("cuda", "window"): ("flex", "flash", "chunked", "sdpa", "reference"),
    ("cuda", "decode"): ("sdpa", "chunked", "reference"),
    ("cuda", "pattern"): ("flex", "sdpa", "reference"),
}
"""Best first. Other devices use the order of `cpu`."""

DENSE_LIMIT = 2 * 2**30
"""Bytes of float32 scores up to which `auto` takes the reference."""

MASK_LIMIT = 2**28
"""Mask elements (one byte each) up to which `auto` lets SDPA read a mask."""

FLEX_FROM = 2**20
"""Pairs from which `auto` takes flex: it compiles for seconds a shape, and below others take less."""


def ranked(request: Request) -> tuple[str, ...]:
    """The names to try for a request, best first."""
    device = request.device_type if request.device_type in ("cpu", "cuda") else "cpu"
    return RANKED[device, request.kind]


def against(name: str, request: Request) -> tuple[Reason, ...]:
    """The reasons of `auto` beyond a backend's own; who wants it all the same names the backend.

    Memory that grows with T * S is bounded, and flex waits until compiling pays.
    """
    if request.device_type == "meta":
        return ()
    if name == "reference" and request.score_bytes > DENSE_LIMIT and not request.score_terms:
        sizes = f"{request.score_bytes / 2**30:.1f} GiB and auto stops at {DENSE_LIMIT // 2**30}"
        return (Reason(f"its scores take {sizes}: name it to run it anyway"),)
    if name == "sdpa" and mask_elements(request) > MASK_LIMIT:
        return (Reason(f"its mask has over {MASK_LIMIT:,} elements: name it to run it anyway"),)
    if name == "flex" and request.q_len * request.k_len < FLEX_FROM:
        return (Reason(f"compiles for every shape, and auto does not wait for it below {FLEX_FROM:,} pairs"),)
    return ()


def mask_elements(request: Request) -> int:
    """Elements of the largest mask that SDPA would be given: 0 where it needs none."""
    full, causal = type(request.spec) is Full, request.spec.causal
    if request.unmasked:
        return 0
    if request.packed and request.longest is not None:  # one call a segment
        return 0 if full else request.longest**2
    if full and request.layout == "rows" and (not causal or request.q_len in (1, request.k_len)):
        return 0
    rows = request.batch if request.layout == "general" else 1
    return rows * request.q_len * request.k_len
