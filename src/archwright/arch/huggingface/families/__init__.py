"""Families of published models: one file each, named as the model type."""

from __future__ import annotations

from importlib import import_module

from ..keys import Family

MODULES: dict[str, str] = {
    "llama": "llama",
    "mistral": "mistral",
    "qwen2": "qwen2",
}
"""From each model type to the file that reads it."""


def family(model_type: str) -> Family:
    """The family of a model type that is in `MODULES`."""
    found = import_module(f".{MODULES[model_type]}", __name__).FAMILY
    if not isinstance(found, Family):
        found = found[model_type]
    assert isinstance(found, Family)
    return found
