"""What a stack sees: visible keys, reach and coverage against sets built token by token; rotary wavelengths."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archwright as aw

from .strategies import architectures

m = aw.metrics


def influences(a: aw.ArchitectureConfig, context: int) -> set[int]:
    """The tokens from which a path leads to the last position, layer by layer from the last."""
    reached = {context - 1}
    for layer in reversed(a.layers):
        at = layer.attention
        new = set(reached)
        for q in reached:
            for k in range(context):
                if (k <= q or not at.causal) and bool(at.visible(q, k)):
                    new.add(k)
        reached = new
    return reached


@settings(max_examples=80, deadline=None)
@given(architectures(causal=False), st.integers(1, 40))
def test_reach_and_coverage_are_the_sets_of_tokens(a, context):
    reached = influences(a, context)
    far = context - 1 - min(reached)
    assert int(m.reach(a, context=context)) == far
    covered = m.coverage(a, context=context).value
    assert (
        covered == (100 * (len(reached) - 1) / far if far else 100)
        or abs(covered - 100 * (len(reached) - 1) / far) < 1e-9
    )
    counts = [
        sum((k <= context - 1) and bool(x.attention.visible(context - 1, k)) for k in range(context)) for x in a.layers
    ]
    assert int(m.visible_keys(a, context=context)) == max(counts)


def test_windows_add_up_over_layers():
    a = aw.ArchitectureConfig(max_seq_len=131072, attention={"type": "sliding", "window_size": 4095})
    assert int(m.reach(a)) == 4095 * 32 == 131_040
    assert m.coverage(a) == 100
    assert int(m.visible_keys(a)) == 4096
    assert int(m.reach(a, context=100)) == 99


def test_a_dilated_stack_has_gaps_that_one_other_layer_fills():
    a = aw.ArchitectureConfig(
        d_model=64, n_layers=4, n_heads=4, n_kv_heads=4, attention={"type": "dilated", "window_size": 8, "dilation": 4}
    )
    assert int(m.reach(a, context=200)) == 128
    assert m.coverage(a, context=200) == 25
    filled = a.change({"layers[0].attention": {"type": "sliding", "window_size": 3}})
    assert int(m.reach(filled, context=200)) == 3 * 32 + 3
    assert m.coverage(filled, context=200) == 100


def test_a_full_layer_reaches_everything():
    a = aw.ArchitectureConfig(layers=[{"layers": "0-30", "attention": {"type": "sliding", "window_size": 1}}])
    assert int(m.reach(a, context=5000)) == 4999
    assert m.coverage(a, context=5000) == 100
    assert int(m.reach(a, context=5000, where="layers[0-30]")) == 31


def test_the_reach_of_one_token_is_nothing_and_misses_nothing():
    a = aw.ArchitectureConfig()
    assert int(m.reach(a, context=1)) == 0
    assert m.coverage(a, context=1) == 100


def test_a_variant_without_a_closed_form_is_counted_and_then_refused():
    @aw.attention("far_pairs_for_cost_test")
    class FarPairs(aw.AttentionSpec):
        """Sees itself and the token at half its position."""

        def visible(self, q, k):
            return (k == q) | (k == q // 2)

    a = aw.ArchitectureConfig(
        d_model=32, n_layers=2, n_heads=2, n_kv_heads=2, custom_attention="far_pairs_for_cost_test"
    )
    assert influences(a, 41) == {40, 20, 10}
    assert int(m.reach(a, context=41)) == 30
    assert m.coverage(a, context=41).value * 30 == 200
    with pytest.raises(aw.ArchwrightError, match=r"no closed form.*context=4096"):
        m.reach(a, context=5000)


def test_layers_that_differ_are_noted():
    a = aw.ArchitectureConfig(layers=[{"layers": "0-7", "attention": {"type": "sliding", "window_size": 511}}])
    seen = m.visible_keys(a, context=1000)
    assert int(seen) == 1000
    assert seen.notes == ("the most of layers that differ: 512 to 1,000",)
    assert int(m.visible_keys(a, context=1000, where="layers[type=sliding]")) == 512
    wide = a.change({"layers[0-15].d_ff": 22016})
    assert str(m.ffn_ratio(wide)) == "4.03"
    assert "differ" in m.ffn_ratio(wide).notes[0]


def test_counts_and_ratios():
    a = aw.ArchitectureConfig(layers=[{"layers": "0-7", "attention": {"type": "sliding"}}])
    assert str(m.layer_count(a)) == "32 layers"
    assert int(m.layer_count(a, where="layers[type=sliding]")) == 8
    assert int(m.layer_count(a, where="layers[type=dilated]")) == 0
    assert int(m.layer_count(a, where="0-3,30")) == 5
    assert m.depth_width_ratio(a).value == m.depth_width_ratio(a).value.from_float(32 / 4096)
    assert m.ffn_ratio(a).value == 11008 / 4096
    assert m.equivalent_kv_heads(a) == 8
    assert m.equivalent_kv_heads(a.change({"layers[0-15].n_kv_heads": 4})) == 6


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(0, 4), st.integers(1, 30))
def test_chunks_let_nothing_through_their_borders(chunks, window, context):
    kinds = [{"type": "chunked", "chunk_size": c} for c in chunks] + [{"type": "sliding", "window_size": window}]
    for order in (kinds, kinds[::-1]):
        a = aw.ArchitectureConfig(
            d_model=16, n_layers=len(order), n_heads=2, n_kv_heads=2,
            layers=[{"layers": i, "attention": kind} for i, kind in enumerate(order)],
        )  # fmt: skip
        reached = influences(a, context)
        assert int(m.reach(a, context=context)) == context - 1 - min(reached)
        far = context - 1 - min(reached)
        assert m.coverage(a, context=context).value * far == 100 * (len(reached) - 1) or not far


def test_a_context_that_no_set_holds_is_refused():
    with pytest.raises(aw.ArchwrightError, match="16,777,216 tokens"):
        m.reach(aw.ArchitectureConfig(), context=2**40)


def test_wavelengths_of_published_scalings():
    """Each from its paper's description: which wavelengths are stretched, and by how much."""
    theta, dims = 500_000.0, 128
    plain = [2 * math.pi * theta ** (2 * i / dims) for i in range(64)]
    base = {"d_model": 512, "n_heads": 4, "n_kv_heads": 4, "rope_theta": theta, "max_seq_len": 131072, "n_layers": 1}

    def longest_and_shortest(context=None, **scaling):
        a = aw.ArchitectureConfig(**base, rope_scaling=scaling)
        given = {"context": context} if context else {}
        return float(m.rope_wavelength_max(a, **given)), float(m.rope_wavelength_min(a, **given))

    llama = {"type": "llama3", "factor": 8, "original_max_position": 8192, "low_freq_factor": 1, "high_freq_factor": 4}
    assert longest_and_shortest(**llama) == pytest.approx((8 * plain[-1], plain[0]))
    a = aw.ArchitectureConfig(**base, rope_scaling=llama)
    kept = [w for w in plain if w < 8192 / 4]
    stretched = [8 * w for w in plain if w > 8192]
    between = [w for w in plain if 8192 / 4 <= w <= 8192]
    smooth = [1 / ((1 - s) / (8 * w) + s / w) for w in between for s in [(8192 / w - 1) / 3]]
    for limit in (100, 2500, 6000, 10_000, 60_000, 10**6):
        expected = sum(w > limit for w in kept + smooth + stretched)
        assert int(m.rope_incomplete_pairs(a, context=limit)) == expected

    yarn = {"type": "yarn", "factor": 4, "original_max_position": 32768}
    assert longest_and_shortest(**yarn) == pytest.approx((4 * plain[-1], plain[0]))
    dynamic = {"type": "dynamic", "factor": 2, "original_max_position": 1000}
    base["max_seq_len"] = 1000
    assert longest_and_shortest(context=1000, **dynamic) == pytest.approx((plain[-1], plain[0]))
    grown = theta * (2 * 3000 / 1000 - 1) ** (128 / 126)
    assert longest_and_shortest(context=3000, **dynamic)[0] == pytest.approx(2 * math.pi * grown ** (126 / 128))


def test_rotary_wavelengths():
    a = aw.ArchitectureConfig(d_model=256, n_heads=4, n_kv_heads=4, rope_theta=10000, max_seq_len=2048)
    longest = 2 * math.pi * 10000 ** (62 / 64)
    assert float(m.rope_wavelength_max(a)) == pytest.approx(longest, rel=1e-12)
    assert float(m.rope_wavelength_min(a)) == pytest.approx(2 * math.pi, rel=1e-12)
    scaled = a.change(rope_scaling={"type": "linear", "factor": 4})
    assert float(m.rope_wavelength_max(scaled)) == pytest.approx(188468.97, abs=0.01)
    expected = sum(2 * math.pi * 10000 ** (2 * i / 64) > 2048 for i in range(32))
    assert int(m.rope_incomplete_pairs(a)) == expected == 11
    assert int(m.rope_incomplete_pairs(a, context=10**9)) == 0
