"""Custom attention: the conformance suite over all variants, and whole models of three sizes.

`pytest tests/test_custom_attention.py -v` runs it; with `--benchmark` it also measures every variant beside full
attention, in interleaved samples, and prints a table with the ratios.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional as F

from archwright.arch.attention import attention_types
from archwright.arch.config import ArchitectureConfig
from archwright.nn import CustomAttentionFactory, Transformer
from archwright.testing import conformance

from .benchmark_table import MODULES, measure

MIXED = [
    {"layers": "::2", "attention": {"type": "sliding", "window_size": 64}},
    {"layers": "1", "attention": {"type": "dilated", "window_size": 16, "dilation": 4}},
]
"""Every other layer a window, one dilated, the rest full."""

TestFull = conformance("full", cases=[{}, {"bias": ("q", "k", "v", "o")}])
TestGroupedQuery = conformance("gqa", cases=[{}, {"n_heads": 6, "n_kv_heads": 2}])
TestMultiQuery = conformance("mqa")
TestSlidingWindow = conformance("sliding", cases=[{"window_size": 7}, {"window_size": 0}])
TestDilatedWindow = conformance(
    "dilated",
    cases=[{"window_size": 5, "dilation": 2}, {"window_size": 3, "dilation": 4}, {"window_size": 2, "dilation": 8}],
)
_TESTED = {"full", "gqa", "mqa", "sliding", "dilated"}
for _name in CustomAttentionFactory.list_variants():  # a variant that somebody adds here is tested unasked
    if _name not in _TESTED and attention_types.get(_name).__module__.startswith("archwright."):
        globals()[f"Test{_name.title().replace('_', '')}"] = conformance(_name)


@pytest.fixture(autouse=True)
def few_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Small shapes run best on one thread, and a busy machine then harms least; benchmarks take what there is."""
    before = torch.get_num_threads()
    if "benchmark" not in request.node.name:
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(d_model: int, n_layers: int, **fields: object) -> ArchitectureConfig:
    return ArchitectureConfig(d_model=d_model, n_layers=n_layers, **fields)


@pytest.fixture(scope="module")
def small_config() -> ArchitectureConfig:
    """d_model 256, 2 layers: unit tests."""
    return config(256, 2, n_heads=4, n_kv_heads=2, d_ff=512, vocab_size=256, max_seq_len=256, layers=MIXED)


@pytest.fixture(scope="module")
def medium_config() -> ArchitectureConfig:
    """d_model 1024, 8 layers: integration."""
    return config(1024, 8, n_heads=16, n_kv_heads=4, d_ff=2048, vocab_size=512, max_seq_len=512, layers=MIXED)


@pytest.fixture(scope="module")
def large_config() -> ArchitectureConfig:
    """d_model 4096, 32 layers: shapes and costs on the meta device."""
    return config(4096, 32, layers=[{"layers": "0-15", "attention": {"type": "sliding", "window_size": 512}}])


def tokens_for(model: Transformer, batch: int, length: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, model.config.vocab_size, (batch, length), generator=generator)


class TestModels:
    """Whole models."""

    def test_a_small_model_learns(self, small_config: ArchitectureConfig) -> None:
        """Ten steps on one batch lower the loss, with finite gradients throughout."""
        model = Transformer(small_config, seed=0).train()
        tokens = tokens_for(model, 4, 48)
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
        losses = []
        for _ in range(10):
            optimiser.zero_grad()
            loss = F.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
            loss.backward()
            assert torch.isfinite(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))
            optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < 0.8 * losses[0]

    def test_a_small_model_keeps_its_seed(self, small_config: ArchitectureConfig) -> None:
        """One seed, one model; another seed, another."""
        one, same, other = (Transformer(small_config, seed=s) for s in (1, 1, 2))
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
        assert not torch.equal(one.head.weight, other.head.weight)

    def test_a_medium_model_decodes_what_it_computes_in_full(self, medium_config: ArchitectureConfig) -> None:
        """Prefill in chunks, then token by token across the windows, gives the logits of the full pass."""
        model = Transformer(medium_config, seed=0).eval()
        tokens = tokens_for(model, 2, 150)
        with torch.no_grad():
            full = model(tokens)
            caches = model.new_caches(2, 150)
            parts = [model(tokens[:, :90], caches), model(tokens[:, 90:130], caches)]
            parts += [model(tokens[:, t : t + 1], caches) for t in range(130, 150)]
        out = torch.cat(parts, 1)
        spread = full.std().item()  # float32 over 8 layers of width 1024
        assert (out - full).abs().max().item() < 1e-4 * spread

    def test_a_large_model_has_the_documented_parameters(self, large_config: ArchitectureConfig) -> None:
        """On the meta device: exactly the estimate, about 5.9 billion, without a byte of weights."""
        model = Transformer(large_config, device="meta")
        count = sum(p.numel() for p in model.parameters())
        assert count == large_config.estimate_params()
        assert 5.8e9 < count < 6.0e9
        logits = model(torch.zeros(1, 32, dtype=torch.int64, device="meta"))
        assert logits.shape == (1, 32, large_config.vocab_size)

    def test_a_large_model_has_the_documented_caches(self, large_config: ArchitectureConfig) -> None:
        """At 32K in bf16 a full layer holds 128 MiB, a layer of the 512 window 513 tokens of 4 KiB."""
        model = Transformer(large_config, device="meta")
        caches = model.new_caches(1, 32768, torch.bfloat16)
        assert [c.nbytes for c in caches[16:]] == [128 * 2**20] * 16
        assert [c.nbytes for c in caches[:16]] == [513 * 4096] * 16


@pytest.mark.parametrize("name", MODULES)
def test_benchmark_beside_full_attention(name: str, request: pytest.FixtureRequest) -> None:
    """With --benchmark: time and cache of a variant beside full attention, printed at the end."""
    if not request.config.getoption("--benchmark"):
        pytest.skip("measured with --benchmark only")
    rows = measure(name)
    request.config.stash[request.config.benchmark_key].extend(rows)
    assert all(row.forward > 0 and row.both > row.forward for row in rows)
