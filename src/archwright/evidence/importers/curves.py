"""Training curves as CSV or JSON lines: a row a step, a column a measure, runs told apart by `seed` or `run`."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import NOTHING, Location, Problem, Unreadable, UsageError, did_you_mean
from ...textio import read_text, shown
from ..record import Curve, Key, Measure
from ..request import ABLATION_MEASURES
from .base import LARGEST, Imported, Importer

STEPS = ("step", "steps", "tokens", "iteration", "iter", "epoch", "_step")
"""Columns that count progress, the first that is there."""
RUNS = ("seed", "run", "run_id")
"""Columns that tell runs apart."""

Row = tuple[int, Mapping[str, Any]]
"""A row with its line in the file."""


class CurveImporter(Importer):
    """Base of both formats: the last value of each run is its sample, the curve is kept with it.

    `metric` names the measure where the file's column has another name (`--metric val_loss=eval/loss`); without it
    every column that is a known measure of training is read.
    """

    @abstractmethod
    def rows(self, path: Path) -> Iterator[Row]:
        """Each row as names to values."""

    def read(self, path: Path, options: Mapping[str, Any]) -> Imported:
        rows = list(self.rows(path))
        where = Location(shown(path))
        if not rows:
            raise Unreadable(Problem("", NOTHING, "holds no row", where=where))
        columns = list(dict.fromkeys(name for _, row in rows for name in row))
        x = _progress(columns, options.get("x"), where)
        run = next((name for name in RUNS if name in columns), None)
        measures: dict[str, Measure] = {}
        curves: list[Curve] = []
        for name, column in _wanted(columns, options.get("metric"), where).items():
            unit, better = ABLATION_MEASURES.get(name, ("", "lower"))
            measures[name] = Measure(options.get("unit", unit), options.get("better", better), "mean")
            curves += _curves(rows, name, column, x, run, where)
        samples: dict[str, list[float]] = {}
        keys: dict[str, list[Key]] = {}
        for curve in curves:
            samples.setdefault(curve.measure, []).append(curve.y[-1])
            keys.setdefault(curve.measure, []).append(curve.key)
        source = {"tool": self.name, "columns": columns}
        single = [name for name, values in samples.items() if len(values) == 1]
        notes = (f"one run alone gives {', '.join(single)} no interval: train with more seeds",) if single else ()
        return Imported("ablation", "curve", measures, samples, keys, {}, tuple(curves), source=source, notes=notes)


class CsvCurve(CurveImporter):
    """A CSV file with a header line."""

    name = "csv"
    about = "training curves as CSV with a header line"

    def recognises(self, path: Path, head: str) -> bool:
        return path.suffix in (".csv", ".tsv")

    def rows(self, path: Path) -> Iterator[Row]:
        import csv

        text = read_text(path, LARGEST).text
        reader = csv.reader(text.split("\n"), delimiter="\t" if path.suffix == ".tsv" else ",")
        header: list[str] = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = Location(shown(path), reader.line_num)
            if not header:
                header = [cell.strip() for cell in cells]
                if len(set(header)) != len(header):
                    raise Unreadable(Problem("", NOTHING, "names a column twice", "Rename one of them", where))
                continue
            if len(cells) != len(header):
                rule = f"has {len(cells)} cells where the header has {len(header)}"
                raise Unreadable(Problem("", NOTHING, rule, "The file may have been cut off: export it again", where))
            yield reader.line_num, {n: c.strip() for n, c in zip(header, cells, strict=True) if c.strip()}


class JsonlCurve(CurveImporter):
    """A file with one JSON object a line."""

    name = "jsonl"
    about = "training curves as JSON lines"

    def recognises(self, path: Path, head: str) -> bool:
        return path.suffix in (".jsonl", ".ndjson") and not path.name.startswith("samples_")

    def rows(self, path: Path) -> Iterator[Row]:
        for number, line in enumerate(read_text(path, LARGEST).text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                remedy = "The file may have been cut off: remove the line, or export it again"
                where = Location(shown(path), number)
                raise Unreadable(Problem("", NOTHING, "is not a JSON object", remedy, where)) from None
            yield number, {name: value for name, value in row.items() if value is not None}


def _progress(columns: list[str], named: str | None, where: Location) -> str:
    if named is not None:
        if named not in columns:
            raise UsageError(Problem("--x", named, "is not a column", did_you_mean(named, columns, "Columns")))
        return named
    found = next((name for name in STEPS if name in columns), None)
    if found is None:
        rule = f"has no column that counts progress ({', '.join(STEPS)})"
        raise UsageError(Problem("", NOTHING, rule, f"Name it with --x: {', '.join(columns)}", where))
    return found


def _wanted(columns: list[str], asked: Any, where: Location) -> dict[str, str]:
    """Measure to column."""
    if asked:
        words = [asked] if isinstance(asked, str) else list(asked)
        made = {name: column or name for name, _, column in (word.partition("=") for word in words)}
        for name, column in made.items():
            if column not in columns:
                hint = did_you_mean(column, columns, "Columns")
                raise UsageError(Problem("--metric", f"{name}={column}", f"names {column}, which is no column", hint))
        return made
    made = {name: name for name in columns if name in ABLATION_MEASURES}
    if not made:
        rule = f"has no column that is a measure of training ({', '.join(ABLATION_MEASURES)})"
        raise UsageError(Problem("", NOTHING, rule, "Name one: --metric val_loss=COLUMN", where))
    return made


def _curves(rows: list[Row], name: str, column: str, x: str, run: str | None, where: Location) -> list[Curve]:
    points: dict[Key, list[tuple[float, float]]] = {}
    for line, row in rows:
        if column not in row:
            continue
        here = Location(where.path, line)
        key = row.get(run, 0) if run else 0
        point = (_float(row.get(x), x, here), _float(row[column], column, here))
        points.setdefault(key if isinstance(key, int) else str(key), []).append(point)
    made = []
    for key, found in points.items():
        steps = [step for step, _ in found]
        if sorted(set(steps)) != steps:
            rule = f"has a curve of {column} whose {x} does not rise at every row"
            remedy = f"Sort it, or tell runs apart with a column {' or '.join(RUNS)}"
            raise Unreadable(Problem("", NOTHING, rule, remedy, where))
        made.append(Curve(name, key, tuple(steps), tuple(value for _, value in found)))
    return made


def _float(value: Any, column: str, where: Location) -> float:
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        remedy = "A run that diverged has no final value: import it with --metric diverged"
        raise Unreadable(Problem(column, value, "is not a finite number", remedy, where))
    return int(number) if number.is_integer() and column in STEPS else number
