"""Attention specs: pattern, intervals, pairs and cache against brute force."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archwright as aw
from archwright.arch.attention import attention_types
from archwright.arch.attention.config import AttentionConfig


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """Variants registered by a test are gone after it."""
    attention_types.names()
    monkeypatch.setattr(attention_types, "_items", dict(attention_types._items))


def spec_of(kind: str, **options):
    return AttentionConfig(kind, 4, head_dim=8, **options).spec


CASES = [
    ("full", {}),
    ("sliding", {"window_size": 0}),
    ("sliding", {"window_size": 3}),
    ("dilated", {"window_size": 2, "dilation": 3}),
    ("dilated", {"window_size": 5, "dilation": 2}),
]


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("kind", "options"), CASES)
def test_intervals_pairs_and_cache_meet_the_predicate(kind, options, causal):
    spec = spec_of(kind, causal=causal, **options)
    for length in (1, 2, 3, 4, 7, 16, 23):
        seen = {
            q: {k for k in range(length) if bool(spec.visible(q, k)) and (k <= q or not causal)} for q in range(length)
        }
        assert spec.pairs(length) == sum(map(len, seen.values()))
        for q, keys in seen.items():
            listed = [k for part in spec.key_set(q, length) for k in part]
            assert sorted(listed) == sorted(set(listed))
            assert set(listed) == keys
            assert spec.visible_keys(q, length) == len(keys)


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_the_cache_holds_every_key_that_a_later_query_sees(kind, options):
    spec = spec_of(kind, **options)
    for length in range(1, 30):
        slots = spec.cache_slots(length)
        needed = {k for q in range(length, length + 40) for k in range(length) if bool(spec.visible(q, k))}
        held = set(range(length - slots, length))
        assert needed <= held | {length - 1} or spec.type == "full"
        assert slots <= length


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 40), st.integers(1, 7), st.integers(1, 90), st.booleans())
def test_window_pairs_in_closed_form(window, dilation, context, causal):
    spec = spec_of("dilated", window_size=window, dilation=dilation, causal=causal)
    expected = sum(
        1
        for q in range(context)
        for k in range(context)
        if abs(q - k) <= window * dilation and (q - k) % dilation == 0 and (k <= q or not causal)
    )
    assert spec.pairs(context) == expected
    assert spec.cache_slots(context) == min(context, window * dilation + 1)


def test_a_variant_of_ones_own_needs_one_predicate():
    @aw.attention("sink_window_for_test")
    class SinkWindow(aw.AttentionSpec):
        """A window that always sees the first tokens."""

        window_size: int = 4
        n_sinks: int = 2

        def problems(self):
            if self.n_sinks < 0:
                yield aw.Problem("n_sinks", self.n_sinks, "must not be negative", "use 0 for a plain window")

        def visible(self, q, k):
            return (abs(q - k) <= self.window_size) | (k < self.n_sinks)

        def ranges(self, q):
            yield range(0, self.n_sinks)
            yield range(q - self.window_size, q + self.window_size + 1)

    spec = AttentionConfig("sink_window_for_test", 4, head_dim=8, window_size=3).spec
    length = 20
    brute = sum(1 for q in range(length) for k in range(q + 1) if q - k <= 3 or k < 2)
    assert spec.pairs(length) == brute
    assert spec.cache_slots(20) == 2 + 4
    assert spec.cache_slots(3) == 3
    assert spec.reach(19) == 19
    config = aw.ArchitectureConfig(custom_attention="sink_window_for_test", attention={"n_sinks": 1})
    assert config.layers[0].attention.n_sinks == 1
    with pytest.raises(ValueError, match=r"attention.n_sinks is -1: must not be negative. Use 0 for a plain window"):
        aw.ArchitectureConfig(custom_attention="sink_window_for_test", attention={"n_sinks": -1})
    with pytest.raises(ValueError, match="already registered by"):
        attention_types.register("sink_window_for_test", attention_types.get("full"))


def test_a_variant_without_intervals_is_counted_and_then_refuses():
    @aw.attention("parity_for_test")
    class Parity(aw.AttentionSpec):
        """Sees keys of its own parity."""

        def visible(self, q, k):
            return (q - k) % 2 == 0

    spec = AttentionConfig("parity_for_test", 4, head_dim=8).spec
    assert not spec.has_closed_form()
    assert spec.pairs(9) == sum(q // 2 + 1 for q in range(9))
    with pytest.raises(ValueError, match="no closed form"):
        spec.pairs(4097)


def test_weights_name_every_projection_once():
    spec = AttentionConfig("gqa", 8, 2, head_dim=16, d_model=96, bias=("q", "o")).spec
    shapes = {w.name: w.shape for w in spec.weights()}
    assert shapes == {
        "q_proj.weight": (128, 96),
        "q_proj.bias": (128,),
        "k_proj.weight": (32, 96),
        "v_proj.weight": (32, 96),
        "o_proj.weight": (96, 128),
        "o_proj.bias": (96,),
    }
    assert spec.cache_elements == 2 * 2 * 16


def test_attention_config_has_the_documented_defaults():
    config = AttentionConfig(type="gqa", n_heads=32, n_kv_heads=8)
    assert (config.head_dim, config.dropout, config.d_model) == (128, 0.0, 4096)
    assert AttentionConfig("full", 8).n_kv_heads == 8
    assert AttentionConfig("mqa", 8).n_kv_heads == 1
    assert AttentionConfig("sliding", 8).window_size == 512
    assert AttentionConfig("dilated", 8).dilation == 1
    assert AttentionConfig("sliding", 8, dilation=2).spec.type == "dilated"
    assert AttentionConfig.SUPPORTED_TYPES == ["full", "gqa", "mqa", "sliding", "dilated"]
    assert AttentionConfig("full", 8, 2) == AttentionConfig("gqa", 8, 2)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"type": "slidng", "n_heads": 8}, ["slidng", "Did you mean sliding?"]),
        ({"type": "full", "n_heads": 8, "window_size": 4}, ["window_size is 4", "full", "no window"]),
        ({"type": "mqa", "n_heads": 8, "n_kv_heads": 2}, ["n_kv_heads is 2", "must be 1 for mqa"]),
        (
            {"type": "sliding", "n_heads": 8, "n_kv_heads": 3, "window_size": -1, "head_dim": 0, "dropout": 1.5},
            ["n_kv_heads is 3", "window_size is -1", "head_dim is 0", "dropout is 1.5"],
        ),
        ({"type": "gqa", "n_heads": "8"}, ["n_heads is '8'"]),
        ({"type": "gqa", "n_heads": 8, "n_kv_head": 2}, ["n_kv_head is not a field", "n_kv_heads"]),
    ],
)
def test_attention_config_reports_all_problems(arguments, expected):
    with pytest.raises(ValueError) as caught:
        AttentionConfig(**arguments)
    for text in expected:
        assert text in str(caught.value)
