"""The table of `pytest tests/test_custom_attention.py --benchmark`: variants beside full attention, with ratios."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch

from archwright.nn import AttentionConfig, CustomAttentionFactory

MODULES = {
    "gqa": {"n_kv_heads": 2},
    "mqa": {},
    "sliding": {"window_size": 512},
    "dilated": {"window_size": 512, "dilation": 2},
}
"""Variants measured, 8 heads of 64 each; the baseline is `full`."""
LENGTHS = (1024, 4096)
SAMPLES = 5


@dataclass(frozen=True)
class Row:
    """Medians of a variant and of full attention at one length: seconds and bytes."""

    variant: str
    tokens: int
    forward: float
    full_forward: float
    both: float
    full_both: float
    cache: int
    full_cache: int


def _time(attn: torch.nn.Module, x: torch.Tensor, backward: bool) -> float:
    began = time.perf_counter()
    if backward:
        attn(x).sum().backward()
    else:
        with torch.no_grad():
            attn(x)
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began


def measure(name: str) -> list[Row]:
    """One row a length; samples of both modules take turns, so that a busy moment meets both."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    rows = []
    for tokens in LENGTHS:
        modules = [
            CustomAttentionFactory.create(
                AttentionConfig(kind, n_heads=8, head_dim=64, **fields), device=device, dtype=dtype
            )
            for kind, fields in ((name, MODULES[name]), ("full", {}))
        ]
        x = torch.randn(1, tokens, 512, device=device, dtype=dtype)
        medians = []
        for backward in (False, True):
            taken: list[list[float]] = [[], []]
            for sample in range(SAMPLES + 1):
                for of, attn in zip(taken, modules, strict=True):
                    seconds = _time(attn, x, backward)
                    if sample:  # the first is warm-up
                        of.append(seconds)
            medians.append([statistics.median(t) for t in taken])
        cache, full_cache = (m.new_cache(1, tokens, dtype).nbytes for m in modules)
        (forward, full_forward), (both, full_both) = medians
        rows.append(Row(name, tokens, forward, full_forward, both, full_both, cache, full_cache))
    return rows


def table(rows: list[Row]) -> list[str]:
    """Lines of text, one a row, with what full attention takes as a multiple of the variant."""
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    lines = [
        f"{where}; B=1, 8 heads of 64, causal; medians of {SAMPLES} interleaved samples; full / variant in brackets",
        f"{'variant':10} {'tokens':>7} {'forward':>20} {'forward + backward':>22} {'cache':>20}",
    ]
    for r in rows:
        forward = f"{r.forward * 1e3:.1f} ms ({r.full_forward / r.forward:.2f}x)"
        both = f"{r.both * 1e3:.1f} ms ({r.full_both / r.both:.2f}x)"
        cache = f"{r.cache / 2**20:.2f} MiB ({r.full_cache / r.cache:.2f}x)"
        lines.append(f"{r.variant:10} {r.tokens:>7} {forward:>20} {both:>22} {cache:>20}")
    return lines
