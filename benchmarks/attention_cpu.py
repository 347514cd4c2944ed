"""Sliding-window attention on a CPU beside full causal attention: forward, and forward with backward.

    python benchmarks/attention_cpu.py [--tokens 4096 8192] [--samples 15] [--json FILE]

float32, one sequence, 8 heads of 64, a window of 512; the baseline is torch's scaled_dot_product_attention with
is_causal, timed in the same rounds. `limit` is the ratio of visible pairs: what equal efficiency would give.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from _timing import Result, arguments, compare, cpu, show, wall, write

from archwright.arch.attention.config import AttentionConfig
from archwright.nn.kernels import native, sliding_attention

HEADS, WIDTH, WINDOW = 8, 64, 512


def simple_loop(q: Tensor, k: Tensor, v: Tensor, block: int = 64) -> Tensor:
    """What one would write first: a loop over blocks of queries with matrix products."""
    out = torch.empty_like(q)
    tokens = q.shape[2]
    for start in range(0, tokens, block):
        stop, first = min(tokens, start + block), max(0, start - WINDOW)
        scores = q[:, :, start:stop] @ k[:, :, first:stop].transpose(2, 3) * WIDTH**-0.5
        i, j = torch.arange(start, stop)[:, None], torch.arange(first, stop)
        scores.masked_fill_((j > i) | (j < i - WINDOW), float("-inf"))
        out[:, :, start:stop] = torch.softmax(scores, -1) @ v[:, :, first:stop]
    return out


def both_passes(call: Callable[..., Tensor], inputs: tuple[Tensor, ...], grad: Tensor) -> object:
    """Forward and backward."""
    return torch.autograd.grad(call(*inputs), inputs, grad)


def main() -> None:
    parser = arguments(__doc__ or "", samples=15)
    parser.add_argument("--tokens", type=int, nargs="+", default=[4096, 8192])
    options = parser.parse_args()
    if options.smoke:
        options.samples, options.tokens = 1, [1024]
    torch.set_num_threads(options.threads)
    timer = cpu if options.cpu_time else wall
    print(f"native kernels: {native.status().reason or 'built'}\n")
    done: dict[str, list[Result]] = {}
    full = partial(F.scaled_dot_product_attention, is_causal=True)
    ways: dict[str, Callable[..., Tensor]] = {"full causal SDPA": full}
    for name in ("torch", *(() if native.status().library is None else ("native",))):
        ways[f"sliding, {name}"] = partial(sliding_attention, window=WINDOW, implementation=name)
    for tokens in options.tokens:
        q, k, v, grad = (torch.randn(1, HEADS, tokens, WIDTH) for _ in range(4))
        limit = _pairs("full", tokens) / _pairs("sliding", tokens, window_size=WINDOW)
        print(f"T={tokens}: {limit:.2f}x fewer visible pairs")
        forward = {name: partial(way, q, k, v) for name, way in ways.items()}
        forward["simple loop over 64 queries"] = partial(simple_loop, q, k, v)
        for name, way in list(ways.items())[1:]:
            for dilation in (4,):
                forward[f"{name}, dilation {dilation}"] = partial(way, q, k, v, dilation=dilation)
            forward[f"{name}, two-sided"] = partial(way, q, k, v, causal=False)
        with torch.no_grad():
            _run(done, f"forward, T={tokens}", forward, options.samples, timer)
        inputs = tuple(x.requires_grad_() for x in (q, k, v))
        both = {name: partial(both_passes, way, inputs, grad) for name, way in ways.items()}
        for name, way in list(ways.items())[1:]:
            both[f"{name}, dilation 4"] = partial(both_passes, partial(way, dilation=4), inputs, grad)
            both[f"{name}, two-sided"] = partial(both_passes, partial(way, causal=False), inputs, grad)
        _run(done, f"forward and backward, T={tokens}", both, options.samples, timer)
    write(options.json, done, heads=HEADS, head_dim=WIDTH, window=WINDOW)


def _run(
    done: dict[str, list[Result]],
    title: str,
    calls: dict[str, Callable[[], object]],
    samples: int,
    timer: Callable[[Callable[[], object]], float],
) -> None:
    done[title] = compare(calls, samples, timer)
    show(title, done[title])


def _pairs(kind: str, tokens: int, **fields: int) -> int:
    spec = AttentionConfig(type=kind, n_heads=HEADS, head_dim=WIDTH, causal=True, **fields).spec
    return spec.pairs(tokens)


if __name__ == "__main__":
    main()
