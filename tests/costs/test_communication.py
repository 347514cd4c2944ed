"""Bytes that devices send each other: every collective on its own, written out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archwright as aw

from .strategies import architectures

m = aw.metrics


def small(**fields) -> aw.ArchitectureConfig:
    return aw.ArchitectureConfig(
        **({"d_model": 64, "n_layers": 4, "n_heads": 8, "n_kv_heads": 4, "d_ff": 96, "vocab_size": 100,
            "max_seq_len": 64} | fields)
    )  # fmt: skip


@given(architectures(), st.sampled_from(["prefill", "decode", "train"]))
def test_one_device_sends_nothing(a, phase):
    assert m.communication_bytes(a, context=5, batch=3, phase=phase) == 0


def test_tensor_parallelism():
    a, stream = small(), 16 * 3 * 64 * 2
    for tp in (2, 4):
        reduce = 2 * stream * (tp - 1) / tp
        assert m.communication_bytes(a, context=16, batch=3, tp=tp).value == (2 * 4 + 1) * reduce
        assert m.communication_bytes(a, context=16, batch=3, tp=tp, phase="decode").value == 9 * reduce / 16
        assert m.communication_bytes(a, context=16, batch=3, tp=tp, phase="train").value == 2 * 9 * reduce
    one = small(norm_placement="parallel")
    assert m.communication_bytes(one, context=16, batch=3, tp=2).value == (4 + 1) * stream


def test_stages():
    a, stream = small(), 16 * 3 * 64 * 2
    assert m.communication_bytes(a, context=16, batch=3, pp=2).value == stream
    assert m.communication_bytes(a, context=16, batch=3, pp=2, phase="train").value == stream
    assert m.communication_bytes(a, context=16, batch=3, pp=4, phase="train").value == 2 * stream
    assert m.communication_bytes(a, context=16, batch=3, pp=2, tp=2).value == (2 * 2 + 1) * stream + stream


def test_replicas_and_shards():
    a = small()
    n = int(m.parameters(a))
    train = {"context": 16, "batch": 4, "phase": "train"}
    assert m.communication_bytes(a, **train, dp=4).value == 2 * 2 * n * 3 / 4
    assert m.communication_bytes(a, **train, dp=4, zero=1).value == 2 * 2 * n * 3 / 4
    assert m.communication_bytes(a, **train, dp=4, zero=2).value == 2 * 2 * n * 3 / 4
    assert m.communication_bytes(a, **train, dp=4, zero=3).value == 3 * 2 * n * 3 / 4  # half as much again
    assert m.communication_bytes(a, **train, fsdp=4).value == 3 * 2 * n * 3 / 4
    assert m.communication_bytes(a, **train, dp=4, grad_dtype="fp32").value == 2 * 4 * n * 3 / 4
    both = m.communication_bytes(a, **train, fsdp=2, dp=2).value
    assert both == 3 * 2 * n / 2 + 2 * (2 * n / 2) / 2
    assert m.communication_bytes(a, context=16, batch=4, dp=4).value == 0


def test_experts():
    a = small(feed_forward={"type": "moe", "n_experts": 8, "top_k": 2})
    stream = 16 * 64 * 2
    assert m.communication_bytes(a, context=16, ep=4).value == 4 * 2 * 2 * stream * 3 / 4
    assert m.communication_bytes(a, context=16, ep=4, phase="train").value == 2 * 4 * 2 * 2 * stream * 3 / 4
    assert m.communication_bytes(small(), context=16, ep=4) == 0


def test_split_contexts():
    a = small()
    own = 4 * 2 * 4 * 8 * 2 * (16 // 4)  # layers, keys and values, heads, width, bytes, tokens
    assert m.communication_bytes(a, context=16, cp=4).value == 3 * own
    assert m.communication_bytes(a, context=16, cp=4, phase="train").value == 3 * 3 * own
    assert m.communication_bytes(a, context=16, cp=4, phase="decode") == 0


def test_settings_are_checked():
    with pytest.raises(aw.ArchwrightError, match="pp is 5: must be at most the number of layers"):
        m.communication_bytes(small(), pp=5)
