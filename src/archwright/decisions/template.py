"""The text of a new record: front matter and headings, rendered from values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

SECTIONS = ("Context", "Decision", "Consequences", "Alternatives Considered", "References")
"""The headings of the default template, in order."""

HINTS = {
    "Context": "What makes this decision necessary? Which limits hold?",
    "Decision": "What is done, in one or two sentences?",
    "Consequences": "What gets better, what gets worse, and by how much?",
    "Alternatives Considered": "What else was possible, and why was it not chosen?",
    "References": "Papers, benchmarks, other records.",
}
"""What a section without text asks of its author; written as a comment, which no reader shows."""

_PLAIN = re.compile(r"[A-Za-z_./][\w./-]*(?: [\w./-]+)*")
_RESOLVED = re.compile(r"(?:true|false|yes|no|on|off|y|n|null|~|\.inf|\.nan|[\d.+-].*)", re.I)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def render(
    title: str,
    *,
    status: str = "proposed",
    date: str | None = None,
    authors: Sequence[str] = (),
    base: str | None = None,
    decision: Mapping[str, Any] | None = None,
    alternatives: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    claims: Mapping[str, Any] | None = None,
    proxy: str | None = None,
    extra: Mapping[str, Any] | None = None,
    sections: Mapping[str, str] | None = None,
) -> str:
    """A record's text. `sections` maps headings to Markdown; the template's stand in their order, others follow them.

    A heading without text gets a comment that asks for it. `extra` are more keys of the front matter.
    """
    lines = ["---", f"status: {scalar(status)}"]
    if date:
        lines.append(f"date: {date if _DATE.fullmatch(date) else scalar(date)}")
    if authors:
        lines.append(f"authors: {flow(list(authors))}")
    if base is not None:
        lines.append(f"base: {scalar(base)}")
    if decision is not None:
        lines.append(f"decision: {flow(decision)}")
    for key, entries in (("alternatives", alternatives), ("settings", settings), ("claims", claims)):
        if entries:
            lines += _entries(key, entries)
    if proxy is not None:
        lines.append(f"proxy: {scalar(proxy)}")
    lines += [f"{scalar(key)}: {flow(value)}" for key, value in (extra or {}).items()]
    lines += ["---", f"# {heading(title)}"]
    given = dict(sections or {})
    for name in (*SECTIONS, *(n for n in given if n not in SECTIONS)):
        body = given.get(name, "").strip("\n")
        lines += ["", f"## {heading(name)}", "", body or f"<!-- {HINTS.get(name, 'To be written.')} -->"]
    return "\n".join(lines) + "\n"


def heading(text: str) -> str:
    """A text on one line that is read as a heading's words: no line breaks, no closing `#`."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if line.endswith("#") and (line.rstrip("#")[-1:] in (" ", "")):
        bare = line.rstrip("#")
        line = bare + "\\" + line[len(bare) :]
    return line.replace("<!--", "<\\!--")


def flow(value: Any) -> str:
    """A value as YAML on one line: maps and lists in flow style, texts quoted where they must be."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A text, number, truth value or nothing as a YAML scalar that reads back as the same value.

    >>> scalar("bf16"), scalar("layers[0-15].type"), scalar("yes"), scalar("40%"), scalar(32768), scalar(None)
    ('bf16', '"layers[0-15].type"', '"yes"', '"40%"', '32768', 'null')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Fraction):
        return str(value.numerator) if value.denominator == 1 else repr(float(value))
    if isinstance(value, float):
        return repr(value).replace("inf", ".inf").replace("nan", ".nan")
    text = str(value)
    if _PLAIN.fullmatch(text) and text.isascii() and not _RESOLVED.fullmatch(text):
        return text
    return '"' + "".join(_escaped(c) for c in text) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def _entries(key: str, entries: Mapping[str, Any]) -> list[str]:
    if key == "settings":
        return [f"settings: {flow(entries)}"]
    names = [scalar(name) for name in entries]
    width = max(len(n) for n in names) + 1
    return [f"{key}:", *(f"  {n + ':':<{width}} {flow(v)}" for n, v in zip(names, entries.values(), strict=True))]
