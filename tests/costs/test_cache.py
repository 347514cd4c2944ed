"""The KV cache: slots against the keys that a later query still sees; kinds, shares and splits."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archwright as aw

from .strategies import architectures

m = aw.metrics


def held(at, context: int) -> int:
    """Slots of a rolling buffer: from the oldest key that the newest query or a later one sees, to the newest."""
    queries = range(context - 1, context + 60)
    return context - min(k for k in range(context) for q in queries if bool(at.visible(q, k)))


@settings(max_examples=50, deadline=None)
@given(architectures(), st.integers(1, 30), st.integers(1, 4))
def test_a_cache_is_slots_times_elements(a, context, batch):
    elements = 0
    for layer in a.layers:
        at = layer.attention
        elements += 2 * at.n_kv_heads * at.head_dim * held(at, context)
    assert int(m.kv_cache_elements(a, context=context, batch=batch)) == batch * elements
    assert m.kv_cache(a, context=context, batch=batch) == batch * elements * 2
    assert (
        m.kv_cache(a, context=context, batch=batch, kv_dtype="int4-g128").value == Fraction(33, 64) * batch * elements
    )
    assert m.kv_cache(a, context=context, dtype="fp8") == elements
    assert m.kv_cache(a, context=context, dtype="fp32", kv_dtype="bf16") == 2 * elements
    full = sum(2 * x.attention.n_kv_heads * x.attention.head_dim * context for x in a.layers)
    assert m.kv_cache_elements(a, context=context, cache="full") == full


@settings(max_examples=50, deadline=None)
@given(architectures(), st.integers(1, 30), st.integers(1, 3))
def test_shares_of_a_cache_add_up(a, context, batch):
    whole = m.kv_cache(a, context=context, batch=batch)
    assert m.kv_cache(a, context=context, batch=batch, per="layer").value * a.n_layers == whole.value
    assert m.kv_cache(a, context=context, batch=batch, per="sequence").value * batch == whole.value
    assert m.kv_cache(a, context=context, batch=batch, per="token").value * batch * context == whole.value
    assert m.kv_cache(a, context=context, batch=batch, per="device") == whole
    assert sum(m.kv_cache(a, context=context, batch=batch, where=i).value for i in range(a.n_layers)) == whole.value
    more = m.kv_cache(a, context=context + 1, batch=batch) - whole
    assert m.kv_cache_growth(a, context=context, batch=batch) == more


def test_the_documented_example():
    a = aw.ArchitectureConfig()
    q = m.kv_cache(a, context=32768, dtype="bf16")
    assert (int(q), q.unit, str(q), str(q.to("GB"))) == (4_294_967_296, "B", "4.00 GiB", "4.29 GB")
    assert int(m.kv_cache(a.change(n_kv_heads=32))) == 4 * 4_294_967_296
    assert str(m.kv_cache(a, per="layer")) == "128 MiB"
    assert str(m.kv_cache(a, context=1)) == "128 KiB"


def windows() -> aw.ArchitectureConfig:
    return aw.ArchitectureConfig(
        d_model=64, n_layers=4, n_heads=4, n_kv_heads=2, head_dim=16,
        layers=[{"layers": "0-1", "attention": {"type": "sliding", "window_size": 7}},
                {"layers": "2", "attention": {"type": "dilated", "window_size": 3, "dilation": 4}}],
    )  # fmt: skip


def test_kinds_of_cache():
    a, token = windows(), 2 * 2 * 16

    def slots(**settings) -> int:
        return int(m.kv_cache_elements(a, **settings)) // token

    assert slots(context=100) == 8 + 8 + 13 + 100
    assert slots(context=100, cache="full") == 400
    assert slots(context=100, cache="transformers") == 7 + 7 + 12 + 100
    assert slots(context=7, cache="transformers") == 7 * 4
    assert slots(context=8, cache="transformers") == 7 + 7 + 8 + 8
    assert slots(context=100, cache="hybrid-unified") == 400
    assert slots(context=100, cache="paged-16") == 16 + 16 + 16 + 112
    only = a.change(layers=None, attention={"type": "sliding", "window_size": 7})
    assert int(m.kv_cache_elements(only, context=100, cache="hybrid-unified")) == 4 * 8 * token
    assert m.kv_cache_growth(only, context=100) == 0
    assert m.kv_cache_growth(only, context=7) == 4 * token * 2


def test_two_sizes_in_one_model_make_the_mean_a_note():
    found = m.kv_cache(windows(), context=100, per="layer")
    assert found.notes == ("mean of layers that differ",)
    assert m.kv_cache(windows(), context=100, per="layer", where="0-1").notes == ()


def test_devices_split_heads_and_replicate_them_beyond_their_number():
    a = aw.ArchitectureConfig()
    whole = m.kv_cache(a).value
    for tp, share in ((1, 1), (2, 2), (8, 8), (16, 8), (32, 8)):
        assert m.kv_cache(a, per="device", tp=tp).value * share == whole
    assert m.kv_cache(a, per="device", tp=3).value * 8 == whole * 3  # three heads of eight on the fullest
    assert m.kv_cache(a, per="device", pp=4).value * 4 == whole
    assert m.kv_cache(a, per="device", pp=3).value * 32 == whole * 11
    assert m.kv_cache(a, per="device", tp=2, pp=2).value * 4 == whole
    noted = m.kv_cache(a, tp=2)
    assert noted == whole
    assert "per=device" in noted.notes[0]
    with pytest.raises(aw.ArchwrightError, match=r"pp is 33.*number of layers \(32\)"):
        m.kv_cache(a, per="device", pp=33)


def test_a_context_beyond_the_model_is_a_note():
    found = m.kv_cache(aw.ArchitectureConfig(), context=65536)
    assert str(found) == "8.00 GiB"
    assert found.notes == ("context 65,536 is beyond max_seq_len (32,768)",)
