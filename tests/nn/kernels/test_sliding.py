"""Sliding-window attention against a float64 loop that follows the definition, in values and gradients."""

from __future__ import annotations

import pytest
import torch

from archwright.errors import InvalidValue, NotSupported
from archwright.nn.kernels import native, sliding_attention
from archwright.testing.oracle import attention, gradients, in_orders

from . import oracle

W = 8
LENGTHS = (1, W - 1, W, W + 1, 3 * W + 5)


def _compare(implementation, tokens, keys, window, dilation, causal, heads=(4, 2), width=16, dtype=torch.float32):
    inputs = oracle.random_inputs(2, *heads, tokens, keys, width, dtype)
    seen = oracle.mask(tokens, keys, window, dilation, causal)
    exact = oracle.by_loop(*inputs, seen)
    grad = torch.randn(exact.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    exact_grads = torch.autograd.grad(exact, inputs, grad.double())
    keys_of = [torch.nonzero(row).flatten().tolist() for row in seen]
    narrow = [x.detach() for x in inputs]
    near = oracle.dense(*inputs, seen)
    low = [*in_orders(attention, *narrow, keys_of), near]
    low_grads = [*in_orders(gradients, *narrow, keys_of, grad), torch.autograd.grad(near, inputs, grad)]
    out = sliding_attention(*inputs, window=window, dilation=dilation, causal=causal, implementation=implementation)
    grads = torch.autograd.grad(out, inputs, grad)
    assert out.dtype == dtype
    oracle.check(out, exact, low, "output")
    for name, got, want, *near in zip("qkv", grads, exact_grads, *low_grads, strict=True):
        oracle.check(got, want, near, f"gradient of {name}")


@pytest.mark.parametrize("causal", [True, False], ids=["causal", "two-sided"])
@pytest.mark.parametrize("dilation", [1, 2, 4, 8])
@pytest.mark.parametrize("tokens", LENGTHS)
def test_equals_the_definition_at_every_length_and_dilation(implementation, tokens, dilation, causal):
    _compare(implementation, tokens, tokens, W, dilation, causal)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("causal", [True, False], ids=["causal", "two-sided"])
def test_every_type_is_as_accurate_as_dense_attention_in_that_type(implementation, dtype, causal):
    if dtype == torch.float64:
        implementation = "torch"
    for tokens, dilation in ((1, 1), (3 * W + 5, 1), (3 * W + 5, 2)):
        _compare(implementation, tokens, tokens, W, dilation, causal, dtype=dtype)


@pytest.mark.parametrize("heads", [(4, 4), (4, 1), (6, 2)], ids=str)
def test_grouped_heads_read_their_own_key_head(implementation, heads):
    _compare(implementation, 30, 30, W, 1, True, heads=heads)


@pytest.mark.parametrize("window", [0, 1, 100], ids=["itself", "one neighbour", "longer than the sequence"])
def test_extreme_windows(implementation, window):
    _compare(implementation, 37, 37, window, 1, True)
    _compare(implementation, 37, 37, window, 3, False)


@pytest.mark.parametrize("tokens", [1, 5, 24])
@pytest.mark.parametrize("dilation", [1, 3])
def test_queries_are_the_last_of_the_keys(implementation, tokens, dilation):
    _compare(implementation, tokens, 29, W, dilation, True)


@pytest.mark.parametrize("causal", [True, False], ids=["causal", "two-sided"])
def test_many_equal_blocks_with_a_rest_at_both_ends(implementation, causal):
    """Long enough for a run of blocks, several phases of the gradient and pieces around them."""
    inputs = oracle.random_inputs(1, 2, 1, 1213, 1213, 32, torch.float64)
    window = 150
    place = torch.arange(1213)
    distance = place[:, None] - place[None]
    seen = (distance.abs() <= window) & ((distance >= 0) | (not causal))
    exact = oracle.dense(*inputs, seen)
    grad = torch.randn_like(exact)
    wanted = (exact, *torch.autograd.grad(exact, inputs, grad))
    narrow = [x.detach().float().requires_grad_() for x in inputs]
    low = oracle.dense(*narrow, seen)
    near = (low, *torch.autograd.grad(low, narrow, grad.float()))
    out = sliding_attention(*narrow, window=window, causal=causal, implementation=implementation)
    got = (out, *torch.autograd.grad(out, narrow, grad.float()))
    for name, a, b, c in zip(("output", "q", "k", "v"), got, wanted, near, strict=True):
        oracle.check(a, b, c, name)


def test_any_strides_give_the_same(implementation):
    q, k, v = (x.detach() for x in oracle.random_inputs(2, 4, 2, 40, 40, 16, torch.float32))
    plain = sliding_attention(q, k, v, window=W, implementation=implementation)
    turned = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in (q, k, v)]
    spaced = [torch.stack((x, x), -1)[..., 0] for x in (q, k, v)]
    for inputs in (turned, spaced):
        got = sliding_attention(*inputs, window=W, implementation=implementation)
        assert torch.equal(got, plain)


