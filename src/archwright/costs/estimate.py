"""Estimate: metrics of one architecture, shown as a table in a terminal, a notebook, Markdown, CSV or JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..arch.config import ArchitectureConfig
from ..arch.loading import load
from ..errors import InvalidValue, Problem
from . import table
from .results import Result, check_settings, footer, result
from .table import number

SCHEMA = "archwright/estimate/1"
Architecture = ArchitectureConfig | str | os.PathLike[str] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Values of metrics for one architecture. `screen` is a text that says the same better than the plain table."""

    config: ArchitectureConfig
    results: tuple[Result, ...]
    settings: tuple[tuple[str, Any], ...] = ()
    screen: str = ""

    def __getitem__(self, metric: str) -> Any:
        """The first value of a metric, as a `Quantity`."""
        for found in self.results:
            if found.metric == metric:
                return found.quantity
        raise KeyError(metric)

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be said beside the values, each once."""
        return tuple(dict.fromkeys(n for r in self.results for n in r.quantity.notes))

    def _footer(self) -> str:
        return footer(self.config, [r.metric for r in self.results], dict(self.settings))

    def _cells(self) -> list[list[str]]:
        return [[r.label, table.shown(r.quantity), _exact(r)] for r in self.results]

    def __str__(self) -> str:
        if self.screen:
            return self.screen
        text = table.plain_text(("", "", ""), self._cells(), (False, True, False))
        lines = [text, self._footer()]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(line for line in lines if line)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        caption = " · ".join(t for t in (self.config.name, self._footer()) if t)
        return table.as_html(("metric", "value", "exactly"), self._cells(), (False, True, False), caption)

    def to_markdown(self) -> str:
        """A Markdown table, one metric a row."""
        header = ("metric", "value", "settings")
        rows = [[r.label, table.shown(r.quantity), _settings(r)] for r in self.results]
        return table.markdown(header, rows, (False, True, False))

    def to_csv(self) -> str:
        """One metric a row, values unrounded."""
        rows = [[r.metric, number(r.quantity.value), r.quantity.unit, _settings(r)] for r in self.results]
        return table.as_csv(("metric", "value", "unit", "settings"), rows)

    def to_dict(self) -> dict[str, Any]:
        """The values as data, integers never rounded."""
        return {
            "schema": SCHEMA,
            "architecture": {"name": self.config.name, "fingerprint": self.config.fingerprint},
            "results": [r.to_dict() for r in self.results],
        }


def _settings(found: Result) -> str:
    return ", ".join(f"{key}={value}" for key, value in found.settings)


def _exact(found: Result) -> str:
    """The whole number behind a rounded one, in brackets."""
    quantity = found.quantity
    text = table.shown(quantity)
    if isinstance(quantity.value, int) and quantity.unit not in ("", "%"):
        digits = f"{quantity.value:,}"
        if digits != text.split(" ")[0]:
            return f"({digits}{' ' + quantity.unit if quantity.unit != 'params' else ''})"
    return ""


def estimate(architecture: Architecture, /, *metrics: str, **settings: Any) -> Estimate:
    """Values of metrics (or fields) of an architecture, a file, a preset or a map.

    Without metrics: the overview. Settings hold for every metric that has them; one that none has is an error,
    as is an unknown metric. All problems are reported at once.
    """
    config = load(architecture)
    if not metrics:
        from .overview import overview_estimate

        return overview_estimate(config, settings)
    check_settings(list(metrics), settings)
    results: list[Result] = []
    problems: list[Problem] = []
    for name in metrics:
        try:
            results.append(result(name, config, settings))
        except InvalidValue as error:
            problems.extend(p for p in error.problems if p not in problems)
    if problems:
        raise InvalidValue(problems)
    return Estimate(config, tuple(results), tuple(settings.items()))
