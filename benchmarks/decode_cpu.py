"""Decoding one token on a CPU: grouped heads beside a head of keys for every query head, and a cache that rolls.

    python benchmarks/decode_cpu.py [--context 32768] [--samples 15] [--json FILE]

float32, one sequence, 32 query heads of 128. The baseline is torch's scaled_dot_product_attention with 32 key heads.
The second part decodes through a sliding-window module at growing contexts: its cache, and so its time, stops growing.
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

from _timing import arguments, compare, cpu, show, wall, write

from archwright.nn.attention import SlidingWindowAttention
from archwright.nn.kernels import grouped_decode, native

HEADS, WIDTH = 32, 128


def repeated(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Repeat keys and values for every query head."""
    group = q.shape[1] // k.shape[1]
    return F.scaled_dot_product_attention(q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1))


def matmul(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Plain grouped matrix products."""
    rows = q.reshape(1, k.shape[1], -1, WIDTH)
    scores = torch.matmul(rows, k.transpose(2, 3)) * WIDTH**-0.5
    return torch.matmul(torch.softmax(scores, -1), v).reshape(q.shape)


def main() -> None:
    parser = arguments(__doc__ or "", samples=15)
    parser.add_argument("--context", type=int, default=32768)
    options = parser.parse_args()
    if options.smoke:
        options.samples, options.context = 1, 2048
    torch.set_num_threads(options.threads)
    timer = cpu if options.cpu_time else wall
    q = torch.randn(1, HEADS, 1, WIDTH)
    held = {n: [torch.randn(1, n, options.context, WIDTH) for _ in range(2)] for n in (32, 8, 1)}
    plain, grouped = F.scaled_dot_product_attention, partial(F.scaled_dot_product_attention, enable_gqa=True)
    calls: dict[str, Callable[[], object]] = {"SDPA, 32 KV heads": partial(plain, q, *held[32])}
    for way in ("torch", *(() if native.status().library is None else ("native",))):
        for n in (32, 8, 1):
            calls[f"grouped_decode, {way}, {n} KV heads"] = partial(grouped_decode, q, *held[n], implementation=way)
    calls["plain grouped matmul, 8 KV heads"] = partial(matmul, q, *held[8])
    calls["SDPA enable_gqa, 8 KV heads"] = partial(grouped, q, *held[8])
    calls["SDPA repeating, 8 KV heads"] = partial(repeated, q, *held[8])
    with torch.no_grad():
        done = {"decode": compare(calls, options.samples, timer)}
        show(f"one token at {options.context:,} tokens, {HEADS} query heads of {WIDTH}", done["decode"])
        del held, calls
        done["rolling"] = compare(
            _rolling((1024,) if options.smoke else (1024, 4096, 16384, 65536)), 4 * options.samples, timer
        )
    show("one token through a sliding-window module, W=512, 8 heads of 64; ratio to the first", done["rolling"])
    write(options.json, done, context=options.context, heads=HEADS, head_dim=WIDTH)


def _rolling(contexts: tuple[int, ...]) -> dict[str, Callable[[], object]]:
    module = SlidingWindowAttention(n_heads=8, head_dim=64, window_size=512).eval()
    calls: dict[str, Callable[[], object]] = {}
    for context in contexts:
        cache = module.new_cache(1, context + 4096)
        module(torch.randn(1, context, 512), cache)
        calls[f"after {context:,} tokens, cache of {cache.slots}"] = partial(module, torch.randn(1, 1, 512), cache)
    return calls


if __name__ == "__main__":
    main()
