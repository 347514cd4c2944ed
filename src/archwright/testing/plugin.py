"""The pytest plug-in: runs the conformance suite over any installed variant, without a test file.

    pytest --pyargs archwright.testing.variants --attention-variant sink_window
    pytest --pyargs archwright.testing.variants --attention-variant "sink_window:window_size=7,n_sinks=2"
    pytest --pyargs archwright.testing.variants                      # every variant that can be created here

It is loaded by pytest in every project that has this package installed, so it imports nothing but pytest.
"""

from __future__ import annotations

import sys

import pytest

if "archwright.testing.suite" not in sys.modules:
    pytest.register_assert_rewrite("archwright.testing.suite", "archwright.testing.accuracy")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option `--attention-variant NAME[:FIELD=VALUE,...]`, which may be given several times."""
    group = parser.getgroup("archwright")
    group.addoption(
        "--attention-variant",
        action="append",
        default=[],
        metavar="NAME[:FIELD=VALUE,...]",
        help="attention variant that archwright.testing.variants runs the conformance suite over; "
        "may be given several times, default: all that are installed",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Hands the variants to `archwright.testing.variants`, which is imported later."""
    CHOSEN[:] = list(config.getoption("--attention-variant"))


CHOSEN: list[str] = []
"""What was asked for on the command line."""
