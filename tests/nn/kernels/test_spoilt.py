"""NaN and infinity spoil the rows that see them and no others, in values and gradients."""

from __future__ import annotations

import pytest
import torch

from archwright.nn.kernels import grouped_decode, sliding_attention

from . import oracle

WINDOW, TOKENS, BAD = 6, 60, 25


@pytest.mark.parametrize("which", [1, 2], ids=["key", "value"])
@pytest.mark.parametrize("what", [float("nan"), float("inf")], ids=["nan", "inf"])
@pytest.mark.parametrize(("dilation", "causal"), [(1, True), (2, True), (1, False)])
def test_a_spoilt_key_or_value_spoils_only_the_rows_that_see_it(implementation, which, what, dilation, causal):
    inputs = [x.detach() for x in oracle.random_inputs(1, 4, 2, TOKENS, TOKENS, 16, torch.float32)]
    options = {"window": WINDOW, "dilation": dilation, "causal": causal, "implementation": implementation}
    clean = sliding_attention(*inputs, **options)
    inputs[which][0, 1, BAD, 3] = what
    spoilt = sliding_attention(*inputs, **options)
    sees = oracle.mask(TOKENS, TOKENS, WINDOW, dilation, causal)[:, BAD]
    assert torch.equal(spoilt[:, :2], clean[:, :2]), "the other key head's group"
    assert torch.equal(spoilt[:, 2:, ~sees], clean[:, 2:, ~sees])
    assert not spoilt[:, 2:, sees].isfinite().all(-1).any()


def test_gradients_stay_clean_outside_what_a_spoilt_row_touches(implementation):
    inputs = oracle.random_inputs(1, 4, 2, TOKENS, TOKENS, 16, torch.float32)
    grad = torch.randn(1, 4, TOKENS, 16)
    options = {"window": WINDOW, "implementation": implementation}
    clean = torch.autograd.grad(sliding_attention(*inputs, **options), inputs, grad)
    grad[0, 0, BAD] = float("nan")
    spoilt = torch.autograd.grad(sliding_attention(*inputs, **options), inputs, grad)
    row = torch.arange(TOKENS) == BAD
    assert spoilt[0][0, 0, row].isnan().all()
    assert torch.equal(spoilt[0][0, 0, ~row], clean[0][0, 0, ~row])
    assert torch.equal(spoilt[0][0, 1:], clean[0][0, 1:])
    seen = oracle.mask(TOKENS, TOKENS, WINDOW, 1, True)[BAD]
    for got, want in zip(spoilt[1:], clean[1:], strict=True):
        assert torch.equal(got[0, 1], want[0, 1]), "the other key head"
        assert torch.equal(got[0, 0, ~seen], want[0, 0, ~seen])
        assert got[0, 0, seen].isnan().all()


def test_numbers_that_overflow_when_summed_are_not_taken_for_spoilt(implementation):
    q, k, v = (x.detach() for x in oracle.random_inputs(1, 2, 2, TOKENS, TOKENS, 16, torch.float32))
    big = v.abs() * 1e37
    got = sliding_attention(q, k, big, window=WINDOW, implementation=implementation)
    assert got.isfinite().all()
    torch.testing.assert_close(got / 1e37, sliding_attention(q, k, v.abs(), window=WINDOW))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_dead_slots_have_no_effect_whatever_they_hold(implementation, dtype):
    q, k, v = (x.detach() for x in oracle.random_inputs(3, 4, 2, 1, 33, 16, dtype))
    alive = torch.rand(3, 33) < 0.5
    alive[2] = False
    options = {"visible": alive, "implementation": implementation}
    clean = grouped_decode(q, k, v, **options)
    dead = ~alive[:, None, :, None]
    spoilt = grouped_decode(q, k.masked_fill(dead, float("nan")), v.masked_fill(dead, float("nan")), **options)
    assert torch.equal(spoilt, clean)
    assert torch.equal(clean[2], torch.zeros_like(clean[2])), "sees nothing: zeros"
