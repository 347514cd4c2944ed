"""The implementations a test runs on: torch always, native where this machine can build it."""

from __future__ import annotations

import pytest

from archwright.nn.kernels import native


@pytest.fixture(params=["torch", "native"])
def implementation(request: pytest.FixtureRequest) -> str:
    """Every implementation in turn; the compiled one skips with its reason where it cannot be had."""
    name: str = request.param
    if name == "native" and native.status().library is None:
        pytest.skip(native.status().reason)
    return name
