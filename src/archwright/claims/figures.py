"""Figures with a unit that stand in prose and are bound to nothing."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from .document import CODE_SPAN, Document, Spans, inside, paragraph_start
from .texts import Written, parse_text

SECTIONS = ("context", "decision", "consequence", "alternative", "option")
"""Sections whose figures count: a title that has a word beginning like one of these."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in prose: `document.text[start:end]` is `text`, with its hedge, unit and direction.

    `family` is the base unit (`B`, `x`, `%`, `tokens`, `params`, ...); `heading` the index of its heading in the
    document; `sentence` the words around it, from one full stop or line's end to the next.
    """

    text: str
    line: int
    column: int
    start: int
    end: int
    heading: int
    family: str
    sentence: str


_NUMBER = r"\d(?:[\d,_]*\d)?(?:\.\d+)?(?:[eE][+-]?\d+)?"
_UNIT = r"""
    (?:[KkMBT]|thousand|million|billion|trillion)?[ ]?(?:params|parameters|tokens?(?:/s(?:/GPU)?|[ ]per[ ]second)?)
  | (?:[kKMGTP]i?)?B(?:/s)?(?:/(?:token|layer|device|GPU))?        # bytes; a bare B needs more, see _carries_a_unit
  | (?:bytes?|[kMGTPEZY]?FLOPs?(?:/s|/B|/token)?|[kMGTPE]?FLOPS)
  | %-?(?:[ ]?points?|[ ]relative)? | pp | percentage[ ]points?
  | [x×] | layers
  | ns | [uµμ]s | ms | s | sec | seconds? | min | minutes? | h | hours? | days?
