"""Figures that are bound to nothing and not excused: tokens that are a setting stand in the front matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from ..claims.figures import Figure, find_figures
from ..claims.labels import parse_label
from ..claims.texts import Written, parse_text
from .frame import Frame

TOKEN_SETTINGS = ("context", "tokens", "new_tokens")


def unbound_figures(frame: Frame) -> list[Figure]:
    """The figures of a record that nothing re-checks."""
    found = find_figures(frame.document)
    if not any(figure.family == "tokens" for figure in found):
        return found
    settings = set(_settings(frame))
    return [f for f in found if f.family != "tokens" or not _is_setting(f.text, settings)]


def _is_setting(text: str, settings: set[int]) -> bool:
    """Whether a number of tokens is one of the settings, K being read both ways."""
    written = parse_text(text)
    if not isinstance(written, Written) or written.figure is None:
        return False
    amount = written.figure.number
    readings = {amount * written.figure.multiplier}
    if written.figure.suffix in ("K", "k", "M"):
        readings.add(amount * 1024 ** (1 if written.figure.suffix in "Kk" else 2))
    return any(Fraction(s) in readings for s in settings)


def _settings(frame: Frame) -> Iterator[int]:
    """Every number of tokens that the front matter or a label sets."""
    record = frame.record
    yield from _numbers(record.settings)
    for alternative in record.alternatives.values():
        yield from _numbers(alternative)
    for entry in record.claims_entries.values():
        yield from _numbers(entry)
    for link in frame.document.claims:
        label = parse_label(link.label)
        if label is not None:
            yield from _numbers(dict(label.settings))


def _numbers(data: Any) -> Iterator[int]:
    if not isinstance(data, Mapping):
        return
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _numbers(value)
        elif key in TOKEN_SETTINGS and isinstance(value, int) and not isinstance(value, bool):
            yield value
