"""The parts around attention: norms, feed-forward networks, rotary positions, dropout, recomputation of activations."""

from __future__ import annotations

import cmath
import math

import pytest
import torch

from archwright.arch.feed_forward import feed_forward_types
from archwright.arch.norm import LayerNorm, RMSNorm
from archwright.arch.position import DynamicScaling, LinearScaling, Llama3Scaling, Rope, YarnScaling
from archwright.nn import AttentionConfig, CustomAttentionFactory, FeedForward, Rotary, Transformer
from archwright.nn.norm import build_norm
from archwright.nn.rotary import rotate
from archwright.testing.accuracy import assert_accurate, assert_same

from .conftest import small

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def numbers(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def gelu(x: torch.Tensor) -> torch.Tensor:
    """x times the normal distribution's integral up to x."""
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", [RMSNorm, LayerNorm])
def test_norms_are_their_formulas(kind, dtype):
    norm = build_norm(kind(48, 1e-5), dtype=dtype)
    with torch.no_grad():
        for number, tensor in enumerate(norm.parameters()):
            tensor.copy_(numbers(48, seed=number + 1))
    x = 3 * numbers(5, 7, 48, dtype=dtype) + 1

    def formula(x: torch.Tensor) -> torch.Tensor:
        weight = norm.weight.to(x.dtype)
        if kind is RMSNorm:
            return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight + norm.bias.to(x.dtype)

    assert_accurate(norm(x), formula(x.double()), formula(x), kind.__name__)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["geglu", "swiglu", "gelu"])
@pytest.mark.parametrize("bias", [False, True])
def test_feed_forward_networks_are_their_formulas(kind, dtype, bias):
    spec = feed_forward_types.get(kind)(d_model=24, d_ff=40, bias=bias)
    module = FeedForward(spec, dtype=dtype)
    if bias:
        with torch.no_grad():
            for name, tensor in module.named_parameters():
                if name.endswith("bias"):
                    tensor.copy_(numbers(*tensor.shape, seed=3))
    x = numbers(3, 5, 24, dtype=dtype)

    def formula(x: torch.Tensor) -> torch.Tensor:
        def linear(name: str, y: torch.Tensor) -> torch.Tensor:
            part = getattr(module, f"{name}_proj")
            out = y @ part.weight.to(y.dtype).T
            return out + part.bias.to(y.dtype) if bias else out

        if kind == "gelu":
            return linear("down", gelu(linear("up", x)))
        gate = linear("gate", x)
        active = gelu(gate) if kind == "geglu" else gate * torch.sigmoid(gate)
        return linear("down", active * linear("up", x))

    assert_accurate(module(x), formula(x.double()), formula(x), kind)


def test_feed_forward_dropout_acts_in_training_alone_and_one_gives_zeros():
    spec = feed_forward_types.get("geglu")(d_model=8, d_ff=16, dropout=0.5)
    module, x = FeedForward(spec), numbers(2, 3, 8)
    still = module.eval()(x)
    assert torch.equal(still, module(x))
    torch.manual_seed(0)
    assert not torch.equal(module.train()(x), still)
    whole = FeedForward(spec.change(dropout=1.0)).train()
    assert whole(x).abs().max() == 0


def test_both_dropouts_of_an_architecture_reach_their_modules():
    model = Transformer(small(attention_dropout=0.25, ffn_dropout=0.75), seed=0)
    assert {layer.attention.spec.dropout for layer in model.layers} == {0.25}
    assert {layer.feed_forward.dropout.p for layer in model.layers} == {0.75}
    tokens = torch.arange(12)[None]
    torch.manual_seed(0)
    one = model.train()(tokens)
    assert not torch.equal(one, model(tokens))
    assert torch.equal(model.eval()(tokens), model(tokens))


