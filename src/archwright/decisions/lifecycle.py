"""The life of a record: accept, reject, deprecate and supersede, in place, every other byte kept."""

from __future__ import annotations

import os
from dataclasses import dataclass

from archwright.atomic import sweep, write_bytes
from archwright.decisions import edits
from archwright.decisions.links import Graph, markdown_target
from archwright.decisions.record import Record, find_records, parse, read
from archwright.decisions.statuses import Status
from archwright.errors import NOTHING, ArchwrightError, NotSupported, Problem, UsageError, WriteFailed
from archwright.filenames import StrPath
from archwright.textio import Edit, Text, apply_edits, read_text

FROM: dict[str, tuple[Status, ...]] = {
    "accepted": ("proposed", "unknown"),
    "rejected": ("proposed", "unknown"),
    "deprecated": ("accepted", "unknown"),
    "superseded": ("accepted", "proposed", "deprecated", "unknown", "superseded"),
}
"""Which statuses may become which; a record that was rejected, deprecated or superseded is not brought back."""

_REMEDIES = {
    ("accepted", "rejected"): "write a new record that takes the decision up again: archwright adr new",
    ("accepted", "deprecated"): "write a new record that takes the decision up again: archwright adr new",
    ("accepted", "superseded"): "write a new record that supersedes its successor: archwright adr new",
    ("rejected", "accepted"): "deprecate it, or supersede it by another record: archwright adr deprecate {n}",
    ("deprecated", "proposed"): "reject it: archwright adr reject {n}",
    ("superseded", "rejected"): "leave it: a rejected record was never in force",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done: one message for each record, and the files that changed (none on a repeated run)."""

    messages: tuple[str, ...]
    changed: tuple[str, ...]


def accept(record: Record | StrPath) -> Outcome:
    """Make a proposed record accepted and keep what it was decided on; an accepted one without that is given it."""
    from .accepting import accept

    return accept(_path(record))


def reject(record: Record | StrPath) -> Outcome:
    """Make a proposed record rejected."""
    return set_status(record, "rejected")


def deprecate(record: Record | StrPath) -> Outcome:
    """Make an accepted record deprecated."""
    return set_status(record, "deprecated")


def set_status(record: Record | StrPath, status: Status, by: Record | StrPath | None = None) -> Outcome:
    """Give a record a status, in its file and its dialect; `by` names the successor of a superseded one.

    The file is read again before it is edited. UsageError: a change that makes no sense; NotSupported: the dialect
    cannot hold it; WriteFailed. Nothing has changed then.
    """
    if status == "superseded":
        if by is None:
            raise UsageError(Problem("status", status, "needs the record that supersedes", "name it with --by M"))
        return supersede(record, by)
    if status not in FROM:
        raise UsageError(Problem("status", status, f"is not one of {', '.join(FROM)}", "choose one of them"))
    path = _path(record)
    source = read_text(path)
    old = parse(source.text, path)
    if old.status == status:
        return Outcome((f"{old.label} is already {status}",), ())
    require(old, status)
    data = revised(source, old, edits.status_edits(old, status), status)
    _write_all([(path, data, source.raw)])
    return Outcome((f"{old.label} is {status} (was {_was(old)})",), (path,))


def supersede(old: Record | StrPath, by: Record | StrPath) -> Outcome:
    """Let one record take the place of another: both files say so, each in its dialect. A second run finishes a first.

    UsageError: a record by itself, in a circle, by one that is not in force, or one that was rejected; NotSupported: a
    dialect that cannot hold it; WriteFailed. Nothing has changed then.
    """
    old_path, new_path = _path(old), _path(by)
    old_source, new_source = read_text(old_path), read_text(new_path)
    old_record, new_record = parse(old_source.text, old_path), parse(new_source.text, new_path)
    if os.path.realpath(old_path) == os.path.realpath(new_path):
        rule = f"{old_record.label} cannot supersede itself"
        raise UsageError(Problem("", NOTHING, rule, "name another record with --by", old_record.where))
    graph = _graph(old_record, new_record)
    old_says = old_record.status == "superseded" and _linked(graph, old_record, "superseded_by", new_record)
    new_says = _linked(graph, new_record, "supersedes", old_record)
    if old_says and new_says:
        return Outcome((f"{old_record.label} is already superseded by {new_record.label}",), ())
    _require_successor(old_record, new_record, graph, begun=old_says or new_says)
    writes: list[tuple[str, bytes, bytes]] = []
    messages: list[str] = []
    if not new_says:
        reference = _reference(new_record, old_record, graph)
        data = revised(
            new_source,
            new_record,
            edits.supersedes_edits(new_record, reference),
            new_record.status,
            "supersedes",
            old_record,
        )
        writes.append((new_path, data, new_source.raw))
        messages.append(f"{new_record.label} supersedes {old_record.label}")
    else:
        messages.append(f"{new_record.label} already says that it supersedes {old_record.label}")
    if not old_says:
        require(old_record, "superseded")
        reference = _reference(old_record, new_record, graph)
        # A line of its own may say it already: then the status word alone is missing.
        said = _linked(graph, old_record, "superseded_by", new_record)
        edit = edits.status_edits(old_record, "superseded", None if said else reference)
        data = revised(old_source, old_record, edit, "superseded", "superseded_by", new_record)
        writes.append((old_path, data, old_source.raw))
        messages.append(f"{old_record.label} is superseded by {new_record.label} (was {_was(old_record)})")
    else:
        messages.append(f"{old_record.label} is already superseded by {new_record.label}")
    _write_all(writes)
    return Outcome(tuple(messages), tuple(path for path, _, _ in writes))


def require(record: Record, status: str) -> None:
    """UsageError unless the record's status may become `status`."""
    if record.status in FROM[status]:
        return
    remedy = _REMEDIES.get((status, record.status), "leave it as it is")
    remedy = remedy.format(n=record.number or record.stem)
    found = record.status + (f" by ADR-{record.superseded_by[0]}" if record.superseded_by[:1] else "")
    raise UsageError(Problem(record.label, NOTHING, f"is {found} and cannot be {status}", remedy, record.where))


def revised(
    source: Text,
    record: Record,
    edit: list[Edit],
    status: str,
    kind: str | None = None,
    other: Record | None = None,
) -> bytes:
    """The bytes of a record's file after edits, read again to prove that they say what they should and nothing else.

    NotSupported: they do not, so the dialect cannot hold the change.
    """
    data = source.edit(edit)
    after = parse(apply_edits(source.text, edit), record.path)
    expected = {k: set(getattr(record, k)) for k in ("superseded_by", "supersedes", "amended_by", "amends")}
    if kind is not None and other is not None:
        expected[kind].add(other.number or other.stem)
    same = (
        after.status == status
        and (after.number, after.title, after.date) == (record.number, record.title, record.date)
        and all(set(getattr(after, k)) == v for k, v in expected.items())
        and len(after.problems) <= len(record.problems)
    )
    if not same:
        rule = f"the status cannot be changed in place: {record.status_raw[:60]!r} leaves no room for it"
        raise NotSupported(Problem("", NOTHING, rule, "write it by hand, then run this again", record.where))
    return data


def _path(record: Record | StrPath) -> str:
    return record.path if isinstance(record, Record) else os.fspath(record)


def _was(record: Record) -> str:
    return (
        record.status
        if record.status != "unknown"
        else f"{record.status_raw[:40]!r}"
        if record.status_raw
        else "unknown"
    )


def _graph(old: Record, new: Record) -> Graph:
    """The records of both folders, as far as they can be read."""
    folders = dict.fromkeys(os.path.dirname(r.path) or "." for r in (old, new))
    records = {os.path.realpath(r.path): r for r in (old, new)}
    for path in find_records(folders):
        if os.path.realpath(path) not in records:
            try:
                records[os.path.realpath(path)] = read(path)
            except ArchwrightError:
                continue  # check reports it; it is neither of the two
    return Graph(records.values())


def _linked(graph: Graph, record: Record, kind: str, other: Record) -> bool:
    return any(
        link.kind == kind and any(c.path == other.path for c in graph.candidates(link, record)) for link in record.links
    )


def _require_successor(old: Record, new: Record, graph: Graph, begun: bool) -> None:
    if new.status in ("proposed", "rejected", "deprecated") or (new.status == "superseded" and not begun):
        remedy = (
            f"archwright adr accept {new.number or new.stem}" if new.status == "proposed" else "name a record in force"
        )
        rule = f"is {new.status} and so cannot supersede {old.label}"
        raise UsageError(Problem(new.label, NOTHING, rule, remedy, new.where))
    seen: set[str] = set()
    pending = [new]
    while pending:
        record = pending.pop()
        for later in graph.successors.get(record.path, ()):
            if later.path == old.path:
                rule = f"{new.label} is itself superseded by {old.label}"
                raise UsageError(Problem("", NOTHING, rule, "turn the two around, or name another record", new.where))
            if later.path not in seen:
                seen.add(later.path)
                pending.append(later)


def _reference(record: Record, other: Record, graph: Graph) -> str:
    """How `record` names another: a link where its dialect is Markdown, else the number, else the file."""
    alone = other.number is not None and len(graph.lookup(other.number)) == 1
    if record.dialect in edits.FRONT or record.dialect == "plain-text" or (record.spot is None and record.front):
        return other.label if alone else f"{other.stem}.md"
    path = os.path.relpath(other.path, os.path.dirname(record.path) or ".").replace(os.sep, "/")
    return f"[{other.label}]({markdown_target(path)})"


def _write_all(writes: list[tuple[str, bytes, bytes]]) -> None:
    """Write every file, or none: if one fails, those before it get their old bytes back."""
    for folder in dict.fromkeys(os.path.dirname(path) or "." for path, _, _ in writes):
        sweep(folder)
    done: list[tuple[str, bytes]] = []
    try:
        for path, data, before in writes:
            write_bytes(path, data)
            done.append((path, before))
    except WriteFailed:
        for path, before in done:
            write_bytes(path, before)
        raise
