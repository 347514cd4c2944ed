"""Keys: the entries of one config.json as its family's class reads them: typed, defaulted, every problem kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ...errors import NOTHING, InvalidValue, NotSupported, Problem, did_you_mean, nearest, show
from ..spec import Where, check_type
from .harmless import is_harmless


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a published config: what it may hold, and what its class takes where it is missing.

    `to` is the field of ours that it becomes as it stands. `aliases` are other spellings that the class accepts.
    """

    name: str
    kind: Any
    default: Any
    to: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """How the configs of one model type become architectures.

    `fields` gives our authored fields beyond those that keys become as they stand. `fixed` are keys that the class
    does not read, with the values for which its model is nevertheless what they say; another value is refused.
    `unread` are keys that the class does not read and that cannot mean a different model, each with the key that
    it reads instead; `ignored` are those that nothing reads.
    """

    model_type: str
    keys: tuple[Key, ...]
    fields: Callable[[Keys], dict[str, Any]]
    fixed: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: MappingProxyType({}))
    unread: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ignored: tuple[str, ...] = ()


QUANTIZATION_KEYS = ("quantization_config", "quantization", "compression_config")
"""Where configs say how their weights are stored, which is read apart."""


class Keys:
    """The entries of one config.json. Reading a key gives its value, or the class's default where it is missing."""

    def __init__(self, data: Mapping[str, Any], family: Family, where: Where) -> None:
        self.data = data
        self.family = family
        self.where = where
        self.problems: list[Problem] = []
        self.unsupported: list[Problem] = []
        self.notes: list[str] = []
        self.ignored: list[str] = []
        self.mistyped: list[str] = []
        self.origin: dict[str, tuple[str, ...]] = {}
        """From a field of ours to the way to the value that it comes from."""
        self._values: dict[str, Any] = {}
        self._unread: list[str] = []
        known: dict[str, Key] = {}
        for key in family.keys:
            self._values[key.name] = key.default
            for name in (key.name, *key.aliases):
                known[name] = key
        self._read(known)

    def _read(self, known: Mapping[str, Key]) -> None:
        stated: dict[str, str] = {}
        for name, value in self.data.items():
            key = known.get(name)
            if key is None:
                self._foreign(name, value, known)
                continue
            problem = check_type(name, value, key.kind)
            if problem:
                self.problems.append(problem.at(self.where((name,), False)))
                self.mistyped.append(name)
                continue
            other = stated.get(key.name)
            if other is not None and self.data[other] != value:
                self.contradiction((name,), (other,))
            stated[key.name] = name
            self._values[key.name] = value
            if key.to:
                self.origin[key.to] = (name,)
        for key in self.family.keys:
            if key.to and key.to not in self.origin:
                self.origin[key.to] = (key.name,)
        for name in self._unread:
            instead = self.family.unread[name]
            if _absent(self.data[name]) or self.data[name] == self._values.get(instead):
                self.ignored.append(name)
            else:
                reads = f"{self.family.model_type} reads {instead} ({show(self._values.get(instead))})"
                self.note(f"{name} ({show(self.data[name])}) has no effect: {reads}")

    def _foreign(self, name: str, value: Any, known: Mapping[str, Key]) -> None:
        family = self.family
        if name == "model_type" or name in QUANTIZATION_KEYS:
            return
        if is_harmless(name) or name in family.ignored:
            self.ignored.append(name)
        elif name in family.unread:
            self._unread.append(name)
        elif name in family.fixed:
            if uniform(value) in family.fixed[name]:
                self.ignored.append(name)
                return
            wanted = " or ".join(show(v) for v in family.fixed[name])
            rule = f"contradicts {family.model_type}, whose class does not read it and means {wanted}"
            self.refuse((name,), rule, "Remove the key if the weights fit that, else the model is of another type")
        elif _absent(value) and not nearest_key(name, known):
            self.ignored.append(name)
        else:
            rule = f"is not a key of {family.model_type} and may change the model"
            hint = did_you_mean(name, known)
            remedy = hint if hint.startswith("Did") else "Remove it if it has no effect on the weights or the result"
            self.problems.append(Problem(name, value, rule, remedy).at(self.where((name,), True)))

    # Reading ------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def stated(self, name: str) -> bool:
        """Whether the file has the key, under that name or another spelling of it."""
        key = next((k for k in self.family.keys if k.name == name), None)
        return any(n in self.data for n in ((name, *key.aliases) if key else (name,)))

    def has(self, name: str) -> bool:
        """Whether the family has such a key."""
        return name in self._values

    def inner(self, name: str, known: Mapping[str, tuple[Any, Any]], ignored: tuple[str, ...]) -> dict[str, Any] | None:
        """A map within the file: each known key's value or default; None where a type is wrong."""
        data = self[name] or {}
        values: dict[str, Any] = {}
        sound = True
        for key, value in data.items():
            if key in known:
                problem = check_type(f"{name}.{key}", value, known[key][0])
                if problem:
                    sound = False
                    self.problems.append(problem.at(self.where((name, key), False)))
                values[key] = value
            elif not (key in ignored or is_harmless(key) or _absent(value)):
                hint = did_you_mean(key, known)
                rule = f"is not a key of {self.family.model_type} and may change the model"
                remedy = hint if hint.startswith("Did") else ""
                self.problems.append(Problem(f"{name}.{key}", value, rule, remedy).at(self.where((name, key), True)))
        return {key: values.get(key, default) for key, (_, default) in known.items()} if sound else None

    # Reporting ----------------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Something the user should know that is not wrong."""
        self.notes.append(text)

    def found(self, way: tuple[str, ...]) -> Any:
        """The value at a way into the file, or the default of a missing key, or nothing."""
        value: Any = self.data
        for step in way:
            if not isinstance(value, Mapping) or step not in value:
                return self._values.get(way[0], NOTHING) if len(way) == 1 else NOTHING
            value = value[step]
        return value

    def refuse(self, way: tuple[str, ...], rule: str, remedy: str = "") -> None:
        """A value that is wrong."""
        self.problems.append(Problem(".".join(way), self.found(way), rule, remedy).at(self.where(way, False)))

    def cannot(self, way: tuple[str, ...], rule: str, remedy: str = "") -> None:
        """A value that is right and not expressible."""
        self.unsupported.append(Problem(".".join(way), self.found(way), rule, remedy).at(self.where(way, False)))

    def missing(self, name: str) -> None:
        """A key without which there is no model."""
        place = self.where((name,) if name in self.data else (), False)
        self.problems.append(
            Problem(name, NOTHING, f"is missing: {self.family.model_type} has no default for it").at(place)
        )

    def contradiction(self, way: tuple[str, ...], other: tuple[str, ...], remedy: str = "Keep one of them") -> None:
        """Two values that cannot both hold."""
        rule = f"contradicts {'.'.join(other)} ({show(self.found(other))})"
        self.refuse(way, rule, remedy)

    def raise_problems(self) -> None:
        """Everything that is wrong in one error; what is right and not expressible only where nothing is wrong."""
        if self.problems:
            raise InvalidValue([*self.problems, *self.unsupported])
        if self.unsupported:
            raise NotSupported(self.unsupported)

    def translated(self, problem: Problem) -> Problem:
        """A problem with a field of ours as one with the key that it comes from."""
        name = problem.field
        way = self.origin.get(name) or self.origin.get(name.rpartition(".")[2])
        if way is None:
            return problem
        text = {ours: ".".join(theirs) for ours, theirs in self.origin.items() if "." not in ours}

        def theirs(match: re.Match[str]) -> str:
            return text.get(match[0], match[0])

        rule, remedy = (re.sub(r"[a-z_]+", theirs, t) for t in (problem.rule, problem.remedy))
        return Problem(".".join(way), problem.found, rule, remedy).at(self.where(way, False))


def uniform(value: Any) -> Any:
    """The one value of a list that repeats it (a value for each layer), else the value itself."""
    if isinstance(value, list) and value and all(v == value[0] for v in value):
        return value[0]
    return value


def _absent(value: Any) -> bool:
    """Whether a value of a key that nobody knows says that there is no such thing."""
    return value is None or value is False or (value in (0, "", [], {}) and value is not True)


def nearest_key(name: str, known: Mapping[str, Key]) -> str | None:
    """A known key of which `name` is hardly anything but a misspelling."""
    hit = nearest(name, known)
    if hit is None:
        return None
    import difflib

    return hit if difflib.SequenceMatcher(None, name, hit).ratio() > 0.9 else None
