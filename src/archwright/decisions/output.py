"""A report for people and for services: text, JSON, SARIF, GitHub annotations."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from dataclasses import replace

from .report import ClaimResult, FileReport, Finding, Report
from .rules import RULES

PASSES = ("plausible", "holds at proxy", "plausible at proxy")
"""Verdicts of evidence that are no finding, beside `holds`."""
GOOD = ("holds", "cited", "assumed", *PASSES)
OBSERVED = ("undecided", "within-noise", "stale", "unproven", "uninformative")
"""Verdicts of evidence that are one."""
CLAIM_CODES = (
    "claim-fails",
    "claim-unreadable",
    "claim-unfilled",
    "claim-plausible",
    *(f"claim-{verdict}" for verdict in OBSERVED),
)


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
        if file.fields is not None:
            decided, differing = file.fields
            out.append(f"  coverage: a record decides {decided} of {plural(differing, 'field')} that differ")
    for finding in report.general:
        out.append(_paint(finding.path, "bold", colour))
        out += _finding(finding, width, colour)
    for path in report.fixed:
        out.append(f"fixed {path}")
    if out:
        out.append("")
    out += _folded(_summary(report, seconds, coverage), width)
    following = _next(report)
    if following:
        out.append(following)
    return "\n".join(out)


def _paint(words: str, style: str, on: bool) -> str:
    codes = {"red": "31", "yellow": "33", "green": "32", "dim": "2", "bold": "1"}
    return f"\x1b[{codes[style]}m{words}\x1b[0m" if on else words


STYLES = {"fails": "red", "error": "red", "open": "yellow", "warning": "yellow", "note": "dim"}
STYLES |= dict.fromkeys(OBSERVED, "yellow")


def _file(file: FileReport, width: int, colour: bool) -> list[str]:
    parts = [_paint(file.path, "bold", colour)]
    if file.kind != "architecture":
        if file.status:
            parts.append(file.status)
        parts.append(_holding(file, "claim") or "no claims")
    elif file.claims:
        parts.append(_holding(file, "requirement"))
    elif not any(f.severity == "error" for f in file.findings):
        parts.append("valid")
    lines = [" · ".join(parts)]
    reported = {(f.line, f.column) for f in file.findings if f.code in CLAIM_CODES}
    entries: list[tuple[int, int, list[str]]] = []
    shown: set[tuple[int, int]] = set()
    advised: set[tuple[str, str]] = set()
    for claim in file.claims:
        place = (claim.line, claim.column)
        if place in reported:
            shown.add(place)
            entries.append((*place, claim_lines(claim, width, colour)))
    for finding in file.findings:
        if finding.code not in CLAIM_CODES or (finding.line, finding.column) not in shown:
            elsewhere = f"{finding.path}:" if finding.path != file.path else ""
            if (finding.code, finding.remedy) in advised:
                finding = replace(finding, remedy="")  # said once a file is enough
            advised.add((finding.code, finding.remedy))
            entries.append((finding.line, finding.column, _finding(finding, width, colour, elsewhere=elsewhere)))
    for _, _, entry in sorted(entries, key=lambda e: e[:2]):
        lines += entry
    return lines


def _holding(file: FileReport, what: str) -> str:
    """How many claims or requirements of a file hold; empty where it has none."""
    good, count = sum(c.verdict in GOOD for c in file.claims), len(file.claims)
    if good != count:
        return f"{good} of {plural(count, what)} hold"
    return f"{plural(count, what)} hold{'s' if count == 1 else ''}" if count else ""


INDENT = " " * 19
"""Where the words begin, behind place and verdict."""


def claim_lines(claim: ClaimResult, width: int, colour: bool) -> list[str]:
    """A claim with its verdict: the figure as written, what is true of it, how that comes about, what to write."""
    written = " ".join(claim.text.split())
    place = f"{claim.line}:{claim.column}"
    head = f"  {place:<7}{_paint(f'{claim.verdict:<9} ', STYLES.get(claim.verdict, 'dim'), colour)}"
    message = " ".join(claim.message.split()).removesuffix(f", not {written}").removesuffix(f", {written}")
    begins = ("is ", "was ", "has ", "reads ", "fits", "does not")
    judged = claim.verdict in ("holds", "fails", "open") or message.startswith(begins)
    if judged and message:
        message = f"{claim.label} {message}"
    if len(INDENT) + max(0, len(claim.verdict) - 9) + len(written) + 3 + len(message) <= width:
        lines = [f"{head}{written} · {message}" if message else f"{head}{written}"]
    else:
        lines = _wrapped(written, INDENT, width) + (_wrapped(message, INDENT, width) if message else [])
        lines[0] = head + lines[0].strip()
    if claim.how and claim.verdict == "fails" and "->" not in claim.label:
        lines += _wrapped(claim.how, INDENT, width)
    if claim.slip:
        lines += _wrapped(claim.slip, INDENT, width)
    if claim.verdict in ("fails", "open") and claim.right:
        lines += _wrapped(f"write: {claim.right}", INDENT, width)
    elif claim.remedy:
        lines += _wrapped(claim.remedy, INDENT, width)
    return lines


def _finding(finding: Finding, width: int, colour: bool, place: str | None = None, elsewhere: str = "") -> list[str]:
    position = f"{finding.line}:{finding.column}" if finding.line else ""
    if place is None:
        place = f"  {'' if elsewhere else position:<7}"
    head = f"{place}{_paint(f'{finding.severity:<10}', STYLES.get(finding.severity, 'red'), colour)}"
    where = f"{elsewhere}{position} " if elsewhere else ""
    lines = _wrapped(f"{where}{finding.message} [{finding.code}]", INDENT, width)
    lines[0] = head + lines[0].strip()
    if finding.remedy:
        lines += _wrapped(finding.remedy, INDENT, width)
    return lines


_FIGURE = re.compile(r"(?<=\d) (?=[A-Za-z%])")


def _folded(line: str, width: int) -> list[str]:
    """A line of parts between dots, on as many lines as it takes."""
    lines = [""]
    for part in line.split(" · "):
        if lines[-1] and len(lines[-1]) + 3 + len(part) > width:
            lines.append("")
        lines[-1] += f" · {part}" if lines[-1] else part
    return lines


def _wrapped(words: str, indent: str, width: int) -> list[str]:
    """Lines no longer than the width unless a word is; no figure is parted from its unit."""
    lines = textwrap.wrap(
        _FIGURE.sub("\u00a0", words),
        max(40, width),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\u00a0", " ") for line in lines] or [indent]


def _summary(report: Report, seconds: float | None, coverage: bool) -> str:
    stated = [c for f in report.files if f.kind != "architecture" for c in f.claims]
    needed = [c for f in report.files if f.kind == "architecture" for c in f.claims]
    verdicts = Counter(c.verdict for c in stated)
    records = sum(f.kind == "record" for f in report.files)
    others = len(report.files) - records
    names = {"error": "unreadable", "open": "to fill in"}
    order = ("holds", *PASSES, "fails", "error", "open", *OBSERVED, "cited", "assumed", "unchecked")
    said = []
    for verdict in order:
        count = verdicts.get(verdict, 0)
        if count:
            word = {"holds": "hold" if count > 1 else "holds", "fails": "fail" if count > 1 else "fails"}.get(
                verdict, names.get(verdict, verdict)
            )
            said.append(f"{count:,} {word}")
    claims = plural(len(stated), "claim")
    architectures = sum(f.kind == "architecture" for f in report.files)
    others -= architectures
    parts = []
    if records or stated or not architectures:
        parts.append(f"{claims}: {', '.join(said)}" if said else claims)
    if needed:
        good = sum(c.verdict in GOOD for c in needed)
        every = good == len(needed)
        parts.append(
            f"{'' if every else f'{good} of '}{plural(len(needed), 'requirement')} hold{'s' * (len(needed) == 1)}"
        )
    for count, word in ((records, "record"), (others, "other document"), (architectures, "architecture file")):
        if count or (word == "record" and not architectures and not others):
            parts.append(plural(count, word))
    for severity in ("error", "warning", "note"):
        count = sum(f.severity == severity for f in report.findings)
        if count:
            parts.append(plural(count, severity))
    if report.ignored:
        parts.append(f"{len(report.ignored):,} ignored")
    if coverage:
        figures = sum(f.figures for f in report.files)
        bound = len(stated)
        parts.append(f"{bound} of {plural(figures, 'figure')} bound")
    if seconds is not None:
        parts.append(f"{seconds:.2f} s")
    return " · ".join([*([report.about] if report.about else []), *parts])


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
        message = sentences(f)
        place = f"file={_property(f.path)},line={max(1, f.line)},col={max(1, f.column)},title={_property(f.code)}"
        lines.append(f"::{kinds[f.severity]} {place}::{_data(message)}")
    lines.append(_summary(report, None, False))
    return "\n".join(lines)


def sentences(finding: Finding) -> str:
    """What a finding says, and its remedy, as sentences."""
    said = finding.message.strip()
    if finding.remedy and said and said[-1] not in ".?!:":
        said += "."
    return f"{said} {finding.remedy}".strip()


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def sarif(report: Report) -> str:
    """SARIF 2.1.0, as code scanning services take it."""
    from urllib.parse import quote

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
            "message": {"text": sentences(f)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(f.path.replace("\\", "/"))},
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
