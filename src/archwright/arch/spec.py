"""Spec: the base of every part of a layer: a frozen value with typed fields that reports all its problems at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

from ..errors import NOTHING, InvalidValue, Location, Problem, did_you_mean
from .weights import Weight

Where = Callable[[tuple[str | int, ...], bool], "Location | None"]
"""From a path of keys (and whether the key itself is meant) to its place in the file."""


def nowhere(path: tuple[str | int, ...], key: bool = False) -> Location | None:
    """The place of a value that came from no file."""
    return None


LARGEST = 2**53
"""No size of a model comes near it, and every JSON reader holds it exactly."""


@dataclasses.dataclass(frozen=True)
class Spec:
    """Base of attention, feed-forward, norm and position specs.

    Subclasses are frozen dataclasses; `validate` checks types from the annotations and then asks `problems`.
    """

    type: ClassVar[str] = ""
    TIED_TO_MODEL: ClassVar[frozenset[str]] = frozenset()
    """Fields that the architecture fills in, so that a file need not."""
    OPEN: ClassVar[bool] = False
    """Whether a key that is no field goes to `options` instead of being refused (a module without a spec)."""

    def __post_init__(self) -> None:
        found = list(self.validate())
        if found:
            raise InvalidValue(found)

    def validate(self) -> Iterator[Problem]:
        """All problems: types first; the rules only where every type is right."""
        wrong = False
        for name, kind in field_types(type(self)).items():
            value = getattr(self, name)
            problem = check_type(name, value, kind)
            if problem:
                wrong = True
                yield problem
            elif isinstance(value, float) and not isinstance(value, bool) and not math.isfinite(value):
                wrong = True
                yield Problem(name, value, "must be a finite number")
            elif isinstance(value, int) and abs(value) > LARGEST:
                wrong = True
                yield Problem(name, value, "is larger than any model: at most 2^53")
        if not wrong:
            yield from self.base_problems()
            yield from self.problems()

    def base_problems(self) -> Iterable[Problem]:
        """Rules of the family's base class; a variant's own are in `problems`."""
        return ()

    def problems(self) -> Iterable[Problem]:
        """What is wrong beyond types: `Problem(field, value, rule, remedy)` each."""
        return ()

    def weights(self) -> Iterable[Weight]:
        """The tensors of this part, with names relative to it."""
        return ()

    def change(self, **fields: Any) -> Any:
        """The same spec with other values."""
        return dataclasses.replace(self, **fields)

    def canonical(self) -> dict[str, Any]:
        """The fields that are not at their neutral value: what a fingerprint hashes."""
        out: dict[str, Any] = {"type": self.type}
        for name, kind in field_types(type(self)).items():
            value = getattr(self, name)
            if value == NEUTRAL.get(name, NOTHING):
                continue
            if type(value) is int and _is_number(kind):
                value = float(value)  # 4 and 4.0 are one value where a number is meant
            out[name] = value.canonical() if isinstance(value, Spec) else value
        return out


NEUTRAL: dict[str, Any] = {
    "dropout": 0.0,
    "causal": True,
    "bias": (),
    "dilation": 1,
    "scaling": None,
    "options": (),
    "scale": None,
    "softcap": None,
    "sinks": False,
    "clip": None,
    "qk_norm": None,
    "qk_norm_type": "rms",
    "qk_norm_eps": None,
    "qk_norm_after_rope": False,
    "kv_shared_with": None,
    "interleaved": False,
    "one_plus": False,
    "without_weight": False,
    "without_bias": False,
    "latent_bias": False,
    "limit": None,
    "multiplier": 1.0,
}
"""The value of each field that means "the feature is absent". Frozen: defaults may change, this table may only grow."""


_TYPES: dict[type, dict[str, Any]] = {}


def field_types(cls: type) -> dict[str, Any]:
    """The annotated type of each dataclass field, resolved once a class."""
    known = _TYPES.get(cls)
    if known is None:
        hints = get_type_hints(cls)
        known = _TYPES[cls] = {f.name: hints[f.name] for f in dataclasses.fields(cls)}
    return known


def type_name(kind: Any) -> str:
    """A type in a user's words.

    >>> type_name(int), type_name(int | None), type_name(tuple[str, ...])
    ('a whole number', 'a whole number or null', 'a list of texts')
    """
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): "null"}
    names |= {Mapping: "a map", list: "a list"}
    if kind in names:
        return names[kind]
    if get_origin(kind) is tuple:
        return "a list of " + type_name(get_args(kind)[0]).removeprefix("a ") + "s"
    parts = get_args(kind)
    return " or ".join(type_name(p) for p in parts) if parts else getattr(kind, "__name__", str(kind))


def is_of(value: object, kind: Any) -> bool:
    """Whether a value has a type; true and false are no numbers, whole numbers are numbers."""
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is Any:
        return True
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(is_of(v, get_args(kind)[0]) for v in value)
    parts = get_args(kind)
    if parts:
        return any(is_of(value, p) for p in parts)
    return isinstance(value, kind)


def _is_number(kind: Any) -> bool:
    """Whether a field's type takes fractions: float, or float or null."""
    return kind is float or float in get_args(kind)


def check_type(name: str, value: object, kind: Any) -> Problem | None:
    """The problem with a value's type, if there is one."""
    if is_of(value, kind):
        return None
    remedy = ""
    if isinstance(value, str) and kind in (int, float) and value.replace("_", "").replace(".", "", 1).isdigit():
        remedy = "Remove the quotes"
    return Problem(name, value, f"must be {type_name(kind)}", remedy)


def build(
    cls: type[Spec],
    fields: Mapping[str, Any],
    given: Mapping[str, Any],
    path: str = "",
    keys: tuple[str | int, ...] = (),
    where: Where = nowhere,
) -> tuple[Any, list[Problem]]:
    """A spec from authored fields (a file's map) and those the architecture gives; or None and all problems.

    Lists become tuples. Problems carry `path` before the field and the place of its value.
    """
    known = field_types(cls)
    problems: list[Problem] = []
    values = dict(given)
    for key, value in fields.items():
        if key == "type":
            continue
        if key not in known and cls.OPEN:
            values["options"] = (*values.get("options", ()), (key, value))
            continue
        if key not in known:
            public = [k for k in known if k not in cls.TIED_TO_MODEL]
            problems.append(
                Problem(
                    f"{path}{key}", NOTHING, f"is not a field of {cls.type}", did_you_mean(key, public, "Its fields")
                ).at(where((*keys, key), True))
            )
            continue
        values[key] = tuple(value) if isinstance(value, list) else value
    for name, kind in known.items():
        if name in values:
            problem = check_type(name, values[name], kind)
            if problem and name in fields:
                problems.append(dataclasses.replace(problem, field=path + name, where=where((*keys, name), False)))
                values.pop(name)
                if name in given:
                    values[name] = given[name]
    required = [
        f.name
        for f in dataclasses.fields(cls)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and f.name not in values
    ]
    for name in required:
        if not any(p.field == path + name for p in problems):
            problems.append(Problem(path + name, NOTHING, f"is required by {cls.type}").at(where(keys, False)))
    if required:
        return None, problems
    try:
        spec = cls(**values)
    except InvalidValue as error:
        for problem in error.problems:
            place = where((*keys, problem.field), False) if problem.field in fields else where(keys, False)
            problems.append(dataclasses.replace(problem, field=path + problem.field).at(place))
        return None, problems
    return (None if problems else spec), problems
