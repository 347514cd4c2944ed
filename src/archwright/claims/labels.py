"""The grammar of a claim's label: which value of which side, under which settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ..errors import NOTHING, Problem

Value = int | float | str | bool
NAME = r"[a-z](?:[a-z0-9_-]*[a-z0-9_])?"
RESERVED = frozenset({"base", "decision", "settings", "requirement"})
"""Names that no entry of `claims:` and no alternative may take (`base` and `decision` are sides of their own)."""

_LABEL = re.compile(
    rf"(?P<name>{NAME})"
    r"(?:[ ]?\((?P<settings>[^()]*)\))?"
    rf"(?:\.(?P<side>{NAME})(?:[ ]?->[ ]?(?P<to>{NAME}))?)?",
    re.I,
)
_NAME = re.compile(NAME)
_SETTING = re.compile(r"(?P<key>[a-z][a-z0-9_]*) ?= ?(?P<value>\S(?:.*\S)?)\Z", re.I)
_INT = re.compile(r"[+-]?\d+(?:_\d+)*\Z")
_BINARY = re.compile(r"([+-]?\d+(?:_\d+)*)([KM])i\Z")
_FLOAT = re.compile(r"[+-]?(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\Z")
_COMMA = re.compile(r",(?![^\[\]]*\])")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


@dataclass(frozen=True, slots=True)
class Label:
    """A label read: `name`, settings in the order written, `side` and `to_side` (empty where not written).

    `raw` is the label as it stands in the document. Names, keys and sides are lower case; values keep their case.
    """

    name: str
    settings: tuple[tuple[str, Value], ...] = ()
    side: str = ""
    to_side: str = ""
    raw: str = ""

    @property
    def compares(self) -> bool:
        """Whether the label is `a->b`."""
        return bool(self.to_side)

    def __str__(self) -> str:
        settings = ", ".join(f"{key}={_show(value)}" for key, value in self.settings)
        side = f".{self.side}" if self.side else ""
        to = f"->{self.to_side}" if self.to_side else ""
        return f"{self.name}{f'({settings})' if settings else ''}{side}{to}"


def _show(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@lru_cache(maxsize=8192)
def fold(label: str) -> str:
    """A label as CommonMark compares it: spaces collapsed, case folded.

    >>> fold(" KV_cache.MHA \\n -> decision ") == fold("kv_cache.mha -> DECISION")
    True
    """
    return " ".join(label.split()).lower().upper()


def is_name(text: str) -> bool:
    """Whether a text can name an alternative or an entry of `claims:` (reserved words cannot)."""
    return bool(_NAME.fullmatch(text)) and text not in RESERVED


@lru_cache(maxsize=8192)
def parse_label(label: str) -> Label | None:
    """Read a label; None when it is not of the grammar, so that the link is an ordinary one.

    >>> parse_label("kv_cache(context=32Ki, kv_dtype=fp8).mha->decision")  # doctest: +ELLIPSIS
    Label(name='kv_cache', settings=(('context', 32768), ('kv_dtype', 'fp8')), side='mha', to_side='decision', raw=...)
    >>> parse_label("the paper") is None, parse_label("kv_cache(context=") is None
    (True, True)
    """
    read = _read(label)
    return read if isinstance(read, Label) else None


def label_problem(label: str) -> Problem:
    """Why a label is not of the grammar, with the remedy. For texts that hold a figure, which must be bound."""
    read = _read(label)
    if isinstance(read, Problem):
        return read
    return _problem(label, "is not a label of a claim", "Write name, name.side or name(setting=value).from->to")


def _problem(label: str, rule: str, remedy: str) -> Problem:
    return Problem("label", label, rule, remedy)


def _read(label: str) -> Label | Problem:
    text = " ".join(label.split())
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", text)
    match = _LABEL.fullmatch(text)
    if match is None:
        return _near_miss(label, text)
    name = match["name"].lower()
    if name in RESERVED and name != "requirement":
        return _problem(
            label, f"has the reserved word {name!r} as its name", f"Write a metric before the side: kv_cache.{name}"
        )
    settings: list[tuple[str, Value]] = []
    written = match["settings"]
    if written is not None:
        for part in _COMMA.split(written):
            setting = _SETTING.match(part.strip())
            if setting is None:
                return _bad_setting(label, part.strip(), written)
            key = setting["key"].lower()
            if any(key == present for present, _ in settings):
                return _problem(label, f"gives the setting {key!r} twice", "Keep one of them")
            settings.append((key, read_value(setting["value"])))
    return Label(name, tuple(settings), (match["side"] or "").lower(), (match["to"] or "").lower(), label)


def read_value(text: str) -> Value:
    """A setting's value with its type: `32Ki` and `100_000` are integers, `1e6` a float; `32K` is ambiguous, so text.

    >>> [read_value(t) for t in ("32768", "32Ki", "100_000", "0.9", "true", "fp8", "32K", "layers[0-15]")]
    [32768, 32768, 100000, 0.9, True, 'fp8', '32K', 'layers[0-15]']
    """
    if len(text) > 100:
        return text  # no number that means anything, and Python refuses to read one of thousands of digits
    if _INT.match(text):
        return int(text)
    binary = _BINARY.match(text)
    if binary:
        return int(binary[1]) * (2**10 if binary[2] == "K" else 2**20)
    if _FLOAT.match(text):
        return float(text)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text


def _bad_setting(label: str, part: str, written: str) -> Problem:
    if not written.strip():
        return _problem(label, "has empty brackets", "Remove them, or write settings as (context=32768)")
    if not part:
        return _problem(label, "has a comma without a setting", "Remove the comma")
    key, sep, value = part.partition("=")
    if sep and not value.strip():
        return _problem(label, f"gives the setting {key.strip()!r} no value", f"Write {key.strip()}=value")
    if ":" in part and not sep:
        return _problem(
            label, f"has the setting {part!r} with a colon", f"Write {part.replace(':', '=', 1).replace(' ', '')}"
        )
    return _problem(
        label, f"has {part!r}, which is not setting=value", "Write settings as (context=32768, kv_dtype=fp8)"
    )


def _near_miss(label: str, text: str) -> Problem:
    if text.count("(") != text.count(")"):
        missing = "a closing bracket" if text.count("(") > text.count(")") else "an opening bracket"
        return _problem(label, f"lacks {missing}", "Write settings as name(context=32768)")
    arrow = re.search(r" ?(?:→|=>|-->|—>|–>|>) ?|(?<=[a-z0-9_]) to (?=[a-z])", text, re.I)
    if arrow and "->" not in text.replace("-->", ""):
        mended = text[: arrow.start()] + "->" + text[arrow.end() :]
        if _LABEL.fullmatch(mended):
            return _problem(label, "has an arrow of another kind", f"Write {mended}")
    if "->" in text:
        if re.match(rf"{NAME}(?:\([^()]*\))? ?->", text, re.I):
            return _problem(label, "names one side of a comparison", "Write both sides: kv_cache.mha->decision")
        if text.endswith("->"):
            return _problem(label, "names one side of a comparison", f"Write both sides: {text}decision")
        if text.count("->") > 1:
            return _problem(label, "compares more than two sides", "Make a link of each pair")
        left, _, right = text.partition("->")
        if "." in right:
            mended = left.strip() + "->" + right.rpartition(".")[2].strip()
            return _problem(label, "repeats the metric after the arrow", f"Write {mended}")
    settings = re.match(rf"({NAME})\.({NAME}(?: ?-> ?{NAME})?)(\([^()]*\))\Z", text, re.I)
    if settings:
        return _problem(label, "has its settings after the side", f"Write {settings[1]}{settings[3]}.{settings[2]}")
    if re.fullmatch(rf"{NAME}(?:\([^()]*\))?(?:\.{NAME})+", text, re.I):
        return _problem(label, "names more than one side", "Write name.side, or name.from->to for a comparison")
    if "[" in text:
        return _problem(
            label,
            "holds square brackets, which a label cannot",
            "Give the path a name under claims: in the front matter",
        )
    if re.fullmatch(rf"{NAME}-+", text, re.I):
        return _problem(label, "ends with a hyphen", f"Write {text.rstrip('-')}")
    if re.fullmatch(r"[a-z][a-z0-9_ -]*", text, re.I):
        return _problem(label, "has spaces in its name", f"Write {text.replace(' ', '_').lower()}")
    return _problem(label, "is not a label of a claim", "Write name, name.side or name(setting=value).from->to")


def not_a_label(field: str) -> Problem:
    """The problem of a figure whose link has no label at all."""
    return Problem(field, NOTHING, "has no label", "Write [text][label]")
