"""Where each value of a file stands: a tree of spans beside the data, made only when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import NOTHING, Location, Problem, Unreadable

Keys = tuple[str | int, ...]
"""The way to a value: keys of maps, indices of lists."""

At = Callable[[int], Location]
"""From a character of the text to its place in the file."""

MAX_DEPTH = 100
"""Deepest nesting that is read."""

MAX_PROBLEMS = 50
"""Most problems of one file that are listed."""


class Entry(NamedTuple):
    """A member of a map (with the span of its key) or of a list (whose key is the index, without a span)."""

    key: str | int
    key_start: int
    key_end: int
    place: Place


@dataclass(slots=True)
class Place:
    """The span of one value in characters; `kind` is scalar, map or list, `flow` means written in brackets."""

    start: int
    end: int
    kind: str = "scalar"
    flow: bool = True
    entries: list[Entry] = field(default_factory=list)

    def entry(self, key: str | int) -> Entry | None:
        """The member of that key or index."""
        if self.kind == "list":
            return self.entries[key] if isinstance(key, int) and 0 <= key < len(self.entries) else None
        return next((e for e in self.entries if e.key == key and isinstance(key, str)), None)


def walk(place: Place, keys: Keys = ()) -> Iterator[tuple[Keys, Place]]:
    """Every value with the way to it, from the outside in, in the order of the text."""
    yield keys, place
    for entry in place.entries:
        yield from walk(entry.place, (*keys, entry.key))


def name_of(keys: Keys) -> str:
    """The way to a value as messages write it.

    >>> name_of(("layers", 0, "attention", "type"))
    'layers[0].attention.type'
    """
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def twice(root: Place, text: str, at: At) -> list[Problem]:
    """A problem for every key that its map has already, with both lines and both values."""
    problems: list[Problem] = []
    seen: set[int] = set()
    for keys, place in walk(root):
        if place.kind != "map" or (place.entries and place.entries[0].key_start in seen):  # seen: through an alias
            continue
        seen.update(e.key_start for e in place.entries[:1])
        first: dict[str | int, Entry] = {}
        for entry in place.entries:
            if (before := first.setdefault(entry.key, entry)) is not entry:
                old, new = (_source(text, e.place) for e in (before, entry))
                lines = at(before.key_start).line, at(entry.key_start).line
                rule = f"is given twice: {old} in line {lines[0]} and {new} in line {lines[1]}"
                problems.append(
                    Problem(name_of((*keys, entry.key)), NOTHING, rule, "keep one of them", at(entry.key_start))
                )
                if len(problems) > MAX_PROBLEMS:
                    return problems
    return problems


def _source(text: str, place: Place) -> str:
    written = " ".join(text[place.start : min(place.end, place.start + 200)].split())
    return (written if len(written) <= 30 else written[:29] + "…") or "nothing"


def refuse(problems: list[Problem]) -> Unreadable:
    """All problems of a file as one error, in the order of the lines, the first fifty of them."""
    ordered = sorted(problems, key=lambda p: (p.where.line, p.where.column) if p.where else (0, 0))
    if len(ordered) > MAX_PROBLEMS:
        more = Problem("", NOTHING, "has more faults than are listed here", "mend these first")
        last = ordered[MAX_PROBLEMS - 1].where
        ordered = [*ordered[:MAX_PROBLEMS], more.at(Location(last.path) if last else None)]
    return Unreadable(ordered)
