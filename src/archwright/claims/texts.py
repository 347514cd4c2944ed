"""The grammar of a claim's text: what a link may say, read into exact numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple

from .vocabulary import (
    COMPARED_NOUNS,
    DIRECTIONS,
    HEDGES,
    SUFFIXES,
    Unit,
    find_unit,
    similar_units,
)

Kind = Literal["amount", "range", "of", "word", "text", "open"]
Hedge = Literal["", "about", "exactly", "at least", "over", "at most", "under"]


class Figure(NamedTuple):
    """One number as written: its digits, decimals and suffix, so that its precision is its tolerance.

    `number` is what the digits say, without suffix and unit; `place` is one unit in the last place of it.
    """

    digits: str
    number: Fraction
    place: Fraction
    decimals: int
    scientific: bool = False
    suffix: str = ""

    @property
    def multiplier(self) -> int:
        """What the suffix stands for: 1,000 for K, 10^9 for B."""
        return SUFFIXES.get(self.suffix, 1)


@dataclass(frozen=True, slots=True)
class Written:
    """What a claim's text says.

    `kind`: an `amount`, a `range` (figure to second), `N of M` (`of`), a `word` (fits, does not fit, unchanged),
    other `text` without a figure, or `open` (`?`). `unit` is None where the text has none; `direction` is
    `less`, `more`, `faster` or `slower` and `direction_word` the word itself; `sign` is -1, 0 (not written) or 1.
    `raw` is the text with its Markdown, `source` without.
    """

    source: str
    kind: Kind
    raw: str = ""
    figure: Figure | None = None
    second: Figure | None = None
    unit: Unit | None = None
    unit_text: str = ""
    hedge: Hedge = ""
    sign: int = 0
    direction: str = ""
    direction_word: str = ""
    noun: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A text outside the grammar: the rule it breaks and what to write instead."""

    source: str
    rule: str
    remedy: str


_SPACES = dict.fromkeys(map(ord, "\u00a0\u202f\u2007\u2008\u2009\u200a\u2002\u2003\u2004\u2005\n\t"), " ")
_SIGNS = {ord("×"): "x", ord("−"): "-", ord("µ"): "u", ord("μ"): "u", 0x200B: "", 0x2060: "", 0xFEFF: ""}
_TRANSLATION = _SPACES | _SIGNS
_THIN = re.compile(r"(?<=\d)[\u2009\u202f\u00a0\u2007\u2008](?=\d{3}(?!\d))")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_EMPHASIS = re.compile(r"\*+(?=\S)|(?<=\S)\*+|~~|`+|(?<![^\s(])_+(?=\S)|(?<=\S)_+(?![^\s).,;:])")
_POWER = re.compile(r"(?<=\d) ?[x·*] ?10(?:\^\{?([+-]?\d+)\}?|([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+))")
_SUPERSCRIPT = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789")

_NUMBER = r"\d(?:[\d,_]*\d)?(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?|\.\d+"
_HEDGES = {spelling: name for name, others in HEDGES.items() for spelling in (name, *others)}
_HEDGE = "|".join(re.escape(h) + (r"\b" if h[-1].isalnum() else "") for h in sorted(_HEDGES, key=len, reverse=True))
_SUFFIX = r"(?:(?:thousand|million|billion|trillion|mn|bn)\b|(?:Ki|Mi|[KkMBT])(?![A-Za-z/]))"
_HEAD = re.compile(rf"(?P<hedge>(?i:{_HEDGE}))?\s*(?P<sign>[+\-–])?\s*(?P<money>(?:US)?\$)?\s*(?P<number>{_NUMBER})")
_TAIL = re.compile(rf"\s*(?P<suffix>{_SUFFIX})?\s*(?P<rest>.*)\Z", re.S)
_RANGE = re.compile(rf"(?P<first>[^\d–—-]*?)\s*(?:\bto\b|–|—|-(?!\d*>))\s*\$?(?P<number>{_NUMBER})(?P<rest>.*)\Z", re.S)
_OF = re.compile(rf"(?P<first>\D*?)\s*\b(?:out )?of\s+(?P<number>{_NUMBER})(?P<rest>.*)\Z", re.S)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+\Z|\d+\Z")
_DIRECTION = re.compile(
    rf"(?:^|\s)(?P<word>{'|'.join(sorted(DIRECTIONS, key=len, reverse=True))})(?:\s+(?P<noun>\S.*))?\Z", re.I
)
_ARITHMETIC = re.compile(r"\d\s*(?:\*|\bx\b|/|\+|\^)\s*\d|\d\s*±")
_WORDS = {
    "fits": "fits", "fit": "fits", "does not fit": "does not fit", "doesn't fit": "does not fit",
    "do not fit": "does not fit", "unchanged": "unchanged", "no change": "unchanged", "the same": "unchanged",
}  # fmt: skip


