"""Slugs: the part of a file name that a title in any script gives, distinct, never empty, safe on every system."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 80
"""Most characters of a slug; a file name may have 255 bytes and a character up to four."""

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)", re.I)
_SIGNS = {"+": "plus", "&": "and", "%": "percent", "@": "at", "=": "equals", "<": "less", ">": "more", "$": "dollar"}
_JOINERS = "\u200b\u200c\u200d\u2060\ufeff\u00ad"


def slug(title: str) -> str:
    """Lower-case words of a title joined by `-`; letters of every script are kept, signs become words.

    >>> slug("Fewer KV heads"), slug("C++ & C#"), slug("用 GQA 代替 MHA"), slug("🚀"), slug("???")[:7]
    ('fewer-kv-heads', 'c-plus-plus-and-c-sharp', '用-gqa-代替-mha', 'rocket', 'record-')
    """
    words = _words(unicodedata.normalize("NFKC", title).lower())
    text = unicodedata.normalize("NFC", "-".join(words))
    if not text:
        return f"record-{_mark(title)}"
    if len(text) > LONGEST or len(text.encode()) > 200:
        text = f"{_cut(text)}-{_mark(title)}"  # two long titles that begin alike stay two
    return f"{text}-record" if _RESERVED.fullmatch(text) else text


def _words(text: str) -> list[str]:
    words: list[str] = []
    current = ""
    for n, char in enumerate(text):
        kind = unicodedata.category(char)
        if kind[0] in "LN" or (kind[0] == "M" and current):
            current += char
            continue
        if char in _JOINERS or char in "'’":
            continue
        sign = ""
        if char == "#" and current and current[-1].isalpha():
            sign = "sharp"
        elif char in _SIGNS:
            sign = _SIGNS[char]
        elif kind in ("So", "Sm", "Sc") and ord(char) > 127:
            sign = unicodedata.name(char, "").lower().replace(" ", "-")
        if current:
            words.append(current)
        if sign:
            words.append(sign)
        current = ""
        if n > 2000:
            break
    return [*words, current] if current else words


def _cut(text: str) -> str:
    limit = LONGEST - 7
    while len(text[:limit].encode()) > 190:
        limit -= 1
    head = text[:limit]
    return (head.rpartition("-")[0] or head) if "-" in head[limit // 2 :] else head.rstrip("-")


def _mark(title: str) -> str:
    from zlib import crc32

    return f"{crc32(title.encode('utf-8', 'surrogatepass')):08x}"[:6]
