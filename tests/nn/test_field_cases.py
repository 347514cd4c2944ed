"""Field cases FC-11 to FC-14: faults that people met in public code, on every backend that takes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import archwright as aw
from archwright.nn import AttentionConfig, CustomAttentionFactory
from archwright.nn.backends import View, backends
from archwright.nn.backends.base import window_of
from archwright.nn.backends.flash import flash_window

pytestmark = pytest.mark.usefixtures("registries")


def willing(q, k, view):
    """Every backend that takes a call, but flex on a CPU, which compiles for seconds a shape (see test_flex.py)."""
    request = view.request(q, k)
    return [b for _, b in backends.items() if b.name != "flex" and not b.why_not(request)]


def test_fc_11_the_window_does_not_count_the_token_itself(tmp_path):
    """A published window of 4 is our 3, and every backend shows 4 keys a row."""
    config = {
        "model_type": "mistral",
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "intermediate_size": 64,
        "vocab_size": 100,
        "sliding_window": 4,
        "tie_word_embeddings": False,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    spec = aw.load(tmp_path / "config.json").layers[0].attention
    assert spec.window_size == 3 and spec.cache_slots(12) == 4
    assert flash_window(spec.causal, window_of(spec)) == (3, 0)
    place = torch.arange(12)[None]
    view = View(spec, place, place, "rows")
    q, k = torch.zeros(1, spec.n_heads, 12, spec.head_dim), torch.zeros(1, spec.n_kv_heads, 12, spec.head_dim)
    v = torch.eye(12, spec.head_dim).expand(1, spec.n_kv_heads, 12, spec.head_dim).contiguous()
    for backend in willing(q, k, view):
        shares = backend.run(q, k, v, view)[0, 0]  # equal scores: row i holds 1 / n at each visible key
        assert (shares > 0).sum(-1).tolist() == [1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4], backend.name
    attn = CustomAttentionFactory.create(spec)
    assert attn.new_cache(1, 12).slots == 4


def uniform_module(width: int, window: int) -> torch.nn.Module:
    """Queries and keys zero, values and output the identity: row t is the mean of the visible inputs."""
    attn = CustomAttentionFactory.create(AttentionConfig("sliding", 1, head_dim=width, window_size=window)).eval()
    with torch.no_grad():
        for name, tensor in attn.named_parameters():
            tensor.copy_(torch.zeros(width, width) if name[0] in "qk" else torch.eye(width))
    return attn


def check_rolling(case: dict) -> None:
    width, window = case["attention"]["head_dim"], case["attention"]["window_size"]
    attn, total = uniform_module(width, window), case["prefill"] + case["decode_steps"]
    cache = attn.new_cache(1, total)
    assert cache.slots == window + 1
    x = torch.eye(total, width)[None]
    with torch.no_grad():
        rows = [attn(x[:, : case["prefill"]], cache)]
        rows += [attn(x[:, t : t + 1], cache) for t in range(case["prefill"], total)]
    out = torch.cat(rows, 1)[0]
    for position, keys in case["visible"].items():
        row = out[int(position)]
        assert (row > 0).nonzero().flatten().tolist() == keys
        assert torch.allclose(row[keys], torch.full((len(keys),), 1 / len(keys)))


def test_fc_12_a_rolling_cache_evicts_when_the_window_is_passed_not_when_it_is_reached():
    visible = {str(t): list(range(max(0, t - 7), t + 1)) for t in range(12)}
    check_rolling(
        {"attention": {"head_dim": 16, "window_size": 7}, "prefill": 6, "decode_steps": 6, "visible": visible}
    )


def test_fc_12_as_reported(shared: Path):
    check_rolling(json.loads((shared / "data/field-cases/fc-12-rolling-cache-at-window/case.json").read_text()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_fc_13_a_row_that_sees_nothing_is_zero_on_every_backend(dtype):
    @aw.attention("strictly_earlier_for_test")
    class Earlier(aw.AttentionSpec):
        """Sees strictly earlier tokens; the first sees nothing."""

        def visible(self, q, k):
            return k < q

    spec = AttentionConfig("strictly_earlier_for_test", 2, 1, head_dim=8).spec
    place = torch.arange(5)[None]
    view = View(spec, place, place, "rows")
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, n, 5, 8, generator=generator).to(dtype).requires_grad_() for n in (2, 1, 1))
    names = []
    for backend in willing(q, k, view):
        names.append(backend.name)
        out = backend.run(q, k, v, view)
        assert out[:, :, 0].abs().max() == 0 and torch.isfinite(out).all()
        for gradient in torch.autograd.grad(out[:, :, 0].sum(), (q, k, v), retain_graph=True):
            assert gradient.abs().max() == 0
        d_q, d_k, d_v = torch.autograd.grad(out.square().sum(), (q, k, v))
        assert all(torch.isfinite(g).all() for g in (d_q, d_k, d_v)) and d_q[:, :, 0].abs().max() == 0
        weights = torch.softmax((q[0, 0, 3] @ k[0, 0, :3].T).float() * 8**-0.5, -1)
        assert torch.allclose(out[0, 0, 3].float(), weights @ v[0, 0, :3].float(), atol=0.02)
    assert {"reference", "sdpa"} <= set(names)
    attn = CustomAttentionFactory.create(spec, dtype=dtype)
    x = torch.randn(1, 5, 16).to(dtype).requires_grad_()
    out = attn(x)
    out.square().sum().backward()
    assert out[:, 0].abs().max() == 0 and torch.isfinite(out).all()
    assert torch.isfinite(x.grad).all() and x.grad[:, 0].abs().max() > 0  # later rows see it as a key


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 2), (28, 4)])
def test_fc_14_groups_are_neighbours_on_every_backend(heads, kv_heads):
    """Query head h reads KV head h // (N / K): 0, 0, 1, 1 and not 0, 1, 0, 1."""
    spec = AttentionConfig("gqa", heads, kv_heads, head_dim=8).spec
    values = torch.arange(kv_heads, dtype=torch.float32)[None, :, None, None]
    for tokens, keys in ((3, 3), (1, 3)):
        q, k = torch.randn(1, heads, tokens, 8), torch.randn(1, kv_heads, keys, 8)
        v = values.expand(1, kv_heads, keys, 8).contiguous()
        place = torch.arange(keys)[None]
        view = View(spec, place[:, keys - tokens :], place, "rows", cached=keys != tokens)
        for backend in willing(q, k, view):
            out = backend.run(q, k, v, view)[0, :, -1, 0]
            assert torch.allclose(out, torch.arange(heads) // (heads // kv_heads) * 1.0), backend.name
