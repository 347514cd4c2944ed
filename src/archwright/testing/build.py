"""conformance: a test class for an attention variant, about sixty named cases for each of its configurations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import torch

from .case import Case
from .suite.backward import Backward
from .suite.errors import Errors
from .suite.forward import Forward
from .suite.integration import Integration
from .suite.memory import Memory
from .suite.stability import Stability

GROUPS = (Forward, Backward, Stability, Memory, Integration, Errors)
"""The parts of the suite, in the order in which they run."""


def conformance(
    variant: str,
    cases: Iterable[Mapping[str, Any]] = ({},),
    devices: Iterable[str] | None = None,
) -> type:
    """A class of tests for a registered variant; assign it to a name that starts with `Test`.

    `cases` are options for `AttentionConfig`; `devices` default to the CPU and, where there is one, the GPU. Of a
    module without a spec nobody knows what it sees: tests that need the pattern are then left out of the class.
    """
    chosen = tuple(devices) if devices is not None else ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    made = [Case(variant, options, device) for device in chosen for options in cases]
    lacking = set()
    if any(case.probed for case in made):
        lacking.add("needs_pattern")
    if not all(case.probed or case.projected for case in made):
        lacking.add("needs_projections")
    body: dict[str, Any] = {
        "__doc__": f"Conformance of attention variant {variant}.",
        "pytestmark": [pytest.mark.parametrize("case", made, ids=repr)],
    }
    for group in GROUPS:
        for name, function in vars(group).items():
            wanted = callable(function) and not name.startswith("__")
            if wanted and not any(getattr(function, need, False) for need in lacking):
                body[name] = function
    return type(f"Test{variant.title().replace('_', '')}", (), body)
