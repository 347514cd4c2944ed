"""Why a figure misses: the common slips, tried one at a time; silent unless one or two give what was written."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from ..errors import ArchwrightError
from ..units import Quantity
from .judge import judge, judge_comparison
from .resolve import Context, Operand, Resolved
from .texts import Refused, Written

DTYPES = ("fp8", "fp32", "int4", "bf16")
"""One type of each width, the most usual first."""
DTYPE_SETTINGS = ("kv_dtype", "weights_dtype", "dtype")


def slip(written: Written | Refused, resolved: Resolved, context: Context) -> str:
    """One line that names the slips which give the written figure, or nothing."""
    if isinstance(written, Refused) or resolved.kind != "computed":
        return ""
    found: list[tuple[str, str]] = []
    tries = _of_comparison(resolved, context) if resolved.compares else _of_value(resolved, context)
    for what, operands in tries:
        judged = (
            judge_comparison(written, operands[0], operands[1], better=_better(resolved))
            if len(operands) == 2
            else judge(written, operands[0], better=_better(resolved))
        )
        if judged.verdict == "holds" and all(note.code != "rounds-to" for note in judged.notes):
            shown = judged.shown if len(operands) == 2 else str(operands[0])
            if all(what != known for known, _ in found):
                found.append((what, shown))
    if not 1 <= len(found) <= 2:
        return ""
    if len({shown for _, shown in found}) == 1:
        return f"{' or '.join(what for what, _ in found)} would give {found[0][1]}"
    return "; ".join(f"{what} would give {shown}" for what, shown in found)


def _better(resolved: Resolved) -> Any:
    return resolved.better


def _of_value(resolved: Resolved, context: Context) -> Iterator[tuple[str, tuple[Quantity, ...]]]:
    operand = resolved.operands[0]
    if not isinstance(operand.value, Quantity):
        return
    for what, value in _variations(resolved.name, operand):
        yield what, (value,)
    for name, side in context.sides.items():
        if name == operand.side or side.config is None:
            continue
        other = _evaluate(resolved.name, side.config, operand.settings)
        if other is not None and other.value != operand.value.value:
            yield f"the side {name}", (other,)


def _of_comparison(resolved: Resolved, context: Context) -> Iterator[tuple[str, tuple[Quantity, ...]]]:
    first, second = resolved.operands
    if not isinstance(first.value, Quantity) or not isinstance(second.value, Quantity):
        return
    for name, side in context.sides.items():
        if side.config is None or name in (first.side, second.side):
            continue
        for keep, at in ((second, 0), (first, 1)):
            other = _evaluate(resolved.name, side.config, keep.settings)
            if other is None:
                continue
            both = (other, keep.value) if at == 0 else (keep.value, other)
            label = f"{name}->{keep.side}" if at == 0 else f"{keep.side}->{name}"
            yield label, both
    yield f"the other direction, {second.side}->{first.side},", (second.value, first.value)


def _variations(metric: str, operand: Operand) -> Iterator[tuple[str, Quantity]]:
    from ..costs.dtypes import bits
    from ..costs.metric import metrics

    if metric not in metrics:
        return
    accepted = metrics.get(metric).settings
    settings = dict(operand.settings)
    present = settings.get("dtype", "bf16")
    for setting in DTYPE_SETTINGS:
        if setting not in accepted or (setting == "dtype" and any(s in accepted for s in DTYPE_SETTINGS[:2])):
            continue
        for dtype in DTYPES:
            if bits(dtype) == bits(settings.get(setting, present)):
                continue
            value = _evaluate(metric, operand.config, {**settings, setting: dtype})
            if value is not None:
                yield f"{setting}={dtype}", value
    if "per" in accepted and settings.get("per", "model") == "model":
        value = _evaluate(metric, operand.config, {**settings, "per": "layer"})
        if value is not None:
            yield "per=layer", value
    if metric.startswith("kv_cache") and isinstance(operand.value, Quantity):
        yield "keys without values", Quantity(Fraction(operand.value.value, 2), operand.value.unit)
    config = operand.config
    if config.n_kv_heads != config.n_heads:
        yield from _changed("all query heads as KV heads", metric, operand, {"n_kv_heads": config.n_heads})
    yield from _changed(
        "untied embeddings" if config.tie_embeddings else "tied embeddings",
        metric,
        operand,
        {"tie_embeddings": not config.tie_embeddings},
    )
    context = settings.get("context")
    if "context" in accepted and isinstance(context, int):
        other = context // 1024 * 1000 if context % 1024 == 0 else context // 1000 * 1024 if context % 1000 == 0 else 0
        value = _evaluate(metric, config, {**settings, "context": other}) if other else None
        if value is not None:
            yield f"context={other}", value


def _changed(what: str, metric: str, operand: Operand, change: dict[str, Any]) -> Iterator[tuple[str, Quantity]]:
    try:
        config = operand.config.change(change)
    except ArchwrightError:
        return
    value = _evaluate(metric, config, operand.settings)
    if value is not None and isinstance(operand.value, Quantity) and value.value != operand.value.value:
        yield what, value


def _evaluate(metric: str, config: Any, settings: Any) -> Quantity | None:
    from ..costs.metric import metrics

    if metric not in metrics:
        return None
    definition = metrics.get(metric)
    try:
        value = definition(config, **{k: v for k, v in settings.items() if k in definition.settings})
    except ArchwrightError:
        return None
    return value if isinstance(value, Quantity) else None
