"""Packed sequences: each as if it were alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from archwright.errors import InvalidValue
from archwright.nn.kernels import sliding_attention, sliding_attention_varlen

from . import oracle

ENDS = [0, 1, 8, 8, 41, 46, 90]


def _packed(dtype=torch.float32):
    made = oracle.random_inputs(1, 4, 2, ENDS[-1], ENDS[-1], 16, dtype)
    return [x.detach()[0].transpose(0, 1).contiguous().requires_grad_() for x in made]


@pytest.mark.parametrize(("dilation", "causal"), [(1, True), (3, True), (1, False)])
def test_every_segment_is_as_if_alone(implementation, dilation, causal):
    inputs = _packed()
    options = {"window": 7, "dilation": dilation, "causal": causal, "implementation": implementation}
    out = sliding_attention_varlen(*inputs, torch.tensor(ENDS, dtype=torch.int32), **options)
    grad = torch.randn_like(out)
    grads = torch.autograd.grad(out, inputs, grad)
    for start, stop in pairwise(ENDS):
        if start == stop:
            continue
        alone = [x.detach()[start:stop].transpose(0, 1)[None].requires_grad_() for x in inputs]
        expected = sliding_attention(*alone, **options)
        part = grad[start:stop].transpose(0, 1)[None]
        wanted = torch.autograd.grad(expected, alone, part)
        torch.testing.assert_close(out[start:stop].transpose(0, 1)[None], expected)
        for got, want in zip(grads, wanted, strict=True):
            torch.testing.assert_close(got[start:stop].transpose(0, 1)[None], want)


def test_boundaries_may_be_plain_numbers():
    inputs = _packed()
    tensor = sliding_attention_varlen(*inputs, torch.tensor(ENDS, dtype=torch.int32), window=7)
    assert torch.equal(tensor, sliding_attention_varlen(*inputs, ENDS, window=7))


@pytest.mark.parametrize("ends", [[1, 90], [0, 50, 40, 90], [0, 89], []], ids=str)
def test_wrong_boundaries_are_refused(ends):
    with pytest.raises(InvalidValue, match="cu_seqlens"):
        sliding_attention_varlen(*_packed(), ends, window=7)
