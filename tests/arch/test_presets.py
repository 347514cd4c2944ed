"""Presets: published models by name, each with its source, each with the published count."""

from __future__ import annotations

import re

import pytest

import archwright as aw
from archwright.arch.presets import names, preset, provenance

PUBLISHED = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "mistral-7b": 7_241_732_096,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-72b": 72_706_203_648,
    "gpt2-xl": 1_557_611_200,
    "gpt-neox-20b": 20_554_567_680,
    "pythia-6.9b": 6_857_302_016,
    "opt-125m": 125_239_296,
    "bloom-176b": 176_247_271_424,
    "falcon-7b": 6_921_720_704,
    "gemma-2-9b": 9_241_705_984,
    "mixtral-8x7b": 46_702_792_704,
    "qwen3-235b-a22b": 235_093_634_560,
    "deepseek-v3": 671_026_404_352,
    "gpt-oss-120b": 116_829_156_672,
}
"""As the publishers' model pages and weight files have it."""

ACTIVE = {
    "mixtral-8x7b": 12_879_925_248,
    "qwen3-30b-a3b": 3_353_032_704,
    "deepseek-v2": 21_375_800_320,
    "deepseek-v3": 37_552_282_624,
    "kimi-k2": 32_861_477_888,
}
"""Embedding, head, routers and shared experts in full."""


@pytest.mark.parametrize("name", names())
def test_a_preset_loads_and_says_where_it_comes_from(name):
    config = aw.load(name)
    assert config.name == name
    assert aw.load(f"preset:{name}") is config
    said = provenance(name)
    assert said["source"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", said["read_on"])
    assert aw.ArchitectureConfig.from_yaml(config.to_yaml()) == config


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_published_counts(name, count):
    assert preset(name).estimate_params() == count


@pytest.mark.parametrize(("name", "count"), ACTIVE.items())
def test_active_counts(name, count):
    assert sum(times * weight.active_parameters for times, weight in preset(name).weights()) == count


def test_there_are_enough_of_them():
    assert len(names()) >= 60


def test_presets_agree_with_the_external_truth(shared):
    import csv

    with open(shared / "data" / "truth.csv", newline="") as file:
        rows = {row["slug"]: row for row in csv.DictReader(file)}
    both = sorted(set(rows) & set(names()) - {"llama-2-13b"})  # that row is of another model's shape
    assert len(both) >= 60
    for name in both:
        config, row = preset(name), rows[name]
        assert config.estimate_params() == int(row["params_total"])
        slots = [a.cache_elements * a.cache_slots(32768) for a in (layer.attention for layer in config.layers)]
        assert 2 * sum(slots) == int(row["kv_cache_bytes_at_32768_bf16"])


def test_quantised_presets_say_so():
    config = preset("gpt-oss-20b")
    assert config.source.weights_dtype == "mxfp4"
    assert "experts" not in config.source.kept_parts and "head" in config.source.kept_parts


def test_a_preset_states_its_shape_itself():
    from archwright.arch.presets import FOLDER

    for name in names():
        text = (FOLDER / f"{name}.yaml").read_text()
        for field in ("d_model", "n_layers", "n_heads", "n_kv_heads", "d_ff", "vocab_size", "max_seq_len"):
            assert f"  {field}:" in text


def test_mistral_has_its_window():
    config = preset("mistral-7b")
    assert {layer.attention.window_size for layer in config.layers} == {4095}
    assert config.layers[0].attention.cache_slots(32768) == 4096


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(aw.ArchwrightError, match=r"Did you mean llama-3\.1-8b\?"):
        aw.load("lama-3.1-8b")
