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
}
"""As the publishers' model pages and weight files have it."""


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
