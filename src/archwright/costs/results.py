"""Result: one computed value with its metric and settings, as text and as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..arch.config import ArchitectureConfig
from ..arch.selectors import as_ranges
from ..errors import NOTHING, InvalidValue, Problem, did_you_mean
from ..units import Quantity
from .dtypes import Dtype
from .formulas.capacity import Fit
from .hardware import Device
from .metric import evaluate, known_setting, metrics
from .settings import SETTINGS
from .table import number, shown

ALWAYS = ("context", "dtype")
"""Settings that are stated with every value that depends on them."""


@dataclass(frozen=True, slots=True)
class Result:
    """A value, the metric it is of, and the settings it holds for."""

    metric: str
    settings: tuple[tuple[str, Any], ...]
    quantity: Quantity

    @property
    def label(self) -> str:
        """The metric in words."""
        found = metrics.find(self.metric)
        return found.label if found else self.metric

    def to_dict(self) -> dict[str, Any]:
        """The value as data: integers exactly, a verdict as true or false."""
        made: dict[str, Any] = {
            "metric": self.metric,
            "settings": dict(self.settings),
            "value": bool(self.quantity) if isinstance(self.quantity, Fit) else number(self.quantity.value),
            "unit": self.quantity.unit,
            "text": shown(self.quantity),
            "notes": list(self.quantity.notes),
        }
        if isinstance(self.quantity, Fit):
            made["needed"] = number(self.quantity.needed.value)
            made["available"] = number(self.quantity.available.value)
        return made


def result(name: str, config: ArchitectureConfig, given: Mapping[str, Any]) -> Result:
    """One value; settings that only other metrics have are ignored."""
    quantity = evaluate(name, config, given, strict=False)
    return Result(name, tuple(shown_settings(name, config, given).items()), quantity)


def shown_settings(name: str, config: ArchitectureConfig, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings to state with a value: those given that the metric has, and those it always depends on."""
    found = metrics.find(name)
    if found is None:
        return {}
    shown: dict[str, Any] = {}
    for setting in found.settings:
        if setting in given:
            shown[setting] = as_data(given[setting])
        elif setting == "context":
            shown[setting] = config.max_seq_len
        elif setting in ALWAYS:
            shown[setting] = SETTINGS[setting].default
    return shown


def as_data(value: Any) -> Any:
    """A setting's value as JSON holds it."""
    if isinstance(value, Device):
        return value.slug
    if isinstance(value, Dtype):
        return value.name
    if isinstance(value, frozenset | set):
        return as_ranges(sorted(value))
    if isinstance(value, Fraction):
        return number(value)
    if isinstance(value, Mapping):
        return {str(key): as_data(inner) for key, inner in value.items()}
    return value


def published_type(config: ArchitectureConfig, given: Mapping[str, Any]) -> str:
    """The type that weights are counted in because the model was published in it; empty where it plays no part."""
    kind = config.source.weights_dtype
    return "" if kind is None or "dtype" in given or "weights_dtype" in given else kind


def check_settings(names: list[str], given: Mapping[str, Any]) -> None:
    """Refuse settings that none of the metrics has; InvalidValue with all of them."""
    taken = {s for n in names if (m := metrics.find(n)) for s in m.settings}
    problems = []
    for key in given:
        if key in taken:
            continue
        hint = did_you_mean(key, taken)
        takes = f"They take {', '.join(sorted(taken))}" if taken else "They take no settings"
        remedy = f"{hint} {takes}" if hint.startswith("Did") else takes
        rule = "is a setting of none of these metrics" if known_setting(key) else "is not a setting"
        problems.append(Problem(key, NOTHING, rule, remedy))
    if problems:
        raise InvalidValue(problems)


def footer(config: ArchitectureConfig, names: list[str], given: Mapping[str, Any]) -> str:
    """The settings that hold for a whole table, in one line: `context 32,768 · batch 1 · bf16`."""
    every: dict[str, Any] = {}
    for name in names:
        found = metrics.find(name)
        for key in found.settings if found else ():
            if key in ("context", "batch", "dtype") or key in given:
                every.setdefault(key, None)
    parts = []
    for key in every:
        value = given.get(key)
        if value is None:
            value = {"context": config.max_seq_len, "batch": 1, "dtype": "bf16"}.get(key)
        shown = as_data(value)
        text = f"{shown:,}" if isinstance(shown, int) and not isinstance(shown, bool) else str(shown)
        parts.append(text if key == "dtype" else f"{key} {text}")
    order = {"context": 0, "batch": 1, "dtype": 2}
    keyed = sorted(zip(every, parts, strict=True), key=lambda pair: order.get(pair[0], 3))
    texts = [text for _, text in keyed]
    kind = published_type(config, given)
    if kind and any("weights_dtype" in found.settings for name in names if (found := metrics.find(name))):
        texts.append(f"weights {kind} as published")
    return " · ".join(texts)
