"""The gated window of the Qwen families: `use_sliding_window`, `sliding_window`, `max_window_layers`, `layer_types`."""

from __future__ import annotations

from typing import Any

from ...errors import show
from .keys import Keys
from .parts import LAYER_TYPES, by_type, window


def gated_windows(keys: Keys) -> list[dict[str, Any]]:
    """The attention of each layer. The switch decides, then `layer_types`, else layers from `max_window_layers` on."""
    n_layers = max(0, keys["num_hidden_layers"])
    switched, width = keys["use_sliding_window"], keys["sliding_window"]
    sliding = window(keys) if switched else {"type": "full"}
    full = {"type": "full"}
    stated = keys["layer_types"]
    if stated is not None:
        kinds = by_type(keys, stated, {name: {"type": ours} for name, ours in LAYER_TYPES.items()})
        if kinds is None:
            return [full] * n_layers
        chosen = [kind["type"] == "sliding" for kind in kinds]
        if any(chosen) and sliding["type"] == "full":
            other = "sliding_window" if switched else "use_sliding_window"
            keys.contradiction(("layer_types",), (other,))
    else:
        chosen = [i >= keys["max_window_layers"] for i in range(n_layers)]
    if not switched:
        if keys.stated("sliding_window") and width is not None:
            keys.note(f"sliding_window ({show(width)}) has no effect: use_sliding_window is false")
        return [full] * n_layers
    if sliding["type"] == "full":
        keys.note("use_sliding_window (true) has no effect: sliding_window is null")
    elif not any(chosen):
        reason = "no layer of layer_types slides" if stated is not None else "layers slide from max_window_layers "
        if stated is None:
            reason += f"({keys['max_window_layers']}) on, and there are {n_layers}"
        keys.note(f"sliding_window ({show(width)}) has no effect: {reason}")
    return [sliding if slides else full for slides in chosen]
