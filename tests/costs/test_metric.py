"""The registry of metrics: pages, third parties, and the module of all of them."""

from __future__ import annotations

from fractions import Fraction

import pytest

import archwright as aw
from archwright.costs.metric import describe, evaluate, metrics, settings_of
from archwright.costs.settings import Setting

A = aw.ArchitectureConfig()

NAMED = """
parameters active_parameters non_embedding_parameters parameters_share depth_width_ratio ffn_ratio layer_count
visible_keys reach coverage equivalent_kv_heads rope_wavelength_max rope_wavelength_min rope_incomplete_pairs
weights kv_cache kv_cache_elements kv_cache_growth inference_memory devices_needed max_batch max_context
max_tokens_in_cache fits forward_flops prefill_flops decode_flops flops_per_token attention_flops
attention_flops_share training_flops elementwise_flops bytes_read bytes_written weight_bytes_read kv_bytes_read
arithmetic_intensity ridge_point prefill_time decode_time time_to_first_token time_per_output_token
decode_throughput prefill_throughput mfu hfu chinchilla_ratio training_time device_hours
gradients optimizer_state master_weights activations training_memory recurrent_state communication_bytes energy
cost_per_million_tokens training_cost
"""


def test_the_contract_names_are_there():
    assert set(NAMED.split()) <= set(aw.metrics.names())
    assert set(NAMED.split()) <= set(dir(aw.metrics))


@pytest.mark.parametrize("name", metrics.names())
def test_a_page_has_formula_unit_convention_and_source(name):
    page = describe(name)
    first = page.splitlines()[0]
    assert first.endswith(".") and len(first) <= 120
    for part in ("Formula: ", "Unit: ", "Convention: ", "Source: "):
        assert page.count(part) == 1, f"{name} lacks {part}"
    found = metrics.get(name)
    unit = page.split("Unit: ")[1].splitlines()[0]
    spelled = {"": ("plain number", "verdict"), "params": ("params",)}.get(found.unit, (found.unit,))
    assert any(word in unit for word in spelled)
    assert found.better in ("less", "more", None)
    assert found.label


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(AttributeError, match=r"Did you mean kv_cache\?"):
        _ = aw.metrics.kv_cach
    with pytest.raises(aw.ArchwrightError, match="kv_cache"):
        settings_of("kv_cach")


def test_a_metric_of_ones_own():
    @aw.metric(
        unit="B", better="less", settings=[Setting("spare", "Bytes to spare.", "a number", lambda v, a: int(v), 7)]
    )
    def padded_cache_for_test(a, *, context, kv_dtype, spare):
        """Cache with something on top.

        Formula: kv_cache + spare.
        Unit: B.
        Convention: none.
        Source: this test.
        """
        return Fraction(aw.metrics.kv_cache(a, context=context, kv_dtype=kv_dtype).value + spare)

    try:
        found = aw.metrics.padded_cache_for_test(A, context=1)
        assert found == aw.metrics.kv_cache(A, context=1).value + 7
        assert found.unit == "B" and isinstance(found.value, int)
        assert evaluate("padded_cache_for_test", A, {"context": 1, "spare": "9", "dtype": "fp8"}) == 65536 + 9
        assert evaluate("kv_cache", A, {"context": 1, "spare": 9}, strict=False) == 131072
        assert list(settings_of("padded_cache_for_test")) == ["context", "kv_dtype", "spare", "dtype"]
        assert str(aw.estimate(A, "padded_cache_for_test", context=1)).startswith("padded cache for test  128 KiB")
    finally:
        metrics._items.pop("padded_cache_for_test")


def test_a_name_that_is_taken():
    with pytest.raises(aw.ArchwrightError, match=r"metric kv_cache is already registered by .*\.kv_cache"):

        @aw.metric(unit="B", better="less")
        def kv_cache(a):
            """Another."""
            return 0


def test_a_direction_is_less_or_more():
    with pytest.raises(aw.ArchwrightError, match="better is 'lower'"):
        aw.metric(unit="B", better="lower")


def test_calling_is_exact_and_quiet():
    found = aw.metrics.flops_per_token(A, context=3)
    assert isinstance(found.value, int | Fraction)
    assert found.notes == ()
    assert repr(aw.metrics.kv_cache) == "<metric kv_cache in B>"
