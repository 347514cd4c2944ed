"""Plans: every published tensor of real configs has a place, and together they are the counted parameters."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import archwright as aw  # noqa: E402
from archwright.arch.huggingface.wrapper import inner_key  # noqa: E402
from archwright.export import plan, weight_types  # noqa: E402
from archwright.export.keymaps import KEYMAPS  # noqa: E402
from archwright.export.layouts import LAYOUTS  # noqa: E402


def test_real_configs_have_a_name_for_every_tensor(shared: Path):
    """Names are distinct, and their elements are the parameters and the correction biases that are no parameters."""
    seen = set()
    for path in sorted((shared / "data" / "configs").glob("*.json")):
        data = json.loads(path.read_text())
        key = inner_key(data)
        kind = (data[key] if key else data)["model_type"]
        config = aw.load(path)
        buffers = sum(
            getattr(layer.feed_forward, "n_experts", 0)
            for layer in config.layers
            if getattr(layer.feed_forward, "correction_bias", None) == "buffer"
        )
        entries = plan(config, kind)
        assert len({e.theirs for e in entries}) == len(entries), path.name
        assert sum(prod(e.shape) for e in entries) == config.estimate_params() + buffers, path.name
        seen.add(kind)
    assert seen <= set(weight_types())


def test_every_layout_is_used_and_every_named_one_exists():
    """No layout lies about; no map names one that is not there."""
    named = {"same"}
    for keys in KEYMAPS.values():
        for table in (keys.outer, keys.layer, *keys.placed.values()):
            named |= {theirs[1] for theirs in table.values() if isinstance(theirs, tuple)}
    assert named == set(LAYOUTS)
