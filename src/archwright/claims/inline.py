"""Reference links in a run of prose whose brackets are flat, found in one pass.

Where brackets are nested, escaped or beside HTML or images, `scan` returns None and the CommonMark parser is
asked instead. A property test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple


class Found(NamedTuple):
    """A link in a run: offsets of its text, `end` behind the whole, its label (None: an inline or a shortcut link)."""

    start: int
    text_end: int
    end: int
    label: str | None
    target: str | None = None


_HARD = re.compile(r"\\|!\[|<[A-Za-z/!?]")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(?:.*?)(?<!`)\1(?!`)", re.S)
_LINK = re.compile(
    r"\[([^\[\]]*)\](?:\[([^\[\]]*)\]|\(([^()\\<\x00-\x20\x7f]*)(?:[ \t\n]+\"[^\"\[\]\x00]*\")?[ \t\n]*\))?"
)
_REFUSED_TARGET = re.compile(r"(?:vbscript|javascript|file|data):|[^/?#]*[&%]", re.I)
_LONG = 20_000


def scan(content: str, known: Callable[[str, str], bool]) -> list[Found] | None:
    """The links of `content`; `known(label, text)` says which labels are defined or would be. None: ask the parser."""
    if _HARD.search(content):
        return None
    flat = content
    if "`" in content:
        if len(content) > _LONG:
            return None
        flat = _CODE.sub(lambda m: "\0" * len(m[0]), content)
    found: list[Found] = []
    brackets = 0
    at = 0
    while True:
        match = _LINK.search(flat, at)
        if match is None:
            break
        at = match.end()
        start, text_end = match.span(1)
        label, target = match[2], match[3]
        if target is not None:
            if _REFUSED_TARGET.match(target):
                return None
            brackets += 1
            found.append(Found(start, text_end, at, None, target))
            continue
        if flat[at : at + 1] == "(":
            return None
        text = content[start:text_end]
        if not label:
            if label is not None:
                brackets += 1
            brackets += 1
            if text.strip() and known(text, ""):
                found.append(Found(start, text_end, at, None))
            elif label is not None:
                at = text_end + 1
                brackets -= 1
            continue
        label = content[match.start(2) : match.end(2)]
        if label.strip() and known(label, text):
            brackets += 2
            found.append(Found(start, text_end, at, label))
        else:
            brackets += 1
            at = text_end + 1
    if flat.count("[") != brackets or flat.count("]") != brackets:
        return None
    return found
