"""A report for people and for services: text, JSON, SARIF, GitHub annotations."""

from __future__ import annotations

import json
import textwrap
from collections import Counter

from .report import ClaimResult, FileReport, Finding, Report
from .rules import RULES

GOOD = ("holds", "cited", "assumed")
CLAIM_CODES = ("claim-fails", "claim-unproven", "claim-unreadable", "claim-unfilled")


def plural(count: int, word: str) -> str:
    """`1 record`, `2 records`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def text(
    report: Report, *, seconds: float | None = None, coverage: bool = False, width: int = 100, colour: bool = False
) -> str:
    """One screen: file by file what does not hold and why, then a summary."""
    out: list[str] = []
    for file in report.files:
        out += _file(file, width, colour)
        if coverage and file.figures:
            bound = len(file.claims)
            out.append(
                f"  coverage: {bound} of {plural(file.figures, 'figure')} bound ({100 * bound // file.figures} %)"
            )
    for finding in report.general:
        out += _finding(finding, width, colour, place=f"{finding.path}  ")
    for path in report.fixed:
        out.append(f"fixed {path}")
    if out:
        out.append("")
    out.append(_summary(report, seconds, coverage))
    following = _next(report)
    if following:
        out.append(following)
    return "\n".join(out)


def _paint(words: str, style: str, on: bool) -> str:
    codes = {"red": "31", "yellow": "33", "green": "32", "dim": "2", "bold": "1"}
    return f"\x1b[{codes[style]}m{words}\x1b[0m" if on else words


STYLES = {"fails": "red", "error": "red", "unproven": "yellow", "open": "yellow", "warning": "yellow", "note": "dim"}


def _file(file: FileReport, width: int, colour: bool) -> list[str]:
    parts = [_paint(file.path, "bold", colour)]
    if file.kind == "record":
        parts.append(file.status)
        good = sum(c.verdict in GOOD for c in file.claims)
        if file.claims:
            count = len(file.claims)
            parts.append(
                f"{plural(count, 'claim')} hold{'s' if count == 1 else ''}"
                if good == count
                else f"{good} of {plural(count, 'claim')} hold"
            )
        else:
            parts.append("no claims")
    elif not file.findings:
        parts.append("valid")
    lines = [" · ".join(parts)]
    shown = {(f.line, f.column) for f in file.findings if f.code in CLAIM_CODES}
    entries: list[tuple[int, int, list[str]]] = []
    for claim in file.claims:
        if (claim.line, claim.column) in shown:
            entries.append((claim.line, claim.column, _claim(claim, width, colour)))
    for finding in file.findings:
        if finding.code not in CLAIM_CODES or not any(
            (c.line, c.column) == (finding.line, finding.column) for c in file.claims
        ):
            entries.append((finding.line, finding.column, _finding(finding, width, colour)))
    for _, _, entry in sorted(entries, key=lambda e: e[:2]):
        lines += entry
    return lines


def _claim(claim: ClaimResult, width: int, colour: bool) -> list[str]:
    place = f"{claim.line}:{claim.column}"
    head = f"  {place:<7}{_paint(f'{claim.verdict:<10}', STYLES.get(claim.verdict, 'dim'), colour)}{claim.text}"
    indent = " " * 19
    message = claim.message if claim.verdict in ("unproven",) else f"{claim.label} {claim.message}"
    lines = [head, *_wrapped(message, indent, width)]
    if claim.how and claim.verdict == "fails" and "->" not in claim.label:
        lines += _wrapped(claim.how, indent, width)
    if claim.slip:
        lines += _wrapped(claim.slip, indent, width)
    if claim.verdict in ("fails", "open") and claim.right:
        lines.append(f"{indent}write: {claim.right}")
    elif claim.remedy:
        lines += _wrapped(claim.remedy, indent, width)
    return lines


def _finding(finding: Finding, width: int, colour: bool, place: str | None = None) -> list[str]:
    if place is None:
        position = f"{finding.line}:{finding.column}" if finding.line else ""
        place = f"  {position:<7}"
    head = f"{place}{_paint(f'{finding.severity:<10}', STYLES.get(finding.severity, 'red'), colour)}"
    lines = _wrapped(f"{finding.message} [{finding.code}]", " " * 19, width)
    lines[0] = head + lines[0].strip()
    if finding.remedy:
        lines += _wrapped(finding.remedy, " " * 19, width)
    return lines


def _wrapped(words: str, indent: str, width: int) -> list[str]:
    return textwrap.wrap(
        words,
        max(40, width),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [indent]


def _summary(report: Report, seconds: float | None, coverage: bool) -> str:
    verdicts = Counter(c.verdict for c in report.claims)
    records = sum(f.kind == "record" for f in report.files)
    others = len(report.files) - records
    names = {"error": "unreadable", "open": "to fill in"}
    order = ("holds", "fails", "error", "open", "unproven", "cited", "assumed", "unchecked")
    said = []
    for verdict in order:
        count = verdicts.get(verdict, 0)
        if count:
            word = {"holds": "hold" if count > 1 else "holds", "fails": "fail" if count > 1 else "fails"}.get(
                verdict, names.get(verdict, verdict)
            )
            said.append(f"{count:,} {word}")
    claims = plural(len(report.claims), "claim")
    parts = [f"{claims}: {', '.join(said)}" if said else claims]
    parts.append(plural(records, "record"))
    if others:
        parts.append(plural(others, "architecture file"))
    for severity in ("error", "warning", "note"):
        count = sum(f.severity == severity for f in report.findings)
        if count:
            parts.append(plural(count, severity))
    if coverage:
        figures = sum(f.figures for f in report.files)
        bound = len(report.claims)
        parts.append(f"{bound} of {plural(figures, 'figure')} bound")
    if seconds is not None:
        parts.append(f"{seconds:.2f} s")
    return " · ".join(parts)


def _next(report: Report) -> str:
    codes = {f.code for f in report.findings}
    if "claim-unfilled" in codes:
        return "Next: archwright adr fill"
    if codes & {"outdated-definition", "binary-unit"} and not codes & {"claim-fails", "unresolved-label"}:
        return "Next: archwright check --fix"
    if "unbound-number" in codes:
        return "Next: archwright adr bind N, to bind the figures that are not"
    return ""


def as_json(report: Report) -> str:
    """The document of schema archwright/check/1."""
    return json.dumps(report.to_dict(), indent=2, ensure_ascii=False)


def github(report: Report) -> str:
    """Workflow commands that annotate lines of a pull request."""
    kinds = {"error": "error", "warning": "warning", "note": "notice"}
    lines = []
    for f in report.findings:
        message = f"{f.message} {f.remedy}".strip()
        place = f"file={_property(f.path)},line={max(1, f.line)},col={max(1, f.column)},title={_property(f.code)}"
        lines.append(f"::{kinds[f.severity]} {place}::{_data(message)}")
    lines.append(_summary(report, None, False))
    return "\n".join(lines)


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def sarif(report: Report) -> str:
    """SARIF 2.1.0, as code scanning services take it."""
    from .. import __version__

    levels = {"error": "error", "warning": "warning", "note": "note"}
    used = sorted({f.code for f in report.findings})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": RULES[code].title()},
            "fullDescription": {"text": " ".join((RULES[code].__doc__ or "").split())},
            "defaultConfiguration": {"level": levels[RULES[code].severity]},
        }
        for code in used
    ]
    results = [
        {
            "ruleId": f.code,
            "ruleIndex": used.index(f.code),
            "level": levels[f.severity],
            "message": {"text": f"{f.message} {f.remedy}".strip()},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": f.path.replace("\\", "/")},
                        "region": {"startLine": max(1, f.line), "startColumn": max(1, f.column)},
                    }
                }
            ],
        }
        for f in report.findings
    ]
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "archwright", "version": __version__, "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)
