"""Tables for records: metrics by sides, every cell a bound figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import NOTHING, InvalidValue, Problem, UnknownName, did_you_mean
from ..units import Quantity
from .frame import Frame


def table(
    frame: Frame, metrics: Sequence[str], sides: Sequence[str] | None = None, settings: Mapping[str, Any] | None = None
) -> str:
    """A Markdown table, one metric or field a row, one side a column; a row shares unit and decimals.

    By default the columns are the decision and every alternative (the base in a record without a decision).
    """
    from ..costs.fields import is_field
    from ..costs.metric import evaluate, unknown
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
    unknown_names = [p for n in metrics if n not in known and not is_field(n) for p in unknown(n).problems]
    if unknown_names:
        raise UnknownName(unknown_names)
    given = dict(settings or {})
    taken = {key for name in metrics if name in known for key in known.get(name).settings}
    problems = [
        Problem(key, NOTHING, f"is not a setting of {' or '.join(metrics)}", did_you_mean(key, taken, "They take"))
        for key in given
        if key not in taken
    ]
    if problems:
        raise InvalidValue(problems)
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "--:|" * len(columns)]
    for name in metrics:
        definition = known.get(name) if name in known else None
        own = {k: v for k, v in given.items() if definition is not None and k in definition.settings}
        suffix = "(" + ", ".join(f"{k}={v}" for k, v in own.items()) + ")" if own else ""
        cells: list[Quantity] = []
        for column in columns:
            side = context.sides[column]
            if side.config is None:
                raise InvalidValue(Problem(column, NOTHING, f"cannot be computed: {side.problem}"))
            value = evaluate(
                name, side.config, {**context.settings, **side.settings, **own} if definition else {}, False
            )
            cells.append(value)
        labels = [f"{name}{suffix}" + ("" if column == context.default else f".{column}") for column in columns]
        row = " | ".join(f"[{text}][{label}]" for text, label in zip(shared(cells), labels, strict=True))
        lines.append(f"| {definition.label if definition else name} | {row} |")
    return "\n".join(lines)
