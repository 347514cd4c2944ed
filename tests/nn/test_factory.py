"""The factory: from configurations to modules, and anybody's own variant."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import archwright as aw
from archwright.arch.config import ArchitectureConfig
from archwright.nn import (
    AttentionConfig,
    AttentionModule,
    CustomAttentionFactory,
    FullAttention,
    GroupedQueryAttention,
    MultiQueryAttention,
    PatternAttention,
    SlidingWindowAttention,
    Transformer,
)
from archwright.testing import conformance, oracle
from archwright.testing.accuracy import assert_accurate

pytestmark = pytest.mark.usefixtures("registries")


@pytest.mark.parametrize(
    ("type_", "cls"),
    [
        ("full", FullAttention),
        ("gqa", GroupedQueryAttention),
        ("mqa", MultiQueryAttention),
        ("sliding", SlidingWindowAttention),
        ("dilated", SlidingWindowAttention),
    ],
)
def test_each_documented_type_has_its_module(type_, cls):
    attn = CustomAttentionFactory.create(AttentionConfig(type=type_, n_heads=4, head_dim=8))
    assert type(attn) is cls and isinstance(attn, AttentionModule)
    assert attn(torch.randn(2, 5, 32), kv_cache=None).shape == (2, 5, 32)
    assert type_ in CustomAttentionFactory.list_variants()


def test_the_documented_example_works():
    config = AttentionConfig(type="gqa", n_heads=32, n_kv_heads=8)
    attn = CustomAttentionFactory.create(config, device="meta")
    assert attn(torch.empty(1, 2, 4096, device="meta"), kv_cache=None).shape == (1, 2, 4096)


def test_the_three_names_of_full_attention_are_one_implementation():
    x = torch.randn(1, 6, 32)
    made = []
    for cls in (FullAttention, GroupedQueryAttention, MultiQueryAttention):
        torch.manual_seed(0)
        made.append(cls(AttentionConfig("full", 4, 1, head_dim=8)))
    assert torch.equal(made[0](x), made[1](x)) and torch.equal(made[1](x), made[2](x))


def test_modules_are_made_from_fields_too():
    assert GroupedQueryAttention(n_heads=8, n_kv_heads=2, head_dim=16).spec.n_kv_heads == 2
    window = SlidingWindowAttention(n_heads=2, head_dim=8, window_size=3, dilation=4)
    assert window.spec.type == "dilated" and window.spec.dilation == 4
    assert SlidingWindowAttention(n_heads=2, head_dim=8).spec.window_size == 512
    with pytest.raises(ValueError, match="n_kv_heads is 2: must be 1 for mqa"):
        MultiQueryAttention(AttentionConfig("full", 4, 2, head_dim=8))
    with pytest.raises(ValueError, match=r"config.type is 'sliding': not the type of FullAttention"):
        FullAttention(AttentionConfig("sliding", 4, head_dim=8))
    with pytest.raises(TypeError, match="abstract"):
        AttentionModule(AttentionConfig("full", 4, head_dim=8))


def test_the_module_type_method_of_torch_still_works():
    attn = FullAttention(n_heads=2, head_dim=8)
    assert attn.type(torch.float64).q_proj.weight.dtype == torch.float64


def sink_window() -> type[Any]:
    @aw.attention("sink_window_for_nn")
    class SinkWindow(aw.AttentionSpec):
        """Sliding window that always sees the first tokens."""

        window_size: int = 6
        """Neighbours visible on each side, the token itself not counted."""
        n_sinks: int = 2
        """Leading tokens that every query sees."""

        def problems(self):
            if self.n_sinks < 0:
                yield aw.Problem("n_sinks", self.n_sinks, "must not be negative", "use 0 for a plain window")

        def visible(self, q, k):
            return (abs(q - k) <= self.window_size) | (k < self.n_sinks)

        def ranges(self, q):
            yield range(self.n_sinks)
            yield range(q - self.window_size, q + self.window_size + 1)

    return SinkWindow


def run(suite: type, case: Any) -> int:
    """Every test of a conformance class for one case; how many ran."""
    names = [n for n in vars(suite) if n.startswith("test_")]
    for name in names:
        getattr(suite(), name)(case)
    return len(names)


def cases_of(suite: type) -> list[Any]:
    return list(suite.pytestmark[0].args[1])


def test_thirty_lines_make_a_variant_that_passes_the_whole_suite():
    sink_window()
    suite = conformance(
        "sink_window_for_nn", cases=[{"window_size": 7, "n_sinks": 2}, {"window_size": 0, "n_sinks": 0}]
    )
    for case in cases_of(suite):
        assert run(suite, case) >= 60
    attn = CustomAttentionFactory.create(AttentionConfig("sink_window_for_nn", 4, head_dim=8))
    assert type(attn) is PatternAttention
    # the first tokens are pinned, the rest rolls: what the spec's own formula says
    cache = attn.new_cache(1, 64)
    assert cache.slots == attn.spec.cache_slots(64) == 2 + 6 + 1


def test_a_module_may_override_attend_alone():
    sink_window()

    class Kernel(AttentionModule):
        """Counts its calls, and computes with the oracle."""

        calls = 0

        def attend(self, q, k, v, view):
            type(self).calls += 1
            keys = [row.nonzero().flatten().tolist() for row in view.mask()[0]]
            return oracle.attention(q, k, v, keys)

    CustomAttentionFactory.register_variant("sink_window_for_nn", Kernel)
    config = ArchitectureConfig(
        d_model=32, n_layers=2, n_heads=4, n_kv_heads=2, d_ff=32, vocab_size=20, custom_attention="sink_window_for_nn"
    )
    model = Transformer(config, seed=0).eval()
    tokens = torch.arange(18)[None]
    out = model(tokens)
    assert Kernel.calls == 2 and isinstance(model.layers[0].attention, Kernel)
    caches = model.new_caches(1, 18)
    with torch.no_grad():
        parts = [model(tokens[:, :9], caches), *(model(tokens[:, t : t + 1], caches) for t in range(9, 18))]
    assert (torch.cat(parts, 1) - out).abs().max() < 1e-4


class MyAttention(nn.Module):
    """A module that knows nothing of this project but its configuration."""

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__()
        self.factor = dict(config.options).get("factor", 1.0)
        self.mix = nn.Linear(config.d_model, config.d_model, bias=False)

    def forward(self, x: torch.Tensor, kv_cache: object = None) -> torch.Tensor:
        return self.factor * self.mix(x.cumsum(1))


class Keywords(nn.Module):
    """A module with plain keyword arguments."""

    def __init__(self, d_model: int, n_heads: int = 1, gain: float = 2.0) -> None:
        super().__init__()
        self.gain = gain
        self.n_heads = n_heads
        self.proj = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: torch.Tensor, kv_cache: object = None) -> torch.Tensor:
        return self.gain * self.proj(x)


def test_a_module_without_a_spec_is_built_tested_and_counted():
    CustomAttentionFactory.register_variant("my_attention_for_test", MyAttention)
    assert "my_attention_for_test" in CustomAttentionFactory.list_variants()
    attn = CustomAttentionFactory.create(AttentionConfig("my_attention_for_test", 4, head_dim=8, factor=3.0))
    assert type(attn) is MyAttention and attn.factor == 3.0
    suite = conformance("my_attention_for_test", cases=[{"factor": 0.5}])
    (case,) = cases_of(suite)
    assert case.probed and run(suite, case) >= 25
    spec = case.spec
    assert spec.probed and spec.pairs(16) == 0 and spec.cache_slots(16) == 0


def test_a_module_without_a_spec_serves_a_whole_model_with_probed_costs():
    CustomAttentionFactory.register_variant("my_attention_for_test", MyAttention)
    config = ArchitectureConfig(
        d_model=32,
        n_layers=2,
        n_heads=4,
        n_kv_heads=4,
        d_ff=64,
        vocab_size=40,
        custom_attention="my_attention_for_test",
        attention={"factor": 0.5},
    )
    model = Transformer(config, seed=0)
    assert isinstance(model.layers[1].attention, MyAttention) and model.layers[0].attention.factor == 0.5
    assert sum(p.numel() for p in model.parameters()) == config.estimate_params()
    assert config.estimate_params().parts["attention.qkv"] == 2 * 32 * 32
    model(torch.arange(10)[None]).sum().backward()
    with pytest.raises(NotImplementedError, match="MyAttention has no new_cache"):
        model.new_caches(1, 8)
    assert ArchitectureConfig.from_yaml(config.to_yaml()) == config


def test_probed_pairs_are_those_that_the_counter_sees():
    class Dense(nn.Module):
        """Full attention, scores and all, in two matrix products."""

        def __init__(self, config):
            super().__init__()
            self.config = config
            width = config.n_heads * config.head_dim
            self.q, self.k, self.v = (nn.Linear(config.d_model, width, bias=False) for _ in range(3))

        def forward(self, x, kv_cache=None):
            q, k, v = (p(x).unflatten(-1, (self.config.n_heads, -1)).transpose(1, 2) for p in (self.q, self.k, self.v))
            return (torch.softmax(q @ k.mT, -1) @ v).transpose(1, 2).flatten(2)

    CustomAttentionFactory.register_variant("dense_for_test", Dense)
    assert AttentionConfig("dense_for_test", 4, head_dim=8).spec.pairs(10) == 100


def test_keyword_arguments_come_from_the_fields():
    CustomAttentionFactory.register_variant("keywords_for_test", Keywords)
    attn = CustomAttentionFactory.create(AttentionConfig("keywords_for_test", 4, head_dim=8, gain=0.5))
    assert (attn.gain, attn.n_heads, attn.proj.in_features) == (0.5, 4, 32)
    assert CustomAttentionFactory.create(
        AttentionConfig("keywords_for_test", 4, head_dim=8), device="meta"
    ).proj.weight.is_meta


def test_registering_again_replaces_only_the_same_name_and_place():
    CustomAttentionFactory.register_variant("my_attention_for_test", MyAttention)
    CustomAttentionFactory.register_variant("my_attention_for_test", MyAttention)
    with pytest.raises(ValueError, match=r"already registered by .*MyAttention and cannot be taken by .*Keywords"):
        CustomAttentionFactory.register_variant("my_attention_for_test", Keywords)
    with pytest.raises(ValueError, match=r"full is already registered by .*FullAttention"):
        CustomAttentionFactory.register_variant("full", MyAttention)
    with pytest.raises(ValueError, match="cls is int: must be a class of torch modules"):
        CustomAttentionFactory.register_variant("number", int)


def test_an_unknown_type_is_a_value_error_that_names_the_nearest():
    with pytest.raises(ValueError, match=r"slidng.*Did you mean sliding"):
        CustomAttentionFactory.create(AttentionConfig("slidng", 4))
    with pytest.raises(ValueError, match=r"config is of type int: must be an AttentionConfig"):
        CustomAttentionFactory.create(5)


def test_a_known_type_whose_module_is_missing_is_not_implemented():
    spec = sink_window()
    spec.module = "a_package_that_is_not_here.attention:Module"
    try:
        with pytest.raises(
            NotImplementedError, match=r"a_package_that_is_not_here.* Install a_package_that_is_not_here"
        ):
            CustomAttentionFactory.create(AttentionConfig("sink_window_for_nn", 4, head_dim=8))
        assert "sink_window_for_nn" not in CustomAttentionFactory.list_variants()
    finally:
        del spec.module


def test_what_no_module_computes_is_refused_by_name():
    class Odd(aw.AttentionSpec):
        """Has a tensor that nothing here uses."""

        def visible(self, q, k):
            return k <= q

        def weights(self):
            yield from super().weights()

    aw.attention("odd_for_test")(Odd)
    with pytest.raises(NotImplementedError, match="has tensors of its own"):
        CustomAttentionFactory.create(AttentionConfig("odd_for_test", 4, head_dim=8))


def test_a_spec_computes_what_its_predicate_says():
    @aw.attention("parity_for_nn")
    class Parity(aw.AttentionSpec):
        """Sees earlier tokens of its own parity, and states no intervals."""

        def visible(self, q, k):
            return (q - k) % 2 == 0

    attn = CustomAttentionFactory.create(AttentionConfig("parity_for_nn", 2, head_dim=8))
    x = torch.randn(1, 11, 16)
    weights = dict(attn.named_parameters())
    exact = oracle.module({n: w.double() for n, w in weights.items()}, attn.spec, x.double())
    assert_accurate(attn(x), exact, oracle.module(weights, attn.spec, x))
