"""Faults of YAML syntax in words: what stands there, which rule it breaks, what to do."""

from __future__ import annotations

import yaml

from ..errors import NOTHING, Problem
from .places import MAX_DEPTH, At

_MISPLACED = ("has a line that does not fit what stands above", "align it with its siblings, or write key: value")
_FAULTS: tuple[tuple[str, str, str], ...] = (
    # What libyaml or PyYAML says, the rule, the remedy.
    (
        "mapping values are not allowed",
        "has a ': ' where no key can stand",
        "quote the text that holds it, or check the indentation of this line and the one before",
    ),
    (
        "sequence entries are not allowed",
        "has a '- ' where no list can begin",
        "begin the list on a line of its own, or quote the text",
    ),
    ("expected ',' or ']'", "has a list in [ ] that is not closed", "add a comma or the ]"),
    ("expected ',' or '}'", "has a map in { } that is not closed", "add a comma or the }"),
    ("not find expected ':'", "has a line that is no key: value", "write key: value, with a space after the colon"),
    ("unexpected end of stream", "has a quoted text that is not closed", "add the closing quote"),
    ("unexpected document", "has a quoted text that is not closed", "add the closing quote"),
    ("not find expected key", *_MISPLACED),
    ("expected '-' indicator", *_MISPLACED),
    ("expected <block end>", *_MISPLACED),
    ("node content", "has a bracket or comma where a value is expected", "write the value, or quote it"),
    ("unknown escape", "has an unknown escape in double quotes", "write \\\\ for a backslash, or use single quotes"),
    ("invalid Unicode", "has an escape that is no character", "write the character itself"),
    ("control characters", "holds a control character", "remove it"),
    ("special characters", "holds a control character", "remove it"),
    ("maximum nesting depth", f"is nested more than {MAX_DEPTH} deep", "flatten it"),
    ("<document start>", "goes on where its one value has ended", "write key: value, or quote the text"),
    ("tag handle", "has a tag with an unknown prefix", "remove the tag"),
    ("tag", "has a tag that cannot be read", "remove the tag"),
    ("incompatible", "asks for another YAML than 1.x", "remove the %YAML line"),
    ("directive", "has a directive (%) that cannot be read", "remove the line"),
)


def fault(error: yaml.YAMLError, text: str, at: At) -> Problem:
    """The problem of a text that the YAML parser refused."""
    if isinstance(error, yaml.reader.ReaderError):
        offset = error.position
        if error.encoding != "unicode":  # libyaml counts bytes of UTF-8
            offset = len(text.encode()[:offset].decode(errors="ignore"))
        return _problem(text, offset, str(error.reason), "", at)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    offset = mark.index if mark else 0
    begun = getattr(error, "context_mark", None)
    rule = str(getattr(error, "problem", None) or error)
    since = f"; it was opened in line {at(begun.index).line}" if begun and begun.index < offset else ""
    return _problem(text, offset, rule, since, at)


def _problem(text: str, offset: int, said: str, since: str, at: At) -> Problem:
    start = text.rfind("\n", 0, offset) + 1
    line = text[start:].partition("\n")[0]
    indentation = line[: len(line) - len(line.lstrip())]
    found = line.strip()
    shown = f" ({found if len(found) <= 40 else found[:39] + '…'})" if found else ""
    where = at(offset)
    if "\t" in indentation or text[offset : offset + 1] == "\t":
        place = at(start + max(indentation.find("\t"), 0)) if "\t" in indentation else where
        return Problem("", NOTHING, f"is not YAML: a tab indents this line{shown}", "indent with spaces", place)
    if "cannot start any token" in said:
        rule = f"has a value that begins with {text[offset : offset + 1]}"
        return Problem("", NOTHING, f"is not YAML: it {rule}{shown}", "quote the value", where)
    if offset >= len(text.rstrip()) and "node content" in said:
        return Problem("", NOTHING, "is not YAML: it has a bracket that is not closed", "add the ] or }", where)
    for part, rule, remedy in _FAULTS:
        if part in said:
            ended = since if "not closed" in rule else ""
            return Problem("", NOTHING, f"is not YAML: it {rule}{shown}{ended}", remedy, where)
    return Problem("", NOTHING, f"is not YAML: {said}{shown}", "mend this line or the one before", where)
