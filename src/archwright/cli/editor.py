"""What lets an editor check architecture files while they are written: the schema, and where it applies."""

from __future__ import annotations

import json
from pathlib import Path

SCHEMA = ".archwright/architecture.schema.json"
"""The schema of architecture files, from the project's root; made by `archwright schema`."""
COMMENT = f"# yaml-language-server: $schema={SCHEMA}\n"
"""The first line of an architecture file: editors with a YAML language server read it."""
SETTINGS = ".vscode/settings.json"
FILES = ("architecture.yaml", "architectures/*.yaml")
"""Files that the schema applies to where the editor goes by names."""


def schema_text() -> str:
    """The schema as a file."""
    from .schemas import schema

    return json.dumps(schema("architecture"), indent=2, ensure_ascii=False) + "\n"


def settings_text() -> str:
    """The settings of a new workspace."""
    return json.dumps({"yaml.schemas": {SCHEMA: list(FILES)}}, indent=2) + "\n"


def wire(folder: Path) -> tuple[list[str], list[str]]:
    """Write what is missing; what was written and what was there and is kept. WriteFailed: the reason."""
    from ..atomic import create_exclusive
    from ..errors import NOTHING, Location, Problem, WriteFailed
    from ..filenames import shown

    written: list[str] = []
    kept: list[str] = []
    for name, text in ((SCHEMA, schema_text()), (SETTINGS, settings_text())):
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            rule = f"cannot be made: {error.strerror}"
            raise WriteFailed(Problem("", NOTHING, rule, where=Location(shown(path.parent)))) from None
        try:
            create_exclusive(path, text)
            written.append(str(path))
        except FileExistsError:
            kept.append(str(path))
    return written, kept
