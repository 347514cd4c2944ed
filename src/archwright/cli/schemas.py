"""The JSON Schemas of what the commands print, and of the files they read."""

from __future__ import annotations

from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def shape(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An object with these properties and no others, all required but those named in `optional`."""
    optional = more.pop("optional", ())
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False, **more}


TEXT: dict[str, Any] = {"type": "string"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
VALUE: dict[str, Any] = {"type": ["integer", "number", "string", "boolean", "null"]}
NULLABLE: dict[str, Any] = {"type": ["string", "null"]}
SETTINGS: dict[str, Any] = {"type": "object"}


def document(name: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What a command prints: an object that says its own schema."""
    whole = shape({"schema": {"const": f"archwright/{name}/1"}, **properties}, **more)
    return {"$schema": DIALECT, "title": f"archwright {name}", **whole}


ARCHITECTURE = shape({"name": TEXT, "fingerprint": {"type": "string", "pattern": "^v1-[0-9a-f]{16}$"}})
COMPUTED: dict[str, Any] = {
    "settings": SETTINGS,
    "value": VALUE,
    "unit": TEXT,
    "text": TEXT,
    "notes": {"type": "array", "items": TEXT},
    "needed": VALUE,
    "available": VALUE,
}
SIZES = ("needed", "available")
"""What `fits` has besides."""
RESULT = shape({"metric": TEXT, **COMPUTED}, optional=SIZES)
CELL = shape({"column": TEXT, **COMPUTED, "ratio": {"type": ["number", "null"]}}, optional=SIZES)
FINDING = shape(
    {
        "code": TEXT,
        "severity": {"enum": ["error", "warning", "note"]},
        "path": TEXT,
        "line": COUNT,
        "column": COUNT,
        "message": TEXT,
        "remedy": TEXT,
    }
)
CLAIM = shape(
    {
        "path": TEXT,
        "line": COUNT,
        "column": COUNT,
        "label": TEXT,
        "text": TEXT,
        "verdict": TEXT,
        "value": VALUE,
        "unit": TEXT,
        "how": TEXT,
        "message": TEXT,
        "right": TEXT,
    }
)
RECORD = shape(
    {
        "path": TEXT,
        "number": NULLABLE,
        "title": TEXT,
        "status": {"enum": ["proposed", "accepted", "rejected", "deprecated", "superseded", "unknown"]},
        "status_raw": TEXT,
        "date": NULLABLE,
        "superseded_by": {"type": "array", "items": TEXT},
        "supersedes": {"type": "array", "items": TEXT},
    }
)
PROBLEM = shape({"path": NULLABLE, "line": VALUE, "column": VALUE, "field": TEXT, "found": NULLABLE, "message": TEXT})

OUTPUTS: dict[str, dict[str, Any]] = {
    "estimate": document("estimate", {"architecture": ARCHITECTURE, "results": {"type": "array", "items": RESULT}}),
    "compare": document(
        "compare",
        {
            "baseline": TEXT,
            "architectures": {"type": "array", "items": shape({"column": TEXT, "name": TEXT, "fingerprint": TEXT})},
            "rows": {
                "type": "array",
                "items": shape({"metric": TEXT, "values": {"type": "array", "items": CELL}}),
            },
        },
    ),
    "check": document(
        "check",
        {
            "findings": {"type": "array", "items": FINDING},
            "claims": {"type": "array", "items": CLAIM},
            "summary": shape({"records": COUNT, "claims": COUNT, "errors": COUNT, "warnings": COUNT}),
        },
    ),
    "why": document(
        "why",
        {
            "field": TEXT,
            "file": TEXT,
            "values": {
                "type": "array",
                "items": shape(
                    {
                        "value": {},
                        "layers": NULLABLE,
                        "upheld": {"type": "boolean"},
                        "record": NULLABLE,
                        "number": NULLABLE,
                        "title": NULLABLE,
                        "date": NULLABLE,
                        "decided": {},
                        "line": {"type": ["integer", "null"]},
                        "sentence": TEXT,
                        "undone": TEXT,
                        "origin": NULLABLE,
                        "former": {
                            "type": "array",
                            "items": shape({"record": TEXT, "value": {}, "status": TEXT}),
                        },
                    }
                ),
            },
        },
    ),
    "records": document("records", {"records": {"type": "array", "items": RECORD}}),
    "error": document("error", {"code": TEXT, "problems": {"type": "array", "items": PROBLEM}}),
}


def names() -> tuple[str, ...]:
    """Every schema by name."""
    from .schemas_evidence import EVIDENCE
    from .schemas_more import MORE

    return ("architecture", "settings", "evidence", *OUTPUTS, *MORE, *EVIDENCE)


def schema(name: str) -> dict[str, Any]:
    """The schema of that name (one of `names()`)."""
    if name == "architecture":
        from ..arch.schema import architecture_schema

        return architecture_schema()
    if name == "settings":
        from ..project_settings import schema as settings_schema

        return settings_schema()
    if name == "evidence":
        from ..evidence.schema import SCHEMA

        return SCHEMA
    from .schemas_evidence import EVIDENCE
    from .schemas_more import MORE

    return (OUTPUTS | MORE | EVIDENCE)[name]
