"""Values as they were computed when a record was accepted: what a newer release must not overturn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from ..units import Quantity
from .labels import Label
from .paste import show
from .resolve import Operand, Resolved


@dataclass(frozen=True, slots=True)
class Recorded:
    """Values by label, as texts of `as_text`, and the release of ours that computed them.

    `stands` says whether they are still about what the record asks; it is called only where a value differs.
    """

    release: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stands: Callable[[], bool] = field(default=lambda: True, compare=False)


def as_text(value: Any) -> str:
    """A value exactly, on one line: `17179869184 B`, `5/3`, `fits`, `sliding`, `true`.

    >>> as_text(Quantity(17179869184, "B")), as_text(Quantity(Fraction(5, 3))), as_text(True)
    ('17179869184 B', '5/3', 'true')
    """
    word = getattr(value, "word", None)
    if word is not None:
        return str(word)
    if isinstance(value, Quantity):
        return f"{value.value} {value.unit}".rstrip()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def texts_of(resolved: Resolved) -> tuple[str, ...]:
    """The values of a computed claim, one for each side."""
    return tuple(as_text(operand.value) for operand in resolved.operands)


def as_recorded(label: Label, resolved: Resolved, recorded: Recorded) -> tuple[Resolved, str]:
    """The claim with the values of the time, and what to say where this release computes others of the same facts."""
    before = recorded.values.get(str(label))
    if before is None or not resolved.operands or before == texts_of(resolved) or len(before) != len(resolved.operands):
        return resolved, ""
    if not recorded.stands():
        return resolved, ""
    operands = tuple(_as_it_was(operand, text) for operand, text in zip(resolved.operands, before, strict=True))
    then = " and ".join(_shown(o.value) for o in operands)
    now = " and ".join(_shown(o.value) for o in resolved.operands)
    said = f"{label} is computed differently since {recorded.release}: {then} then, {now} now, of the same facts"
    return replace(resolved, operands=operands), said


def _as_it_was(operand: Operand, text: str) -> Operand:
    number, _, unit = text.partition(" ")
    value: Any = operand.value
    if as_text(value) == text:
        return operand
    if isinstance(value, Quantity) and getattr(value, "word", None) is None:
        try:
            size = Fraction(number)
        except (ValueError, ZeroDivisionError):
            return operand
        value = Quantity(int(size) if size.denominator == 1 else size, unit, value.shown_in)
    else:
        value = {"fits": True, "true": True, "does not fit": False, "false": False}.get(text, text)
    return replace(operand, value=value)


def _shown(value: Any) -> str:
    return show(value) if isinstance(value, Quantity) and getattr(value, "word", None) is None else as_text(value)
