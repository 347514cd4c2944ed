"""renumber: a record gets another number, in its file's name, its heading, and every link to it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from ..atomic import create_exclusive, sweep
from ..errors import NOTHING, ArchwrightError, Problem, UsageError, WriteFailed
from ..filenames import why_not
from ..textio import Edit, apply_edits, read_text, rewritten, write_text
from .fixing import with_definitions
from .frame import Frames, shown
from .links import Graph, markdown_target
from .names import NameParts, name_parts, stem_of, walk
from .numbering import locked, next_number
from .record import Record, parse, read

_INLINE = re.compile(r"\[((?:[^\[\]\\\n]|\\.)*)\]\(\s*<?([^()<>\s]+)>?(?:\s+[\"'][^\"'\n]*[\"'])?\s*\)")
_HEADING = re.compile(
    r"^(#[ \t]+\W*(?:architectur\w+ decision(?: record)?|ADRs?|decision record)[\s#_-]*|#[ \t]+\[?)(0*)(\d+)"
    r"(?=(?P<letter>[a-z]?)\b)",
    re.I | re.M,
)


@dataclass(slots=True)
class Renumbered:
    """What was done: messages, files that changed, and mentions that a person has to decide."""

    messages: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Move:
    """One record on its way to another number."""

    old: Record
    new_path: str
    new_number: int
    unique: bool
    """Whether the old number meant this record alone, so that mentions of the number follow it."""

    @property
    def parts(self) -> NameParts:
        """The old file name taken apart."""
        return name_parts(self.old.stem)


def renumber(folder: str, path: str | None = None, to: int | None = None) -> Renumbered:
    """Give a record another number (by default the next free one), or mend all numbers that two records have.

    The renumbered file is written first, then the links in all records below the folder, then the old file goes: a
    run that was interrupted is finished by a second one. UsageError: a number that is taken, a file without one;
    WriteFailed.
    """
    if to is not None and path is None:
        raise UsageError(Problem("--to", to, "needs the record that gets this number", "Name its path"))
    done = Renumbered()
    with locked(folder):
        sweep(folder)
        if path is not None:
            move = _move_of(folder, path, to, done)
            if move is not None:
                _carry_out(folder, move, done)
            return done
        while (move := _next_duplicate(folder)) is not None:
            _carry_out(folder, move, done)
    if not done.messages:
        done.messages.append("no two records have one number")
    return done


# Which record gets which number -----------------------------------------------------------------------------------


def _records(folder: str) -> list[Record]:
    found = []
    for path in walk(folder):
        try:
            record = read(path)
        except ArchwrightError:
            continue  # check reports it
        if record.is_record:
            found.append(record)
    return found


def _next_duplicate(folder: str) -> _Move | None:
    """The next record that has to give up its number: of those that share one all but the one that has it longest."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in _records(folder):
        if record.number is not None:
            groups.setdefault((os.path.dirname(record.path), record.number), []).append(record)
    for (_, _), together in sorted(groups.items()):
        if len(together) > 1:
            last = sorted(together, key=_seniority)[-1]
            return _to(folder, last, None, unique=False)
    return None


def _seniority(record: Record) -> tuple[bool, str, str]:
    """What was decided, and earlier, keeps its number."""
    return record.status in ("proposed", "unknown"), record.date or "9999", record.path


def _move_of(folder: str, path: str, to: int | None, done: Renumbered) -> _Move | None:
    if not os.path.lexists(path):
        parts = name_parts(stem_of(path))
        made = _with_rest(os.path.dirname(path) or ".", parts, to) if to is not None else None
        if made is not None:
            done.messages.append(f"{shown(path)} is {shown(made)} already")
            return None
        raise UsageError(Problem(path, NOTHING, "does not exist", "See archwright adr list"))
    record = read(path)
    if record.number is None:
        raise UsageError(Problem(record.label, NOTHING, "has no number in its file's name", "Rename the file by hand"))
    if to is not None and str(to) == record.number:
        done.messages.append(f"{record.label} has that number already")
        return None
    same = [r for r in _records(folder) if r.number == record.number and not _same(r.path, path)]
    taken = [r for r in _records(folder) if to is not None and r.number == str(to) and not _copy_of(record, r, to)]
    if taken:
        number = next_number(folder)
        remedy = f"take a free one: --to {number}"
        raise UsageError(Problem("--to", to, f"is the number of {shown(taken[0].path)}", remedy))
    return _to(folder, record, to, unique=not same)


