"""Parameters: parts, layers and conventions add up."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings

import archwright as aw
from archwright.arch.weights import PARTS

from .strategies import architectures

m = aw.metrics


def by_shapes(a: aw.ArchitectureConfig) -> int:
    """Every tensor of the model from the fields of its layers, written out."""
    norm = 1 if a.use_rms_norm else 2
    total = a.vocab_size * a.d_model * (1 if a.tie_embeddings else 2) + norm * a.d_model
    for layer in a.layers:
        at, ff = layer.attention, layer.feed_forward
        q, kv = at.n_heads * at.head_dim, at.n_kv_heads * at.head_dim
        total += a.d_model * (q + 2 * kv) + q * a.d_model
        total += sum({"q": q, "k": kv, "v": kv, "o": a.d_model}[b] for b in at.bias)
        inner = 1 if ff.type == "gelu" else 2
        total += (inner + 1) * a.d_model * ff.d_ff + (inner * ff.d_ff + a.d_model if ff.bias else 0)
        total += 2 * norm * a.d_model
    return total


@settings(max_examples=60, deadline=None)
@given(architectures())
def test_parts_and_layers_sum_to_the_whole(a):
    whole = int(m.parameters(a))
    assert whole == by_shapes(a) == a.estimate_params()
    assert sum(int(m.parameters(a, part=p)) for p in PARTS) == whole
    assert int(m.parameters(a, part="attention")) == sum(
        int(m.parameters(a, part=p)) for p in PARTS if "attention" in p
    )
    assert sum(Fraction(m.parameters_share(a, part=p).value) for p in PARTS) == 100
    layers = [int(m.parameters(a, where=i)) for i in range(a.n_layers)]
    outside = whole - sum(layers)
    assert (
        outside == a.vocab_size * a.d_model * (1 if a.tie_embeddings else 2) + (1 if a.use_rms_norm else 2) * a.d_model
    )
    assert int(m.parameters(a, where=f"layers[0-{a.n_layers - 1}]")) == sum(layers)
    assert m.active_parameters(a) == m.parameters(a)


@pytest.mark.parametrize("tied", [True, False])
def test_vocabulary_matrices_count_by_convention(tied):
    a = aw.ArchitectureConfig(d_model=64, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=50, tie_embeddings=tied)
    table = 50 * 64
    whole = int(m.parameters(a))
    assert int(m.parameters(a, embedding="output")) == whole - (0 if tied else table)
    assert int(m.parameters(a, embedding="none")) == whole - table * (1 if tied else 2)
    assert m.non_embedding_parameters(a) == m.parameters(a, embedding="none")
    assert int(m.parameters(a, part="head")) == (0 if tied else table)


def test_the_documented_example_configuration():
    a = aw.ArchitectureConfig()
    assert int(m.parameters(a)) == 5_933_109_248
    assert str(m.parameters(a)) == "5.93 B"
    assert a.head_dim == 4096 // 32
    assert int(m.parameters(a.change(n_kv_heads=1))) == 5_933_109_248 - 32 * 2 * 7 * 128 * 4096


def test_a_share_needs_a_part_and_a_layer_that_there_is():
    a = aw.ArchitectureConfig()
    with pytest.raises(aw.ArchwrightError, match=r"part is required by parameters_share.*feed_forward"):
        m.parameters_share(a)
    with pytest.raises(aw.ArchwrightError, match="selects no parameters"):
        m.parameters_share(a, part="norms", where="layers[type=sliding]")
    assert str(m.parameters_share(a, part="feed_forward")) == "73.0 %"
