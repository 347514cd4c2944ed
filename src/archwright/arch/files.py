"""Architecture files, YAML and JSON, as plain data that knows where each value stands and can be edited in place."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import Location
from ..filenames import StrPath, shown
from ..textio import Edit, Text, apply_edits, line_column, read_text
from .literals import parse_tokens
from .places import Entry, Keys, Place, name_of

__all__ = [
    "LIMIT",
    "Document",
    "edit_value",
    "load",
    "name_of",
    "parse_json",
    "parse_tokens",
    "parse_yaml",
    "set_value",
]

LIMIT = 2**19
"""Largest architecture file, in bytes: read in well under a second, also where it is refused at its very end."""

Format = Literal["yaml", "json"]


@dataclass(slots=True, eq=False)
class Document:
    """Plain data (maps, lists, text, numbers, true, false, null) with the text that it was read from.

    Without a text (data made in memory) nothing has a place.
    """

    data: Any
    text: str | None = None
    path: str = "<text>"
    first_line: int = 1
    format: Format = "yaml"
    source: Text | None = field(default=None, repr=False)
    _root: Place | None = field(default=None, repr=False)

    def place(self) -> Place | None:
        """The tree of spans, made when first asked for; None for an empty file and for data without a text."""
        if self._root is None and self.text is not None and self.text.strip():
            if self.format == "json":
                from .strict_json import json_places

                self._root = json_places(self.text)
            else:
                from .yaml_core import yaml_places

                self._root = yaml_places(self.text)
        return self._root

    def where(self, keys: Keys = (), key: bool = False) -> Location | None:
        """The place of a value, or of its key; for what is not there, of the nearest thing around it."""
        if self.text is None:
            return None
        place, entry = self.place(), None
        for step in keys:
            found = place.entry(step) if place else None
            if found is None:
                # What is missing is missing from the collection, which its key names.
                return self.at(entry.key_start) if entry else Location(self.path)
            entry, place = found, found.place
        if entry is not None and (key or entry.place.start == entry.place.end):
            return self.at(entry.key_start)
        return self.at(place.start) if place else Location(self.path)

    def span(self, keys: Keys = ()) -> tuple[int, int]:
        """The characters of a value, from and up to; KeyError where it is not in the text."""
        place = self.place()
        for step in keys:
            entry: Entry | None = place.entry(step) if place else None
            if entry is None:
                raise KeyError(name_of(keys))
            place = entry.place
        if place is None:
            raise KeyError(name_of(keys))
        return place.start, place.end

    def at(self, offset: int) -> Location:
        """The place of a character of the text."""
        return _at(self.text or "", self.path, self.first_line, offset)


def _at(text: str, path: str, first_line: int, offset: int) -> Location:
    line, column = line_column(text, offset)
    return Location(path, line + first_line - 1, column)


def parse_yaml(text: str, path: str = "<text>", first_line: int = 1) -> Document:
    """A YAML 1.2 core text, as a front matter with `first_line` where it begins. Unreadable: all that is wrong."""
    from .yaml_core import read_yaml

    return Document(read_yaml(text, lambda offset: _at(text, path, first_line, offset)), text, path, first_line)


def parse_json(text: str, path: str = "<text>") -> Document:
    """A JSON text. Unreadable: all that is wrong, also a key given twice, NaN, and nesting beyond 100."""
    from .strict_json import read_json

    return Document(read_json(text, lambda offset: _at(text, path, 1, offset)), text, path, format="json")


def load(path: StrPath, limit: int = LIMIT) -> Document:
    """A file, by its suffix .json, .yaml or .yml; any other is JSON where it begins with a brace."""
    source = read_text(path, limit)
    suffix = os.path.splitext(source.path)[1].lower()
    json = suffix == ".json" or (suffix not in (".yaml", ".yml") and source.text.lstrip()[:1] == "{")
    document = (parse_json if json else parse_yaml)(source.text, shown(path))
    document.source = source
    return document


def edit_value(document: Document, keys: Keys, value: Any) -> Edit:
    """The edit of the document's text that gives a value, there or new; comments and layout stay.

    InvalidValue: the way leads through something that is no map or list, or the text cannot be edited in place.
    """
    from .inplace import edit_value

    return edit_value(document, keys, value)


def set_value(text: str, keys: Keys, value: Any, format: Format = "yaml") -> str:
    """The text with one value set as by `edit_value`."""
    document = parse_json(text) if format == "json" else parse_yaml(text)
    return apply_edits(text, [edit_value(document, keys, value)])
