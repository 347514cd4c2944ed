"""Shared fixtures: where the external data set lies, and a scratch project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No test is timed: a busy machine must not turn one red.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SHARED = Path(os.environ.get("ARCHWRIGHT_SHARED") or Path(__file__).resolve().parents[2] / "shared")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The external data set (real configs, records, field cases); tests that need it skip where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"the external data set is not at {SHARED}: set ARCHWRIGHT_SHARED to run this test")
    return SHARED


_BENCHMARKS = pytest.StashKey[list]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--benchmark`: measure attention variants beside full attention and print the table."""
    parser.addoption("--benchmark", action="store_true", help="measure attention variants beside full attention")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_BENCHMARKS] = []
    config.benchmark_key = _BENCHMARKS  # type: ignore[attr-defined]  # the key, for the tests that fill it


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[_BENCHMARKS]
    if rows:
        from .benchmark_table import table

        terminalreporter.section("attention variants beside full attention")
        for line in table(rows):
            terminalreporter.write_line(line)
