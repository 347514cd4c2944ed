"""The link definitions that the tool writes at the end of a record, and their upkeep."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .document import Definition, Document, parse
from .labels import fold

KINDS = (
    "computed",
    "measured",
    "trained",
    "evaluated",
    "cited",
    "assumed",
    "requirement",
    "unproven",
    "stale",
    "error",
    "open",
)
"""The words with which a title of the tool begins."""

_TOOL_TITLE = re.compile(rf"(?:{'|'.join(KINDS)})\b(?:: |$)")
_OWN_LINE = re.compile(r'\[[^\[\]]+\]: \S.* "[^"]*"[ ]*')
_CONFLICT = re.compile(r"^<{7}(?: .*)?$", re.M)
_SPACE = re.compile(r"\s+")
_PLAIN_TARGET = re.compile(r"[^\s<>()\\\[\]][^\s<>()\\]*")


class Wanted(NamedTuple):
    """A definition that should stand in the block: the label as the text has it first, its target and its title."""

    label: str
    target: str
    title: str


class Edit(NamedTuple):
    """A replacement of `text[start:end]`."""

    start: int
    end: int
    text: str


def title(kind: str, said: str, verdict: str = "") -> str:
    """The title of a definition: how the value comes about, what it is, and the verdict.

    >>> title("computed", "16.0 GiB to 4.00 GiB, 4.00x smaller", "holds"), title("unproven", 'no "evidence"\\nyet')
    ('computed: 16.0 GiB to 4.00 GiB, 4.00x smaller, holds', "unproven: no 'evidence' yet")
    """
    return clean(f"{kind}: {said}{', ' if verdict else ''}{verdict}")


def clean(text: str) -> str:
    """Text fit for a title: no double quote, backslash, entity or newline, so that every formatter keeps it."""
    text = text.replace('"', "'").replace("\\", "/").replace("&", "and")
    return _SPACE.sub(" ", text).strip()


def is_tool_title(text: str) -> bool:
    """Whether a title is one that the tool writes."""
    return bool(_TOOL_TITLE.match(text))


def render(wanted: Iterable[Wanted]) -> str:
    """The block: one definition a line, in the given order; of labels that are the same to CommonMark, the first.

    >>> render([Wanted("kv_cache", "a.yaml", "computed: 4.00 GiB, holds"), Wanted("KV_cache", "a.yaml", "again")])
    '[kv_cache]: a.yaml "computed: 4.00 GiB, holds"\\n'
    """
    lines = []
    seen: set[str] = set()
    for one in wanted:
        label = " ".join(one.label.split())
        if fold(label) in seen:
            continue
        seen.add(fold(label))
        said = clean(one.title)
        lines.append(f'[{label}]: {_target(one.target)} "{said}"\n' if said else f"[{label}]: {_target(one.target)}\n")
    return "".join(lines)


def _target(target: str) -> str:
    target = _SPACE.sub(" ", target).strip() or "#"
    if _PLAIN_TARGET.fullmatch(target):
        return target
    return "<" + target.replace("\\", "/").replace("<", "%3C").replace(">", "%3E") + ">"


def outdated(document: Document, wanted: Sequence[Wanted]) -> bool:
    """Whether the block of a document is not as `update` would write it."""
    return bool(edits(document, wanted))


def edits(document: Document, wanted: Sequence[Wanted]) -> list[Edit]:
    """What to change so that the file ends with `wanted`; nothing when it does already.

    Definitions in the last block that are neither wanted nor the tool's stay, before the tool's. Markers of a merge
    in the block go. Everything before the block keeps every byte, but for definitions of the tool that text was
    written behind: they move to the end. Where the text ends inside code or HTML that is never closed, nothing can be
    defined and nothing is written.
    """
    text, begin = document.text, document.block_start
    moved = _strays(document)
    labels = {fold(one.label) for one in wanted}
    block = [d for d in document.definitions if d.in_block]
    foreign = [d for d in block if fold(d.label) not in labels and not is_tool_title(d.title)]
    if not wanted and len(foreign) == len(block):
        return moved
    merged = bool(document.conflicts) and bool(_CONFLICT.search(text, begin))
    if foreign and not merged and foreign == block[: len(foreign)]:
        last = text.find("\n", foreign[-1].end)
        begin = last + 1 if last >= 0 else len(text)
        own = render(wanted)
        gap = "" if begin and text[begin - 1] == "\n" else "\n"
    else:
        own = "".join(text[d.start : d.end].rstrip() + "\n" for d in foreign) + render(wanted)
        gap = "" if block or not text.strip("\n") or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    if not own and text[:begin].endswith("\n\n"):
        begin -= 1
    new = gap + own
    if text[begin:].strip("\n") == new.strip("\n") and text[begin:].startswith(gap):
        return moved
    change = [*moved, Edit(begin, len(text), new)]
    if wanted and any(end >= len(text) for _, end in document.skipped):
        after = parse(apply(text, change), document.path, document.first_line)
        if not any(d.in_block for d in after.definitions):
            return []
    return change


def _strays(document: Document) -> list[Edit]:
    """The removal of the tool's own definitions, whole lines, that do not stand in the block at the end."""
    text = document.text
    found: list[Edit] = []
    for d in document.definitions:
        if d.in_block or d.column != 1 or not is_tool_title(d.title):
            continue
        line_end = text.find("\n", d.start)
        if line_end < 0 or line_end >= document.block_start or not _OWN_LINE.fullmatch(text[d.start : line_end]):
            continue
        start, end = d.start, line_end + 1
        if found and found[-1].end == start:
            start = found.pop().start
        found.append(Edit(start, end, ""))
    # the blank line behind a paragraph of them goes with it
    return [Edit(s, e + 1 if text[e : e + 1] == "\n" and text[:s].endswith("\n\n") else e, "") for s, e, _ in found]


def apply(text: str, changes: Iterable[Edit]) -> str:
    """The text with all edits made; edits must not overlap."""
    for edit in sorted(changes, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def update(text: str, wanted: Sequence[Wanted], path: str = "") -> str:
    """The text with its block of definitions as wanted. Twice is the same as once.

    >>> print(update("It takes [4.00 GiB][kv_cache].\\n", [Wanted("kv_cache", "a.yaml", "computed: 4.00 GiB, holds")]))
    It takes [4.00 GiB][kv_cache].
    <BLANKLINE>
    [kv_cache]: a.yaml "computed: 4.00 GiB, holds"
    <BLANKLINE>
    """
    return apply(text, edits(parse(text, path), wanted))


def by_hand(document: Document, claim_labels: Iterable[str], targets: Iterable[str] = ()) -> list[Definition]:
    """Definitions under a claim's label that the tool did not write.

    Those whose title is not the tool's; but not those in the block at the end whose target is one of `targets` (a
    definition of ours that lost its title is merely out of date).
    """
    labels = {fold(label) for label in claim_labels}
    own_targets = set(targets)
    found = []
    for definition in document.definitions:
        if fold(definition.label) not in labels:
            continue
        ours = is_tool_title(definition.title) or (definition.in_block and definition.target in own_targets)
        if not ours:
            found.append(definition)
    return found
