"""Which architecture a project's documents speak about where they do not say."""

from __future__ import annotations

from pathlib import Path

from ..project import find as find_project

NAMES = ("architecture.yaml", "architecture.yml", "config.json")


def default_base(root: Path) -> str | None:
    """The architecture that a project's records start from: its setting, else architecture.yaml or config.json."""
    named = find_project(root).settings.get("base")
    if isinstance(named, str):
        return named
    return next((name for name in NAMES if (root / name).is_file()), None)
