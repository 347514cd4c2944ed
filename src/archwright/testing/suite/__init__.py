"""The tests of the conformance suite, by what they hold a variant to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T", bound=Callable[..., None])


def needs_pattern(test: T) -> T:
    """Marks a test that must know what the variant sees, or how it computes: it needs a spec."""
    test.needs_pattern = True  # type: ignore[attr-defined]  # a mark
    return test


def needs_projections(test: T) -> T:
    """Marks a test that computes the whole module again from its four projections: it must have just those."""
    test.needs_projections = True  # type: ignore[attr-defined]  # a mark
    return needs_pattern(test)
