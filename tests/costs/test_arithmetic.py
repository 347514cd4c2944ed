"""FLOP: pairs counted one by one, parts that sum to the whole, phases and conventions."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

import archwright as aw
from archwright.arch.weights import PARTS

from .strategies import architectures

m = aw.metrics


def matrices(a: aw.ArchitectureConfig) -> int:
    """Elements of the matrices that every token is multiplied with."""
    total = a.vocab_size * a.d_model
    for layer in a.layers:
        at, ff = layer.attention, layer.feed_forward
        total += 2 * a.d_model * at.head_dim * (at.n_heads + at.n_kv_heads)
        total += (2 if ff.type == "gelu" else 3) * a.d_model * ff.d_ff
    return total


def score_flops(a: aw.ArchitectureConfig, queries: range, dense: bool = False) -> int:
    """A multiplication and an addition for every element of every visible pair, twice: scores and values."""
    total = 0
    for layer in a.layers:
        at = layer.attention
        for q in queries:
            for k in range(queries.stop):
                if dense or (k <= q and bool(at.visible(q, k))):
                    total += at.n_heads * at.head_dim * 2 * 2
    return total


@settings(max_examples=50, deadline=None)
@given(architectures(), st.integers(1, 25), st.integers(1, 3))
def test_flops_are_matrices_and_pairs(a, context, batch):
    scores = score_flops(a, range(context))
    forward = 2 * context * matrices(a) + scores
    assert m.forward_flops(a, context=context, batch=batch) == batch * forward
    assert m.prefill_flops(a, context=context, batch=batch) == batch * forward
    dense = 2 * context * matrices(a) + score_flops(a, range(context), dense=True)
    assert m.forward_flops(a, context=context, flops_convention="dense") == dense
    last = score_flops(a, range(context - 1, context))
    assert m.decode_flops(a, context=context, batch=batch) == batch * (2 * matrices(a) + last)
    assert m.attention_flops(a, context=context, batch=batch) == batch * scores
    assert m.attention_flops(a, context=context, phase="decode") == last
    assert m.attention_flops(a, context=context, phase="train") == 3 * scores
    assert m.flops_per_token(a, context=context).value * context == forward
    assert m.attention_flops_share(a, context=context).value * forward == 100 * scores


@settings(max_examples=40, deadline=None)
@given(architectures(), st.integers(1, 25), st.sampled_from(["visible", "dense"]))
def test_parts_and_layers_sum_to_the_whole(a, context, convention):
    for metric in (m.forward_flops, m.decode_flops, m.flops_per_token):
        whole = metric(a, context=context, flops_convention=convention).value
        assert sum(metric(a, context=context, flops_convention=convention, part=p).value for p in PARTS) == whole
        layers = sum(metric(a, context=context, flops_convention=convention, where=i).value for i in range(a.n_layers))
        head = metric(a, context=context, flops_convention=convention, part="head").value
        assert layers + head == whole
    assert m.forward_flops(a, context=context, part="embedding") == 0
    assert m.forward_flops(a, context=context, part="norms") == 0


@settings(max_examples=30, deadline=None)
@given(architectures(), st.integers(1, 25))
def test_a_prefill_is_the_sum_of_its_tokens(a, context):
    tokens = sum(m.decode_flops(a, context=t).value for t in range(1, context + 1))
    assert m.prefill_flops(a, context=context) == tokens
    elements = sum(m.elementwise_flops(a, context=t, phase="decode").value for t in range(1, context + 1))
    assert m.elementwise_flops(a, context=context) == elements


def test_dense_decoding_multiplies_the_gaps_of_a_dilation():
    a = aw.ArchitectureConfig(
        d_model=16, n_layers=1, n_heads=2, n_kv_heads=1, d_ff=8, vocab_size=10, head_dim=8,
        attention={"type": "dilated", "window_size": 3, "dilation": 5},
    )  # fmt: skip
    pair = 2 * 8 * 2 * 2
    assert m.attention_flops(a, context=50, phase="decode") == 4 * pair
    assert m.attention_flops(a, context=50, phase="decode", flops_convention="dense") == 16 * pair


def test_the_screen_of_llama_3_1_8b():
    a = aw.ArchitectureConfig(d_ff=14336, vocab_size=128256, max_seq_len=131072, feed_forward={"type": "swiglu"})
    shown = [str(m.decode_flops(a, context=c)) for c in (1, 4096, 32768, 131072)]
    assert shown == ["15.0 GFLOP", "17.2 GFLOP", "32.2 GFLOP", "83.7 GFLOP"]


def test_elementwise_by_hand():
    a = aw.ArchitectureConfig(
        d_model=8, n_layers=1, n_heads=2, n_kv_heads=1, d_ff=6, vocab_size=10, head_dim=4,
        feed_forward={"type": "swiglu"},
    )  # fmt: skip
    norms = 3 * 4 * 8
    residual = 2 * 8
    rotation = 3 * 4 * (2 + 1)
    activation = 6 * 4 + 6
    token = norms + residual + rotation + activation
    assert m.elementwise_flops(a, context=1) == token + 5 * 2
    assert m.elementwise_flops(a, context=3) == 3 * token + 5 * 2 * 6
    assert m.elementwise_flops(a, context=3, batch=2, phase="train") == 6 * (3 * token + 5 * 2 * 6)
    layer = a.change(use_rms_norm=False, feed_forward={"type": "gelu", "bias": True}, attention={"bias": ["q", "o"]})
    token = 3 * 7 * 8 + residual + rotation + 6 * 5 + (6 + 8) + (8 + 8)
    assert m.elementwise_flops(layer, context=1) == token + 5 * 2
    assert m.elementwise_flops(layer, context=1, where=0) == token + 5 * 2 - 7 * 8
