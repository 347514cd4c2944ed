"""The only registry mechanism: names to things, with owners, plug-ins and helpful errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Generic, TypeVar

from .errors import NOTHING, InvalidValue, Problem, UnknownName, did_you_mean

T = TypeVar("T")


def owner(thing: object) -> str:
    """`module.qualname` of a class or function; of a value, of its type."""
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{getattr(named, '__qualname__', '')}"


@lru_cache(maxsize=8)
def any_plugin(folders: tuple[str, ...]) -> bool:
    """Whether a distribution in one of the folders may offer entry points of ours: a look at files.

    Where the import path holds anything but folders (a zip file, a finder of somebody's own) the answer is yes.
    """
    for folder in dict.fromkeys(folders):
        folder = folder or "."
        if not os.path.isdir(folder):
            if os.path.exists(folder):
                return True
            continue
        for name in os.listdir(folder):
            if name.endswith((".dist-info", ".egg-info")):
                try:
                    with open(os.path.join(folder, name, "entry_points.txt"), "rb") as file:
                        if b"[archwright." in file.read():
                            return True
                except OSError:
                    continue
    return False


class Registry(Generic[T]):
    """Named things of one kind.

    `group` is the entry-point group from which third parties are loaded at the first look-up that
    needs them; a plug-in that cannot be loaded is kept in `broken` and reported, never raised.
    """

    def __init__(self, kind: str, group: str | None = None, load: Callable[[], None] | None = None) -> None:
        self.kind = kind
        self._group = group
        self._load_builtin = load
        self._items: dict[str, T] = {}
        self._plugins_loaded = False
        self.broken: dict[str, str] = {}

    def register(self, name: str, thing: T) -> T:
        """Add a thing. The same module and name replaces (a notebook, a reload); another owner is an error."""
        if not isinstance(name, str) or not name:
            raise InvalidValue(Problem(f"{self.kind} name", name, "must be a non-empty text"))
        if not owner(thing).startswith("archwright."):
            self._load_own()  # so that a name of ours cannot be taken before it is known
        present = self._items.get(name)
        if present is not None and owner(present) != owner(thing):
            raise InvalidValue(
                Problem(
                    f"{self.kind} {name}",
                    NOTHING,
                    f"is already registered by {owner(present)} and cannot be taken by {owner(thing)}",
                    "Choose another name",
                )
            )
        self._items[name] = thing
        return thing

    def _load_own(self) -> None:
        load, self._load_builtin = self._load_builtin, None
        if load is not None:
            load()

    def _load(self, plugins: bool) -> None:
        self._load_own()
        if plugins and self._group and not self._plugins_loaded:
            self._plugins_loaded = True
            if not any_plugin(tuple(sys.path)):
                return
            from importlib import metadata  # 20 ms that most runs do not need

            for entry in metadata.entry_points(group=self._group):
                try:
                    thing = entry.load()
                except (ImportError, AttributeError, ValueError, TypeError, RuntimeError, SyntaxError) as error:
                    self.broken[entry.name] = f"{entry.value}: {type(error).__name__}: {error}"
                    continue
                if entry.name not in self._items:
                    self._items[entry.name] = thing

    def find(self, name: str) -> T | None:
        """The thing of that name, or None."""
        known = self._items.get(name)
        if known is not None:
            return known
        self._load(plugins=False)
        if name not in self._items:
            self._load(plugins=True)
        return self._items.get(name)

    def get(self, name: str, field: str = "") -> T:
        """The thing of that name; an unknown one raises `UnknownName` with the nearest and all known names."""
        found = self.find(name)
        if found is None:
            known = self.names()
            hint = did_you_mean(name, known)
            tail = f"The known ones: {', '.join(known)}" if hint.startswith("Did") else ""
            problem = Problem(field or self.kind, name, f"is not a known {self.kind}", f"{hint} {tail}".strip())
            raise UnknownName(problem)
        return found

    def names(self) -> list[str]:
        """All names, sorted."""
        self._load(plugins=True)
        return sorted(self._items)

    def items(self) -> list[tuple[str, T]]:
        """All names with their things, sorted by name."""
        return [(name, self._items[name]) for name in self.names()]

    def __contains__(self, name: object) -> bool:
        return name in self._items or (isinstance(name, str) and self.find(name) is not None)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())
