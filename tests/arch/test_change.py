"""change(): paths, types, overrides; reading a field by its path."""

from __future__ import annotations

import pytest

from archwright import ArchitectureConfig
from archwright.arch.change import readings
from archwright.arch.selectors import as_ranges, indices, parse_path


@pytest.fixture
def small() -> ArchitectureConfig:
    return ArchitectureConfig(d_model=64, n_layers=8, n_heads=4, n_kv_heads=2, d_ff=96, vocab_size=50, max_seq_len=256)


def windows(config):
    return [getattr(layer.attention, "window_size", None) for layer in config.layers]


def test_flat_changes_derive_again(small):
    wide = small.change(n_heads=8)
    assert (wide.head_dim, wide.layers[0].attention.head_dim) == (8, 8)
    assert small.head_dim == 16
    assert small.change(head_dim=32).change(n_heads=8).head_dim == 32
    assert small.change(d_ff=None).d_ff == 11008  # back to the default
    assert small.__replace__(d_ff=7).d_ff == 7


def test_layer_paths(small):
    half = small.change({"layers[0-3].attention": {"type": "sliding", "window_size": 5}})
    assert windows(half) == [5] * 4 + [None] * 4
    more = half.change({"layers[2-5].attention": {"type": "sliding", "window_size": 9}})
    assert windows(more) == [5, 5, 9, 9, 9, 9, None, None]
    narrow = more.change({"layers[type=sliding].attention.window_size": 3})
    assert windows(narrow) == [3] * 6 + [None] * 2
    every_other = narrow.change({"layers[::2].attention": {"type": "full"}})
    assert [layer.attention.type for layer in every_other.layers] == ["full", "sliding"] * 3 + ["full"] * 2
    assert windows(half.change({"layers[0-3].attention": None})) == [None] * 8


def test_changing_the_type_keeps_what_the_new_type_knows(small):
    dilated = small.change({"attention": {"type": "dilated", "window_size": 6, "dilation": 4}})
    sliding = dilated.change({"attention": {"type": "sliding"}})
    assert windows(sliding) == [6] * 8
    full = dilated.change({"attention": {"type": "full"}})
    assert full == small


def test_patterns_become_overrides_when_single_layers_change(small):
    pattern = small.change(pattern=[{"type": "sliding", "window_size": 4, "times": 3}, "full"])
    changed = pattern.change({"layers[0].attention.window_size": 8})
    assert windows(changed) == [8, 4, 4, None, 4, 4, 4, None]
    assert changed.to_dict().get("pattern") is None
    assert windows(changed.change(pattern=["full"])) == [None] * 8


def test_custom_attention_gives_way_to_a_layer_path(small):
    sliding = small.change(custom_attention="sliding")
    mixed = sliding.change({"layers[7].attention": {"type": "full"}})
    assert windows(mixed) == [512] * 7 + [None]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("n_kv_head", 2, "Did you mean n_kv_heads?"),
        ("layers[0-9].attention", {"type": "full"}, "its 8 layers are 0 to 7"),
        ("layers[type=sliding].d_ff", 5, "selects no layer"),
        ("layers[0].vocab_size", 5, "is not a field of a layer"),
        ("n_heads.x", 5, "has no parts"),
        ("layers[0", 5, "not a field path"),
        ("n_kv_heads", 3, "must be divisible"),
    ],
)
def test_impossible_changes(small, path, value, expected):
    with pytest.raises(ValueError) as caught:
        small.change({path: value})
    assert expected in str(caught.value)


def test_readings(small):
    mixed = small.change({"layers[0-3].attention": {"type": "sliding", "window_size": 5}})
    assert [(r.value, r.layers) for r in readings(mixed, "layers[0-1].attention.window_size")] == [(5, (0, 1))]
    assert [(r.value, r.layers) for r in readings(mixed, "layers[2-5].attention.type")] == [
        ("sliding", (2, 3)),
        ("full", (4, 5)),
    ]
    assert readings(mixed, "n_kv_heads")[0].value == 2
    assert readings(mixed, "layers[3].n_kv_heads")[0].value == 2
    assert readings(mixed, "layers[3].d_ff")[0].value == 96
    with pytest.raises(ValueError, match="not a field of layers 4-7"):
        readings(mixed, "layers[::1].attention.window_size")


def test_selectors():
    assert indices("0-2,5", 8) == [0, 1, 2, 5]
    assert indices("-1", 8) == [7]
    assert indices("1:6:2", 8) == [1, 3, 5]
    assert as_ranges([5, 0, 1, 2]) == "0-2,5"
    for bad in ("x", "0--1", "3-1", "9", True, 1.5, "", "::0"):
        with pytest.raises(ValueError):
            indices(bad, 8)
    assert str(parse_path("layers[::2].attention.window_size")) == "layers[::2].attention.window_size"