def _to(folder: str, record: Record, to: int | None, unique: bool) -> _Move:
    parts = name_parts(record.stem)
    here = os.path.dirname(record.path)
    number = to
    if number is None:
        begun = [name_parts(stem_of(p)) for p in walk(here or ".") if os.path.dirname(p) == here]
        for other in begun:
            if other.rest == parts.rest and other.digits and other.digits != parts.digits:
                candidate = os.path.join(here, _name(parts, int(other.digits)))
                if os.path.lexists(candidate) and _copy_of(record, read(candidate), int(other.digits)):
                    number = int(other.digits)
    if number is None:
        number = next_number(folder)
    return _Move(record, os.path.join(here, _name(parts, number)), number, unique)


def _name(parts: NameParts, number: int) -> str:
    rest = f"-{parts.rest}" if parts.rest else ""
    return f"{parts.prefix}{number:0{len(parts.digits)}}{rest}.md"


def _with_rest(folder: str, parts: NameParts, number: int) -> str | None:
    path = os.path.join(folder, _name(parts, number))
    return path if parts.digits and os.path.lexists(path) else None


def _copy_of(old: Record, new: Record, number: int) -> bool:
    """Whether a file is what an interrupted run made of a record."""
    return name_parts(new.stem).rest == name_parts(old.stem).rest and new.text == _own_text(old, new.path, number)


def _same(a: str, b: str) -> bool:
    return os.path.realpath(a) == os.path.realpath(b)


# Doing it -------------------------------------------------------------------------------------------------------------


def _carry_out(folder: str, move: _Move, done: Renumbered) -> None:
    old = move.old
    source = read_text(old.path)
    text = _own_text(old, move.new_path, move.new_number)
    try:
        create_exclusive(move.new_path, rewritten(source, text))
    except FileExistsError:
        if read_text(move.new_path).text != text:
            rule = "stands where the renumbered record belongs"
            raise WriteFailed(Problem(shown(move.new_path), NOTHING, rule, "Rename that file first")) from None
    done.changed.append(move.new_path)
    records = _records(folder)
    graph = Graph(records)
    for path in _documents(folder):
        if _same(path, old.path) or _same(path, move.new_path):
            continue
        try:
            other = read_text(path)
        except ArchwrightError:
            continue
        wanted = list(_link_edits(other.text, path, move, graph, done))
        if wanted:
            write_text(path, apply_edits(other.text, wanted), like=other)
            done.changed.append(path)
    try:
        os.unlink(old.path)
    except OSError as error:
        raise WriteFailed(why_not(old.path, error, "removed")) from None
    label = f"ADR-{move.new_number:0{len(move.parts.digits)}}"
    done.messages.append(f"{old.label} is {label} now: {shown(old.path)} -> {shown(move.new_path)}")


def _documents(folder: str) -> Iterator[str]:
    """Every Markdown file below the records' folder, indexes and READMEs included."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in ("node_modules", "__pycache__"))
        for name in sorted(files):
            if name.lower().endswith((".md", ".markdown")) and not name.startswith("."):
                yield os.path.join(here, name)


def _own_text(record: Record, path: str, number: int) -> str:
    """The record's own text with its new number: heading, `number:` or `id:`, links to itself, definitions."""
    text = record.text
    parts = name_parts(record.stem)
    edits: list[Edit] = []
    heading = _HEADING.search(text)
    if heading and int(heading[3]) == int(parts.digits) and _is_number(text, heading):
        width = len(heading[2] + heading[3])
        edits.append(Edit(heading.start(2), heading.end(3), f"{number:0{width}}" if heading[2] else str(number)))
    for key in ("number", "id"):
        raw = record.front.raw.get(key) if record.front is not None else None
        if raw is not None and raw.value.isdigit() and int(raw.value) == int(parts.digits):
            edits.append(
                Edit(raw.start, raw.end, f"{number:0{len(raw.value)}}" if raw.value[0] == "0" else str(number))
            )
    edits += _by_stem(text, record.stem, stem_of(path))
    made = apply_edits(text, _apart(edits))
    frames = Frames()
    frame = frames.of(made, path, path)
    return with_definitions(frames, made, path) if frame.relevant and frame.readable else made


