"""References from one record to another, as people write them: links, `ADR-0012`, `0012-title.md`, plain numbers."""

from __future__ import annotations

import re
from typing import NamedTuple

from archwright.decisions.names import number_of, stem_of


class Reference(NamedTuple):
    """One mention of another record.

    `ref` is its number without leading zeros ("12", "40a"), or the file stem where it has none; `stem` the file it is
    linked to, where the text says so; `start` and `end` are offsets in the text that was searched.
    """

    ref: str
    stem: str | None
    start: int
    end: int


NONE_WORDS = frozenset(
    ["", "none", "n/a", "n.a.", "na", "-", "--", "---", "–", "—", "null", "~", "no", "nothing", "tbd", "false"]
)
"""What people write where there is no such record."""

_ADR = (
    r"(?:(?:architectur\w+[ ])?decision(?:[ ]record)?s?|ADRs?|records?)[\s_#:-]*0*(?P<adr>\d{1,6}[a-z]?)(?![\w%])"
    r"(?P<adr_rest>-[\w-]+)?(?:\.md\b)?"
)
_TOKEN = re.compile(
    r"""[*_]{0,3}(?:
    \[\[(?P<wiki>[^\[\]\n|]{1,200})(?:\|[^\[\]\n]{0,200})?\]\]
    |\[(?P<text>(?:[^\[\]\\]|\\.|\[[^\[\]]{0,200}\]){0,300})\]
        (?:\([ ]*(?P<target><[^<>\n]{0,500}>|[^()\s]{0,500}(?:\([^()\s]{0,200}\)[^()\s]{0,200}){0,3})
            (?:\s+"[^"\n]{0,300}"|\s+'[^'\n]{0,300}')?[ ]*\)|\[[^\[\]\n]{0,200}\])?
    |<(?P<auto>[^<>\s]{1,300})>
    |`(?P<code>[^`\n]{1,200})`
    |"""
    + _ADR
    + r"""
    |(?P<path>(?:\.{0,2}/)?[^\s()\[\]<>"',;|*]{1,200}?\.md)(?![\w])(?:\#[\w-]*)?
    |(?P<slug>\d{3,}[a-z]?-[\w-]*\w)
    |\#?0*(?P<num>\d{1,6}[a-z]?)(?![\w%/-])(?!\.\d)(?=\s*(?:$|[.,;:)&+*_|]|(?:and|or|on|in|as|since|by|from)\b))
    )[*_]{0,3}""",
    re.X | re.I,
)
_LEAD = re.compile(r"[\s:>]*(?:(?:the|our|by|with)\s+)?", re.I)
_BETWEEN = re.compile(
    r"(?:\s*\([^()\[\]\n]{0,200}\))?"
    r"\s*(?:(?:[,;&+/]|<br[ ]*/?>)\s*(?:and\s+|or\s+|by\s+)?|(?:and|or)\s+(?:by\s+)?|-\s+(?=\[))",
    re.I,
)
_SAID = re.compile(_ADR, re.I | re.X)
_LEADING = re.compile(r"\W*#?0*(\d{1,6}[a-z]?)(?:[.:)\s–—-]|$)", re.I)
_SLUG = re.compile(r"\d{3,}[a-z]?-[\w-]+", re.I)
_WORD = re.compile(r"""["'`]?([\w.+#-]*[\w+#])["'`]?\.?\s*$""")


def chain(text: str, start: int = 0) -> tuple[list[Reference], int]:
    """The references that stand in a row from `start` on (`A, B and C`), and where the row ends."""
    found: list[Reference] = []
    at = end = _LEAD.match(text, start).end()  # type: ignore[union-attr]  # every part is optional: it always matches
    while token := _TOKEN.match(text, at):
        reference = _reference(token)
        if reference is None:
            break
        found.append(reference)
        end = token.end()
        between = _BETWEEN.match(text, end)
        if not between:
            break
        at = between.end()
    return found, end if found else start


def from_value(value: str, start: int = 0) -> list[Reference]:
    """The references in a value that holds nothing else (front matter, `Supersedes: x`); a bare file stem counts."""
    text = value.strip()
    if text.strip("\"'[](){}<>*_` ").lower() in NONE_WORDS:
        return []
    found, _ = chain(value)
    if not found and (word := _WORD.match(text)):
        at = value.index(word[1])
        found = [_by_name(word[1], at, at + len(word[1]))]
    return [r._replace(start=r.start + start, end=r.end + start) for r in found]


def _by_name(name: str, start: int, end: int) -> Reference:
    stem = stem_of(_unquote(name.partition("#")[0] if ".md#" in name else name).rstrip("/"))
    return Reference(number_of(stem) or stem, stem, start, end)


def _reference(token: re.Match[str]) -> Reference | None:
    start, end = token.span()
    kind = token.lastgroup
    if token["target"] is not None:
        return _linked(token["text"], token["target"].strip("<>"), start, end)
    if token["text"] is not None:
        number = _said(token["text"])
        return Reference(number, None, start, end) if number else None
    if token["adr"]:
        rest = token["adr_rest"]
        number = token["adr"].lower()
        return Reference(number, token[0].strip("*_").removesuffix(".md") if rest else None, start, end)
    if token["num"]:
        return Reference(token["num"].lower(), None, start, end)
    name = token["wiki"] or token["auto"] or token["code"] or token["path"] or token["slug"]
    if "://" in name and not name.lower().endswith(".md"):
        return None
    if token["code"] and not (name.lower().endswith(".md") or _SLUG.match(name) or _said(name)):
        return None
    number = _said(name) if kind in ("wiki", "code") else None
    return Reference(number, None, start, end) if number and not _SLUG.match(name) else _by_name(name, start, end)


def _linked(text: str, target: str, start: int, end: int) -> Reference | None:
    path = target.partition("#")[0].partition("?")[0]
    name = _unquote(path.rstrip("/").rpartition("/")[2])
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    web = "://" in target or target.startswith("//")
    if extension in ("md", "markdown") or (not web and name and (extension not in ("html", "htm") and "." not in name)):
        if not web and extension not in ("md", "markdown") and not number_of(name) and _said(text):
            return Reference(_said(text) or "", None, start, end)
        return _by_name(path, start, end) if name else None
    if extension in ("html", "htm") and not web:
        stem = name.rpartition(".")[0]
        return Reference(number_of(stem) or stem, stem, start, end)
    adr = _SAID.search(text)
    if web and not adr:
        return None
    number = _said(text)
    return Reference(number, None, start, end) if number else None


def _said(text: str) -> str | None:
    found = _SAID.search(text) or _LEADING.match(text)
    return (found[1]).lower() if found else None


def _unquote(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)
