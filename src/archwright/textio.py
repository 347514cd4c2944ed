"""Text files: read with all refusals stated, edited by span, written whole or not at all."""

from __future__ import annotations

import codecs
import os
import stat
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from archwright.atomic import create_exclusive, sweep, unencodable, write_bytes
from archwright.errors import NOTHING, Location, Problem, Unreadable, WriteFailed
from archwright.filenames import StrPath, shown, why_not

__all__ = [
    "LIMIT",
    "Edit",
    "Text",
    "apply_edits",
    "create_exclusive",
    "line_column",
    "read_text",
    "rewritten",
    "shown",
    "sweep",
    "write_bytes",
    "write_text",
]

LIMIT = 16 * 2**20
"""Largest file that is read unless a caller says otherwise, in bytes."""

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Edit(NamedTuple):
    """One replacement: the characters from `start` up to `end` become `replacement`."""

    start: int
    end: int
    replacement: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text file as read: `text` has no byte order mark and "\\n" line ends, `raw` is what is on disk."""

    text: str = field(repr=False)
    bom: bool
    newline: str
    raw: bytes = field(repr=False)
    path: str
    encoding: str = "utf-8"

    @property
    def shown(self) -> str:
        """The path as messages show it."""
        return shown(self.path)

    def location(self, offset: int) -> Location:
        """The place of a character of `text`."""
        return Location(self.shown, *line_column(self.text, offset))

    def edit(self, edits: Iterable[tuple[int, int, str]]) -> bytes:
        """The file's bytes after edits at offsets of `text`; every byte outside the edits stays as it is.

        Inserted line ends are written as the file's own. ValueError: edits that overlap or lie outside.
        """
        original = _decode(self.raw, self.encoding, self.bom)
        ordered = _ordered(edits, len(self.text))
        if "\r\n" in original:
            # The n-th CRLF is one character shorter in `text`, so offsets after it move by one each.
            breaks = [found - n for n, found in enumerate(_find_all(original, "\r\n"))]
            ordered = [Edit(s + bisect_left(breaks, s), e + bisect_left(breaks, e), r) for s, e, r in ordered]
        native = [Edit(s, e, _with_newline(r, self.newline)) for s, e, r in ordered]
        if original.count("\r") > original.count("\r\n"):
            native = _apart(original, native)
        return self.encode(apply_edits(original, native))

    def encode(self, text: str) -> bytes:
        """Text in the file's encoding, with its byte order mark; line ends as they are given."""
        mark = next((m for m, e in _BOMS if e == self.encoding), b"") if self.bom else b""
        return mark + text.encode(self.encoding)