def test_scale_replaces_the_default(implementation):
    q, k, v = (x.detach() for x in oracle.random_inputs(1, 2, 2, 20, 20, 16, torch.float32))
    got = sliding_attention(q, k, v, window=W, scale=0.5, implementation=implementation)
    wanted = sliding_attention(q * 2.0, k, v, window=W, implementation=implementation)
    torch.testing.assert_close(got, wanted)


def test_gradients_by_finite_differences():
    inputs = oracle.random_inputs(1, 2, 1, 9, 9, 2, torch.float64)
    for dilation, causal in ((1, True), (2, True), (1, False)):
        assert torch.autograd.gradcheck(
            lambda *x, d=dilation, c=causal: sliding_attention(*x, window=3, dilation=d, causal=c), inputs
        )


def test_only_inputs_output_and_sums_are_saved():
    """Nothing that grows with tokens * window is kept for the gradient."""
    inputs = oracle.random_inputs(1, 2, 2, 300, 300, 16, torch.float32)
    saved: list[int] = []

    def pack(x: torch.Tensor) -> torch.Tensor:
        saved.append(x.numel())
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        sliding_attention(*inputs, window=64)
    tokens, width = 2 * 300, 16
    assert sum(saved) == 4 * tokens * width + 2 * tokens


def test_the_gradient_of_a_gradient_is_refused_not_wrong():
    inputs = oracle.random_inputs(1, 2, 2, 12, 12, 16, torch.float32)
    out = sliding_attention(*inputs, window=4)
    (first,) = torch.autograd.grad(out.sum(), inputs[0], create_graph=True)
    with pytest.raises(NotSupported, match="no second derivative"):
        torch.autograd.grad(first.sum(), inputs[0])


def test_traced_without_breaks_and_as_one_node():
    inputs = oracle.random_inputs(1, 2, 1, 40, 40, 16, torch.float32)
    torch.library.opcheck(
        torch.ops.archwright.sliding_forward,
        (*inputs, 8, 0, 1, [], 0.25, "torch"),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )
    shapes = torch.ops.archwright.sliding_forward(*(x.to("meta") for x in inputs), 8, 0, 1, [], 0.25, "torch")
    assert shapes[0].shape == inputs[0].shape


def test_every_problem_is_named_at_once():
    q, k, v = torch.randn(1, 4, 6, 8), torch.randn(1, 3, 5, 8), torch.randn(1, 3, 5, 8)
    with pytest.raises(InvalidValue) as caught:
        sliding_attention(q, k, v.double(), window=-1, dilation=0)
    assert {p.field for p in caught.value.problems} == {"k", "v", "window", "dilation"}
    with pytest.raises(InvalidValue, match="queries are the last"):
        sliding_attention(q, q[:, :, :5], q[:, :, :5], window=2)


def test_auto_takes_what_can_be_had(monkeypatch):
    """A call large enough runs on native kernels; turned off, the same call runs in torch with the same result."""
    q, k, v = (x.detach() for x in oracle.random_inputs(1, 4, 4, 600, 600, 32, torch.float32))
    first = sliding_attention(q, k, v, window=256)
    monkeypatch.setenv("ARCHWRIGHT_NATIVE", "0")
    native.forget()
    try:
        assert native.status().reason == "ARCHWRIGHT_NATIVE=0 turns the native kernels off"
        second = sliding_attention(q, k, v, window=256)
    finally:
        native.forget()
    assert torch.equal(second, sliding_attention(q, k, v, window=256, implementation="torch"))
    torch.testing.assert_close(first, second)
