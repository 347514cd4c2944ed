"""Comparison: metrics of several architectures side by side, each against a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..arch.config import ArchitectureConfig
from ..arch.loading import load
from ..errors import NOTHING, InvalidValue, Problem
from . import table
from .estimate import Architecture
from .formulas.capacity import Fit
from .results import Result, check_settings, footer, result
from .table import number

SCHEMA = "archwright/compare/1"
DEFAULT = (
    "parameters",
    "weights",
    "kv_cache",
    "inference_memory",
    "prefill_flops",
    "decode_flops",
    "attention_flops_share",
)
"""What is compared when nothing is asked for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of every architecture, the baseline first."""

    results: tuple[Result, ...]

    @property
    def label(self) -> str:
        """The metric in words."""
        return self.results[0].label

    def values(self) -> list[str]:
        """Each value as text, in a unit and with decimals that the row shares."""
        quantities = [r.quantity for r in self.results]
        if any(isinstance(q, Fit) for q in quantities):
            return [str(q) for q in quantities]
        return table.shared(quantities)

    def changes(self) -> list[str]:
        """How each value relates to the baseline's; empty for the baseline."""
        base = self.results[0].quantity
        if isinstance(base, Fit):
            return ["" for _ in self.results]
        return ["", *(table.change(base, r.quantity) for r in self.results[1:])]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table of metrics by architectures; the first column is the baseline."""

    names: tuple[str, ...]
    configs: tuple[ArchitectureConfig, ...]
    rows: tuple[Row, ...]
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be said beside the values, each once."""
        return tuple(dict.fromkeys(n for row in self.rows for r in row.results for n in r.quantity.notes))

    def _cells(self) -> tuple[list[str], list[list[str]], list[bool]]:
        """Header, rows and alignment; a change has a column of its own beside its value."""
        header, right = ["", self.names[0]], [False, True]
        for name in self.names[1:]:
            header += [name, ""]
            right += [True, False]
        rows = []
        for row in self.rows:
            values, changes = row.values(), row.changes()
            cells = [row.label, values[0]]
            for value, relative in zip(values[1:], changes[1:], strict=True):
                cells += [value, relative]
            rows.append(cells)
        return header, rows, right

    def _footer(self) -> str:
        return footer(self.configs[0], [r.results[0].metric for r in self.rows], dict(self.settings))

    def __str__(self) -> str:
        header, rows, _ = self._cells()
        # a name stands over the value and its change: it may be as wide as both
        widths = [max(len(r[i]) for r in rows) for i in range(len(header))]
        gap = "    " if sum(widths) + 4 * len(self.names) + len(widths) <= 96 else "  "
        lines = []
        for cells in (header, *rows):
            text = cells[0].ljust(widths[0]) + gap + cells[1].rjust(max(widths[1], len(header[1])))
            for i in range(2, len(cells), 2):
                both = widths[i] + 2 + widths[i + 1]
                room = max(both, len(header[i]))
                if cells is header:
                    text += gap + cells[i].rjust(room)
                else:
                    pair = cells[i].rjust(widths[i]) + "  " + cells[i + 1].ljust(widths[i + 1])
                    text += gap + pair.rjust(room)
            lines.append(text.rstrip())
        lines += [self._footer(), *(f"note: {note}" for note in self.notes)]
        return "\n".join(line for line in lines if line)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return table.as_html(*self._cells(), caption=self._footer())

    def to_markdown(self) -> str:
        """A Markdown table, one metric a row."""
        header, rows, right = self._cells()
        header[0] = "metric"
        return table.markdown(header, rows, right)

    def to_csv(self) -> str:
        """One metric a row, values unrounded."""
        rows = []
        for row in self.rows:
            first = row.results[0]
            rows.append([first.metric, first.quantity.unit, *(number(r.quantity.value) for r in row.results)])
        return table.as_csv(("metric", "unit", *self.names), rows)

    def to_dict(self) -> dict[str, Any]:
        """The values as data, integers never rounded; `ratio` is to the baseline."""
        architectures = [
            {"column": name, "name": c.name, "fingerprint": c.fingerprint}
            for name, c in zip(self.names, self.configs, strict=True)
        ]
        rows = []
        for row in self.rows:
            base = row.results[0].quantity
            values = []
            for name, found in zip(self.names, row.results, strict=True):
                entry = found.to_dict()
                del entry["metric"]
                comparable = base.value and not isinstance(base, Fit)
                entry["ratio"] = number((found.quantity / base).value) if comparable else None
                values.append({"column": name, **entry})
            rows.append({"metric": row.results[0].metric, "values": values})
        return {"schema": SCHEMA, "baseline": self.names[0], "architectures": architectures, "rows": rows}


def compare(architectures: Mapping[str, Architecture], /, *metrics: str, **settings: Any) -> Comparison:
    """Metrics of named architectures side by side. The key `base`, else the first, is the baseline.

    Without metrics: the usual ones. Settings hold for every metric that has them; `context` defaults to the
    baseline's max_seq_len, so that all columns are of the same length.
    """
    if not isinstance(architectures, Mapping) or not architectures:
        raise InvalidValue(
            Problem("architectures", NOTHING, "must be a map of at least one", 'Write {"base": a, "decision": b}')
        )
    baseline = "base" if "base" in architectures else next(iter(architectures))
    names = (baseline, *(name for name in architectures if name != baseline))
    configs = tuple(load(architectures[name]) for name in names)
    asked = list(metrics or DEFAULT)
    check_settings(asked, settings)
    given = {"context": configs[0].max_seq_len, **settings}
    rows: list[Row] = []
    problems: list[Problem] = []
    for metric in asked:
        try:
            rows.append(Row(tuple(result(metric, config, given) for config in configs)))
        except InvalidValue as error:
            problems.extend(p for p in error.problems if p not in problems)
    if problems:
        raise InvalidValue(problems)
    return Comparison(names, configs, tuple(rows), tuple(given.items()))