def plain(text: str) -> str:
    """A link's text without its Markdown: emphasis, code marks, escapes and entities; spaces and signs unified."""
    if "&" in text:
        from html import unescape

        text = unescape(text)
    if not text.isascii():
        text = _THIN.sub("", text).translate(_TRANSLATION)
    if "\\" in text:
        text = _ESCAPE.sub(lambda m: "\\~" if m[1] == "~" else m[1], text).replace("\\~", "~")
    text = _EMPHASIS.sub("", text)
    return " ".join(text.split())


def has_figure(text: str) -> bool:
    """Whether a link's text holds a digit, or is the `?` that `adr fill` replaces."""
    return text == "?" or any(c.isdigit() for c in text) or plain(text) == "?"


@lru_cache(maxsize=8192)
def parse_text(text: str) -> Written | Refused:
    """Read a claim's text, or say why it is refused.

    >>> w = parse_text("about 2.5x faster"); w.hedge, str(w.figure.number), w.unit.name, w.direction
    ('about', '5/2', 'x', 'faster')
    >>> parse_text("4,5 GiB").remedy
    'Write 4.5 with a decimal point'
    """
    said = _parse(plain(text))
    return replace(said, raw=text) if isinstance(said, Written) else said


def _parse(s: str) -> Written | Refused:
    if s == "?":
        return Written(s, "open")
    folded = s.casefold()
    if folded in _WORDS:
        return Written(s, "word", word=_WORDS[folded])
    if not any(c.isdigit() for c in s):
        return Written(s, "text", word=s)
    s = _POWER.sub(lambda m: "e" + (m[1] or m[2].translate(_SUPERSCRIPT)), s)
    refusal = _refuse_equation(s)
    if refusal:
        return refusal
    head = _HEAD.match(s)
    if not head:
        first = re.search(_NUMBER, s)
        shown = s[first.start() :] if first else "4.00 GiB"
        return Refused(s, "does not begin with a figure", f"Put the words before the link: [{shown}]")
    return _after_head(s, head)


def _refuse_equation(s: str) -> Refused | None:
    if "=" in s.replace(">=", "").replace("<=", ""):
        return Refused(
            s, "is an equation, not a figure", "Link the figure alone, and only where it can be bound to a value"
        )
    if "->" in s or "→" in s or "=>" in s:
        return Refused(s, "holds two numbers", "Bind each: make two links of it")
    if "±" in s:
        return Refused(s, "states a tolerance", "Write 'about' before the figure, or a range such as 3.9 to 4.1")
    if "$" not in s and _ARITHMETIC.search(s):
        return Refused(s, "is arithmetic", "Link the result alone: bind each figure that is a value")
    return None


def _after_head(s: str, head: re.Match[str]) -> Written | Refused:
    figure = _figure(s, head["number"])
    if isinstance(figure, Refused):
        return figure
    sign = {"+": 1, "-": -1, "–": -1}.get(head["sign"] or "", 0)
    hedge: Hedge = _HEDGES[head["hedge"].lower()] if head["hedge"] else ""  # type: ignore[assignment]  # a key of HEDGES
    rest = s[head.end() :]
    if any(c.isdigit() for c in rest) and not (head["money"] and find_unit("$" + rest.strip())):
        two = _two_numbers(s, figure, hedge, sign, rest)
        if two is not None:
            return two
    return _amount(s, figure, hedge, sign, rest, bool(head["money"]))


