"""On a GPU: the whole conformance suite, flash, flex, and what `auto` takes there. Skipped, saying so, without one."""

from __future__ import annotations

import pytest
import torch

from archwright.nn import AttentionConfig, CustomAttentionFactory, Segments, Transformer
from archwright.nn.backends import View, backends
from archwright.testing import conformance, oracle
from archwright.testing.accuracy import assert_accurate, assert_same

from .conftest import small

if not torch.cuda.is_available():
    pytest.skip("there is no GPU: these tests run on one", allow_module_level=True)

TestFullOnGpu = conformance("full", devices=["cuda"])
TestGroupedQueryOnGpu = conformance("gqa", devices=["cuda"])
TestMultiQueryOnGpu = conformance("mqa", devices=["cuda"])
TestSlidingOnGpu = conformance("sliding", cases=[{"window_size": 7}, {"window_size": 0}], devices=["cuda"])
TestDilatedOnGpu = conformance("dilated", cases=[{"window_size": 3, "dilation": 4}], devices=["cuda"])

SPECS = {
    "full": AttentionConfig("full", 4, head_dim=64),
    "gqa": AttentionConfig("gqa", 8, 2, head_dim=64),
    "mqa two-sided": AttentionConfig("mqa", 4, head_dim=64, causal=False),
    "sliding": AttentionConfig("sliding", 4, 2, head_dim=64, window_size=30),
    "sliding two-sided": AttentionConfig("sliding", 4, 2, head_dim=64, window_size=30, causal=False),
    "dilated": AttentionConfig("dilated", 4, 2, head_dim=64, window_size=9, dilation=4),
}


def draw(spec, queries: int, keys: int, dtype: torch.dtype, batch: int | None = None):
    batch = max(2, 64 // queries) if batch is None else batch  # enough rows to see how large errors get
    generator = torch.Generator().manual_seed(queries + keys)
    shapes = ((spec.n_heads, queries), (spec.n_kv_heads, keys), (spec.n_kv_heads, keys))
    return [torch.randn(batch, n, t, 64, generator=generator).to("cuda", dtype) for n, t in shapes]


def check(name: str, spec, view: View, tensors, keys, backward: bool = True) -> None:
    """Result and gradients of a backend that says it takes the call."""
    backend = backends.get(name)
    if backend.why_not(view.request(tensors[0].clone().requires_grad_(), tensors[1])):
        return
    upstream = torch.randn(tensors[0].shape, generator=torch.Generator().manual_seed(5)).to(tensors[0])
    wide = [t.detach().double().requires_grad_() for t in tensors]
    exact = oracle.attention(*wide, keys)
    plain = [t.detach() for t in tensors]
    ours = [t.detach().requires_grad_() for t in tensors]
    out = backend.run(*ours, view)
    assert_accurate(out, exact, oracle.in_orders(oracle.attention, *plain, keys), name)
    if backward:
        wanted = torch.autograd.grad(exact, wide, upstream.double())
        found = torch.autograd.grad(out, ours, upstream)
        low = oracle.in_orders(oracle.gradients, *plain, keys, upstream)
        for which, got, true, *near in zip("qkv", found, wanted, *low, strict=True):
            assert_accurate(got, true, near, f"{name}, gradient of {which}")


@pytest.mark.parametrize("name", [n for n in backends.names() if n != "flex"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("which", SPECS)
def test_rows_and_packed_segments_of_every_backend(which, dtype, name):
    spec = SPECS[which].spec
    for queries, keys in ((100, 100), (1, 70), (33, 100)):
        if queries < keys and not spec.causal:
            continue
        at = torch.arange(keys, device="cuda")[None]
        view = View(spec, at[:, keys - queries :], at, "rows", cached=queries < keys)
        seen = oracle.visible_keys(spec, range(keys))[keys - queries :]
        check(name, spec, view, draw(spec, queries, keys, dtype), seen, backward=queries == keys)
    segments = Segments.of([40, 0, 1, 59], "cuda")
    place, of = segments.positions[None], segments.numbers[None]
    view = View(spec, place, place, "packed", None, of, of, segments)
    seen = oracle.visible_keys(spec, place[0].tolist(), of[0].tolist())
    check(name, spec, view, draw(spec, 100, 100, dtype, batch=1), seen)


@pytest.mark.parametrize("which", ["gqa", "sliding", "sliding two-sided", "dilated"])
def test_flex_is_as_accurate_as_the_rule_says(which):
    spec = SPECS[which].spec
    at = torch.arange(200, device="cuda")[None]
    for dtype in (torch.float32, torch.bfloat16):
        check(
            "flex", spec, View(spec, at, at, "rows"), draw(spec, 200, 200, dtype), oracle.visible_keys(spec, range(200))
        )


def test_auto_takes_flash_where_it_can_and_says_why_not_elsewhere():
    attn = CustomAttentionFactory.create(SPECS["sliding"], device="cuda", dtype=torch.bfloat16)
    told = attn.explain(4096)
    reasons = dict(told.candidates)["flash"]
    assert told.chosen == "flash" or "varlen_attn" in str(reasons[0])
    wide = CustomAttentionFactory.create(SPECS["dilated"], device="cuda", dtype=torch.bfloat16).explain(4096)
    assert wide.chosen != "flash" and "dilation is 4" in str(wide)


def test_long_windows_need_memory_in_proportion_to_their_length():
    """Forward and backward of 64K tokens: four times the memory of 16K, not sixteen."""
    peaks = []
    for tokens in (16_384, 65_536):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        attn = CustomAttentionFactory.create(
            AttentionConfig("sliding", 8, head_dim=64, window_size=512), device="cuda", dtype=torch.bfloat16
        ).train()
        x = torch.randn(1, tokens, 512, device="cuda", dtype=torch.bfloat16, requires_grad=True)
        before = torch.cuda.memory_allocated()
        attn(x).sum().backward()
        peaks.append(torch.cuda.max_memory_allocated() - before)
    assert peaks[1] < 4.5 * peaks[0]


def test_a_model_on_a_gpu_computes_what_it_computes_on_a_cpu():
    model = Transformer(small(), seed=0).eval()
    tokens = torch.arange(40)[None] % 50
    with torch.no_grad():
        here = model(tokens)
        there = model.cuda()(tokens.cuda()).cpu()
        assert_same(there, here, "logits")
        caches = model.new_caches(1, 40)
        parts = [
            model(tokens[:, :20].cuda(), caches),
            *(model(tokens[:, t : t + 1].cuda(), caches) for t in range(20, 40)),
        ]
        assert_same(torch.cat(parts, 1).cpu(), here, "decoded logits")
