"""Which code a module ran: revisions of ours, normalised sources of the user's own project, versions of packages."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from torch import nn

from ..evidence.code import source_identity
from ..evidence.revisions import needed, revision

OURS = "archwright."
_STANDARD = ("torch", "builtins")


def code_of(
    modules: Iterable[nn.Module], backends: Iterable[str], root: Path | None, *others: object
) -> dict[str, str]:
    """The identity of all code that some modules and backends ran, as an arm carries it.

    `others` are objects whose classes matter too: specs, caches.
    """
    classes = {type(part) for module in modules for part in module.modules()} | {type(thing) for thing in others}
    ours = {f"{OURS}nn.backends.{name}" for name in backends}
    made: dict[str, str] = {}
    for cls in classes:
        module = cls.__module__
        if module.startswith(OURS):
            ours.add(module)
        elif module.partition(".")[0] not in _STANDARD:
            key, identity = _foreign(cls, root)
            made[key] = identity
    for name in needed(ours):
        made[name] = f"revision {revision(name)}"
    return dict(sorted(made.items()))


def _foreign(cls: type, root: Path | None) -> tuple[str, str]:
    """Key and identity of a class that is not ours: by its source in the project, by its version in a package."""
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if file and root is not None:
        path, top = Path(file).resolve(), root.resolve()
        if path.is_relative_to(top) and "site-packages" not in path.parts:
            return f"{path.relative_to(top)}:{cls.__qualname__}", source_identity(path, cls.__qualname__, top)
    package = cls.__module__.partition(".")[0]
    return f"package {package}", _version(package)


def _version(package: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
