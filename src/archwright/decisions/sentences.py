"""The sentence of a record that says what was decided about a field."""

from __future__ import annotations

import re

from ..claims.document import Document
from .governance import Leaf

_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[A-Z`\"'(\[*_])|\n\s*\n|\n(?=\s*(?:[-*+]|\d+[.)])\s)")
_LINK = re.compile(r"\[([^\[\]]*)\](?:\[[^\[\]]*\]|\([^()]*\))")
_MARK = re.compile(r"[*`]+|(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)]|>)\s+")


def sentence_about(document: Document, leaf: Leaf) -> tuple[int, str]:
    """Line and words of the sentence that names a field or its value, first in the section Decision; 0 for none."""
    sections = [span for title, span in _sections(document) if title.lower().startswith("decision")]
    name = leaf.field.rpartition(".")[2]
    words = [re.compile(rf"(?<![\w.]){re.escape(w)}(?![\w.]\w)") for w in (leaf.key, name, str(leaf.value)) if len(w)]
    whole = (document.body_start, document.block_start or len(document.text))
    for span in (*sections, whole):
        found = list(_sentences(document, span))
        for word in words:
            for line, text in found:
                if word.search(text):
                    return line, text
        if found and span is not whole:
            return found[0]
    return 0, ""


def _sections(document: Document) -> list[tuple[str, tuple[int, int]]]:
    ends = [h.start for h in document.headings[1:]] + [document.block_start or len(document.text)]
    return [(h.title, (h.start, end)) for h, end in zip(document.headings, ends, strict=True)]


def _sentences(document: Document, span: tuple[int, int]) -> list[tuple[int, str]]:
    """Every sentence of a part of a text with its line, without Markdown; headings and comments are none."""
    found: list[tuple[int, str]] = []
    begin = span[0]
    text = document.text
    for at, end in [*((m.start(), m.end()) for m in _END.finditer(text, *span)), (span[1], span[1])]:
        piece = text[begin:at]
        lead = len(piece) - len(piece.lstrip())
        lines = [line for line in piece.split("\n") if not line.lstrip().startswith(("#", "<!--", "|", "---"))]
        said = plain("\n".join(lines))
        if any(c.isalpha() for c in said):
            skipped = next(
                (n for n, line in enumerate(piece.lstrip().split("\n")) if line in lines and line.strip()), 0
            )
            found.append((document.place(begin + lead)[0] + skipped, said))
        begin = end
    return found


def plain(text: str) -> str:
    """Markdown as words on one line: links and marks gone.

    >>> plain("- Use `n_kv_heads: 8`, [4x smaller][kv_cache.mha->decision].")
    'Use n_kv_heads: 8, 4x smaller.'
    """
    text = _ITEM.sub("", text)
    text = _LINK.sub(lambda m: m[1], text)
    return " ".join(_MARK.sub("", text).split())