def line_column(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of a character of a text with "\\n" line ends."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def apply_edits(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """The text after all edits, whose offsets are those of the text as given; ValueError where they overlap."""
    parts: list[str] = []
    done = 0
    for start, end, replacement in _ordered(edits, len(text)):
        parts += (text[done:start], replacement)
        done = end
    parts.append(text[done:])
    return "".join(parts)


def _ordered(edits: Iterable[tuple[int, int, str]], length: int) -> list[Edit]:
    # Stable: insertions at one place keep their order.
    ordered = sorted((Edit(*edit) for edit in edits), key=lambda e: (e.start, e.end))
    done = 0
    for edit in ordered:
        if not 0 <= edit.start <= edit.end <= length:
            raise ValueError(f"edit {edit.start}-{edit.end} lies outside a text of {length} characters")
        if edit.start < done:
            raise ValueError(f"edit {edit.start}-{edit.end} overlaps the one before it, which ends at {done}")
        done = edit.end
    return ordered


def _apart(original: str, edits: list[Edit]) -> list[Edit]:
    # A line end written as CR alone must not meet an LF after the edit: it is then written anew, too.
    result: list[Edit] = []
    done = 0
    for edit in edits:
        start = edit.start
        while start > done and original[start - 1] == "\r":
            start -= 1
        result.append(Edit(start, edit.end, "\n" * (edit.start - start) + edit.replacement))
        done = edit.end
    return result


def _find_all(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + len(part))


def _with_newline(text: str, newline: str) -> str:
    plain = text.replace("\r\n", "\n") if "\r" in text else text
    return plain if newline == "\n" else plain.replace("\n", newline)


# ---------------------------------------------------------------- reading


def read_text(path: StrPath, limit: int = LIMIT) -> Text:
    """A text file, UTF-8 or with a byte order mark UTF-16 or UTF-32.

    Unreadable: missing, a folder, a pipe or device (never waits), no permission, a loop of links, larger than
    `limit` bytes (before reading it), not text in its encoding, or with a NUL character.
    """
    name = os.fspath(path)
    raw = _read_bytes(name, limit)
    bom, encoding = next(((True, e) for mark, e in _BOMS if raw.startswith(mark)), (False, "utf-8"))
    try:
        text = _decode(raw, encoding, bom)
    except UnicodeDecodeError as problem:
        raise Unreadable(_not_text(name, problem, encoding, bom)) from None
    crlf = text.count("\r\n")
    newline = "\r\n" if crlf * 2 > text.count("\n") else "\n"
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if (nul := text.find("\0")) >= 0:
        remedy = "remove it"
        if not bom and raw.count(0) * 3 > len(raw):
            remedy = "save the file as UTF-8: it looks like UTF-16 without a byte order mark"
        raise Unreadable(
            Problem(
                "", NOTHING, "holds a NUL character (U+0000)", remedy, Location(shown(name), *line_column(text, nul))
            )
        )
    return Text(text, bom, newline, raw, name, encoding)


def _decode(raw: bytes, encoding: str, bom: bool) -> str:
    mark = next((len(m) for m, e in _BOMS if e == encoding), 0) if bom else 0
    return raw[mark:].decode(encoding)


def _not_text(name: str, problem: UnicodeDecodeError, encoding: str, bom: bool) -> Problem:
    data = bytes(problem.object)
    before = data[: problem.start].decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n")
    where = Location(shown(name), *line_column(before, len(before)))
    found = " ".join(f"0x{byte:02X}" for byte in data[problem.start : max(problem.end, problem.start + 1)][:4])
    label = encoding.removesuffix("-le").removesuffix("-be").upper()
    seen = f", which its byte order mark announces (found {found})" if bom else f": found the byte {found}"
    return Problem("", NOTHING, f"is not {label}{seen}", "save the file as UTF-8", where)


def _read_bytes(name: str, limit: int) -> bytes:
    fd = -1
    try:
        _refuse_special(name, os.stat(name), limit)
        # O_NONBLOCK: should the name become a pipe between stat and open, nothing waits for a writer.
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        _refuse_special(name, os.fstat(fd), limit)
        parts: list[bytes] = []
        size = 0
        while chunk := os.read(fd, 2**20):
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                raise _too_large(name, size, limit)
        return b"".join(parts)
    except OSError as problem:
        raise Unreadable(why_not(name, problem, "read")) from None
    except ValueError as problem:
        if isinstance(problem, Unreadable):
            raise
        # A NUL or a lone surrogate: no file can have such a name.
        raise Unreadable(Problem("", NOTHING, "is not a file name", where=Location(shown(name)))) from None
    finally:
        if fd >= 0:
            os.close(fd)


def _refuse_special(name: str, status: os.stat_result, limit: int) -> None:
    if stat.S_ISREG(status.st_mode) and status.st_size <= limit:
        return
    where = Location(shown(name))
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable(Problem("", NOTHING, "is a folder, not a file", "name a file in it", where))
    if not stat.S_ISREG(status.st_mode):
        kind = "a named pipe" if stat.S_ISFIFO(status.st_mode) else "a device or socket"
        raise Unreadable(Problem("", NOTHING, f"is {kind}, not a file", "save the text in a file and name that", where))
    raise _too_large(name, status.st_size, limit)


def _too_large(name: str, size: int, limit: int) -> Unreadable:
    rule = f"has {size:,} bytes, more than the limit of {limit:,}"
    return Unreadable(Problem("", NOTHING, rule, "name a smaller file", Location(shown(name))))


# ---------------------------------------------------------------- writing


def write_text(path: StrPath, text: str, like: Text | None = None) -> None:
    """Write a text whole or not at all; with `like`, its mark, encoding and, line by line, its line ends are kept.

    WriteFailed: the reason, with the path; the old file is then untouched.
    """
    try:
        data = text.encode() if like is None else rewritten(like, text)
    except UnicodeEncodeError as problem:
        raise WriteFailed(unencodable(path, problem)) from None
    write_bytes(path, data)


def rewritten(like: Text, text: str) -> bytes:
    """The bytes of a file after its text has become another: mark, encoding and, line by line, line ends are kept."""
    return like.edit(_line_edits(like.text, _with_newline(text, "\n")))


def _line_edits(old: str, new: str) -> list[Edit]:
    """Edits, by whole lines, that turn one text into another: first the equal ends, then what differs between."""
    a, b = _lines(old), _lines(new)
    head = _equal(a, b, lambda n: n)
    tail = min(_equal(a, b, lambda n: -1 - n), min(len(a), len(b)) - head)
    starts = [0]
    for line in a:
        starts.append(starts[-1] + len(line))
    left, right = a[head : len(a) - tail], b[head : len(b) - tail]
    if max(len(left), len(right)) > 2000 or not left or not right:  # comparing is quadratic
        return [Edit(starts[head], starts[len(a) - tail], "".join(right))]
    import difflib

    codes = difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    return [Edit(starts[head + i], starts[head + j], "".join(right[k:n])) for op, i, j, k, n in codes if op != "equal"]


def _lines(text: str) -> list[str]:
    # Not str.splitlines: it also breaks at form feeds and Unicode separators, which are characters here.
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _equal(a: list[str], b: list[str], at: Callable[[int], int]) -> int:
    count, most = 0, min(len(a), len(b))
    while count < most and a[at(count)] == b[at(count)]:
        count += 1
    return count
