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
