"""YAML 1.2 core as plain data: one pass over the parser's events; nothing in a file can name code.

Refused: duplicate keys, keys that are not text, merge keys, tags beyond the core schema, aliases that multiply,
deep nesting, a second document.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from ..errors import NOTHING, Problem, Unreadable, did_you_mean
from .literals import MAYBE, BadNumber, plain
from .places import MAX_DEPTH, MAX_PROBLEMS, At, Entry, Place, name_of, refuse, twice

MAX_ALIASED = 10_000
"""Most values that all aliases of a file may add to those that are written out."""

Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The source of events; its resolver and constructors are never reached."""

_CORE = "tag:yaml.org,2002:"
_TYPES: dict[str, tuple[type, ...]] = {
    "!!int": (int,),
    "!!float": (float, int),
    "!!bool": (bool,),
    "!!null": (type(None),),
}


class _Key:
    """Stands for the key of a map while there is none, or none that can be used."""


_NEXT, _UNUSABLE = _Key(), _Key()
_OPEN: tuple[Any, int] = (None, 0)
_UNKNOWN: tuple[Any, int] = (None, -1)
_NO_TAGS = ("is a tag; only plain data is read, and nothing in a file is run", "remove the tag")
_TOO_LARGE = "write a number that a computer can hold"


def read_yaml(text: str, at: At) -> Any:
    """The data of a YAML text, None for an empty one. Unreadable: all problems of content, or the one of syntax."""
    if text.count("\n%") > 100:  # libyaml compares each directive with all before it
        rule = "has more than 100 directives (%)"
        raise Unreadable(Problem("", NOTHING, rule, "remove them", at(text.index("\n%") + 1)))
    builder = _Builder(at)
    try:
        data = builder.run(Parser(text).get_event)
    except yaml.YAMLError as error:
        from .yaml_faults import fault

        raise Unreadable(fault(error, text, at)) from None
    except UnicodeEncodeError as error:
        rule = f"holds {text[error.start]!a}, which is no character"
        raise Unreadable(Problem("", NOTHING, rule, "remove it", at(error.start))) from None
    if builder.repeated and (root := yaml_places(text)):
        builder.problems += twice(root, text, at)
    if builder.problems:
        raise refuse(builder.problems)
    return data


