"""Activations of feed-forward networks by name."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Problem, did_you_mean

ACTIVATIONS: dict[str, str] = {
    "silu": "x * sigmoid(x)",
    "gelu": "x * Phi(x), exact",
    "gelu_tanh": "GELU with the tanh approximation",
    "quick_gelu": "x * sigmoid(1.702 x)",
    "relu": "max(x, 0)",
    "relu2": "max(x, 0) squared",
}
"""Names and meanings of those without parameters."""

LEARNED = "xielu"
"""xIELU, with two learned scalars a layer. Source: Huang and Schlag 2024, arXiv 2411.13010."""


def activation_problem(name: str, learned: bool = False) -> Iterator[Problem]:
    """The problem with an unknown name."""
    known = [*ACTIVATIONS, LEARNED] if learned else list(ACTIVATIONS)
    if name not in known:
        yield Problem("activation", name, "is not a known activation", did_you_mean(name, known, "Known"))
