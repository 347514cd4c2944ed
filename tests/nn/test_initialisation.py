"""Initialisation: the standard deviation of every tensor, by method."""

from __future__ import annotations

import math

import pytest
import torch

from archwright.nn import Transformer
from archwright.nn.initialisation import methods, read_method

from .conftest import small

D, F, V, L = 256, 640, 500, 3


def built(method: str, **fields) -> Transformer:
    config = small(
        d_model=D, d_ff=F, vocab_size=V, n_layers=L, n_heads=8, n_kv_heads=4, layers=None, init_method=method
    )
    return Transformer(config.change(**fields) if fields else config, seed=0)


def expected(method: str, name: str, fan_out: int, fan_in: int) -> float:
    """The published formulas, written again."""
    table, residual = name == "embedding", name in ("o_proj", "down_proj")
    if method == "kaiming":
        return D**-0.5 if table else math.sqrt(2 / fan_in)
    if method == "xavier":
        return math.sqrt(2 / (fan_in + fan_out))
    std = {"normal": 0.02, "normal(0.1)": 0.1, "scaled": 0.02, "scaled(0.05)": 0.05}[method]
    return std / math.sqrt(2 * L) if residual and method.startswith("scaled") else std


@pytest.mark.parametrize("method", ["kaiming", "xavier", "normal", "normal(0.1)", "scaled", "scaled(0.05)"])
def test_every_tensor_starts_with_its_standard_deviation(method):
    model = built(method)
    seen = set()
    for path, tensor in model.named_parameters():
        name = path.split(".")[-2]
        if tensor.dim() == 1:
            assert bool((tensor == 1).all()), f"{path} does not start at 1"
            continue
        seen.add(name)
        std = expected(method, name, *tensor.shape)
        sampling = std / math.sqrt(2 * tensor.numel())
        assert abs(float(tensor.detach().double().std()) - std) < 6 * sampling, path
        assert abs(float(tensor.detach().double().mean())) < 6 * std / math.sqrt(tensor.numel()), path
    assert seen == {"embedding", "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "head"}


def test_biases_start_at_zero_and_layer_norms_at_one():
    model = built("normal", use_rms_norm=False, attention={"bias": ["q", "k", "v", "o"]})
    names = dict(model.named_parameters())
    biases = [n for n in names if n.endswith("bias")]
    assert len(biases) == L * 6 + 1
    assert all(bool((names[n] == 0).all()) for n in biases)
    assert bool((names["final_norm.weight"] == 1).all())


def test_a_tied_table_is_filled_once_as_a_table():
    tied = built("kaiming", tie_embeddings=True)
    assert tied.head.weight is tied.embedding.weight
    assert abs(float(tied.head.weight.detach().std()) - D**-0.5) < 1e-3


def test_one_seed_gives_one_model_on_meta_nothing_happens():
    one, two, other = Transformer(small(), seed=1), Transformer(small(), seed=1), Transformer(small(), seed=2)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.head.weight, other.head.weight)
    assert all(p.is_meta for p in Transformer(small(), device="meta", seed=1).parameters())


def test_unknown_methods_are_named():
    with pytest.raises(ValueError, match=r"kaimin.*Did you mean kaiming"):
        read_method("kaimin")
    with pytest.raises(ValueError, match="not a known initialisation"):
        read_method("normal(x)")
    assert methods.names() == ["kaiming", "normal", "scaled", "xavier"]