class _Builder:
    """Data in the making. Open collections lie on a stack, so that depth is counted and never recursed into."""

    __slots__ = ("aliased", "anchors", "at", "container", "count", "documents", "key", "problems", "repeated", "stack")

    def __init__(self, at: At) -> None:
        self.at = at
        self.problems: list[Problem] = []
        self.repeated = False
        self.container: Any = None
        self.key: Any = _NEXT
        self.stack: list[tuple[Any, Any, str | None, int]] = []
        """Of each open collection: its parent, its key there, its anchor, the count of values before it."""
        self.anchors: dict[str, tuple[Any, int]] = {}
        """The value and the number of values in it."""
        self.count = self.aliased = self.documents = 0

    def run(self, get_event: Any) -> Any:
        root: Any = None
        while True:
            event = get_event()
            kind = type(event)
            if kind is ScalarEvent:
                value = self.scalar(event)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self.open(event, kind is MappingStartEvent)
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value = self.close()
            elif kind is AliasEvent:
                value = self.alias(event)
            elif kind is StreamEndEvent:
                return root
            else:
                if kind is DocumentStartEvent:
                    self.document(event)
                continue
            container = self.container
            if type(container) is list:
                container.append(value)
            elif container is None:
                root = value
            elif self.key is not _NEXT:
                container[self.key] = value
                self.key = _NEXT
            elif type(value) is str and (value != "<<" or not event.implicit[0]):
                self.key = value
                if value in container:
                    self.repeated = True
            else:
                if kind is ScalarEvent:
                    self.refuse_key(event, value)
                self.key = _UNUSABLE

    def scalar(self, event: Any) -> Any:
        value: Any = event.value
        self.count += 1
        if event.implicit[0]:
            if value[:1] in MAYBE and event.tag is None:
                try:
                    value = plain(value)
                except BadNumber as error:
                    self.problem(event, NOTHING, str(error), _TOO_LARGE)
        elif event.tag is not None and not event.implicit[1]:
            value = self.tagged(event)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, 1)
        return value

    def open(self, event: Any, is_map: bool) -> None:
        if event.tag is not None and event.tag not in ("!", _CORE + ("map" if is_map else "seq")):
            self.problem(event, _short(event.tag), *_NO_TAGS)
        if self.key is _NEXT and type(self.container) is dict:
            self.problem(event, NOTHING, "has a collection as a key; keys are text", "write the key as a word")
        self.stack.append((self.container, self.key, event.anchor, self.count))
        if len(self.stack) > MAX_DEPTH:
            rule = f"is nested more than {MAX_DEPTH} deep"
            raise Unreadable(Problem("", NOTHING, rule, "flatten it", self.at(event.start_mark.index)))
        if event.anchor is not None:
            self.anchors[event.anchor] = _OPEN
        self.container, self.key = {} if is_map else [], _NEXT
        self.count += 1

    def close(self) -> Any:
        value = self.container
        self.container, self.key, anchor, before = self.stack.pop()
        if anchor is not None:
            self.anchors[anchor] = (value, self.count - before)
        return value

    def alias(self, event: Any) -> Any:
        name = event.anchor
        value, size = self.anchors.get(name, _UNKNOWN)
        if size < 0:
            hint = did_you_mean(name, self.anchors, "Anchors before this line") or "write the value out"
            self.problem(event, NOTHING, f"names the alias *{name}, which has no anchor before it", hint)
        elif size == 0:
            self.problem(event, NOTHING, f"is the alias *{name} inside its own anchor", "write the value out")
        self.count += size
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            rule = f"is too much: the alias *{name} brings the values that aliases add to {self.aliased:,}"
            rule += f", and at most {MAX_ALIASED:,} are expanded"
            self.problem(event, NOTHING, rule, "write out what is needed")
            raise refuse(self.problems)
        if self.key is _NEXT and type(self.container) is dict:
            self.problem(event, NOTHING, "has an alias as a key", "write the key out")
            return None
        return self.copy(value, len(self.stack), event) if type(value) in (dict, list) else value

    def copy(self, value: Any, depth: int, event: Any) -> Any:
        """Each use of an alias is data of its own, so that changing one leaves the others."""
        if type(value) not in (dict, list):
            return value
        if depth >= MAX_DEPTH:
            rule = f"is an alias that makes the nesting more than {MAX_DEPTH} deep"
            raise Unreadable(Problem("", NOTHING, rule, "write the values out", self.at(event.start_mark.index)))
        if type(value) is dict:
            return {k: self.copy(v, depth + 1, event) for k, v in value.items()}
        return [self.copy(v, depth + 1, event) for v in value]

    def document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            rule, remedy = "holds a second document; one is read", "remove the line ---, or make two files"
            raise Unreadable(Problem("", NOTHING, rule, remedy, self.at(event.start_mark.index)))

    def tagged(self, event: Any) -> Any:
        tag = _short(event.tag)
        if tag == "!!str":
            return event.value
        if tag not in _TYPES:
            self.problem(event, tag, *_NO_TAGS)
            return None
        try:
            value = plain(event.value)
        except BadNumber as error:
            self.problem(event, NOTHING, str(error), _TOO_LARGE)
            return None
        if type(value) in _TYPES[tag]:
            return float(value) if tag == "!!float" and type(value) is int else value
        self.problem(event, event.value, f"is not what its tag {tag} says", "remove the tag")
        return None

    def refuse_key(self, event: Any, value: Any) -> None:
        written = event.value
        if written == "<<":
            remedy = "use extends for another file, or write the fields out"
            self.problem(event, NOTHING, "is a merge key, which is not read", remedy, written)
        elif event.tag and not event.implicit[0]:
            self.problem(event, NOTHING, "is a key with a tag; keys are text", "remove the tag", written)
        elif not written:
            self.problem(event, NOTHING, "has an entry without a key", "write it as key: value")
        else:
            label = {bool: "a truth value", type(None): "nothing"}.get(type(value), "a number")
            self.problem(event, NOTHING, f"is a key that YAML reads as {label}; keys are text", "quote it", written)

    def problem(self, event: Any, found: object, rule: str, remedy: str, key: str | None = None) -> None:
        if len(self.problems) > MAX_PROBLEMS:
            return
        steps: list[Any] = []
        for container, step in [*((c, k) for c, k, _, _ in self.stack), (self.container, self.key)]:
            if type(container) is list:
                steps.append(len(container))
            elif type(step) is str:
                steps.append(step)
        steps += () if key is None else (key,)
        self.problems.append(Problem(name_of(tuple(steps)), found, rule, remedy, self.at(event.start_mark.index)))


def _short(tag: str) -> str:
    return "!!" + tag[len(_CORE) :] if tag.startswith(_CORE) else tag


def yaml_places(text: str) -> Place | None:
    """The spans of a YAML text that has no fault of syntax; None where it is empty.

    The span of a block collection ends with its last member, so that comments below it stay out.
    """
    get_event = Parser(text).get_event
    root: Place | None = None
    stack: list[Place] = []
    anchors: dict[str, Place] = {}
    key: tuple[str, int, int] | None = None
    keys: list[tuple[str, int, int] | None] = []
    while True:
        event = get_event()
        kind = type(event)
        if kind is StreamEndEvent:
            return root
        if kind is MappingEndEvent or kind is SequenceEndEvent:
            place = stack.pop()
            key = keys.pop()
            if place.flow:
                place.end = event.end_mark.index
            elif place.entries:
                last = place.entries[-1]
                place.end = max(last.place.end, last.key_end)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            kind_name = "map" if kind is MappingStartEvent else "list"
            place = Place(event.start_mark.index, event.end_mark.index, kind_name, event.flow_style, [])
            stack.append(place)
            keys.append(key)
            key = None
            if event.anchor is not None:
                anchors[event.anchor] = place
            continue
        elif kind is ScalarEvent or kind is AliasEvent:
            place = Place(event.start_mark.index, event.end_mark.index)
            if kind is AliasEvent and (target := anchors.get(event.anchor)) and all(target is not p for p in stack):
                place = Place(place.start, place.end, target.kind, True, target.entries)
            elif kind is ScalarEvent and event.style in ("|", ">"):
                place.end = place.start + len(text[place.start : place.end].rstrip())
            if kind is ScalarEvent and event.anchor is not None:
                anchors[event.anchor] = place
        else:
            continue

        if not stack:
            root = place
            continue
        parent = stack[-1]
        if parent.kind == "list":
            parent.entries.append(Entry(len(parent.entries), place.start, place.start, place))
        elif key is None:
            name = event.value if kind is ScalarEvent else text[place.start : place.end]
            key = (name, place.start, place.end)
        else:
            parent.entries.append(Entry(*key, place))
            key = None
