"""Accepting: a record becomes accepted, and what it was decided on is kept."""

from __future__ import annotations

import os

from ..atomic import create_exclusive, sweep
from ..errors import NOTHING, Location, Problem, UsageError, WriteFailed
from ..textio import Text, apply_edits, read_text, write_text
from . import edits
from .fixing import with_definitions
from .frame import Frames
from .lifecycle import Outcome, require, revised
from .pinning import make_pin, needs_pin
from .pins import Pin
from .record import parse


def accept(path: str) -> Outcome:
    """Make a record accepted and pin it; one that is accepted without a pin is pinned as it is. May be repeated.

    The pin is written first and whole, then the record in one piece: whatever interrupts, a second run finishes.
    UsageError: a status that cannot become accepted, or a pin that was lost or edited; InvalidValue: a side of the
    record cannot be computed; NotSupported: its dialect has no place for the status or the pin; WriteFailed.
    """
    source = read_text(path)
    frames = Frames()
    frame = frames.of(source.text, path)
    record = frame.record
    already = record.status == "accepted"
    if not already:
        require(record, "accepted")
    if frame.document.conflicts:
        line = frame.document.conflicts[0]
        rule = "holds the marks of a merge conflict that was never resolved"
        remedy = "keep one side and remove the marks; archwright check --fix mends the definitions"
        raise UsageError(Problem(record.label, NOTHING, rule, remedy, Location(record.path, line, 1)))
    if already and record.decided_on is not None and frame.pin is not None and not frame.pin.edited:
        return Outcome((f"{record.label} is already accepted, decided on {record.decided_on}",), ())
    if already and record.decided_on is not None:
        return _restored(path, source, record.decided_on)
    if not frame.readable or not needs_pin(frame):
        return _without_pin(path, source)
    pin, text = make_pin(frame, os.path.dirname(path) or ".")
    wanted = [] if already else edits.status_edits(record, "accepted")
    wanted.append(edits.front_edit(record, "decided_on", pin.name))
    revised(source, record, wanted, "accepted")
    frames.pins.add(pin)
    made = with_definitions(frames, apply_edits(source.text, wanted), path)
    _write_pin(pin, text)
    sweep(os.path.dirname(path) or ".")
    write_text(path, made, like=source)
    is_now = "is pinned as it is" if already else f"is accepted (was {record.status})"
    return Outcome((f"{record.label} {is_now}, decided on {pin.name}",), (pin.path, path))


def _without_pin(path: str, source: Text) -> Outcome:
    """A record that speaks of no architecture: its status alone."""
    from .lifecycle import set_status

    return set_status(path, "accepted")


def _restored(path: str, source: Text, name: str) -> Outcome:
    """The lost pin of an accepted record written again, where the present base still gives the same one."""
    record = parse(source.text, path)
    frame = Frames().of(apply_edits(source.text, [edits.front_edit(record, "decided_on", "null")]), path)
    if needs_pin(frame):
        pin, text = make_pin(frame, os.path.dirname(path) or ".")
        if pin.name == name and not os.path.lexists(pin.path):
            _write_pin(pin, text)
            return Outcome((f"{record.label} was decided on {name}, which is written again",), (pin.path,))
    rule = f"was decided on {name}, which was lost or edited and is not what the present base gives"
    remedy = "bring the file back from the history: git log --all -- " + os.path.join(
        os.path.dirname(path) or ".", "bases", f"{name}.yaml"
    )
    raise UsageError(Problem(record.label, NOTHING, rule, remedy, record.place("decided_on")))


def _write_pin(pin: Pin, text: str) -> None:
    folder = os.path.dirname(pin.path)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise WriteFailed(
            Problem("", NOTHING, f"cannot be made: {error.strerror}", "make room for it", Location(folder))
        ) from None
    sweep(folder)
    try:
        create_exclusive(pin.path, text)
    except FileExistsError:
        from .pins import Pins

        present = Pins().find(pin.name, os.path.dirname(folder))
        if isinstance(present, Problem) or present.edited:
            rule = "stands where the pin belongs and was edited"
            remedy = f"bring it back: git checkout HEAD -- {pin.path}, or remove it"
            raise WriteFailed(Problem("", NOTHING, rule, remedy, Location(pin.path))) from None
