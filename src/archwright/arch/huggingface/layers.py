"""Layers that differ: published windows and layer types, and the shortest authored form of a list of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import show
from ..selectors import as_ranges
from .keys import Keys

FULL = {"type": "full"}


def window(keys: Keys, name: str = "sliding_window") -> dict[str, Any]:
    """Attention with a published window, which counts the token itself; null is none."""
    width = keys[name]
    if width is None:
        return dict(FULL)
    keys.origin["window_size"] = (name,)
    if width < 1:
        keys.refuse((name,), "must be positive: it counts the token itself", "Use null for no window")
        return dict(FULL)
    return {"type": "sliding", "window_size": width - 1}


def slides(keys: Keys, default: Sequence[bool]) -> list[bool]:
    """Which layers slide: as `layer_types` says, else the class's default."""
    stated = keys["layer_types"]
    if stated is None:
        return list(default)
    n_layers = len(default)
    if len(stated) != n_layers:
        keys.refuse(("layer_types",), f"must name {n_layers} layers, and names {len(stated)}")
        return list(default)
    known = {"full_attention": False, "sliding_attention": True}
    for kind in stated:
        if not isinstance(kind, str) or kind not in known:
            keys.cannot(("layer_types",), f"has {show(kind)}, which cannot be imported", f"Known: {', '.join(known)}")
            return list(default)
    return [known[kind] for kind in stated]


def windows(keys: Keys, default: Sequence[bool], name: str = "sliding_window") -> list[dict[str, Any]]:
    """The attention of each layer: full, or sliding where `layer_types` or the default says so."""
    chosen = slides(keys, default)
    sliding = window(keys, name)
    if sliding == FULL and keys["layer_types"] is not None and any(chosen):
        keys.contradiction(("layer_types",), (name,))
    return [dict(sliding if yes else FULL) for yes in chosen]


def every(n: int, n_layers: int) -> list[bool]:
    """True but in every n-th layer: the usual pattern of local and global layers."""
    return [bool((i + 1) % n) for i in range(n_layers)]


def gated_windows(keys: Keys, default: Sequence[bool], rule: str) -> list[dict[str, Any]]:
    """The window of the Qwen families: `use_sliding_window` decides, then `layer_types`, else the class's default.

    `rule` says that default, for the note where nothing slides.
    """
    switched, width = keys["use_sliding_window"], keys["sliding_window"]
    chosen = slides(keys, default)
    stated = keys["layer_types"] is not None
    if not switched:
        if stated and any(chosen):
            keys.contradiction(("layer_types",), ("use_sliding_window",))
        if keys.stated("sliding_window") and width is not None:
            keys.note(f"sliding_window ({show(width)}) has no effect: use_sliding_window is false")
        return [dict(FULL) for _ in chosen]
    sliding = window(keys)
    if sliding == FULL:
        if stated and any(chosen):
            keys.contradiction(("layer_types",), ("sliding_window",))
        keys.note("use_sliding_window (true) has no effect: sliding_window is null")
    elif not any(chosen):
        reason = "no layer of layer_types slides" if stated else rule
        keys.note(f"sliding_window ({show(width)}) has no effect: {reason}")
    return [dict(sliding if yes else FULL) for yes in chosen]


def upper(keys: Keys) -> tuple[list[bool], str]:
    """Layers from `max_window_layers` on, and the rule in words."""
    n_layers, first = max(0, keys["num_hidden_layers"]), keys["max_window_layers"]
    rule = f"layers slide from max_window_layers ({first}) on, and there are {n_layers}"
    return [i >= first for i in range(n_layers)], rule


def joined(*parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Entries of layers put together, layer by layer."""
    return [{k: v for part in layer for k, v in part.items()} for layer in zip(*parts, strict=True)]


def attended(specs: Sequence[Mapping[str, Any]], **own: Any) -> list[dict[str, Any]]:
    """Entries with the attention of each layer, and options that all of them have."""
    return [{"attention": {**spec, **own}} for spec in specs]


def layered(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Fields for layers that differ: the common ones flat, the rest as a pattern where it repeats, else by numbers.

    `entries` holds the parts and per-layer fields of each layer.
    """
    if not entries:
        return {}
    flat = _shared(entries)
    rest = [_beyond(entry, flat) for entry in entries]
    if not any(rest):
        return flat
    n = len(rest)
    for period in range(2, min(n // 2, 12) + 1):
        if all(rest[i] == rest[i % period] for i in range(n)):
            return {**flat, "pattern": [_item(body, times, flat) for body, times in _runs(rest[:period])]}
    overrides, first = [], 0
    for body, times in _runs(rest):
        if body:
            overrides.append({"layers": as_ranges(range(first, first + times)), **body})
        first += times
    return {**flat, "layers": overrides}


_PARTS = ("attention", "feed_forward", "position")
"""Maps that a layer's own is merged into; all other values a layer replaces whole."""


def _shared(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """What all layers say alike; of feed-forwards of unlike types, the most frequent one."""
    flat: dict[str, Any] = {}
    for name, value in entries[0].items():
        if name not in _PARTS:
            whole = [e for e in entries if e.get("attention", {}).get("type") != "sliding"]
            flat[name] = (whole or entries)[0].get(name)  # where layers differ, the global ones speak for the model
            continue
        bodies = [e.get(name, {}) for e in entries]
        same = {k: v for k, v in value.items() if all(b.get(k, entries) == v for b in bodies)}
        if name == "feed_forward" and "type" not in same:
            same = max(bodies, key=lambda body: (bodies.count(body), str(body)))
        if same:
            flat[name] = dict(same)
    return flat


def _beyond(entry: dict[str, Any], flat: Mapping[str, Any]) -> dict[str, Any]:
    """What a layer says that is neither shared nor the default type."""
    own: dict[str, Any] = {}
    for name, value in entry.items():
        shared = flat.get(name)
        if name == "feed_forward":
            if value != shared:
                body = {k: v for k, v in value.items() if v not in (None, False) or k == "normalize"}
                kind = (shared or {}).get("type") == value.get("type")
                own[name] = {k: v for k, v in body.items() if k == "type" or not kind or (shared or {}).get(k) != v}
        elif name in _PARTS:
            value = {k: v for k, v in value.items() if k not in (shared or {})}
            if value and value != FULL:
                own[name] = value
        elif value != shared:
            own[name] = value
    return own


def _runs(bodies: list[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    runs: list[tuple[dict[str, Any], int]] = []
    for body in bodies:
        if runs and runs[-1][0] == body:
            runs[-1] = (body, runs[-1][1] + 1)
        else:
            runs.append((body, 1))
    return runs


def _item(body: dict[str, Any], times: int, flat: Mapping[str, Any]) -> Any:
    """One item of a pattern; one that changes nothing names the type that it has."""
    plain = dict(body["attention"]) if set(body) == {"attention"} and "type" in body["attention"] else dict(body)
    if not plain:
        plain = {"type": flat.get("attention", {}).get("type", "full")}
    if times > 1:
        return {**plain, "times": times}
    return plain["type"] if set(plain) == {"type"} else plain
