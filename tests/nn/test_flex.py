"""Flex: block masks from intervals, one compiled function a shape class, and real results where a compiler is."""

from __future__ import annotations

import pytest
import torch

import archwright as aw
from archwright.nn import AttentionConfig
from archwright.nn.backends import Request, View, backends
from archwright.nn.backends import flex as module
from archwright.nn.backends.block_mask import BLOCK, counts, from_intervals
from archwright.testing import oracle
from archwright.testing.accuracy import assert_accurate

pytestmark = pytest.mark.usefixtures("registries")


def rows(spec, queries: int, keys: int) -> View:
    at = torch.arange(keys)[None]
    return View(spec, at[:, keys - queries :], at, "rows")


def sinks():
    @aw.attention("sinks_for_flex")
    class Sinks(aw.AttentionSpec):
        """A window and the first tokens."""

        def visible(self, q, k):
            return (abs(q - k) <= 30) | (k < 5)

        def ranges(self, q):
            yield range(5)
            yield range(q - 30, q + 31)

    return AttentionConfig("sinks_for_flex", 2, head_dim=16).spec


SPECS = {
    "full": lambda: AttentionConfig("full", 2, head_dim=16).spec,
    "two-sided": lambda: AttentionConfig("full", 2, head_dim=16, causal=False).spec,
    "sliding": lambda: AttentionConfig("sliding", 2, head_dim=16, window_size=130).spec,
    "narrow": lambda: AttentionConfig("sliding", 2, head_dim=16, window_size=3, causal=False).spec,
    "dilated": lambda: AttentionConfig("dilated", 2, head_dim=16, window_size=40, dilation=4).spec,
    "sinks": sinks,
}


@pytest.mark.parametrize("which", SPECS)
@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (128, 128), (300, 300), (40, 400), (200, 270)])
def test_blocks_from_intervals_are_those_of_every_pair(which, queries, keys):
    spec = SPECS[which]()
    mask = rows(spec, queries, keys).mask()[0].long()
    height, width = -(-queries // BLOCK), -(-keys // BLOCK)
    padded = torch.zeros(height * BLOCK, width * BLOCK, dtype=torch.int64)
    padded[:queries, :keys] = mask
    expected = padded.view(height, BLOCK, width, BLOCK).sum((1, 3))
    assert torch.equal(counts(spec, queries, keys), expected)
    made = from_intervals(spec, queries, keys, lambda b, h, q, k: q >= k, torch.device("cpu"))
    dense = made.to_dense()[0, 0].bool()
    assert torch.equal(dense, expected > 0)


def test_long_sequences_need_no_table_of_all_pairs():
    """65,536 tokens of a window of 512: 5 or 6 blocks of keys for each block of queries."""
    spec = AttentionConfig("sliding", 2, head_dim=16, window_size=512).spec
    found = counts(spec, 65_536, 65_536)
    assert int(found.sum()) == spec.pairs(65_536)
    assert int((found > 0).sum(-1).max()) == 5


def test_every_shape_class_has_a_function_of_its_own(monkeypatch):
    """torch counts recompilations by code object and falls to eager dense attention after eight: no two share one."""
    made = []

    def spy(function, **options):
        made.append((function.__code__, options))
        return lambda q, k, v, blocks, scale, grouped: torch.zeros_like(q)

    monkeypatch.setattr(torch, "compile", spy)
    backend = module.Flex()
    spec = AttentionConfig("sliding", 2, head_dim=16, window_size=4).spec
    for _ in range(2):
        for tokens in range(1, 21):
            q, k, v = (torch.zeros(1, 2, tokens, 16) for _ in range(3))
            backend.run(q, k, v, rows(spec, tokens, tokens))
    assert len(made) == 20
    assert len({id(code) for code, _ in made}) == 20 and len({code.co_name for code, _ in made}) == 20
    assert all(options == {"fullgraph": True, "dynamic": False} for _, options in made)


def test_only_so_many_functions_are_kept(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda f, **o: lambda q, *rest: torch.zeros_like(q))
    monkeypatch.setattr(module, "CLASSES", 3)
    backend = module.Flex()
    spec = AttentionConfig("full", 2, head_dim=16).spec
    for tokens in range(1, 8):
        q, k, v = (torch.zeros(1, 2, tokens, 16) for _ in range(3))
        backend.run(q, k, v, rows(spec, tokens, tokens))
    assert len(backend._compiled) == 3 and len(backend._blocks) == 3


def test_without_a_compiler_it_says_so(monkeypatch):
    monkeypatch.setattr(module, "cpp_compiler", lambda: None)
    spec = AttentionConfig("full", 2, head_dim=16).spec
    reasons = [str(r) for r in backends.get("flex").why_not(Request(spec, 1, 8, 8))]
    assert reasons == ["on a CPU it needs a C++ compiler, and there is none"]


def test_reasons_name_what_is_missing():
    spec = AttentionConfig("full", 2, head_dim=24).spec
    request = Request(spec, 1, 8, 9, dtype=torch.float64, cached=True, needs_grad=True, dropout=0.1)
    text = "; ".join(map(str, backends.get("flex").why_not(request)))
    for part in ("no backward pass", "no float64", "would be compiled", "no dropout", "power of 2 from 16 on, not 24"):
        assert part in text


@pytest.mark.skipif(module.cpp_compiler() is None, reason="there is no C++ compiler, which flex needs on a CPU")
def test_results_are_those_of_the_oracle():
    """A grouped window over two blocks, and a pattern whose first row sees nothing."""

    @aw.attention("earlier_for_flex")
    class Earlier(aw.AttentionSpec):
        """Sees strictly earlier tokens."""

        def visible(self, q, k):
            return k < q

    for spec, tokens in (
        (AttentionConfig("sliding", 4, 2, head_dim=16, window_size=20).spec, 150),
        (AttentionConfig("earlier_for_flex", 2, head_dim=16).spec, 20),
    ):
        generator = torch.Generator().manual_seed(0)
        heads = (spec.n_heads, spec.n_kv_heads, spec.n_kv_heads)
        q, k, v = (torch.randn(2, n, tokens, 16, generator=generator) for n in heads)
        view = rows(spec, tokens, tokens)
        backend = backends.get("flex")
        assert not backend.why_not(view.request(q, k))
        keys = oracle.visible_keys(spec, range(tokens))
        exact = oracle.attention(q.double(), k.double(), v.double(), keys)
        out = backend.run(q, k, v, view)
        assert_accurate(out, exact, oracle.in_orders(oracle.attention, q, k, v, keys), spec.type)
        if not keys[0]:
            assert out[:, :, 0].abs().max() == 0
