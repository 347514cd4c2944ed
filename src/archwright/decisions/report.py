"""Report: what a check found, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..units import Quantity
from .rules import RULES, Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    code: str
    severity: Severity
    path: str
    line: int
    column: int
    message: str
    remedy: str = ""
    fix: str = ""
    """What `check --fix` writes instead of the link's text."""

    @property
    def blocks(self) -> bool:
        """Whether it means that something could not be checked."""
        return RULES[self.code].blocks and self.severity == "error"

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON output."""
        return {
            "code": self.code,
            "severity": self.severity,
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """One claim with its verdict.

    `verdict`: holds, fails, error, open (a question mark), cited, assumed, unchecked; of evidence also plausible
    (both may be `at proxy`), undecided, within-noise, stale, unproven, uninformative. `value` is the exact value (of a
    comparison: to over from; of evidence the estimate), `how` says how it came about (of evidence: the files).
    """

    path: str
    line: int
    column: int
    label: str
    text: str
    verdict: str
    message: str = ""
    value: Any = None
    unit: str = ""
    how: str = ""
    right: str = ""
    slip: str = ""
    remedy: str = ""
    title: str = ""
    target: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON output."""
        return {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "label": self.label,
            "text": self.text,
            "verdict": self.verdict,
            "value": json_value(self.value),
            "unit": self.unit,
            "how": self.how,
            "message": self.message,
            "right": self.right,
        }


def json_value(value: Any) -> Any:
    """An exact value for JSON: whole numbers unrounded, other fractions as decimal numbers."""
    if isinstance(value, Quantity):
        value = value.value
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    return value


@dataclass(slots=True)
class FileReport:
    """What was found in one file."""

    path: str
    title: str = ""
    status: str = ""
    kind: str = "record"
    claims: list[ClaimResult] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    figures: int = 0
    """Figures with a unit in the sections that count, bound or not."""
    fields: tuple[int, int] | None = None
    """Of an architecture: how many fields a record decides, of how many that differ; None where not asked for."""


@dataclass(slots=True)
class Report:
    """What a check found, file by file."""

    files: list[FileReport] = field(default_factory=list)
    general: list[Finding] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)
    """Files that were rewritten by `fix`."""
    ignored: list[tuple[Finding, str]] = field(default_factory=list)
    """Findings that the project's settings ignore, each with the reason."""
    about: str = ""
    """What was checked, where that is not the project as it is: a revision, what changed since one."""

    @property
    def findings(self) -> list[Finding]:
        """All findings, in the order of files and lines."""
        return [*self.general, *(f for file in self.files for f in file.findings)]

    @property
    def claims(self) -> list[ClaimResult]:
        """All claims, in the order of files and lines."""
        return [claim for file in self.files for claim in file.claims]

    def count(self, severity: Severity) -> int:
        """Findings of a severity."""
        return sum(f.severity == severity for f in self.findings)

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return self.exit_code() == 0

    def exit_code(self, strict: bool = False) -> int:
        """0 no errors, 1 errors (with `strict` warnings too), 3 something could not be checked."""
        if any(f.blocks for f in self.findings):
            return 3
        return 1 if self.count("error") or (strict and self.count("warning")) else 0

    def seen_from(self, folder: str) -> Report:
        """The same findings with paths relative to another folder, as services want them."""
        import os
        from dataclasses import replace

        def moved(finding: Finding) -> Finding:
            return replace(finding, path=os.path.relpath(os.path.abspath(finding.path), folder))

        files = [replace(file, findings=[moved(f) for f in file.findings]) for file in self.files]
        return replace(self, files=files, general=[moved(f) for f in self.general])

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `check --format json`."""
        return {
            "schema": "archwright/check/1",
            "findings": [f.to_dict() for f in self.findings],
            "claims": [c.to_dict() for c in self.claims],
            "summary": {
                "records": sum(f.kind == "record" for f in self.files),
                "claims": len(self.claims),
                "errors": self.count("error"),
                "warnings": self.count("warning"),
            },
        }

    def __repr__(self) -> str:
        records = sum(f.kind == "record" for f in self.files)
        errors, warnings = self.count("error"), self.count("warning")
        return f"<Report: {records} records, {len(self.claims)} claims, {errors} errors, {warnings} warnings>"

    def __str__(self) -> str:
        from .output import text

        return text(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"
