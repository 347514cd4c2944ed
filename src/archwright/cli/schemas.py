"""The JSON Schemas of what the commands print, and of the files they read."""

from __future__ import annotations

from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    optional = more.pop("optional", ())
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False, **more}


TEXT: dict[str, Any] = {"type": "string"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
VALUE: dict[str, Any] = {"type": ["integer", "number", "string", "boolean", "null"]}
NULLABLE: dict[str, Any] = {"type": ["string", "null"]}
SETTINGS: dict[str, Any] = {"type": "object"}


def _document(name: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    whole = _object({"schema": {"const": f"archwright/{name}/1"}, **properties}, **more)
    return {"$schema": DIALECT, "title": f"archwright {name}", **whole}


ARCHITECTURE = _object({"name": TEXT, "fingerprint": {"type": "string", "pattern": "^v1-[0-9a-f]{16}$"}})
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
RESULT = _object({"metric": TEXT, **COMPUTED}, optional=SIZES)
CELL = _object({"column": TEXT, **COMPUTED, "ratio": {"type": ["number", "null"]}}, optional=SIZES)
FINDING = _object(
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
CLAIM = _object(
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
RECORD = _object(
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
PROBLEM = _object({"path": NULLABLE, "line": VALUE, "column": VALUE, "field": TEXT, "found": NULLABLE, "message": TEXT})

OUTPUTS: dict[str, dict[str, Any]] = {
    "estimate": _document("estimate", {"architecture": ARCHITECTURE, "results": {"type": "array", "items": RESULT}}),
    "compare": _document(
        "compare",
        {
            "baseline": TEXT,
            "architectures": {"type": "array", "items": _object({"column": TEXT, "name": TEXT, "fingerprint": TEXT})},
            "rows": {
                "type": "array",
                "items": _object({"metric": TEXT, "values": {"type": "array", "items": CELL}}),
            },
        },
    ),
    "check": _document(
        "check",
        {
            "findings": {"type": "array", "items": FINDING},
            "claims": {"type": "array", "items": CLAIM},
            "summary": _object({"records": COUNT, "claims": COUNT, "errors": COUNT, "warnings": COUNT}),
        },
    ),
    "why": _document(
        "why",
        {
            "field": TEXT,
            "file": TEXT,
            "values": {
                "type": "array",
                "items": _object(
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
                            "items": _object({"record": TEXT, "value": {}, "status": TEXT}),
                        },
                    }
                ),
            },
        },
    ),
    "records": _document("records", {"records": {"type": "array", "items": RECORD}}),
    "error": _document("error", {"code": TEXT, "problems": {"type": "array", "items": PROBLEM}}),
}
SCHEMAS = ("architecture", "settings", *OUTPUTS)


def schema(name: str) -> dict[str, Any]:
    """The schema of that name (one of `SCHEMAS`)."""
    if name == "architecture":
        from ..arch.schema import architecture_schema

        return architecture_schema()
    if name == "settings":
        from ..project_settings import schema as settings_schema

        return settings_schema()
    return OUTPUTS[name]
