"""A diff for a terminal, for a pull request's comment, and as data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ..arch.selectors import plain
from ..costs.table import number
from ..costs.table import plain_text as columns
from .diff import ArchitectureDiff, Changed, ClaimChange, Diff, Need, RecordChange
from .governance import MISSING
from .links import markdown_target
from .output import plural
from .requirements import Outcome
from .standing import value_text

FOLDED = 12
"""Rows from which on a table of a comment is folded."""
GOOD = ("holds", "cited", "assumed")


LONGEST = 36
"""Characters of a value in a table; a map may be longer than any screen."""


def _value(value: Any) -> str:
    said = "–" if value is MISSING or value is None else value_text(value)
    return said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"


def _heading(one: ArchitectureDiff) -> str:
    if one.problem:
        return one.problem
    count = len(one.fields)
    said = f"{plural(count, 'field')} changed" if count else "no field changed"
    touched = len(one.touched)
    return said + (f", {plural(touched, 'decision')} touched" if touched else "")


def _needs(one: ArchitectureDiff) -> Iterator[tuple[str, str, str]]:
    """Name, state and words of every requirement, those that changed first."""
    order = ("newly broken", "broken", "still broken", "removed", "holds again", "holds", "still holds")
    for need in sorted(one.needs, key=lambda n: order.index(n.state)):
        yield need.name, need.state, _need_words(need)


def _need_words(need: Need) -> str:
    if need.after is None:
        return ""
    return f"{need.after.requirement.metric} {need.after.said}" + _at(need.after)


def _at(found: Outcome) -> str:
    context = dict(found.requirement.settings).get("context")
    return f" at {context:,} tokens" if isinstance(context, int) else ""


def _record_words(change: RecordChange) -> str:
    if not change.before:
        return f"new, {change.after}"
    return f"{change.before}, now gone" if not change.after else f"{change.before}, now {change.after}"


def _claim_words(change: ClaimChange) -> str:
    claim = change.claim
    said = f"{change.before} before, {claim.verdict} now" if change.before else f"{claim.verdict} (new)"
    return f"{said}: {claim.message}" if claim.message and claim.verdict not in GOOD else said


def _nothing(found: Diff) -> bool:
    return not (found.architectures or found.records or found.claims or found.errors)


# For a terminal ---------------------------------------------------------------------------------------------------


def text(found: Diff, width: int = 100) -> str:
    """The diff on a screen."""
    lines = [f"{found.before} to {found.after}"]
    for one in found.architectures:
        lines += ["", f"{one.name} · {_heading(one)}", *_text_table(one)]
        for name, state, words in _needs(one):
            lines.append(f"  requirement {name} {state}{': ' if words else ''}{words}")
    if found.records:
        lines += ["", "records"]
        for record in found.records:
            lines.append(f'  {record.label} "{record.title}": {_record_words(record)}')
    if found.claims:
        lines += ["", "claims"]
        for change in found.claims:
            claim = change.claim
            lines.append(f"  {claim.path}:{claim.line}:{claim.column}  {claim.text}  {_claim_words(change)}")
    if found.errors:
        lines += ["", "new errors"]
        lines += [f"  {f.path}:{f.line}:{f.column}  {f.message} [{f.code}]" for f in found.errors]
    if _nothing(found):
        lines.append("no architecture, record or claim differs")
    elif found.evidence and not any(c.claim.verdict == "stale" for c in found.claims):
        lines += ["", "no evidence goes stale"]
    lines += [f"note: {note}" for note in found.notes]
    return "\n".join(lines)


def _text_table(one: ArchitectureDiff) -> list[str]:
    rows = [[c.change.shown, _value(c.change.before), _value(c.change.after), _governed(one, c)] for c in one.fields]
    rows += [[c.label, *c.texts, c.relation] for c in one.costs]
    if not rows:
        return []
    table = columns(["", "before", "after", ""], rows, [False, True, True, False])
    return [f"  {line}".rstrip() for line in table.split("\n")]


def _governed(one: ArchitectureDiff, changed: Changed) -> str:
    who = changed.governor
    if who is None:
        return "no record decides it" if one.governed else ""
    when = f", accepted {who.date}" if who.date else ""
    if who.broken:
        return f"governed by {who.label}{when}: supersede it or undo this"
    return f"decided in {who.label}{when}"


# For a pull request -----------------------------------------------------------------------------------------------


def markdown(found: Diff, links: str = "") -> str:
    """The diff as one comment; `links` is put before the paths of records."""
    parts: list[str] = []
    for one in found.architectures:
        parts.append(f"**{_escaped(one.name)}**: {_escaped(_heading(one))}")
        rows = [_markdown_row(one, changed, links) for changed in one.fields]
        costs = [[c.label, *c.texts, c.relation] for c in one.costs]
        if rows and len(rows) > FOLDED:
            parts.append(_table(costs))
            parts.append(f"<details><summary>{plural(len(rows), 'field')}</summary>\n\n{_table(rows)}\n</details>")
        elif rows or costs:
            parts.append(_table([*rows, *costs]))
        needs = [_markdown_need(*need) for need in _needs(one)]
        if needs:
            parts.append("\n".join(f"- {line}" for line in needs) if len(needs) > 1 else needs[0])
    if found.records:
        parts.append("\n".join(f"- {_record_link(r, links)}: {_record_words(r)}" for r in found.records))
    if found.claims:
        lines = ["Claims whose verdict changed:", ""]
        for change in found.claims:
            claim = change.claim
            place = f"[{_escaped(claim.path)}:{claim.line}]({links}{markdown_target(claim.path)})"
            lines.append(f"- {place} `{_code(claim.text)}`: {_escaped(_claim_words(change))}")
        parts.append("\n".join(lines))
    if found.errors:
        lines = ["New errors:", ""]
        for finding in found.errors:
            place = f"[{_escaped(finding.path)}:{finding.line}]({links}{markdown_target(finding.path)})"
            lines.append(f"- {place} {_escaped(finding.message)} (`{finding.code}`)")
        parts.append("\n".join(lines))
    if _nothing(found):
        parts.append("No architecture, record or claim differs.")
    elif found.evidence and not any(c.claim.verdict == "stale" for c in found.claims):
        parts.append("No evidence goes stale.")
    parts += [_escaped(note) for note in found.notes]
    return "\n\n".join(parts) + "\n"


def _markdown_row(one: ArchitectureDiff, changed: Changed, links: str) -> list[str]:
    change, who = changed.change, changed.governor
    said = "no record decides it" if one.governed else ""
    if who is not None:
        link = f"[{who.label}]({links}{markdown_target(who.path.replace(os.sep, '/'))})"
        when = f", accepted {who.date}" if who.date else ""
        said = f"governed by {link}{when}: supersede it or undo this" if who.broken else f"decided in {link}{when}"
    return [f"`{change.shown}`", *(_escaped(_value(v)) for v in (change.before, change.after)), said]


def _markdown_need(name: str, state: str, words: str) -> str:
    shown = f"**{state}**" if "broken" in state else state
    return f"Requirement `{_code(name)}` {shown}{': ' if words else ''}{_escaped(words)}."


def _record_link(record: RecordChange, links: str) -> str:
    title = _escaped(record.title)
    if not record.after:
        return f"{record.label} {title}"
    return f"[{record.label} {title}]({links}{markdown_target(record.path.replace(os.sep, '/'))})"


def _table(rows: list[list[str]]) -> str:
    lines = ["| | before | after | |", "|---|--:|--:|---|"]
    return "\n".join([*lines, *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)])


def _escaped(words: str) -> str:
    return "".join("\\" + c if c in "\\`*_[]<>#" else c for c in " ".join(words.split()))


def _code(words: str) -> str:
    return " ".join(words.replace("`", "'").split())


# As data ----------------------------------------------------------------------------------------------------------


def as_data(found: Diff) -> dict[str, Any]:
    """The document of schema archwright/diff/1."""
    return {
        "schema": "archwright/diff/1",
        "before": found.before,
        "after": found.after,
        "architectures": [_architecture_data(one) for one in found.architectures],
        "records": [
            {"path": r.path, "label": r.label, "title": r.title, "before": r.before or None, "after": r.after or None}
            for r in found.records
        ],
        "claims": [
            {**change.claim.to_dict(), "before": change.before or None, "after": change.claim.verdict}
            for change in found.claims
        ],
        "errors": [f.to_dict() for f in found.errors],
        "notes": list(found.notes),
    }


def _architecture_data(one: ArchitectureDiff) -> dict[str, Any]:
    return {
        "name": one.name,
        "problem": one.problem or None,
        "fields": [
            {
                "field": c.change.name,
                "before": None if c.change.before is MISSING else plain(c.change.before),
                "after": None if c.change.after is MISSING else plain(c.change.after),
                "record": c.governor.path if c.governor else None,
                "broken": bool(c.governor and c.governor.broken),
            }
            for c in one.fields
        ],
        "costs": [
            {
                "metric": c.metric,
                "settings": dict(c.settings),
                "before": number(c.before.value),
                "after": number(c.after.value),
                "unit": c.before.unit,
                "change": c.relation,
            }
            for c in one.costs
        ],
        "requirements": [{"name": name, "state": state, "said": words} for name, state, words in _needs(one)],
    }
