"""Training: FLOP by convention, published figures, utilisation and time."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archwright as aw

from .strategies import architectures

m = aw.metrics


@settings(max_examples=30, deadline=None)
@given(architectures(), st.integers(1, 20), st.integers(1, 10**6))
def test_training_is_three_times_the_forward_pass(a, context, tokens):
    given = {"context": context, "tokens": tokens}
    forward = m.flops_per_token(a, context=context).value
    layers = m.flops_per_token(a, context=context, where=f"0-{a.n_layers - 1}").value
    scores = m.flops_per_token(a, context=context, part="attention.scores").value
    assert m.training_flops(a, **given).value == 3 * forward * tokens
    assert m.training_flops(a, **given, checkpointing="full").value == 3 * forward * tokens
    assert m.training_flops(a, **given, hardware=True).value == 3 * forward * tokens
    full = m.training_flops(a, **given, hardware=True, checkpointing="full")
    assert full.value == (3 * forward + layers) * tokens
    selective = m.training_flops(a, **given, hardware=True, checkpointing="selective")
    assert selective.value == (3 * forward + scores) * tokens
    assert m.training_flops(a, **given, approximation="6N") == 6 * int(m.parameters(a)) * tokens


def test_published_compute():
    llama = aw.load("llama-3.1-405b")
    found = m.training_flops(llama, tokens=15_600_000_000_000, approximation="6N")
    assert round(float(found) / 1e25, 2) == 3.80
    with pytest.raises(aw.ArchwrightError, match=r"hardware is true.*approximation"):
        m.training_flops(llama, tokens=1, approximation="6N", hardware=True)
    with pytest.raises(aw.ArchwrightError, match="tokens is required by training_flops"):
        m.training_flops(llama)


def test_utilisation():
    a = aw.ArchitectureConfig()
    assert f"{m.mfu(a, device='h100-sxm', achieved=400e12):.1f}" == "40.4 %"
    assert m.mfu(a, device="h100-sxm", achieved="400 TFLOP/s") == m.mfu(a, device="h100-sxm", achieved=400e12)
    one = m.training_flops(a, tokens=1, context=4096).value
    found = m.mfu(a, device="h100-sxm", throughput=5000, context=4096)
    assert found.value == 100 * 5000 * one / Fraction(9894 * 10**11)
    more = m.hfu(a, device="h100-sxm", throughput=5000, context=4096, checkpointing="full")
    assert found.value < more.value < Fraction(4, 3) * found.value
    assert m.hfu(a, device="h100-sxm", throughput=5000, context=4096) == found
    with pytest.raises(aw.ArchwrightError, match="throughput is required"):
        m.mfu(a, device="h100-sxm")
    with pytest.raises(aw.ArchwrightError, match="exclude each other"):
        m.mfu(a, device="h100-sxm", throughput=1, achieved=1)
    with pytest.raises(
        aw.ArchwrightError, match=r"1.98 PFLOP/s.*more than the dense bf16 peak of H100 SXM \(989 TFLOP/s\)"
    ):
        m.mfu(a, device="h100-sxm", achieved=1979e12)


def test_time_to_train():
    """Touvron et al. 2023: 1.4 T tokens at 380 tokens a second and device on 2,048 devices take about 21 days."""
    a = aw.ArchitectureConfig()
    found = m.training_time(a, tokens=1_400_000_000_000, throughput=380, n_devices=2048)
    assert str(found) == "20.8 days"
    hours = m.device_hours(a, tokens=1_400_000_000_000, throughput=380)
    assert hours.value == 2048 * found.value
    assert str(hours) == "1,023,392 h"
    assert m.device_hours(a, hours=2) == 7200
    bound = m.training_time(a, tokens=10**9, device="h100-sxm", n_devices=8, context=4096)
    flops = m.training_flops(a, tokens=10**9, context=4096).value
    assert bound.value == flops / (8 * Fraction(9894 * 10**11))
    assert m.training_time(a, tokens=10**9, device="h100-sxm", n_devices=4, context=4096, efficiency=0.5).value == (
        4 * bound.value
    )
    with pytest.raises(aw.ArchwrightError, match=r"device or throughput is required.*h100-sxm"):
        m.training_time(a, tokens=1)


def test_tokens_a_parameter():
    a = aw.ArchitectureConfig()
    assert m.chinchilla_ratio(a, tokens=5_933_109_248 * 20) == 20
    assert m.chinchilla_ratio(a, tokens=10**12, embedding="none").value > m.chinchilla_ratio(a, tokens=10**12).value
