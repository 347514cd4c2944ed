"""Why: decision records, their dialects, links between them, and their life from proposal to supersession."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archwright.decisions.heads import Link
    from archwright.decisions.lifecycle import accept, deprecate, reject, set_status, supersede
    from archwright.decisions.links import LinkIssue, check_links
    from archwright.decisions.numbering import create, next_number, slug
    from archwright.decisions.record import Record, find_records, parse, read
    from archwright.decisions.template import render

_EXPORTS = {
    **dict.fromkeys(("Record", "find_records", "parse", "read"), "record"),
    **dict.fromkeys(("LinkIssue", "check_links"), "links"),
    **dict.fromkeys(("accept", "deprecate", "reject", "set_status", "supersede"), "lifecycle"),
    **dict.fromkeys(("create", "next_number", "slug"), "numbering"),
    "Link": "heads",
    "render": "template",
}

__all__ = [
    "Link",
    "LinkIssue",
    "Record",
    "accept",
    "check_links",
    "create",
    "deprecate",
    "find_records",
    "next_number",
    "parse",
    "read",
    "reject",
    "render",
    "set_status",
    "slug",
    "supersede",
]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(import_module(f"archwright.decisions.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