"""
# A digit first, what must not stand before it second: so the engine leaps from digit to digit.
_FIGURE = re.compile(
    rf"\d(?<![\w.,/@#:$^]\d)(?<![\w)][-–]\d){_NUMBER[2:]}(?:[ ]?[-–][ ]?{_NUMBER})?"
    rf"(?P<gap>[ \u00a0\u202f]?)(?P<unit>{_UNIT})(?![\w/])(?!-\w)",
    re.X,
)
_MONEY = re.compile(rf"(?<![\w$])\$[ ]?{_NUMBER}(?:[ ]?(?:[KMBT]|million|billion)(?!\w))?")
_HEDGE = re.compile(
    r"(?:(?:about|roughly|around|approximately|approx\.|circa|exactly|at least|at most|up to|over|under"
    r"|more than|less than|no more than|no less than|within)[ \n]+|[~≈≥≤<>][ ]?|[<>]=[ ]?)?(?:(?<![\w)%])[-−+])?\Z",
    re.I,
)  # fmt: skip
_DIRECTION = re.compile(r"[ \n](?:smaller|less|fewer|lower|shorter|cheaper|larger|more|higher|longer|faster|slower)\b")
_OPERATOR_BEFORE = re.compile(r"[\d)](?:\s*[*×/^+·]|\s+x)\s*\Z")
_OPERATOR_AFTER = re.compile(r"\s*(?:[*/^+·]\s*\d|[x×]\s*\d|=)")
_DEVICE = (
    r"(?:(?:NVIDIA|AMD|Nvidia|RTX|GeForce|Instinct|Tesla)\s)*(?:[A-Z]{1,3}\d{2,4}[A-Za-z]*|\d{4}(?:\s?Ti)?|TPU\w*)"
)
_DEVICE_BEFORE = re.compile(rf"\b{_DEVICE}(?:[\s-](?:SXM\d?|PCIe|NVL|HBM\w*))?[\s(-]*\Z")
_DEVICE_AFTER = re.compile(
    rf"[\s-]+(?:of\s+)?(?:{_DEVICE}\b|GPUs?\b|cards?\b|accelerators?\b|nodes?\b|HBM|VRAM|chips?\b|machines?\b)"
)
_NAME_AFTER = re.compile(r"[\s-]+(?:models?|checkpoints?|variants?|class|LLMs?|configs?|configurations?)\b", re.I)
_MODEL_BEFORE = re.compile(r"\b[A-Z][A-Za-z]*[\s-]?\d+(?:\.\d+)*[\s-]+\Z|\b[A-Z][A-Za-z]+-\Z")
_ADDRESS = re.compile(r"(?:https?|ftp)://\S+|<!--.{0,2000}?-->|<[A-Za-z/][^<>\n]*>|\$\$.{0,2000}?\$\$", re.S)
_NEAR = 2000  # characters of a sentence on either side of its figure
_SENTENCE_END = re.compile(r"[.!?](?:\s|$)|\n(?=\s*(?:[-*+]|\d+[.)])\s)|\n\s*\n")


def find_figures(document: Document, sections: Sequence[str] | None = SECTIONS) -> list[Figure]:
    """The figures with a unit that no link holds, in the order of the text.

    Skipped: code, links, HTML, definitions, headings, addresses, names (`Llama 3.1 70B`, `A100 80GB`, `8x A100`,
    `128K model`) and arithmetic, of which the result after `=` counts. `sections` limits the search to parts under
    such a title; None searches everywhere.

    >>> from archwright.claims.document import parse
    >>> [f.text for f in find_figures(parse("The cache shrinks by 4x (8.0 GB -> 2.0 GB) on 8x A100."), None)]
    ['4x', '8.0 GB', '2.0 GB']
    """
    text = document.text
    start, end = document.body_start, document.block_start
    counts = _counted(document, sections)
    linked = sorted((link.whole_start, link.whole_end) for link in (*document.claims, *document.links))
    starts = [begin for begin, _ in linked]
    found: list[Figure] = []
    spans: dict[int, Spans] = {}
    for pattern in (_FIGURE, _MONEY) if "$" in text else (_FIGURE,):
        for match in pattern.finditer(text, start, end):
            at = match.start()
            before = bisect_right(starts, at) - 1
            if before >= 0 and at < linked[before][1]:
                continue
            heading = document.heading_at(at) if document.headings else -1
            if counts is not None and not (heading >= 0 and counts[heading]):
                continue
            figure = _figure(document, match, heading, spans)
            if figure is not None:
                found.append(figure)
    found.sort(key=lambda f: f.start)
    return found


def _counted(document: Document, sections: Sequence[str] | None) -> list[bool] | None:
    """For each heading, whether it stands in one of the sections; None for all."""
    if sections is None:
        return None
    words = _section_words(tuple(sections))
    lone = sum(heading.level == 1 for heading in document.headings) == 1
    counted: list[bool] = []
    open_titles: list[tuple[int, bool]] = []
    for heading in document.headings:
        while open_titles and open_titles[-1][0] >= heading.level:
            open_titles.pop()
        is_title = heading.level == 1 and lone  # the title of the record, not a section
        inside = (bool(open_titles) and open_titles[-1][1]) or (not is_title and bool(words.search(heading.title)))
        open_titles.append((heading.level, inside))
        counted.append(inside)
    return counted


@lru_cache(maxsize=16)
def _section_words(sections: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(re.escape(s) for s in sections)})", re.I)


def _figure(document: Document, match: re.Match[str], heading: int, spans: dict[int, Spans]) -> Figure | None:
    text = document.text
    start, end = match.span()
    if heading >= 0 and text.find("\n", document.headings[heading].start, start) < 0:
        return None
    if inside(document.skipped, start):
        return None
    near = max(start - 80, document.body_start)
    before, after = text[max(text.rfind("\n", near, start) + 1, near) : start], text[end : end + 60]
    money = match.re is _MONEY
    if not money and not _carries_a_unit(match, before, after):
        return None
    if _OPERATOR_BEFORE.search(before) or _OPERATOR_AFTER.match(after):
        return None
    if _in_code_or_address(text, start, spans):
        return None
    hedge = _HEDGE.search(text, max(start - 40, document.body_start), start)
    if hedge and hedge[0] and "->" not in text[hedge.start() - 1 : start]:
        start = hedge.start()
    direction = _DIRECTION.match(text, end)
    if direction:
        end = direction.end()
    said = text[start:end]
    line, column = document.place(start)
    return Figure(said, line, column, start, end, heading, _family(said), _sentence(text, start, end))


def _carries_a_unit(match: re.Match[str], before: str, after: str) -> bool:
    """Whether the unit is one, and not part of a name or of a device's description."""
    unit = match["unit"]
    if unit == "B":  # 70B alone is a name or a count without a noun
        return False
    if unit in ("x", "×"):
        return not _DEVICE_AFTER.match(after) and not re.match(r"\s*\d", after)
    if unit.endswith("B") or unit.startswith("byte"):
        return not (_DEVICE_BEFORE.search(before) or _DEVICE_AFTER.match(after))
    if unit in ("s", "h") and not match["gap"]:  # the 2000s, 4h
        return unit == "h"
    if unit.startswith("day") or unit in ("min", "minute", "minutes"):
        return not re.match(r"\s*(?:ago|later|after|old)\b", after)
    return not (_NAME_AFTER.match(after) or _MODEL_BEFORE.search(before))


def _in_code_or_address(text: str, at: int, spans: dict[int, Spans]) -> bool:
    begin = paragraph_start(text, at)
    if begin not in spans:
        finish = text.find("\n\n", at)
        finish = finish if finish >= 0 else len(text)
        paragraph = text[begin:finish]
        patterns = [CODE_SPAN] if "`" in paragraph else []
        if "<" in paragraph or "://" in paragraph or "$$" in paragraph:
            patterns.append(_ADDRESS)
        spans[begin] = _united([m.span() for pattern in patterns for m in pattern.finditer(text, begin, finish)])
    return inside(spans[begin], at) is not None


def _united(spans: Spans) -> Spans:
    united: Spans = []
    for begin, end in sorted(spans):
        if united and begin < united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((begin, end))
    return united


def _family(said: str) -> str:
    written = parse_text(said)
    if isinstance(written, Written) and written.unit is not None:
        return written.unit.base
    return "params" if isinstance(written, Written) and written.figure and written.figure.suffix else ""


def _sentence(text: str, start: int, end: int) -> str:
    begin = max(paragraph_start(text, start), start - _NEAR)
    for stop in _SENTENCE_END.finditer(text, begin, start):
        begin = stop.end()
    stop_after = _SENTENCE_END.search(text, end, end + _NEAR)
    return " ".join(text[begin : stop_after.start() if stop_after else end + _NEAR].split())
