"""Revisions of our own running modules: raised by hand when behaviour or speed changes, kept honest by a test.

`revisions.json` holds for each module its revision and the hash of its normalised source when that was set. The test
compares the hashes: a module that changed must either get the next revision (evidence of it goes stale) or be
confirmed as equal in behaviour and speed. `python -m archwright.evidence.revisions` does both.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from .code import normalised, parse

PACKAGE = Path(__file__).resolve().parents[1]
FILE = Path(__file__).with_name("revisions.json")
FOLDERS = ("nn",)
"""Folders of modules whose code decides what evidence observes."""
COMPILED = (".cpp", ".cu", ".c", ".h")
"""Endings of sources that modules compile."""
IDLE = frozenset({"archwright.nn.initialisation", "archwright.nn.saying"})
"""Modules that decide neither results nor speed of a trained model: first weights, and the wording of errors."""


@lru_cache(maxsize=1)
def table() -> dict[str, dict[str, Any]]:
    """Module name to its revision and source hash."""
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return found


def revision(module: str) -> int | None:
    """The revision of one of our modules, 0 where none was given yet; None where there is no such module (any more)."""
    entry = table().get(module)
    if entry:
        return int(entry["revision"])
    return 0 if module in modules() else None


def modules() -> dict[str, Path]:
    """Every module (and compiled source) that needs a revision, with its file; `__init__` files hold no code."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((PACKAGE / folder).rglob("*")):
            if path.suffix in (".py", *COMPILED) and path.name != "__init__.py":
                found[name_of(path)] = path
    return found


def name_of(path: Path) -> str:
    """The module's name, `archwright.nn.rotary`; that of another source has its ending, `...native.sliding.cpp`."""
    parts = path.relative_to(PACKAGE)
    return "archwright." + ".".join((parts.with_suffix("") if path.suffix == ".py" else parts).parts)


def source_hash(path: Path) -> str:
    """16 hex digits over the normalised source of a Python file, over the bytes of another."""
    import hashlib

    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    tree = parse(path)
    return hashlib.sha256((normalised(tree) if tree else "").encode()).hexdigest()[:16]


def needed(names: Iterable[str]) -> list[str]:
    """The modules of ours that some of them need: themselves, what they import of ours, and compiled sources beside.

    Imports are read, not run, so a backend that is only looked up by name has no part in it.
    """
    present = modules()
    found: set[str] = set()
    queue = [name for name in names if name in present]
    while queue:
        name = queue.pop()
        if name in found or name in IDLE:
            continue
        found.add(name)
        path = present[name]
        if path.suffix == ".py":
            queue += [n for n in _imported(path) if n in present]
            queue += [n for n, p in present.items() if p.parent == path.parent and p.suffix in COMPILED]
    return sorted(found)


def _imported(path: Path) -> Iterator[str]:
    """Every module that a file may import, by absolute name, functions included."""
    tree = parse(path)
    package = name_of(path).split(".")
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.ImportFrom):
            head = package[: -node.level] if node.level else []
            module = ".".join([*head, *([node.module] if node.module else [])])
            yield module
            for alias in node.names:
                yield f"{module}.{alias.name}"
                yield from _taken_by(module, alias.name)
                yield from _taken_by(f"{module}.{alias.name}")


def _taken_by(package: str, name: str = "") -> Iterator[str]:
    """The modules from which a package's `__init__` takes a name, or anything."""
    path = PACKAGE.joinpath(*package.split(".")[1:], "__init__.py")
    tree = parse(path) if path.is_file() else None
    for node in tree.body if tree else ():
        if isinstance(node, ast.ImportFrom) and node.level and (not name or any(name == a.name for a in node.names)):
            parts = package.split(".")
            head = parts[: len(parts) + 1 - node.level]
            if node.module:
                yield ".".join([*head, node.module])
            else:
                yield from (".".join([*head, alias.name]) for alias in node.names)


MEND = "python -m archwright.evidence.revisions --raise all"
"""The one command after which every revision is honest, whatever has changed; evidence of it is stale then."""


def differences() -> list[str]:
    """What the table gets wrong, each with what to do; empty is honest."""
    found = []
    present = modules()
    for name, path in present.items():
        entry = table().get(name)
        if entry is None:
            found.append(f"{name} has no revision: python -m archwright.evidence.revisions --raise {name}")
        elif entry["source"] != source_hash(path):
            found.append(
                f"{name} has changed since its revision {entry['revision']} was set. If its behaviour or speed did: "
                f"python -m archwright.evidence.revisions --raise {name}; if certainly not: --same {name}"
            )
    found += [f"{name} is gone: --drop {name}" for name in table() if name not in present]
    return found


def main(words: list[str]) -> int:
    """Change the table: `--raise`, `--same` and `--drop` with module names or `all`; without words, what is wrong.

    `all` means every module that has changed; those that are gone are dropped with it.
    """
    if not words:
        wrong = differences()
        print("\n".join([*wrong, f"All at once: {MEND}"] if wrong else ["every revision is up to date"]))
        return int(bool(differences()))
    entries = {name: dict(entry) for name, entry in table().items()}
    action, names = words[0], words[1:]
    present = modules()
    changed = [n for n in present if n not in entries or entries[n]["source"] != source_hash(present[n])]
    gone = [n for n in entries if n not in present]
    if action not in ("--raise", "--same", "--drop") or not names:
        print("usage: python -m archwright.evidence.revisions [--raise|--same|--drop] MODULE...|all", file=sys.stderr)
        return 2
    if names == ["all"]:  # mends everything that `differences` says
        names = gone if action == "--drop" else changed
        for name in gone:
            entries.pop(name)
    for name in names:
        if action == "--drop":
            entries.pop(name, None)
        elif name not in present:
            print(f"{name} is not one of our running modules", file=sys.stderr)
            return 2
        else:
            old = entries.get(name, {}).get("revision", 0)
            raised = old + 1 if action == "--raise" or not old else old
            entries[name] = {"revision": raised, "source": source_hash(present[name])}
    from ..textio import write_text

    write_text(FILE, json.dumps(dict(sorted(entries.items())), indent=1) + "\n")
    table.cache_clear()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
