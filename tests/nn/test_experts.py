"""Mixtures of experts against a loop over tokens, with every way of routing, and in every way of computing."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from archwright.arch.config import ArchitectureConfig
from archwright.arch.feed_forward.moe import MoE
from archwright.nn import Transformer
from archwright.nn.experts import MixtureOfExperts

SIZES = {"d_model": 12, "d_ff": 10, "n_experts": 8, "top_k": 3}
CASES = {
    "softmax": MoE(**SIZES),
    "unnormalised": MoE(**SIZES, normalize=False, routed_scale=2.5),
    "sigmoid": MoE(**SIZES, routing="sigmoid", correction_bias="buffer"),
    "groups by two": MoE(**SIZES, routing="sigmoid", n_groups=4, top_groups=2),
    "groups by one": MoE(**SIZES, n_groups=4, top_groups=2, group_score="max"),
    "biases and clamps": MoE(
        **SIZES, bias=True, router_bias=True, limit=0.3, up_plus_one=True, activation="quick_gelu"
    ),
    "shared": MoE(**SIZES, shared_d_ff=6, shared_gate=True),
}


def made(spec: MoE) -> MixtureOfExperts:
    module = MixtureOfExperts(spec, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.normal_(0.0, 0.5, generator=generator)
    return module.double()


def by_tokens(module: MixtureOfExperts, x: torch.Tensor) -> torch.Tensor:
    """The definition, one token and one expert at a time."""
    spec, out = module.spec, torch.zeros_like(x)
    for t, row in enumerate(x):
        logits = module.router(row)
        scores = logits.softmax(-1) if spec.routing == "softmax" else logits.sigmoid()
        ranked = scores.detach().clone()
        if module.router.correction_bias is not None:
            ranked += module.router.correction_bias
        size = spec.n_experts // spec.n_groups
        order = {"max": 1, "top2": 2}[spec.group_score]
        worth = [sorted(ranked[g * size : (g + 1) * size].tolist())[-order:] for g in range(spec.n_groups)]
        groups = sorted(range(spec.n_groups), key=lambda g: sum(worth[g]))[-spec.top_groups :]
        allowed = [e for e in range(spec.n_experts) if e // size in groups]
        chosen = sorted(allowed, key=lambda e: float(ranked[e]))[-spec.top_k :]
        total = sum(scores[e] for e in chosen) if spec.normalize else 1.0
        for e in chosen:
            gate, up = module.experts.gate_proj.of(e, row[None]), module.experts.up_proj.of(e, row[None])
            if spec.limit is not None:
                gate, up = gate.clamp(max=spec.limit), up.clamp(-spec.limit, spec.limit)
            hidden = module.experts.activation(gate) * (up + 1 if spec.up_plus_one else up)
            out[t] += scores[e] / total * spec.routed_scale * module.experts.down_proj.of(e, hidden)[0]
        if module.shared is not None:
            out[t] += torch.sigmoid(module.shared_gate(row)) * module.shared(row)
    return out


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_are_those_of_the_definition(case):
    """Each token through its experts, weighted; the same gradient of the input and of every tensor."""
    module = made(CASES[case])
    x = torch.randn(9, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    wanted = by_tokens(module, x)
    tensors = [x, *module.parameters()]
    gradients = torch.autograd.grad(wanted.square().sum(), tensors, allow_unused=True)
    found = module(x[None])[0]
    assert torch.allclose(found, wanted, atol=1e-12)
    for one, other in zip(torch.autograd.grad(found.square().sum(), tensors), gradients, strict=True):
        assert torch.allclose(one, torch.zeros_like(one) if other is None else other, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_compiled_shapes_give_the_same_numbers(case, monkeypatch):
    """What is taken while a graph is traced, where no value may decide a shape."""
    module = made(CASES[case])
    x = torch.randn(9, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    wanted = module(x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert torch.allclose(module(x), wanted, atol=1e-12)


def test_a_correction_moves_the_choice_and_not_the_weights():
    """The bias decides who is chosen; the weights stay the scores."""
    module = made(MoE(**{**SIZES, "top_k": 1}, routing="sigmoid", normalize=False, correction_bias="buffer"))
    x = torch.randn(5, 12, dtype=torch.float64)
    module.router.correction_bias.zero_()
    module.router.correction_bias[3] = 10.0
    experts, weights = module.router.choose(x)
    assert experts.flatten().tolist() == [3] * 5
    assert torch.allclose(weights[:, 0], module.router(x).sigmoid()[:, 3])


def test_a_correction_of_its_own_kind_is_a_parameter_or_a_buffer():
    """Counted where it is trained, kept in checkpoints either way."""
    for kind, counted in (("buffer", False), ("parameter", True)):
        module = MixtureOfExperts(MoE(**SIZES, routing="sigmoid", correction_bias=kind))
        assert ("router.correction_bias" in dict(module.named_parameters())) == counted
        assert "router.correction_bias" in module.state_dict()


def test_sparsemixer_weighs_each_choice_among_what_is_near_it():
    """One softmax a choice, over the scores that lie within twice the jitter of the best that is left."""
    module = made(MoE(**{**SIZES, "top_k": 2}, routing="sparsemixer", jitter=0.2))
    x = torch.randn(40, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    experts, weights = module.router.choose(x)
    logits = module.router(x)
    for row, chosen, shares in zip(logits.tolist(), experts.tolist(), weights.tolist(), strict=True):
        left = list(range(8))
        for expert, share in zip(chosen, shares, strict=True):
            best = max(left, key=lambda e: row[e])
            near = [e for e in left if (row[best] - row[e]) / max(abs(row[e]), row[best]) <= 0.4]
            own = torch.tensor([row[e] for e in near], dtype=torch.float64).softmax(0)
            assert expert == best
            assert share == pytest.approx(float(own[near.index(best)]))
            left.remove(best)


def test_flops_on_the_meta_device_are_those_of_the_chosen_experts():
    """What torch counts is what the architecture says of one token, times the tokens."""
    sizes = {"d_model": 32, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "d_ff": 24, "vocab_size": 50}
    config = ArchitectureConfig(**sizes, max_seq_len=64, feed_forward={"type": "moe", "n_experts": 8, "top_k": 2})
    model = Transformer(config, device="meta").layers[0].feed_forward
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(2, 5, 32, device="meta"))
    assert counter.get_total_flops() == 10 * sum(w.flops for w in config.layers[0].feed_forward.weights())
