"""Attention on a GPU: sliding windows beside full attention, and decoding against long caches, by every backend.

    PYTHONPATH=src python benchmarks/attention_gpu.py [--samples 50] [--json FILE]

bfloat16, 32 query heads of 128. Windows: T=4096, W=512, causal, one sequence and eight; the baseline is torch's
scaled_dot_product_attention with is_causal over all tokens. Decode: one token at 32K tokens with 32, 8 and 1 KV
heads; the baseline is the plain SDPA call with as many KV heads. Times are between CUDA events, every candidate once
a round, after compilation and warm-up; inputs that would fit in the cache are taken in turn from several copies.
Each candidate is first compared with the reference in float32.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from _timing import Result, arguments, compare, cuda, show, wall, write

from archwright.arch.attention import AttentionSpec
from archwright.arch.attention.config import AttentionConfig
from archwright.nn.backends import View, backends, choose

HEADS, WIDTH, WINDOW = 32, 128, 512
NAMES = ("flash", "flex", "chunked", "sdpa")
CACHE = 2**28
"""Bytes that no cache of a GPU holds."""

Call = Callable[..., Tensor]


def full(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What a user writes for causal attention to everything."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])


def plain_decode(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What a user writes for one token against a cache."""
    return F.scaled_dot_product_attention(q, k, v, enable_gqa=q.shape[1] != k.shape[1])


