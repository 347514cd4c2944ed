"""A test module for pytest: one conformance class for each variant asked for, or for all that are installed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import NOTHING, Problem, UsageError
from ..nn import CustomAttentionFactory
from .build import conformance
from .plugin import CHOSEN


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """`sink_window:window_size=7,n_sinks=2` to a name and its options; values are numbers, true or false, or texts.

    >>> parse("sliding:window_size=7,causal=false")
    ('sliding', {'window_size': 7, 'causal': False})
    """
    name, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for pair in filter(None, rest.split(",")):
        field, sign, value = pair.partition("=")
        if not sign:
            rule = f"has {pair!r} where FIELD=VALUE is expected"
            raise UsageError(Problem("--attention-variant", NOTHING, rule, "Write NAME:window_size=7,n_sinks=2"))
        options[field.strip()] = _value(value.strip())
    return name.strip(), options


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def classes(chosen: Iterable[str]) -> dict[str, type]:
    """Test classes by name; several cases of one variant are one class."""
    cases: dict[str, list[dict[str, Any]]] = {}
    for text in chosen:
        name, options = parse(text)
        cases.setdefault(name, []).append(options)
    if not cases:
        cases = {name: [{}] for name in CustomAttentionFactory.list_variants()}
    return {made.__name__: made for made in (conformance(name, options) for name, options in cases.items())}


globals().update(classes(CHOSEN))
