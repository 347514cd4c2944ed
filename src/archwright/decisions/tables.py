"""Tables for records: metrics by sides, every cell a bound figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import NOTHING, InvalidValue, Problem
from ..units import Quantity
from .frame import Frame

HEADINGS = {"base": "base", "decision": "decision"}


def table(
    frame: Frame, metrics: Sequence[str], sides: Sequence[str] | None = None, settings: Mapping[str, Any] | None = None
) -> str:
    """A Markdown table, one metric a row, one side a column; a row shares unit and decimals.

    By default the columns are the decision and every alternative (the base in a record without a decision).
    """
    from ..costs.metric import metrics as known
    from ..costs.table import shared

    context = frame.context
    columns = list(sides or [n for n in context.sides if n != "base" or "decision" not in context.sides])
    problems = [
        Problem("side", name, "is no side of this record", f"Sides: {', '.join(context.sides)}")
        for name in columns
        if name not in context.sides
    ]
    if problems:
        raise InvalidValue(problems)
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "--:|" * len(columns)]
    suffix = "(" + ", ".join(f"{k}={v}" for k, v in settings.items()) + ")" if settings else ""
    for name in metrics:
        definition = known.get(name, "metric")
        cells: list[Quantity | None] = []
        for column in columns:
            side = context.sides[column]
            if side.config is None:
                raise InvalidValue(Problem(column, NOTHING, f"cannot be computed: {side.problem}"))
            given = {**context.settings, **side.settings, **(settings or {})}
            own = {k: v for k, v in given.items() if k in definition.settings}
            value = definition(side.config, **own)
            cells.append(value if isinstance(value, Quantity) else None)
        texts = shared([c for c in cells if c is not None])
        if len(texts) != len(columns):
            raise InvalidValue(Problem("metric", name, "has no figure on every side"))
        labels = [f"{name}{suffix}" + ("" if column == context.default else f".{column}") for column in columns]
        row = " | ".join(f"[{text}][{label}]" for text, label in zip(texts, labels, strict=True))
        lines.append(f"| {definition.label} | {row} |")
    return "\n".join(lines)
