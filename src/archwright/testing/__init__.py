"""The conformance suite for attention variants, for this project's own and for anyone's.

from archwright.testing import conformance
TestSinkWindow = conformance("sink_window", cases=[dict(window_size=7, n_sinks=2)])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_WHERE = {
    "conformance": "archwright.testing.build",
    "Case": "archwright.testing.case",
    "assert_accurate": "archwright.testing.accuracy",
    "covers": "archwright.testing.page",
    "coverage_page": "archwright.testing.page",
}

if TYPE_CHECKING:
    from .accuracy import assert_accurate as assert_accurate
    from .build import conformance as conformance
    from .case import Case as Case
    from .page import coverage_page as coverage_page
    from .page import covers as covers


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_WHERE)
