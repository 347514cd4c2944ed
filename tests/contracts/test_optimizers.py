"""The metrics of what optimizers and gradients hold against real optimizers of torch after one step."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

import archwright as aw
from archwright.nn import Transformer

SHAPES = {
    "rms norm, gated": {"n_kv_heads": 2},
    "layer norm, tied": {"use_rms_norm": False, "use_gated_geglu": False, "tie_embeddings": True},
    "biases": {"attention": {"bias": ["q", "k", "v", "o"]}, "feed_forward": {"type": "swiglu", "bias": True}},
}


def trained(shape: dict, *make) -> tuple[aw.ArchitectureConfig, list[torch.optim.Optimizer], Transformer]:
    config = aw.ArchitectureConfig(
        **({"d_model": 32, "n_layers": 2, "n_heads": 4, "n_kv_heads": 4, "d_ff": 40, "vocab_size": 50,
            "max_seq_len": 16} | shape)
    )  # fmt: skip
    model = Transformer(config, backend="sdpa", seed=0).train()
    optimizers = [f(model) for f in make]
    model(torch.randint(0, 50, (1, 8))).square().mean().backward()
    for optimizer in optimizers:
        optimizer.step()
    return config, optimizers, model


def held(optimizers: Iterable[torch.optim.Optimizer]) -> int:
    """Bytes of all states, step counters aside."""
    return sum(
        value.nbytes
        for optimizer in optimizers
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, Tensor) and value.dim()
    )


def inside(model: Transformer) -> list[Tensor]:
    """The matrices of the layers, which muon trains."""
    return [p for p in model.layers.parameters() if p.dim() == 2]


def outside(model: Transformer) -> list[Tensor]:
    chosen = {id(p) for p in inside(model)}
    return [p for p in model.parameters() if id(p) not in chosen]


@pytest.mark.parametrize("name", SHAPES)
def test_state_is_what_torch_holds(name):
    config, adamw, model = trained(SHAPES[name], lambda m: torch.optim.AdamW(m.parameters()))
    assert int(aw.metrics.optimizer_state(config)) == held(adamw)
    assert int(aw.metrics.gradients(config, grad_dtype="fp32")) == sum(p.grad.nbytes for p in model.parameters())
    config, sgd, _ = trained(SHAPES[name], lambda m: torch.optim.SGD(m.parameters()))
    assert int(aw.metrics.optimizer_state(config, optimizer="sgd")) == held(sgd) == 0
    config, muon, _ = trained(
        SHAPES[name], lambda m: torch.optim.Muon(inside(m)), lambda m: torch.optim.AdamW(outside(m))
    )
    assert int(aw.metrics.optimizer_state(config, optimizer="muon")) == held(muon)
