"""The errors a user can cause: each says where, what was found, the rule and the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file; lines and columns count from 1, 0 means the file as a whole."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.path
        return f"{self.path}:{self.line}:{self.column}" if self.column else f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the field, the value found, the rule it breaks and one remedy."""

    field: str
    found: object
    rule: str
    remedy: str = ""
    where: Location | None = None

    @property
    def message(self) -> str:
        """The problem in one line, without its place."""
        head = f"{self.field} is {show(self.found)}: {self.rule.removeprefix('is ')}" if self.field else self.rule
        if self.found is NOTHING:
            head = f"{self.field} {self.rule}" if self.field else self.rule
        text = head if head.endswith((".", "?")) else head + "."
        if self.remedy:
            text += " " + self.remedy[:1].upper() + self.remedy[1:]
            text = text if text.endswith((".", "?")) else text + "."
        return text

    def __str__(self) -> str:
        return f"{self.where}  {self.message}" if self.where else self.message

    def at(self, where: Location | None) -> Problem:
        """The same problem with its place, unless it has one already."""
        return self if self.where or not where else replace(self, where=where)


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


NOTHING = _Nothing()
"""Stands for `found` where the rule alone says what is wrong."""


def show(value: object, limit: int = 60) -> str:
    """A found value as the user wrote it, cut to a length that fits a line."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif value is None:
        text = "null"
    elif isinstance(value, int):
        text = str(value) if abs(value) < 10**40 else f"a number of {len(str(abs(value) // 10**39)) + 39} digits"
    elif isinstance(value, str):
        text = repr(value) if len(value) <= limit else repr(value[: limit - 1] + "…")
    else:
        text = str(value)
    return text if len(text) <= limit + 12 else text[:limit] + "…"


class ArchwrightError(Exception):
    """Base of every error a user can cause. `problems` are all of them; `exit_code` is the command line's."""

    code = "error"
    exit_code = 3

    def __init__(self, problems: str | Problem | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem("", NOTHING, problems)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(p) for p in self.problems)


class InvalidValue(ArchwrightError, ValueError):
    """A value that breaks a rule."""

    code = "invalid-value"


class UnknownName(ArchwrightError, ValueError):
    """A name that no registry knows."""

    code = "unknown-name"


class Unreadable(ArchwrightError, ValueError):
    """An input that cannot be read: missing, too large, not text, not the format it should be."""

    code = "unreadable"


class NotSupported(ArchwrightError, NotImplementedError):
    """A known thing that is not available here, with the reasons."""

    code = "not-supported"


class UsageError(ArchwrightError, ValueError):
    """A command line that asks for something impossible."""

    code = "usage"
    exit_code = 2


class WriteFailed(ArchwrightError):
    """A file that could not be written; the old one is untouched."""

    code = "write-failed"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None when nothing is close."""
    import difflib  # 3 ms that only an error needs

    candidates = list(known)
    for cutoff in (0.75, 0.6):
        hits = difflib.get_close_matches(name.lower().replace("-", "_"), candidates, n=1, cutoff=cutoff)
        if hits:
            return hits[0]
    folded = {c.lower().replace("-", "_"): c for c in candidates}
    hits = difflib.get_close_matches(name.lower().replace("-", "_"), folded, n=1, cutoff=0.6)
    return folded[hits[0]] if hits else None


def did_you_mean(name: str, known: Iterable[str], label: str = "Known") -> str:
    """A remedy for an unknown name: the nearest one, else the list."""
    candidates = sorted(known)
    hit = nearest(name, candidates)
    if hit:
        return f"Did you mean {hit}?"
    return f"{label}: {', '.join(candidates)}" if candidates else ""
