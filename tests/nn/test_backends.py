"""Backends: every one against the oracle in every layout that it says it takes, and the choice between them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from archwright.nn import AttentionConfig, Segments
from archwright.nn.backends import Request, View, backends, choose, explain
from archwright.nn.backends.ranking import RANKED
from archwright.testing import oracle
from archwright.testing.accuracy import assert_accurate

SPECS = {
    "full": AttentionConfig("full", 4, head_dim=16),
    "gqa": AttentionConfig("gqa", 4, 2, head_dim=16),
    "mqa": AttentionConfig("mqa", 4, head_dim=16),
    "two-sided": AttentionConfig("full", 4, 2, head_dim=16, causal=False),
    "sliding": AttentionConfig("sliding", 4, 2, head_dim=16, window_size=6),
    "sliding two-sided": AttentionConfig("sliding", 4, head_dim=16, window_size=6, causal=False),
    **{f"dilated {d}": AttentionConfig("dilated", 4, 2, head_dim=16, window_size=3, dilation=d) for d in (2, 4, 8)},
    "dilated two-sided": AttentionConfig("dilated", 4, 2, head_dim=16, window_size=3, dilation=2, causal=False),
}
NAMES = [n for n in backends.names() if n != "flex"]  # flex compiles for seconds a shape: test_flex.py


def draw(spec, queries: int, keys: int, batch: int | None = None, dtype: torch.dtype = torch.float32):
    batch = max(2, 64 // queries) if batch is None else batch  # enough rows to see how large errors get
    generator = torch.Generator().manual_seed(queries + keys)
    shapes = ((spec.n_heads, queries), (spec.n_kv_heads, keys), (spec.n_kv_heads, keys))
    return [torch.randn(batch, n, t, spec.head_dim, generator=generator).to(dtype) for n, t in shapes]


def keys_of(spec, queries: list[int], keys: list[int], q_of=None, k_of=None, valid=None) -> list[list[int]]:
    """For each query the indices of the keys that it sees."""
    q_of, k_of = q_of or [0] * len(queries), k_of or [0] * len(keys)
    return [
        [
            j
            for j, k in enumerate(keys)
            if q_of[i] == k_of[j] and (valid is None or valid[j]) and oracle.sees(spec, q, k)
        ]
        for i, q in enumerate(queries)
    ]


def compare(name: str, spec, view: View, tensors, keys: list[list[int]]) -> bool:
    """Whether the backend takes the call; if so it must be as accurate as the rule says."""
    backend, (q, k, v) = backends.get(name), tensors
    if backend.why_not(view.request(q, k)):
        return False
    exact = oracle.attention(q.double(), k.double(), v.double(), keys)
    low = oracle.in_orders(oracle.attention, q, k, v, keys)
    assert_accurate(backend.run(q, k, v, view), exact, low, name)
    return True


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("which", SPECS)
def test_queries_at_the_end_of_longer_keys(which, dtype):
    """Layout `rows` with T < S, as a chunk after a cache has it, and a single token."""
    spec = SPECS[which].spec
    if not spec.causal:
        return
    taken = set()
    for queries, keys in ((1, 1), (1, 30), (7, 30), (29, 30), (30, 30)):
        tensors, place = draw(spec, queries, keys, dtype=dtype), list(range(keys))
        at = torch.tensor(place)[None]
        view = View(spec, at[:, keys - queries :], at, "rows", cached=queries < keys)
        seen = keys_of(spec, place[keys - queries :], place)
        taken |= {name for name in NAMES if compare(name, spec, view, tensors, seen)}
    assert {"reference", "sdpa", "chunked"} <= taken


@pytest.mark.parametrize("which", SPECS)
def test_packed_segments(which):
    """Layout `packed`: one row of segments, some of one token, one empty."""
    spec, lengths = SPECS[which].spec, [9, 1, 0, 31, 2]
    segments = Segments.of(lengths)
    tensors = draw(spec, sum(lengths), sum(lengths), batch=1)
    place, of = segments.positions.tolist(), segments.numbers.tolist()
    view = View(
        spec, segments.positions[None], segments.positions[None], "packed", None, segments.numbers[None],
        segments.numbers[None], segments,
    )  # fmt: skip
    taken = {name for name in NAMES if compare(name, spec, view, tensors, keys_of(spec, place, place, of, of))}
    assert "reference" in taken and "sdpa" in taken
    assert "chunked" in taken or ("sliding" not in which and "dilated" not in which)


@pytest.mark.parametrize("which", SPECS)
def test_general_positions_with_dead_keys(which):
    """Layout `general`: keys in any order, positions with gaps, some slots dead."""
    spec = SPECS[which].spec
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
    positions, valid = order.tolist(), [bool(p % 5) for p in order.tolist()]
    for queries in ([23], [20, 21, 23]):
        tensors = draw(spec, len(queries), 24)
        at = torch.tensor(positions)[None]
        view = View(spec, torch.tensor(queries)[None], at, "general", torch.tensor(valid)[None], cached=True)
        seen = keys_of(spec, queries, positions, valid=valid)
        taken = {name for name in NAMES if compare(name, spec, view, tensors, seen)}
        assert {"reference", "sdpa"} <= taken


def test_the_reference_ignores_nan_in_dead_keys():
    spec = SPECS["gqa"].spec
    q, k, v = draw(spec, 3, 8)
    valid = torch.ones(1, 8, dtype=torch.bool)
    valid[0, 4:6] = False
    at = torch.arange(8)[None]
    view = View(spec, at[:, 5:], at, "general", valid)
    clean = backends.get("reference").run(q, k, v, view)
    k[:, :, 4:6], v[:, :, 4:6] = float("nan"), float("nan")
    assert torch.equal(backends.get("reference").run(q, k, v, view), clean)


def test_the_counter_sees_every_pair_of_the_reference_and_none_of_sdpa_on_a_cpu():
    """torch's counter knows no FLOP of fused attention on a CPU: counts are made on the reference."""
    spec = SPECS["gqa"].spec
    q, k, v = draw(spec, 10, 10, batch=1)
    at = torch.arange(10)[None]
    view, counted = View(spec, at, at, "rows"), {}
    for name in ("reference", "sdpa"):
        with FlopCounterMode(display=False) as counter:
            backends.get(name).run(q, k, v, view)
        counted[name] = counter.get_total_flops()
    assert counted == {"reference": 2 * 2 * 10 * 10 * 4 * 16, "sdpa": 0}


