"""The user's project: where its root is and what its pyproject.toml says under [tool.archwright]."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Project:
    """A root folder and its settings."""

    root: Path
    settings: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None


def find_root(start: Path | str = ".") -> Path:
    """The nearest parent with [tool.archwright] in its pyproject.toml, else with .git, else the current folder.

    Outside the current folder, where neither marks a project, it is `start` itself.
    """
    return find(start).root


def find(start: Path | str = ".") -> Project:
    """The project that a folder (or a file in it) belongs to."""
    path = Path(start).resolve()
    return _find(path if path.is_dir() else path.parent)


def _find(start: Path) -> Project:
    repository: Path | None = None
    for folder in (start, *start.parents):
        settings = _settings(folder / "pyproject.toml")
        if settings is not None:
            return Project(folder, settings, folder / "pyproject.toml")
        if repository is None and (folder / ".git").exists():
            repository = folder
    here = Path.cwd()
    return Project(repository or (here if start.is_relative_to(here) else start))


def _settings(path: Path) -> dict[str, Any] | None:
    """[tool.archwright] of a pyproject.toml, or None where it has none."""
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8", errors="replace")
    if "tool.archwright" not in text:
        return None
    import tomllib

    from .errors import NOTHING, Location, Problem, Unreadable

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(Problem("", NOTHING, f"is not TOML: {error}", where=Location(str(path)))) from None
    found = data.get("tool", {}).get("archwright")
    return found if isinstance(found, dict) else None
