"""Contracts between what an architecture says and what runs: parameters, cache bytes, FLOPs, each derived twice.

The second derivation builds and runs modules; it reads no formula. They run over the registries, so that a variant or
a preset that somebody adds is held to them unasked.
"""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import archwright as aw
from archwright.arch import presets
from archwright.arch.attention import attention_types
from archwright.arch.feed_forward import feed_forward_types
from archwright.nn import CustomAttentionFactory, Transformer

BASE = {"d_model": 48, "n_layers": 3, "n_heads": 4, "n_kv_heads": 2, "d_ff": 80, "vocab_size": 70, "max_seq_len": 512}
WINDOWS = {"sliding": {"window_size": 7}, "dilated": {"window_size": 3, "dilation": 4}}


def ours(names: list[str]) -> list[str]:
    """The types of this package, not those that a test elsewhere has registered."""
    return [n for n in names if attention_types.get(n).__module__.startswith("archwright.")]


def config(kind: str, **fields: object) -> aw.ArchitectureConfig:
    own = {"type": kind, **WINDOWS.get(kind, {})}
    kv_heads = {"n_kv_heads": 1} if kind == "mqa" else {}
    return aw.ArchitectureConfig(**{**BASE, **kv_heads, "attention": own, **fields})


VARIANTS = ours(CustomAttentionFactory.list_variants())
ARCHITECTURES = {
    **{kind: config(kind) for kind in VARIANTS},
    "biases": config("full", attention={"bias": ["q", "k", "v", "o"]}, feed_forward={"type": "geglu", "bias": True}),
    "plain gelu": config("full", use_gated_geglu=False),
    "swiglu": config("gqa", feed_forward={"type": "swiglu"}),
    "layer norm": config("gqa", use_rms_norm=False),
    "tied": config("gqa", tie_embeddings=True),
    "own head_dim": config("gqa", head_dim=20),
    "mixed": aw.ArchitectureConfig(
        **{**BASE, "layers": [{"layers": "0", "attention": {"type": "sliding", "window_size": 5}, "d_ff": 32}]}
    ),
}


def shapes(model: Transformer) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}


def stated(architecture: aw.ArchitectureConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor that the architecture counts, by its full name."""
    found = {w.name: w.shape for w in architecture.outer_weights() if not w.shared_with}
    for number, layer in enumerate(architecture.layers):
        for weight in layer.weights():
            stack = (weight.copies,) if weight.part == "experts" else ()  # experts lie in one tensor
            found[f"layers.{number}.{weight.name}"] = stack + weight.shape
    return found


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parameters_are_those_of_the_meta_module(name):
    """Names, shapes and total: formula and module agree to the last tensor."""
    architecture = ARCHITECTURES[name]
    model = Transformer(architecture, device="meta")
    assert shapes(model) == stated(architecture)
    assert sum(p.numel() for p in model.parameters()) == architecture.estimate_params()


@pytest.mark.parametrize("name", presets.names())
def test_published_models_have_their_parameters_to_the_last_tensor(name):
    """Every preset builds on the meta device: the names and shapes that are counted are those that run."""
    architecture = presets.preset(name)
    model = Transformer(architecture, device="meta")
    assert sum(p.numel() for p in model.parameters()) == architecture.estimate_params()
    assert shapes(model) == stated(architecture)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("batch", [1, 3])
def test_cache_bytes_are_those_of_real_tensors_after_decoding(name, batch):
    """At T in {1, W, W + 1, W d + 1, 4 W} and for each batch: the metric is what the tensors hold."""
    architecture = ARCHITECTURES[name]
    model = Transformer(architecture, seed=0).eval()
    attention = architecture.layers[0].attention
    w, d = getattr(attention, "window_size", 7), getattr(attention, "dilation", 1)
    for tokens in sorted({1, w, w + 1, w * d + 1, 4 * w}):
        caches = model.new_caches(batch, tokens)
        with torch.no_grad():
            for token in torch.zeros(tokens, batch, 1, dtype=torch.int64):
                model(token, caches)
        held = sum(c.k.untyped_storage().nbytes() + c.v.untyped_storage().nbytes() for c in caches)
        cost = aw.metrics.kv_cache(architecture, context=tokens, batch=batch, kv_dtype="fp32")
        if attention.type == "chunked":  # its dense cache holds every token; the formula says what would do
            assert int(cost) <= held
        else:
            assert int(cost) == held
        assert {c.host_lengths for c in caches} == {(tokens,) * batch}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_dense_flops_are_those_that_torch_counts_on_the_reference(name):
    """The counter ignores causality, as the dense convention does; the head is at every position."""
    architecture = ARCHITECTURES[name]
    model = Transformer(architecture, backend="reference", seed=0).eval()
    for tokens in (1, 9, 40):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.zeros(1, tokens, dtype=torch.int64))
        cost = aw.metrics.forward_flops(architecture, context=tokens, flops_convention="dense")
        assert int(cost) == counter.get_total_flops()


@pytest.mark.parametrize("kind", VARIANTS)
def test_visible_flops_are_a_count_of_pairs(kind):
    """Attention FLOPs by looking at every pair: 2 (multiply-add) x 2 (scores, sum) x N x H for each visible one."""
    architecture = ARCHITECTURES[kind]
    spec = architecture.layers[0].attention
    for tokens in (1, 6, 33):
        pairs = sum(
            bool(spec.visible(q, k)) and (k <= q or not spec.causal) for q in range(tokens) for k in range(tokens)
        )
        expected = architecture.n_layers * pairs * spec.n_heads * 2 * (spec.key_dim + spec.value_dim)
        assert int(aw.metrics.attention_flops(architecture, context=tokens)) == expected


def test_every_type_of_this_package_is_built_or_refused_by_name():
    """No attention type of a file is silently something else when it runs."""
    built = set(VARIANTS)
    for name in ours(attention_types.names()):
        if name not in built:
            with pytest.raises(NotImplementedError, match=name):
                CustomAttentionFactory.create(config("full", attention={"type": name}).layers[0].attention)


def test_every_feed_forward_type_is_built_or_refused_by_name():
    for name in feed_forward_types.names():
        try:
            architecture = config("full", feed_forward={"type": name})
        except ValueError:
            continue  # needs fields of its own
        try:
            model = Transformer(architecture, device="meta")
        except NotImplementedError as error:
            assert name in str(error) or "feed_forward" in str(error)
        else:
            assert shapes(model) == stated(architecture)
