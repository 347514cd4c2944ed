"""The JSON Schemas of what commands about evidence print."""

from __future__ import annotations

from typing import Any

from .schemas import COUNT, NULLABLE, SETTINGS, TEXT, document, shape

TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}


def _list(**properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": shape(properties)}


EVIDENCE: dict[str, dict[str, Any]] = {
    "evidence-list": document(
        "evidence-list",
        {
            "evidence": _list(
                name=TEXT,
                kind=TEXT,
                created=TEXT,
                target=TEXT,
                device=NULLABLE,
                settings=SETTINGS,
                arms=TEXTS,
                results=TEXTS,
            )
        },
    ),
    "evidence-verify": document(
        "evidence-verify", {"files": COUNT, "problems": _list(path=NULLABLE, field=TEXT, message=TEXT)}
    ),
    "prove": document(
        "prove",
        {
            "claims": _list(
                path=TEXT,
                line=COUNT,
                column=COUNT,
                label=TEXT,
                text=TEXT,
                verdict=TEXT,
                message=TEXT,
                kind={"enum": ["bench", "eval", "ablation"]},
                device=NULLABLE,
            ),
            "runs": _list(
                target=TEXT,
                device=NULLABLE,
                settings=SETTINGS,
                sides=TEXTS,
                here={"type": "boolean"},
                seconds={"type": "number"},
            ),
            "elsewhere": TEXTS,
            "made": TEXTS,
        },
    ),
}
