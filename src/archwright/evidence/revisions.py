"""Revisions of our own running modules: raised by hand when behaviour or speed changes, kept honest by a test.

`revisions.json` holds for each module its revision and the hash of its normalised source when that was set. The test
compares the hashes: a module that changed must either get the next revision (evidence of it goes stale) or be
confirmed as equal in behaviour and speed. `python -m archwright.evidence.revisions` does both.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from .code import normalised, parse

PACKAGE = Path(__file__).resolve().parents[1]
FILE = Path(__file__).with_name("revisions.json")
FOLDERS = ("nn",)
"""Folders of modules whose code decides what evidence observes."""


@lru_cache(maxsize=1)
def table() -> dict[str, dict[str, Any]]:
    """Module name to its revision and source hash."""
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return found


def revision(module: str) -> int | None:
    """The revision of one of our modules; None where it has none (any more)."""
    entry = table().get(module)
    return int(entry["revision"]) if entry else None


def modules() -> dict[str, Path]:
    """Every module that needs a revision, with its file."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            if path.name != "__init__.py":
                found["archwright." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts)] = path
    return found


def source_hash(path: Path) -> str:
    """16 hex digits over the normalised source of a file."""
    import hashlib

    tree = parse(path)
    return hashlib.sha256((normalised(tree) if tree else "").encode()).hexdigest()[:16]


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
    """Change the table: `--raise`, `--same` and `--drop` with module names or `all`; without words, what is wrong."""
    if not words:
        print("\n".join(differences()) or "every revision is up to date")
        return int(bool(differences()))
    entries = {name: dict(entry) for name, entry in table().items()}
    action, names = words[0], words[1:]
    present = modules()
    changed = [n for n in present if n not in entries or entries[n]["source"] != source_hash(present[n])]
    gone = [n for n in entries if n not in present]
    if action not in ("--raise", "--same", "--drop") or not names:
        print("usage: python -m archwright.evidence.revisions [--raise|--same|--drop] MODULE...|all", file=sys.stderr)
        return 2
    for name in (gone if action == "--drop" else changed) if names == ["all"] else names:
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
