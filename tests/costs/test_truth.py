"""Published models: the formulas against what was counted in the real implementations, and against plain arithmetic."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import archwright as aw

from ..conftest import SHARED
from . import by_hand

FAMILIES = ("llama", "mistral", "qwen2")


def truth() -> list[dict[str, str]]:
    path = SHARED / "data" / "truth.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


ROWS = truth() or [None]
PLAIN = [row for row in ROWS if row is None or row["model_type"] in FAMILIES]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["slug"] if row else "absent")
def test_a_published_config_costs_what_was_counted(row):
    if row is None:
        pytest.skip(f"the external data set is not at {SHARED}: set ARCHWRIGHT_SHARED to run this test")
    path = SHARED / "data" / "configs" / f"{row['slug']}.json"
    a, m = aw.load(path), aw.metrics

    def true(column: str) -> int:
        return int(row[column])

    assert int(m.parameters(a)) == true("params_total")
    assert int(m.active_parameters(a)) == true("params_active")
    assert int(m.non_embedding_parameters(a)) == true("params_non_embedding")
    assert int(m.kv_cache(a, context=1, cache="full")) == true("kv_cache_bytes_per_token_bf16")
    assert int(m.kv_cache(a, context=32768)) == true("kv_cache_bytes_at_32768_bf16")
    assert int(m.kv_cache(a, context=32768, cache="full")) == true("kv_cache_bytes_at_32768_bf16_no_window")

    if row["kv_cache_bytes_per_token_bf16_materialised"]:
        expanded = true("kv_cache_bytes_per_token_bf16_materialised")
        assert int(m.kv_cache(a, context=1, cache="materialised")) == expanded
    else:
        assert m.kv_cache(a, context=9, cache="materialised") == m.kv_cache(a, context=9)

    dense = m.flops_per_token(a, context=4096, flops_convention="dense")
    assert dense.value == true("flops_forward_per_token_at_4096")
    attention = m.attention_flops(a, context=4096, flops_convention="dense")
    assert attention.value == 4096 * true("flops_attention_per_token_at_4096")
    assert dense.value * 4096 - attention.value == 4096 * true("flops_linear_per_token")
    assert int(m.decode_flops(a, context=4096, flops_convention="dense")) == true("flops_decode_token_at_4096")
    assert int(m.layer_count(a, where="layers[type=sliding]")) == true("n_sliding_layers")


@pytest.mark.parametrize("row", PLAIN, ids=lambda row: row["slug"] if row else "absent")
def test_a_published_config_costs_what_plain_arithmetic_says(row):
    if row is None:
        pytest.skip(f"the external data set is not at {SHARED}: set ARCHWRIGHT_SHARED to run this test")
    path = SHARED / "data" / "configs" / f"{row['slug']}.json"
    a, m, s = aw.load(path), aw.metrics, by_hand.shape_of(path)
    assert int(m.parameters(a)) == by_hand.parameters(s)
    embedding = int(m.parameters(a, part="embedding"))
    assert embedding == int(row["params_embedding"])
    assert int(m.parameters(a, part="head")) == int(row["params_lm_head_untied"])
    assert int(m.parameters(a, embedding="output")) == by_hand.parameters(s) - (0 if a.tie_embeddings else embedding)
    assert int(m.kv_cache(a, context=32768)) == by_hand.cache_bytes(s, 32768)
    assert int(m.kv_cache(a, context=32768, cache="full")) == by_hand.cache_bytes(s, 32768, windowed=False)
    for tokens in (1, 7, 300):
        assert int(m.forward_flops(a, context=tokens)) == by_hand.forward(s, tokens)
        assert int(m.forward_flops(a, context=tokens, flops_convention="dense")) == by_hand.forward(s, tokens, True)
        assert int(m.decode_flops(a, context=tokens)) == by_hand.decode(s, tokens)
        assert int(m.kv_cache(a, context=tokens, kv_dtype="fp8")) == by_hand.cache_bytes(s, tokens, element=1)


SMALL = {
    "llama": {
        "model_type": "llama", "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3,
        "num_attention_heads": 6, "num_key_value_heads": 2, "vocab_size": 100, "max_position_embeddings": 64,
        "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 1e4, "tie_word_embeddings": False,
    },
    "mistral": {
        "model_type": "mistral", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 90,
        "max_position_embeddings": 64, "sliding_window": 5, "rms_norm_eps": 1e-5, "hidden_act": "silu",
        "rope_theta": 1e4, "tie_word_embeddings": True,
    },
    "qwen2": {
        "model_type": "qwen2", "hidden_size": 40, "intermediate_size": 56, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 70, "max_position_embeddings": 64,
        "use_sliding_window": True, "max_window_layers": 2, "sliding_window": 9, "rms_norm_eps": 1e-6,
        "hidden_act": "silu", "rope_theta": 1e6, "tie_word_embeddings": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_small_config_of_each_family_by_plain_arithmetic(family, tmp_path: Path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(SMALL[family]))
    a, m, s = aw.load(path), aw.metrics, by_hand.shape_of(path)
    assert int(m.parameters(a)) == by_hand.parameters(s)
    for tokens in (1, 4, 5, 6, 9, 10, 40):
        assert int(m.forward_flops(a, context=tokens, batch=3)) == 3 * by_hand.forward(s, tokens)
        assert int(m.prefill_flops(a, context=tokens)) == by_hand.forward(s, tokens)
        assert int(m.forward_flops(a, context=tokens, flops_convention="dense")) == by_hand.forward(s, tokens, True)
        assert int(m.decode_flops(a, context=tokens, batch=2)) == 2 * by_hand.decode(s, tokens)
        assert int(m.kv_cache(a, context=tokens, batch=2)) == 2 * by_hand.cache_bytes(s, tokens)
        assert int(m.kv_cache(a, context=tokens, cache="full")) == by_hand.cache_bytes(s, tokens, windowed=False)
        assert m.flops_per_token(a, context=tokens).value * tokens == by_hand.forward(s, tokens)


# Field cases --------------------------------------------------------------------------------------------------


def case(shared: Path, name: str, file: str) -> aw.ArchitectureConfig:
    (folder,) = (shared / "data" / "field-cases").glob(f"{name}-*")
    return aw.load(folder / file)


def test_a_stated_head_dim_counts(shared):
    a = case(shared, "fc-01", "config.json")
    assert int(aw.metrics.kv_cache(a, context=4096)) == 12_582_912
    assert int(aw.metrics.kv_cache(a, context=4096, per="token")) == 3072
    assert int(aw.metrics.parameters(a)) == 2_617_856


def test_expert_parallelism_splits_the_experts_alone(shared):
    a = case(shared, "fc-02", "config.json")
    assert int(aw.metrics.parameters(a)) == 7_136_512
    assert int(aw.metrics.weights(a, per="device", tp=1, ep=4)) == 4_835_840


def test_expert_matrices_have_a_type_of_their_own(shared):
    a = case(shared, "fc-04", "config.json")
    assert int(aw.metrics.weights(a, moe_dtype="mxfp4")) == 1_277_248
    assert int(aw.metrics.weights(a)) == 1_277_248  # as it was published
    assert int(aw.metrics.weights(a, dtype="bf16", moe_dtype="mxfp4")) == 1_277_248
    assert int(aw.metrics.weights(a, dtype="bf16")) == int(aw.metrics.weights(a, weights_dtype="bf16")) == 2_432_320


def test_interleaved_experts(shared):
    a = case(shared, "fc-10", "config.json")
    assert (int(aw.metrics.parameters(a)), int(aw.metrics.active_parameters(a))) == (996_480, 849_024)


@pytest.mark.parametrize("file", ["v1-type.json", "v2-rope-type.json", "v3-rope-parameters.json"])
def test_a_scaling_in_three_spellings(shared, file):
    assert float(aw.metrics.rope_wavelength_max(case(shared, "fc-09", file))) == pytest.approx(188468.97, abs=0.01)


def test_tying_shares_storage_and_not_work(shared):
    tied, untied = case(shared, "fc-03", "tied.json"), case(shared, "fc-03", "untied.json")
    for a, parameters in ((tied, 1_436_928), (untied, 1_692_928)):
        assert int(aw.metrics.forward_flops(a, context=16)) == 46_219_264
        assert int(aw.metrics.forward_flops(a, context=16, flops_convention="dense")) == 46_465_024
        assert int(aw.metrics.attention_flops(a, context=16)) == 278_528
        assert int(aw.metrics.parameters(a)) == parameters


@pytest.mark.parametrize("file", ["not-enabled.json", "enabled-small.json"])
def test_a_window_without_effect_is_no_window(shared, file):
    a = case(shared, "fc-06", file)
    assert int(aw.metrics.kv_cache(a, context=8192)) == 16_777_216
    assert int(aw.metrics.layer_count(a, where="layers[type=sliding]")) == 0
    assert int(aw.metrics.parameters(a)) == 2_874_112


def test_an_80_layer_model_at_32_k(shared):
    a = case(shared, "fc-19", "base.yaml")
    assert int(aw.metrics.kv_cache(a, context=32768)) == 10_737_418_240
    assert int(aw.metrics.kv_cache(a.change(n_kv_heads=64), context=32768)) == 85_899_345_920


def test_utilisation_is_of_the_dense_peak(shared):
    (path,) = (shared / "data" / "field-cases").glob("fc-23-*/run.json")
    run = json.loads(path.read_text())
    found = aw.metrics.mfu(
        aw.ArchitectureConfig(), device=run["device"], dtype=run["dtype"], achieved=run["achieved_tflops"] * 1e12
    )
    assert abs(float(found) - 40.4) < 0.2
    with pytest.raises(aw.ArchwrightError, match="h100-sxm"):
        aw.metrics.mfu(aw.ArchitectureConfig(), device="h1000", achieved=1e12)