def by_backend(name: str, view: View, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """One backend of the project."""
    return backends.get(name).run(q, k, v, view)


def window_view(spec: AttentionSpec, tokens: int, device: str) -> View:
    """All tokens of one sequence see one another as the pattern says."""
    place = torch.arange(tokens, device=device)[None]
    return View(spec, place, place, "rows")


def decode_view(spec: AttentionSpec, keys: int, device: str) -> View:
    """The last token sees every key of a cache."""
    place = torch.arange(keys, device=device)[None]
    return View(spec, place[:, -1:], place, "rows", cached=True, unmasked=True)


def willing(names: Sequence[str], view: View, q: Tensor, k: Tensor) -> dict[str, Call]:
    """The backends that compute this, the refusals of the others printed."""
    ways: dict[str, Call] = {}
    for name in names:
        reasons = backends.get(name).why_not(view.request(q, k))
        if reasons:
            print(f"  {name} does not run: {'; '.join(map(str, reasons))}")
        else:
            ways[name] = partial(by_backend, name, view)
    return ways


def check(ways: dict[str, Call], view: View, q: Tensor, k: Tensor, v: Tensor) -> dict[str, float]:
    """Relative error of each against the reference in float32; a failure stops the run."""
    with torch.no_grad():
        wide = [x.float() for x in (q, k, v)]
        exact = backends.get("reference").run(wide[0], wide[1], wide[2], view)
        errors = {n: float((way(q, k, v).float() - exact).norm() / exact.norm()) for n, way in ways.items()}
    for name, error in errors.items():
        print(f"  {name}: relative error {error:.1e}")
        if not error < 2e-2:
            raise SystemExit(f"{name} is wrong: relative error {error}")
    return errors


def both_passes(way: Call, inputs: tuple[Tensor, ...], grad: Tensor) -> object:
    """Forward and backward."""
    return torch.autograd.grad(way(*inputs), inputs, grad)


def in_turn(call: Callable[..., object], sets: Sequence[tuple[Tensor, ...]]) -> Callable[[], object]:
    """Calls with another of several input sets each time."""
    turning = itertools.cycle(sets)
    return lambda: call(*next(turning))


def windows(batch: int, tokens: int, samples: int, device: str, dtype: torch.dtype) -> dict[str, list[Result]]:
    """Sliding against full, forward and both passes."""
    spec = AttentionConfig(type="sliding", n_heads=HEADS, head_dim=WIDTH, window_size=WINDOW).spec
    timer = cuda if device == "cuda" else wall
    done = {}
    view = window_view(spec, tokens, device)
    q, k, v, grad = (torch.randn(batch, HEADS, tokens, WIDTH, device=device, dtype=dtype) for _ in range(4))
    size = f"T={tokens}, batch {batch}"
    print(f"{size}, W={WINDOW}: {_pairs('full', tokens) / spec.pairs(tokens):.2f}x fewer visible pairs")
    ways = willing(NAMES, view, q, k)
    check(ways, view, q, k, v)
    calls: dict[str, Callable[[], object]] = {"full causal SDPA": partial(full, q, k, v)}
    calls |= {f"sliding, {name}": partial(way, q, k, v) for name, way in ways.items()}
    with torch.no_grad():
        done[f"forward, {size}"] = compare(calls, samples, timer, warm_up=5)
    show(f"forward, {size}", done[f"forward, {size}"])
    inputs = tuple(x.requires_grad_() for x in (q, k, v))
    ways = willing(NAMES, view, q, k)
    calls = {"full causal SDPA": partial(both_passes, full, inputs, grad)}
    calls |= {f"sliding, {name}": partial(both_passes, way, inputs, grad) for name, way in ways.items()}
    done[f"forward and backward, {size}"] = compare(calls, samples, timer, warm_up=5)
    show(f"forward and backward, {size}", done[f"forward and backward, {size}"])
    return done


def decode(kv_heads: int, keys: int, samples: int, device: str, dtype: torch.dtype) -> dict[str, list[Result]]:
    """One token against a cache of `keys` tokens."""
    spec = AttentionConfig(type="gqa", n_heads=HEADS, n_kv_heads=kv_heads, head_dim=WIDTH).spec
    timer = cuda if device == "cuda" else wall
    view = decode_view(spec, keys, device)
    bytes_held = 2 * kv_heads * keys * WIDTH * dtype.itemsize
    copies = min(64, -(-CACHE // bytes_held)) if device == "cuda" else 1
    sets = []
    for _ in range(copies):
        shapes = (HEADS, 1), (kv_heads, keys), (kv_heads, keys)
        sets.append(tuple(torch.randn(1, n, t, WIDTH, device=device, dtype=dtype) for n, t in shapes))
    q, k, v = sets[0]
    print(f"{kv_heads} KV heads, {keys:,} tokens: {bytes_held / 2**20:.0f} MiB to read")
    ways = willing(("chunked", "sdpa", "flash", "flex"), view, q, k)
    check(ways, view, q, k, v)
    chosen = choose(view.request(q, k)).name
    calls: dict[str, Callable[[], object]] = {"plain SDPA": in_turn(plain_decode, sets)}
    for name, way in ways.items():
        calls[f"{name}{' (auto)' if name == chosen else ''}"] = in_turn(way, sets)
    title = f"decode at {keys} tokens, {kv_heads} KV heads"
    with torch.no_grad():
        results = compare(calls, samples, timer, warm_up=max(5, copies))
    show(title, results)
    for result in results:
        print(f"    {result.name}: {bytes_held / result.milliseconds / 1e6:.0f} GB/s")
    return {title: results}


def main() -> None:
    options = arguments(__doc__ or "", samples=50).parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not options.smoke:
        raise SystemExit("there is no GPU: attention_cpu.py and decode_cpu.py measure a CPU")
    dtype = torch.bfloat16
    samples, tokens, keys = (2, 1024, 2048) if options.smoke else (options.samples, 4096, 32768)
    torch.manual_seed(0)
    done = windows(1, tokens, samples, device, dtype)
    done |= windows(2 if options.smoke else 8, tokens, samples, device, dtype)
    for kv_heads in (32, 8, 1):
        done |= decode(kv_heads, keys, samples, device, dtype)
    write(options.json, done, dtype=str(dtype), heads=HEADS, head_dim=WIDTH, window=WINDOW)


def _pairs(kind: str, tokens: int) -> int:
    pairs: int = AttentionConfig(type=kind, n_heads=HEADS, head_dim=WIDTH).spec.pairs(tokens)
    return pairs


if __name__ == "__main__":
    main()
