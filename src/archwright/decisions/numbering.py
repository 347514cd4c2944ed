"""Numbers of new records: the next free one, taken so that parallel processes never get the same."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from archwright.atomic import create_exclusive, sweep
from archwright.decisions.names import NameParts, name_parts, stem_of
from archwright.decisions.slugs import slug
from archwright.errors import NOTHING, Location, Problem, UsageError, WriteFailed
from archwright.filenames import StrPath, shown

__all__ = ["create", "next_number", "slug"]

WIDTH = 4
"""Digits of a number in a folder that has no habit of its own."""


def next_number(folder: StrPath) -> int:
    """One more than the largest number of a file in a folder or below; 1 in an empty or absent one."""
    return _next(_parts(os.fspath(folder)))


def file_name(folder: StrPath, number: int, title: str) -> str:
    """The name of a new record in the folder's habit: as many digits as its neighbours, and their prefix (`adr-`)."""
    return _name(_parts(os.fspath(folder)), number, title)


def create(folder: StrPath, title: str, text_for_number: Callable[[int], str]) -> str:
    """Create the record with the next free number and return its path; `text_for_number` gives its text.

    The folder is made if it is absent and locked while the number is chosen, so that parallel processes get different
    numbers; the lock is the folder itself and ends with the process. A failure uses no number up and leaves nothing.
    UsageError: a title without words; WriteFailed: the reason, with the path.
    """
    if not title.strip():
        raise UsageError(Problem("title", title, "is empty", "say in a few words what is decided"))
    name = os.fspath(folder)
    try:
        os.makedirs(name, exist_ok=True)
    except OSError as problem:
        raise WriteFailed(
            Problem("", NOTHING, f"cannot be made: {problem.strerror}", "choose another folder", Location(shown(name)))
        ) from None
    sweep(name)
    with locked(name):
        while True:
            parts = _parts(name)
            number = _next(parts)
            path = os.path.join(name, _name(parts, number, title))
            with suppress(FileExistsError):  # a process that takes no locks was faster: look again
                create_exclusive(path, text_for_number(number))
                return path


def _parts(folder: str) -> list[NameParts]:
    """The file names with a number in a folder and below, also of templates and indexes: their numbers are taken."""
    found: list[NameParts] = []
    for _, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".") and f not in ("node_modules", "__pycache__")]
        names = (name_parts(stem_of(f)) for f in files if f[-3:].lower() == ".md" and not f.startswith("."))
        found += [p for p in names if p.digits]
    return found


def _next(parts: list[NameParts]) -> int:
    return max((int(p.digits) for p in parts), default=0) + 1


def _name(parts: list[NameParts], number: int, title: str) -> str:
    habits = Counter((p.prefix, len(p.digits)) for p in parts if p.digits.startswith("0") or len(p.digits) > 2)
    prefix, width = habits.most_common(1)[0][0] if habits else ("", WIDTH)
    return f"{prefix}{number:0{width}}-{slug(title)}.md"


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """The folder locked against other processes; without effect where the system or file system has no such locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    fd = -1
    try:
        with suppress(OSError):
            fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        if fd >= 0:
            os.close(fd)