def _is_number(text: str, heading: re.Match[str]) -> bool:
    """Whether the figure at the head of a title is the record's number: `# 8 KV heads` begins with a word."""
    words = heading[1].lstrip("# \t[").strip()
    return (
        bool(words)
        or bool(heading[2])
        or text[heading.end() : heading.end() + 1] in ".:)"
        or bool(re.match(r"\]?\s+[-–—]\s", text[heading.end() : heading.end() + 4]))
    )


def _link_edits(text: str, path: str, move: _Move, graph: Graph, done: Renumbered) -> Iterator[Edit]:
    """The edits that let a document name the record by its new number."""
    old = move.old
    edits = list(_to_file(text, path, move))
    alone = sum(r.stem.lower() == old.stem.lower() for r in graph.records) == 1
    if alone:
        edits += _by_stem(text, old.stem, stem_of(move.new_path))
    digits = int(move.parts.digits)
    letter = move.parts.letter
    record = parse(text, path)
    for link in record.links:
        means = graph.candidates(link, record)
        if link.ref == old.number and len(means) == 1 and _same(means[0].path, old.path):
            start = _offset(text, link.line, link.column)
            found = re.compile(rf"(?:[A-Za-z ]+[\s_#:-]*)?#?(0*)({digits}){letter}(?![\w-])").match(text, start)
            if found:
                edits.append(_padded(found, move.new_number))
    named = re.compile(rf"\b(?:ADRs?|decision record)[\s_#-]{{0,2}}(0*)({digits}){letter}(?![\w.]*\w)(?!-\w)", re.I)
    taken = [(e.start, e.end) for e in edits]
    for found in named.finditer(text):
        if any(start < found.end() and found.start() < end for start, end in taken):
            continue
        if move.unique:
            edits.append(_padded(found, move.new_number))
        elif not _resolved_elsewhere(text, path, found, graph):
            line = text.count("\n", 0, found.start()) + 1
            done.left.append(f"{shown(path)}:{line}: {found[0]} may mean {old.stem}")
    yield from _apart(edits)


def _padded(found: re.Match[str], number: int) -> Edit:
    width = len(found[1] + found[2])
    return Edit(found.start(1), found.end(2), f"{number:0{width}}" if found[1] else str(number))


def _to_file(text: str, path: str, move: _Move) -> Iterator[Edit]:
    """Links whose target is the old file: the target, and the number in the words of the link."""
    digits, letter = int(move.parts.digits), move.parts.letter
    for found in _INLINE.finditer(text):
        target, _, fragment = found[2].partition("#")
        if "://" in target or not target:
            continue
        place = os.path.join(os.path.dirname(path), unquote(target))
        if os.path.normpath(place) != os.path.normpath(move.old.path):
            continue
        new = os.path.relpath(move.new_path, os.path.dirname(path) or ".").replace(os.sep, "/")
        lead = "./" if target.startswith("./") else ""
        yield Edit(found.start(2), found.end(2), lead + markdown_target(new) + (f"#{fragment}" if fragment else ""))
        said = re.compile(rf"(?<![\w.])(0*)({digits}){letter}(?![\w.]*\w)").search(text, found.start(1), found.end(1))
        if said and re.match(r"(?i)\W*(?:(?:ADRs?|record|decision)[\s_#-]*)?$", text[found.start(1) : said.start()]):
            yield _padded(said, move.new_number)


def _resolved_elsewhere(text: str, path: str, mention: re.Match[str], graph: Graph) -> bool:
    """Whether a mention of the number is the text of a link that says which file it means."""
    for found in _INLINE.finditer(text):
        if found.start() <= mention.start() < found.end():
            place = os.path.normpath(os.path.join(os.path.dirname(path), unquote(found[2].partition("#")[0])))
            return any(os.path.normpath(r.path) == place for r in graph.records)
    return False


def _by_stem(text: str, old: str, new: str) -> list[Edit]:
    """Every mention of the file by its name."""
    found = re.finditer(rf"(?<![\w-]){re.escape(old)}(?![\w-])", text)
    return [Edit(m.start(), m.end(), new) for m in found]


def _offset(text: str, line: int, column: int) -> int:
    at = 0
    for _ in range(line - 1):
        at = text.index("\n", at) + 1
    return at + column - 1


def _apart(edits: Sequence[Edit]) -> list[Edit]:
    """Edits without those that another, which is wider or came first, holds already."""
    kept: list[Edit] = []
    for edit in sorted(edits, key=lambda e: (e.start, -(e.end - e.start))):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return kept
