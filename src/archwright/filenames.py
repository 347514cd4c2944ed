"""How file names, and the system's refusals to read or write them, are worded."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from archwright.errors import NOTHING, Location, Problem, nearest

StrPath = str | os.PathLike[str]


def shown(path: StrPath, base: StrPath | None = None) -> str:
    """A path for messages: relative to `base` (the current folder) where that is shorter, on one printable line."""
    text = os.fspath(path)
    if os.path.isabs(text):
        with suppress(OSError, ValueError):  # the current folder may be gone
            relative = os.path.relpath(text, base)
            text = min(relative, text, key=len)
    elif text.startswith("./") and len(text) > 2:
        text = text[2:]
    if text.isprintable():
        return text
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def why_not(name: str, problem: OSError, verb: str) -> Problem:
    """Why the system did not let a file be read, written or created (the verb's participle)."""
    rule, remedy = f"cannot be {verb}: {problem.strerror or problem}", ""
    if problem.errno == errno.ENOENT and verb != "read":
        rule = f"cannot be {verb}: its folder does not exist"
        remedy = f"make the folder {shown(os.path.dirname(name) or '.')} first"
    elif problem.errno == errno.ENOENT:
        rule, remedy = "does not exist", _neighbour(name)
        with suppress(OSError):
            rule = f"is a link to {shown(os.readlink(name))}, which does not exist"
    elif problem.errno in (errno.EACCES, errno.EPERM):
        rule = f"cannot be {verb}: no permission"
        remedy = "change the permissions of the file or its folder"
    elif problem.errno == errno.ELOOP:
        rule, remedy = "is a loop of symbolic links", "let the link name a file"
    elif problem.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "free some space and run this again"
    return Problem("", NOTHING, rule, remedy, Location(shown(name)))


def _neighbour(name: str) -> str:
    folder, base = os.path.split(name)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return "check the path" if not os.path.isdir(folder or ".") else ""
    hit = nearest(base, names) if len(names) <= 1000 else None
    return f"did you mean {shown(os.path.join(folder, hit))}?" if hit else "check the path"
