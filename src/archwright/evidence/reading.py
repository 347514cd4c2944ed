"""From a file's data to a record, with everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import NOTHING, Problem, Unreadable
from .record import Arm, Curve, Evidence, Identity, Measure, Stated, content_hash
from .schema import problems as schema_problems
from .summary import differences


def from_dict(data: Any) -> Evidence:
    """A record from its data. Unreadable lists all problems: its shape, its rules, its summary, its hash."""
    found = schema_problems(data)
    if found:
        if isinstance(data, dict) and data.get("hash") and data.get("hash") != _hash_or_none(data):
            found.insert(0, _edited())
        raise Unreadable(found)
    made = _build(data)
    if data["hash"] != content_hash(data):
        found.append(_edited())
    found += made.rules()
    if not found:
        found += differences(made)
    if found:
        raise Unreadable(found)
    made.__dict__["hash"] = data["hash"]
    return made


def _hash_or_none(data: Mapping[str, Any]) -> str | None:
    try:
        return content_hash(data)
    except (ValueError, TypeError):
        return None


def _edited() -> Problem:
    remedy = "Restore it (git checkout -- FILE), or run it again: evidence is never edited"
    return Problem("hash", NOTHING, "does not match the content: the file was changed after it was written", remedy)


def _build(data: Mapping[str, Any]) -> Evidence:
    return Evidence(
        kind=data["kind"],
        target=data["target"],
        measures={
            name: Measure(m["unit"], m["better"], m["summary"], m.get("chance"), m.get("scale", 1.0))
            for name, m in data["measures"].items()
        },
        arms=tuple(_build_arm(arm) for arm in data["arms"]),
        created=data["created"],
        command=tuple(data["command"]),
        device=data["device"],
        settings=data["settings"],
        paired=data["paired"],
        environment=data["environment"],
        peaks=data.get("peaks", {}),
        conditions=data.get("conditions", {}),
        notes=tuple(data.get("notes", ())),
        summary=data["summary"],
    )


def _build_arm(data: Mapping[str, Any]) -> Arm:
    a = data["architecture"]
    identity = a and Identity(
        a["name"], a["fingerprint"], a["scope"], a["parts"], a.get("where", ""), a.get("fields", {})
    )
    return Arm(
        name=data["name"],
        architecture=identity,
        settings=data.get("settings", {}),
        code=data.get("code", {}),
        work=data.get("work", {}),
        samples=data.get("samples", {}),
        keys=data.get("keys", {}),
        stated={n: Stated(s["value"], s["stderr"], s["n"]) for n, s in data.get("stated", {}).items()},
        curves=tuple(Curve(c["measure"], c["key"], tuple(c["x"]), tuple(c["y"])) for c in data.get("curves", ())),
    )