def _two_numbers(s: str, figure: Figure, hedge: Hedge, sign: int, rest: str) -> Written | Refused | None:
    kind: Kind = "range"
    pair = _RANGE.match(rest)
    if not pair:
        kind = "of"
        pair = _OF.match(rest)
    if not pair:
        unit_text = _TAIL.match(rest)["rest"]  # type: ignore[index]  # matches everything
        if find_unit(unit_text.strip()):  # H800 hours: the digits belong to the unit
            return None
        return Refused(s, "holds two numbers", "Bind each: make two links of it")
    second = _figure(s, pair["number"])
    if isinstance(second, Refused):
        return second
    tail = _amount(s, second, "", 0, pair["rest"], False)
    if isinstance(tail, Refused):
        return tail
    first = _amount(s, figure, hedge, sign, pair["first"], False)
    if isinstance(first, Refused):
        return first
    if first.direction or tail.kind != "amount" or (kind == "of" and tail.direction):
        return Refused(s, "holds two numbers", "Bind each: make two links of it")
    low, high = first.figure, tail.figure
    assert low is not None and high is not None
    unit, unit_text = tail.unit or first.unit, tail.unit_text or first.unit_text
    if first.unit and tail.unit and first.unit != tail.unit:
        if first.unit.base != tail.unit.base:
            return Refused(s, "gives its two figures in units of different kinds", "Bind each: make two links of it")
        scale = first.unit.factor / tail.unit.factor
        low = low._replace(number=low.number * scale, place=low.place * scale)
    if not low.suffix and high.suffix:
        low = low._replace(suffix=high.suffix)
    if (
        kind == "range"
        and not tail.direction
        and low.number * low.multiplier > high.number * high.multiplier
        and sign >= 0
    ):
        pass  # on a comparison a falling range names the two operands; the judge decides
    said = Written(s, kind, "", low, high, unit, unit_text, hedge, sign)
    return replace(said, direction=tail.direction, direction_word=tail.direction_word, noun=tail.noun)


def _figure(s: str, digits: str) -> Figure | Refused:
    mantissa, _, exponent = digits.lower().partition("e")
    whole, point, fraction = mantissa.partition(".")
    if "," in whole:
        if not _GROUPED.match(whole.replace("_", "")) or whole.startswith("0,"):
            groups = whole.split(",")
            if len(groups) == 2 and not point:
                return Refused(s, "has a decimal comma", f"Write {groups[0]}.{groups[1]} with a decimal point")
            return Refused(
                s,
                "groups its digits neither in thousands nor at all",
                "Write thousands as 131,072 and decimals with a point",
            )
        whole = whole.replace(",", "")
    whole, fraction = whole.replace("_", ""), fraction.replace("_", "")
    power = int(exponent) if exponent else 0
    if abs(power) > 400 or len(whole) + len(fraction) > 400:
        return Refused(s, "is a number beyond reason", "Write at most 400 digits")
    scale = Fraction(10) ** power
    place = Fraction(1, 10 ** len(fraction)) * scale
    return Figure(digits, Fraction(int(whole + fraction or "0")) * place, place, len(fraction), bool(exponent))


def _amount(s: str, figure: Figure, hedge: Hedge, sign: int, rest: str, money: bool) -> Written | Refused:
    tail = _TAIL.match(rest)
    assert tail is not None
    suffix, rest = tail["suffix"] or "", tail["rest"].strip()
    direction = word = noun = ""
    match = _DIRECTION.search(rest)
    if match:
        word, noun = match["word"], (match["noun"] or "").strip()
        direction = DIRECTIONS[word.lower()]
        rest = rest[: match.start()].strip()
    if sign and direction and (direction in ("less", "slower")) != (sign < 0):
        return Refused(
            s, "has a sign and a direction that contradict each other", f"Write the figure with '{word}' and no sign"
        )
    unit = None
    unit_text = rest
    if not rest and suffix == "B":
        unit_text = "B"
    if money:
        rest = "$" + (f" {rest}" if rest[:4] == "per " else rest)
    if rest:
        unit = find_unit(rest) or find_unit(rest.rstrip(".,;:"))
        if unit is None:
            return _unknown_unit(s, rest)
    if noun and noun.lower() not in COMPARED_NOUNS:
        counted = find_unit(noun)
        if counted is None:
            return Refused(
                s,
                f"has {noun!r} after {word!r}, which is no unit",
                f"Put those words after the link: [{s[: s.rfind(noun)].strip()}]",
            )
        if unit is None:
            unit, unit_text, noun = counted, noun, ""
    if money:
        unit_text = "$"
    figure = figure._replace(suffix=suffix) if suffix else figure
    return Written(s, "amount", "", figure, None, unit, unit_text, hedge, sign, direction, word, noun)


def _unknown_unit(s: str, rest: str) -> Refused:
    near = similar_units(rest)
    if near:
        both = " or ".join(near)
        return Refused(s, f"has {rest!r}, which is not certain to be a unit of the vocabulary", f"Write {both}")
    if " " in rest:
        first = rest.split(" ")[0]
        if find_unit(first):
            kept = s[: len(s) - len(rest)] + first
            return Refused(
                s,
                f"says more than a figure ({rest[len(first) :].strip()!r})",
                f"Put those words after the link: [{kept}]",
            )
    return Refused(
        s,
        f"has {rest!r}, which is no unit of the vocabulary",
        "Write a unit such as GiB, GFLOP, tokens/s, ms, %, pp or x, and other words outside the link",
    )
