"""The link definitions at the end of a document, which the tool writes: one a line, in the order of first use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .document import Document
from .labels import fold


class Wanted(NamedTuple):
    """A definition that should stand: the label as first written, its target and its title."""

    label: str
    target: str
    title: str


def clean(title: str) -> str:
    """A title without what ends or breaks one: quotes, backslashes, line ends."""
    return " ".join(title.replace('"', "'").replace("\\", "/").split())


def render(wanted: Sequence[Wanted]) -> str:
    """The block, one definition a line; each label once."""
    seen: set[str] = set()
    lines = []
    for one in wanted:
        if fold(one.label) in seen:
            continue
        seen.add(fold(one.label))
        target = f"<{one.target}>" if any(c in one.target for c in " ()") else one.target
        lines.append(f'[{" ".join(one.label.split())}]: {target} "{clean(one.title)}"\n')
    return "".join(lines)


def update(document: Document, wanted: Sequence[Wanted]) -> list[tuple[int, int, str]]:
    """The edits of the document's text that make its block what it should be; none where it is."""
    block = render(wanted)
    kept = "".join(
        document.text[d.start : d.end].rstrip("\n") + "\n"
        for d in document.definitions
        if d.in_block and not is_ours(d.title) and fold(d.label) not in {fold(w.label) for w in wanted}
    )
    start = document.block_start
    present = document.text[start:]
    if present.strip("\n") == (kept + block).strip("\n"):
        return []
    body = document.text[:start]
    if not block and not kept:
        return [(len(body.rstrip("\n")), len(document.text), "\n")]
    gap = "" if body.endswith("\n\n") else "\n" if body.endswith("\n") else "\n\n"
    return [(start, len(document.text), gap + kept + block)]


def is_ours(title: str) -> bool:
    """Whether a title is one that the tool writes."""
    return title.partition(":")[0] in TITLES


TITLES = ("computed", "unproven", "cited", "assumed", "unresolved", "measured", "trained", "evaluated")
"""First words of the titles that the tool writes."""
