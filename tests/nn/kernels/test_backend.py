"""The chunked backend: what it refuses, and that a view reaches the kernels as it means."""

from __future__ import annotations

import pytest
import torch

from archwright.arch.attention.config import AttentionConfig
from archwright.nn import Segments
from archwright.nn.backends import Request, View, backends

from . import oracle

SLIDING = AttentionConfig(type="sliding", n_heads=4, n_kv_heads=2, head_dim=16, window_size=6).spec
DILATED = AttentionConfig(type="dilated", n_heads=4, n_kv_heads=2, head_dim=16, window_size=3, dilation=3).spec
FULL = AttentionConfig(type="full", n_heads=4, head_dim=16).spec


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request(SLIDING, 1, 50, 50, dropout=0.1), "dropout"),
        (Request(SLIDING, 1, 50, 50, device_type="meta"), "meta"),
        (Request(SLIDING, 1, 50, 50, layout="general"), "consecutive"),
        (Request(FULL, 1, 50, 50), "not the pattern of full"),
    ],
    ids=["dropout", "meta", "general", "full"],
)
def test_reasons_against(request_, reason):
    found = backends.get("chunked").why_not(request_)
    assert len(found) == 1
    assert reason in str(found[0])


@pytest.mark.parametrize(
    "request_",
    [
        Request(SLIDING, 1, 50, 50),
        Request(DILATED, 2, 50, 90),
        Request(SLIDING, 1, 50, 50, layout="packed"),
        Request(FULL, 3, 1, 90, layout="general", cached=True),
        Request(SLIDING, 3, 4, 90, layout="general", cached=True),
    ],
    ids=["window", "longer keys", "packed", "decode", "few tokens"],
)
def test_no_reason_against(request_):
    assert backends.get("chunked").why_not(request_) == []


@pytest.mark.parametrize("spec", [SLIDING, DILATED], ids=["sliding", "dilated"])
@pytest.mark.parametrize("tokens", [1, 5, 40])
@pytest.mark.parametrize("keys", [40, 55])
def test_equals_the_reference_on_rows(spec, tokens, keys):
    q, k, v = (x.detach() for x in oracle.random_inputs(2, 4, 2, tokens, keys, 16, torch.float32))
    place = torch.arange(keys)[None]
    view = View(spec, place[:, keys - tokens :], place, "rows")
    got, wanted = (backends.get(name).run(q, k, v, view, scale=0.3) for name in ("chunked", "reference"))
    torch.testing.assert_close(got, wanted)


def test_equals_the_reference_on_packed_segments():
    q, k, v = (x.detach() for x in oracle.random_inputs(1, 4, 2, 40, 40, 16, torch.float32))
    segments = Segments.of([3, 0, 20, 17])
    place, numbers = segments.positions[None], segments.numbers[None]
    view = View(SLIDING, place, place, "packed", None, numbers, numbers, segments)
    got, wanted = (backends.get(name).run(q, k, v, view) for name in ("chunked", "reference"))
    torch.testing.assert_close(got, wanted)


def test_equals_the_reference_on_a_ragged_cache():
    q, k, v = (x.detach() for x in oracle.random_inputs(2, 4, 2, 2, 30, 16, torch.float32))
    ends = torch.tensor([30, 11])
    place = torch.arange(30).expand(2, 30)
    valid = place < ends[:, None]
    k[~valid[:, None].expand(2, 2, 30)] = float("nan")
    view = View(SLIDING, ends[:, None] - 2 + torch.arange(2), place, "general", valid, cached=True)
    got, wanted = (backends.get(name).run(q, k, v, view) for name in ("chunked", "reference"))
    torch.testing.assert_close(got, wanted)
