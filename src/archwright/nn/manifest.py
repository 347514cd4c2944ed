"""Manifest: the files of a checkpoint with their sizes and SHA-256 digests, and its own digest among its bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import NOTHING, Location, Problem, Unreadable

MANIFEST = "manifest.json"
SCHEMA = "archwright/checkpoint/1"


def digest(path: Path) -> tuple[str, int]:
    """SHA-256 in hex and size in bytes of a file."""
    hasher, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(2**22):
            hasher.update(block)
            size += len(block)
    return hasher.hexdigest(), size


def _problem(path: Path, rule: str, remedy: str = "Save it again, or fetch it from where it came") -> Unreadable:
    return Unreadable(Problem("", NOTHING, rule, remedy, Location(str(path))))


@dataclass(frozen=True)
class Entry:
    """One file."""

    name: str
    role: str
    bytes: int
    sha256: str

    def verify(self, folder: Path) -> None:
        """Unreadable: missing, or a byte differs from what was written."""
        path = folder / self.name
        try:
            found, size = digest(path)
        except OSError as error:
            raise _problem(path, f"cannot be read: {error.strerror or error}") from None
        if size != self.bytes:
            raise _problem(path, f"has {size:,} bytes, and {self.bytes:,} were written")
        if found != self.sha256:
            rule = f"was changed after it was written: its SHA-256 is {found[:16]}..., not {self.sha256[:16]}..."
            raise _problem(path, rule)


@dataclass(frozen=True)
class Manifest:
    """The fingerprint of the architecture, and all files."""

    architecture: str
    files: tuple[Entry, ...]

    @property
    def names(self) -> set[str]:
        """The names of the files."""
        return {entry.name for entry in self.files}

    def of(self, role: str) -> Entry:
        """The file of a role."""
        return next(entry for entry in self.files if entry.role == role)

    def to_bytes(self) -> bytes:
        """The only way to write it: reading compares every byte with this."""
        body = {
            "schema": SCHEMA,
            "architecture": self.architecture,
            "files": [{"name": e.name, "role": e.role, "bytes": e.bytes, "sha256": e.sha256} for e in self.files],
        }
        own = hashlib.sha256(_render(body)).hexdigest()
        return _render({**body, "sha256": own})


def _render(body: dict[str, Any]) -> bytes:
    return (json.dumps(body, indent=1) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a checkpoint. Unreadable: missing, or a byte of it was changed."""
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise _problem(path, "does not exist: the folder is no checkpoint", "") from None
    except OSError as error:
        raise _problem(path, f"cannot be read: {error.strerror or error}", "") from None
    try:
        body = json.loads(data.decode())
        files = tuple(Entry(str(e["name"]), str(e["role"]), int(e["bytes"]), str(e["sha256"])) for e in body["files"])
        made = Manifest(str(body["architecture"]), files)
        schema = body["schema"]
    except (ValueError, KeyError, TypeError):
        raise _problem(path, "was changed after it was written: it is no manifest") from None
    if made.to_bytes() != data:
        newer = isinstance(schema, str) and schema.startswith("archwright/checkpoint/") and schema != SCHEMA
        rule = f"is of {schema}, and this version reads {SCHEMA}" if newer else "was changed after it was written"
        raise _problem(path, rule)
    roles = sorted(e.role for e in files)
    if roles != ["architecture", "weights"] or any("/" in e.name or e.name.startswith(".") for e in files):
        raise _problem(path, "does not name one file of weights and one architecture")
    return made