@pytest.mark.parametrize("dims", [8, 4])
def test_rotation_is_multiplication_of_complex_numbers(dims):
    """Pair (i, i + D / 2) as one complex number, times e^(i p theta^(-2 i / D)); dimensions beyond D stay."""
    rotary = Rotary(Rope(dims, theta=100.0))
    x = numbers(1, 1, 6, 8).double()
    place = torch.tensor([[0, 1, 2, 50, 1000, 30_000]])
    out = rotate(x, *rotary(place))
    half = dims // 2
    for row, position in enumerate(place[0].tolist()):
        for i in range(half):
            angle = position * 100.0 ** (-2 * i / dims)
            turned = complex(x[0, 0, row, i], x[0, 0, row, i + half]) * cmath.exp(1j * angle)
            # angles are float32: 30,000 radians keep about three digits behind the point
            assert abs(complex(out[0, 0, row, i], out[0, 0, row, i + half]) - turned) < 4e-3
    assert torch.equal(out[..., dims:], x[..., dims:])


def test_scores_depend_on_distance_alone():
    rotary, q, k = Rotary(Rope(16)), numbers(1, 1, 1, 16).double(), numbers(1, 1, 1, 16, seed=1).double()

    def score(at: int, other: int) -> float:
        turned = [rotate(t, *rotary(torch.tensor([[p]]))) for t, p in ((q, at), (k, other))]
        return float((turned[0] * turned[1]).sum())

    assert abs(score(3, 1) - score(103, 101)) < 1e-4
    assert abs(score(3, 1) - score(4, 1)) > 1e-3


@pytest.mark.parametrize(
    "scaling",
    [
        LinearScaling(4.0),
        YarnScaling(4.0, original_max_position=64),
        Llama3Scaling(8.0, original_max_position=64),
        DynamicScaling(2.0, original_max_position=64),
    ],
)
def test_scalings_come_from_the_spec(scaling):
    """The module's angles are positions times the spec's frequencies, times its attention factor."""
    spec = Rope(16, scaling=scaling)
    rotary, place = Rotary(spec), torch.arange(200)[None]
    cos, sin = rotary(place, context=200)
    for pair, frequency in enumerate(spec.inverse_frequencies(200)):
        angle = place[0].double() * frequency
        assert (cos[0, 0, :, pair].double() - angle.cos() * spec.attention_factor).abs().max() < 1e-4
        assert (sin[0, 0, :, pair].double() - angle.sin() * spec.attention_factor).abs().max() < 1e-4


def test_dynamic_frequencies_grow_with_the_sequence_and_only_beyond_the_trained_length():
    rotary = Rotary(Rope(16, scaling=DynamicScaling(2.0, original_max_position=64)))
    place = torch.arange(8)[None]
    assert torch.equal(rotary(place, 10)[0], rotary(place, 64)[0])
    assert not torch.equal(rotary(place, 65)[0], rotary(place, 64)[0])
    config = small(rope_scaling={"type": "dynamic", "factor": 2.0}, max_seq_len=64)
    model = Transformer(config.change(max_seq_len=128), seed=0).eval()
    assert model(torch.arange(100)[None] % 50).isfinite().all()


def test_the_factory_gives_no_positions_and_the_transformer_gives_its_own():
    assert CustomAttentionFactory.create(AttentionConfig("full", 2, head_dim=8)).rotary is None
    model = Transformer(small(rope_theta=500.0), device="meta")
    assert {layer.attention.rotary.spec.theta for layer in model.layers} == {500.0}
    with pytest.raises(ValueError, match=r"position\.dims is 16: must be at most"):
        CustomAttentionFactory.create(AttentionConfig("full", 2, head_dim=8), position=Rope(16))


@pytest.mark.parametrize("kind", ["full", "selective"])
def test_recomputed_activations_are_not_kept(kind):
    """Bytes that autograd saves fall with checkpointing, full below selective, and the loss stays."""

    def run(checkpointing: str) -> tuple[int, torch.Tensor]:
        model = Transformer(small(n_layers=4), seed=0).train()
        model.checkpointing = checkpointing
        kept: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            kept[tensor.data_ptr()] = tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            loss = model(torch.arange(64)[None] % 50).logsumexp(-1).mean()
        return sum(kept.values()), loss.detach()

    plain, kept = run("none"), run(kind)
    assert kept[0] < 0.7 * plain[0]
    assert_same(kept[1][None], plain[1][None], "loss")
