"""The JSON Schemas of what lists and record commands print."""

from __future__ import annotations

from typing import Any

from .schemas import CLAIM, COUNT, FINDING, NULLABLE, RECORD, TEXT, VALUE, document, shape

TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
FLAG: dict[str, Any] = {"type": "boolean"}
NUMBERS: dict[str, Any] = {"type": ["integer", "null"]}


def _list(**properties: Any) -> dict[str, Any]:
    optional = properties.pop("optional", ())
    return {"type": "array", "items": shape(properties, optional=optional)}


_FACT = shape({"value": VALUE, "unit": TEXT, "source": TEXT, "read_on": NULLABLE})
_FIELD = {"name": TEXT, "type": TEXT, "required": FLAG, "default": {}, "meaning": TEXT}
_VARIANT = {"name": TEXT, "same_as": NULLABLE, "title": TEXT, "fields": _list(**_FIELD)}

_DIFFERING = {
    "name": TEXT,
    "problem": NULLABLE,
    "fields": _list(field=TEXT, before={}, after={}, record=NULLABLE, broken=FLAG),
    "costs": _list(
        metric=TEXT,
        settings={"type": "object"},
        before={"type": "number"},
        after={"type": "number"},
        unit=TEXT,
        change=TEXT,
    ),
    "requirements": _list(name=TEXT, state=TEXT, said=TEXT),
}

MORE: dict[str, dict[str, Any]] = {
    "generate": document(
        "generate",
        {"rows": _list(tokens={"type": "array", "items": {"type": "integer"}}, finish=TEXT, text=NULLABLE)},
    ),
    "diff": document(
        "diff",
        {
            "before": TEXT,
            "after": TEXT,
            "architectures": _list(**_DIFFERING),
            "records": _list(path=TEXT, label=TEXT, title=TEXT, before=NULLABLE, after=NULLABLE),
            "claims": _list(**CLAIM["properties"], before=NULLABLE, after=TEXT),
            "errors": {"type": "array", "items": FINDING},
            "notes": TEXTS,
        },
    ),
    "renumber": document("renumber", {"messages": TEXTS, "changed": TEXTS, "left": TEXTS}),
    "record": document("record", {**RECORD["properties"], "check": {"type": "object"}}),
    "new": document(
        "new",
        {
            "path": TEXT,
            "figures": COUNT,
            "alternatives": {"type": "object"},
            "changes": TEXTS,
            "effects": _list(label=TEXT, change=TEXT),
        },
    ),
    "import": document("import", {"records": _list(path=TEXT, title=TEXT, guesses=TEXTS)}),
    "bind": document(
        "bind",
        {
            "path": TEXT,
            "applied": FLAG,
            "figures": _list(
                line=COUNT,
                column=COUNT,
                text=TEXT,
                chosen=NULLABLE,
                candidates=_list(label=TEXT, value=TEXT, agrees=FLAG),
            ),
        },
    ),
    "fill": document(
        "fill",
        {
            "filled": _list(path=TEXT, line=COUNT, column=COUNT, label=TEXT, before=TEXT, after=TEXT),
            "left": COUNT,
        },
    ),
    "init": document("init", {"written": TEXTS, "kept": TEXTS, "fingerprint": TEXT}),
    "metrics": document(
        "metrics", {"metrics": _list(name=TEXT, unit=TEXT, better=NULLABLE, settings=TEXTS, page=TEXT)}
    ),
    "hardware": document(
        "hardware",
        {
            "hardware": _list(
                slug=TEXT, name=TEXT, vendor=TEXT, note=TEXT, facts={"type": "object", "additionalProperties": _FACT}
            )
        },
    ),
    "presets": document(
        "presets",
        {
            "presets": _list(
                name=TEXT,
                parameters=COUNT,
                n_layers=COUNT,
                n_heads=COUNT,
                n_kv_heads=COUNT,
                window_size=NUMBERS,
                max_seq_len=COUNT,
                source=TEXT,
                read_on=TEXT,
                copy=TEXT,
                optional=("copy",),
            )
        },
    ),
    "variants": document("variants", {"attention": _list(**_VARIANT), "feed_forward": _list(**_VARIANT)}),
}
