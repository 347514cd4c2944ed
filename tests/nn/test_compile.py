"""torch.compile on whole models: one graph without breaks, and the same results and gradients."""

from __future__ import annotations

import shutil

import pytest
import torch

from archwright.nn import Transformer
from archwright.testing.accuracy import assert_same

from .conftest import small


@pytest.fixture(autouse=True)
def fresh() -> None:
    torch.compiler.reset()


def tokens(length: int = 24) -> torch.Tensor:
    return torch.randint(0, 50, (2, length), generator=torch.Generator().manual_seed(0))


def losses(model, given: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    logits = model(given)
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), given[:, 1:].flatten())
    loss.backward()
    return loss.detach(), logits


@pytest.mark.parametrize("tied", [False, True])
def test_the_whole_model_is_one_graph_forward_and_backward(tied):
    """`fullgraph=True` raises at the first break; the traced model has the loss and gradients of the plain one."""
    plain, traced = (Transformer(small(tie_embeddings=tied), seed=0).train() for _ in range(2))
    compiled = torch.compile(traced, backend="aot_eager", fullgraph=True, dynamic=False)
    for length in (24, 9):
        for model in (plain, traced):
            model.zero_grad()
        loss, _ = losses(plain, tokens(length))
        found, _ = losses(compiled, tokens(length))
        assert_same(found[None], loss[None], "loss")
        for (name, one), two in zip(plain.named_parameters(), traced.parameters(), strict=True):
            assert_same(two.grad, one.grad, f"gradient of {name}")


SMALL = {"layers": None, "max_seq_len": 64}
PUBLISHED = {
    "caps and sinks in windows": {"attention": {"type": "sliding", "window_size": 5, "softcap": 2.0, "sinks": True}},
    "slopes": {"position": {"type": "alibi"}},
    "norms of heads": {"attention": {"qk_norm": "head"}, "norm_placement": "sandwich"},
    "experts": {"feed_forward": {"type": "moe", "n_experts": 4, "top_k": 2, "shared_d_ff": 16}},
    "latent": {
        "n_kv_heads": 4,
        "position": {"dims": 4, "interleaved": True},
        "attention": {"type": "mla", "kv_lora_rank": 12, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 6},
    },
    "learned positions": {"embedding": {"positions": "learned", "multiplier": 2.0}, "head": {"softcap": 3.0}},
}


@pytest.mark.parametrize("fields", PUBLISHED)
def test_what_published_models_state_is_one_graph(fields):
    """Forward and backward without a break, and the same loss and gradients."""
    given = {**SMALL, **PUBLISHED[fields]}
    plain, traced = (Transformer(small(**given), seed=0).train() for _ in range(2))
    compiled = torch.compile(traced, backend="aot_eager", fullgraph=True, dynamic=False)
    loss, _ = losses(plain, tokens())
    found, _ = losses(compiled, tokens())
    assert_same(found[None], loss[None], "loss")
    for (name, one), two in zip(plain.named_parameters(), traced.parameters(), strict=True):
        assert_same(two.grad, one.grad, f"gradient of {name}")


def test_there_are_no_graph_breaks_to_explain():
    """The same from the other side: torch's own account finds one graph."""
    import torch._dynamo

    told = torch._dynamo.explain(Transformer(small(), seed=0).eval())(tokens())
    assert told.graph_break_count == 0 and told.graph_count == 1


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler, which compiling for a CPU needs")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own, about its own
def test_compiled_to_machine_code_it_gives_the_same_logits():
    """Inductor, where a compiler is there."""
    model = Transformer(small(n_layers=2, layers=[{"layers": "0", "attention": {"type": "sliding", "window_size": 5}}]))
    model.eval()
    with torch.no_grad():
        compiled = torch.compile(model, fullgraph=True, dynamic=False)
        assert_same(compiled(tokens()), model(tokens()), "logits of the compiled model")
