"""Grouped decode against the float64 loop: groups, masks, ragged lengths and views of a larger cache."""

from __future__ import annotations

import pytest
import torch

from archwright.errors import InvalidValue
from archwright.nn.kernels import grouped_decode
from archwright.testing.oracle import attention, in_orders

from . import oracle


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("heads", [(8, 8), (8, 2), (16, 1)], ids=str)
@pytest.mark.parametrize("tokens", [1, 3])
def test_equals_the_definition(implementation, dtype, heads, tokens):
    if dtype in (torch.float16, torch.float64):
        implementation = "torch"
    q, k, v = (x.detach() for x in oracle.random_inputs(2, *heads, tokens, 90, 16, dtype))
    seen = torch.ones(tokens, 90, dtype=torch.bool)
    near = [*in_orders(attention, q, k, v, [list(range(90))] * tokens), oracle.dense(q, k, v, seen)]
    got = grouped_decode(q, k, v, implementation=implementation)
    oracle.check(got, oracle.by_loop(q, k, v, seen), near)


@pytest.mark.parametrize("heads", [(8, 2), (16, 1)], ids=str)
@pytest.mark.parametrize("per_query", [False, True])
def test_what_is_not_visible_is_not_read(implementation, heads, per_query):
    q, k, v = (x.detach() for x in oracle.random_inputs(3, *heads, 2, 40, 16, torch.float32))
    visible = torch.rand(3, 2 if per_query else 1, 40, generator=torch.Generator().manual_seed(5)) < 0.5
    visible[..., 7] = True
    got = grouped_decode(q, k, v, visible=visible if per_query else visible[:, 0], implementation=implementation)
    for b in range(3):
        seen = visible[b].expand(2, 40)
        row = [x[b : b + 1] for x in (q, k, v)]
        keys = [torch.nonzero(r).flatten().tolist() for r in seen]
        near = [*in_orders(attention, *row, keys), oracle.dense(*row, seen)]
        oracle.check(got[b : b + 1], oracle.by_loop(*row, seen), near)


def test_lengths_of_a_ragged_cache_are_slices_of_it(implementation):
    q, k, v = (x.detach() for x in oracle.random_inputs(4, 8, 2, 1, 50, 16, torch.float32))
    lengths = [50, 0, 13, 1]
    visible = torch.arange(50)[None] < torch.tensor(lengths)[:, None]
    wanted = grouped_decode(q, k, v, visible=visible)
    torch.testing.assert_close(grouped_decode(q, k, v, lengths=lengths, implementation=implementation), wanted)
    uniform = grouped_decode(q, k[:, :, :20], v[:, :, :20])
    torch.testing.assert_close(grouped_decode(q, k, v, lengths=[20] * 4, implementation=implementation), uniform)


@pytest.mark.parametrize("heads", [(32, 1), (8, 2)], ids=str)
def test_a_long_cache_is_cut_into_parts_with_a_rest(implementation, heads):
    q, k, v = (x.detach() for x in oracle.random_inputs(1, *heads, 1, 9001, 16, torch.float32))
    seen = torch.ones(1, 9001, dtype=torch.bool)
    exact = oracle.dense(q.double(), k.double(), v.double(), seen)
    oracle.check(grouped_decode(q, k, v, implementation=implementation), exact, oracle.dense(q, k, v, seen))


@pytest.mark.parametrize("layout", ["slots", "heads last"])
def test_views_of_a_larger_cache_give_the_same(implementation, layout):
    q, k, v = (x.detach() for x in oracle.random_inputs(2, 8, 2, 1, 64, 16, torch.float32))
    wanted = grouped_decode(q, k[:, :, :40].contiguous(), v[:, :, :40].contiguous())
    if layout == "heads last":
        k, v = (x.transpose(1, 2).contiguous().transpose(1, 2) for x in (k, v))
    torch.testing.assert_close(grouped_decode(q, k[:, :, :40], v[:, :, :40], implementation=implementation), wanted)


def test_gradients_flow_for_a_first_token_in_training():
    inputs = oracle.random_inputs(2, 4, 2, 1, 5, 8, torch.float64)
    assert torch.autograd.gradcheck(grouped_decode, inputs)


def test_arguments_are_checked():
    q, k, v = (x.detach() for x in oracle.random_inputs(2, 4, 2, 1, 5, 8, torch.float32))
    with pytest.raises(InvalidValue, match="visible"):
        grouped_decode(q, k, v, visible=torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(InvalidValue, match="lengths"):
        grouped_decode(q, k, v, lengths=[1, 6])
    with pytest.raises(InvalidValue, match="beside visible"):
        grouped_decode(q, k, v, lengths=[1, 2], visible=torch.ones(2, 5, dtype=torch.bool))
    with pytest.raises(InvalidValue, match="divisor"):
        grouped_decode(q, k[:, :1].repeat(1, 3, 1, 1), v[:, :1].repeat(1, 3, 1, 1))