@pytest.mark.parametrize("which", ["gqa", "sliding", "mqa"])
@pytest.mark.parametrize("queries", [1, 5])
def test_sdpa_never_gets_a_mask_together_with_its_own_grouping(which, queries, monkeypatch):
    """Masked grouping falls to a dense path in places; heads of a group go in as query tokens instead."""
    given = []
    real = F.scaled_dot_product_attention

    def spy(*args, **kwargs):
        given.append(kwargs)
        return real(*args, **kwargs)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    spec = SPECS[which].spec
    q, k, v = draw(spec, queries, 12)
    at = torch.arange(12)[None]
    for layout in ("rows", "general"):
        backends.get("sdpa").run(q, k, v, View(spec, at[:, 12 - queries :], at, layout))
    assert given
    for kwargs in given:
        assert kwargs.get("attn_mask") is None or not kwargs.get("enable_gqa", False)
        assert kwargs["dropout_p"] == 0.0


def test_one_shared_head_is_spread_on_a_cpu(monkeypatch):
    """torch 2.13's backward of `enable_gqa` with one key/value head takes six times as long there; a view does not."""
    given = []
    real = F.scaled_dot_product_attention

    def spy(*args, **kwargs):
        given.append((args[1], kwargs.get("enable_gqa", False)))
        return real(*args, **kwargs)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    for which, grouped in (("mqa", False), ("gqa", True)):
        spec = SPECS[which].spec
        q, k, v = draw(spec, 12, 12)
        at = torch.arange(12)[None]
        backends.get("sdpa").run(q, k, v, View(spec, at, at, "rows"))
        seen, flag = given.pop()
        assert flag is grouped and seen.data_ptr() == k.data_ptr()


def test_sdpa_gets_dropout_in_training_alone(monkeypatch):
    """scaled_dot_product_attention drops whatever the mode of the module: nothing may be asked for in evaluation."""
    from archwright.nn import CustomAttentionFactory

    asked = []
    sdpa = backends.get("sdpa")

    def run(self, q, k, v, view, *, scale=None, dropout=0.0):
        asked.append(dropout)
        return v

    monkeypatch.setattr(type(sdpa), "why_not", lambda self, request: [])
    monkeypatch.setattr(type(sdpa), "run", run)
    attn = CustomAttentionFactory.create(AttentionConfig("full", 2, head_dim=8, dropout=0.5), backend="sdpa")
    x = torch.zeros(1, 3, 16)
    attn.train()(x)
    attn.eval()(x)
    assert asked == [0.5, 0.0]


def test_two_sided_windows_on_a_gpu_do_not_reach_the_backend_with_the_slow_backward():
    """cuDNN, behind SDPA, takes 1.8 times flex's time for them at 4096 tokens: SDPA comes after flash and flex."""
    for kind in ("window", "pattern"):
        names = RANKED["cuda", kind]
        assert names.index("flex") < names.index("sdpa")


def test_auto_and_explain_agree():
    spec = SPECS["sliding"].spec
    request = Request(spec, 1, 64, 64)
    told = explain(request)
    assert told.chosen == choose(request).name == "chunked"
    assert "window_size 6, dilation 1: 7 visible keys (causal: itself and earlier)" in str(told)
    wide = explain(Request(SPECS["sliding two-sided"].spec, 1, 64, 64))
    assert "13 visible keys (two-sided" in str(wide)


def test_every_ranked_name_is_a_backend_and_every_backend_is_ranked():
    ranked = {name for names in RANKED.values() for name in names}
    assert ranked == set(backends.names())
    assert all(names[-1] == "reference" for names in RANKED.values())


def test_a_combination_that_no_backend_runs_names_the_reasons_of_each():
    request = Request(SPECS["full"].spec, 1, 8, 8, dtype=torch.float64, dropout=0.5)
    assert choose(request).name == "reference"
    with pytest.raises(NotImplementedError, match=r"backend flash cannot run this: .*not on cpu; .*float64"):
        choose(request, "flash")
    with pytest.raises(ValueError, match="Did you mean flash"):
        choose(request, "flsh")


def test_reasons_of_flash_name_what_is_wrong():
    def reasons(**fields) -> str:
        spec = AttentionConfig("dilated", 4, 2, head_dim=20, window_size=3, dilation=2).spec
        return "; ".join(map(str, backends.get("flash").why_not(Request(spec, 1, 8, 8, **fields))))

    text = reasons(dropout=0.1, layout="general")
    for part in ("not on cpu", "not in float32", "dilation is 2", "not 20", "no dropout", "rows of a cache differ"):
        assert part in text
