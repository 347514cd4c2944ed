"""The claims of one document: each link judged, with its definition and its findings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ..claims.definitions import is_tool_title
from ..claims.document import Document, Link
from ..claims.judge import FLAG, judge, judge_comparison
from ..claims.labels import Label, fold, label_problem, parse_label
from ..claims.resolve import Context, Operand, Resolved, resolve
from ..claims.texts import Written, parse_text
from ..claims.verdicts import Judgement, unfilled
from ..errors import Problem
from ..units import Quantity
from .report import ClaimResult, Finding
from .rules import RULES, Severity

_PERCENT = re.compile(r"\s*%")
LOCATOR = "Add a section, a table, a page or an address to it"
EVIDENCE = ("measured", "trained", "evaluated")
BAD = {"fails": "claim-fails", "error": "claim-unreadable", "open": "claim-unfilled", "unproven": "claim-unproven"}


def severity_of(status: str) -> Severity | None:
    """How much a claim that does not hold matters in a record of that status; None: not at all."""
    if status == "accepted":
        return "error"
    return None if status in ("rejected", "superseded", "deprecated") else "warning"


def judged_claims(
    document: Document, context: Context, status: str, target: str, fragment: str
) -> Iterator[tuple[ClaimResult, list[Finding]]]:
    """Each claim of a document with the findings it causes. `target` is where its definition leads."""
    for link in document.claims:
        if not is_ours(link, document, context):
            continue
        yield _judged(link, document, context, status, target, fragment)


def is_ours(link: Link, document: Document, context: Context) -> bool:
    """Whether a link is a claim and not an ordinary link whose label happens to look like one."""
    label = parse_label(link.label)
    if label is not None and (label.name == "requirement" or label.name in context.entries or _known(label.name)):
        return True
    if not link.defined:
        return True
    definition = next((d for d in document.definitions if fold(d.label) == fold(link.label)), None)
    return definition is not None and is_tool_title(definition.title)


def _known(name: str) -> bool:
    from ..arch.fields import FIELDS
    from ..costs.metric import metrics

    return name in FIELDS or name in metrics


def _judged(
    link: Link, document: Document, context: Context, status: str, target: str, fragment: str
) -> tuple[ClaimResult, list[Finding]]:
    claim = ClaimResult(document.path, link.line, link.column, link.label, link.text, "error", target=target)

    def finding(code: str, message: str, remedy: str = "", severity: Severity | None = None) -> Finding:
        level = severity or RULES[code].severity
        return Finding(code, level, document.path, link.line, link.column, message, remedy)

    label = parse_label(link.label)
    if label is None:
        problem = label_problem(link.label)
        bad = replace(claim, message=problem.rule)  # without a title: no definition can be written for it
        return bad, [finding("bad-label", problem.message)]
    resolved = resolve(label, context)
    notes = (
        [finding("no-locator", f"claims.{label.name}: the source does not say where in it", LOCATOR)]
        if "no-locator" in resolved.notes
        else []
    )
    if resolved.kind == "error":
        assert resolved.problem is not None
        bad = replace(claim, message=resolved.problem.message, title="error: the label resolves to nothing")
        if resolved.code == "broken-base":  # said once for each side, not for each claim
            return replace(bad, title="error: the architecture cannot be computed"), []
        return bad, [finding(resolved.code, f"[{link.text}][{link.label}]: {resolved.problem.message}")]
    if resolved.kind == "assumed":
        judged = assumed(link.text, resolved.detail)
        title_text = f"assumed: {resolved.detail}" + (
            "" if judged.verdict == "holds" else f", {VERDICTS.get(judged.verdict, judged.verdict)}"
        )
        done = replace(
            claim,
            verdict="assumed" if judged.verdict == "holds" else judged.verdict,
            message=resolved.detail if judged.verdict == "holds" else judged.message,
            right=judged.right,
            title=title_text,
            target=fragment,
        )
        level = severity_of(status)
        if judged.verdict == "holds" or level is None:
            return done, []
        said = f"{link.text}: {label} {judged.message}"
        return done, [finding(BAD[judged.verdict], said, f"write {judged.right}", level)]
    if resolved.kind == "cited":
        source = resolved.detail
        address = next((w.strip("<>(),;") for w in source.split() if w.startswith(("http://", "https://"))), fragment)
        done = replace(claim, verdict=resolved.kind, message=source, title=f"{resolved.kind}: {source}", target=address)
        return done, notes
    if resolved.kind == "requirement":
        return _requirement(link, label, context, claim, status, finding)
    if resolved.kind in EVIDENCE:
        if context.observer is not None:
            done, found = _observed(link, label, resolved, context, claim, status, fragment, finding)
            return _kept(done, document), found
        level = severity_of(status)
        remedy = "" if level is None else "Measure it, or cite a source"
        done = replace(
            claim,
            verdict="unproven",
            message=resolved.detail,
            target=fragment,
            title="unproven: no evidence yet",
            remedy=remedy,
        )
        found = [] if level is None else [finding("claim-unproven", f"{link.text}: {resolved.detail}", remedy, level)]
        return _kept(done, document), [*found, *_ambiguous(link, label, resolved, level, finding)]
    differently = ""
    if context.recorded is not None:
        from ..claims.recorded import as_recorded

        resolved, differently = as_recorded(label, resolved, context.recorded)
    done, found = _computed(link, label, resolved, context, claim, status, finding)
    if differently and severity_of(status) is not None:
        found.append(finding("computed-differently", differently))
    return done, found


def _ambiguous(link: Link, label: Label, resolved: Resolved, level: Severity | None, finding: Any) -> Iterator[Finding]:
    """The warning that a change in `%` of a percentage can be read in two ways."""
    ambiguous = _percent_of_percent(link.text, resolved) if label.compares else ""
    if ambiguous and level is not None:
        points, relative = (_PERCENT.sub(words, link.text) for words in (" pp", " % relative"))
        remedy = f"Write {points} for points, {relative} for a share of it"
        yield finding("ambiguous-percent", ambiguous, remedy)


def _observed(
    link: Link,
    label: Label,
    resolved: Resolved,
    context: Context,
    claim: ClaimResult,
    status: str,
    fragment: str,
    finding: Any,
) -> tuple[ClaimResult, list[Finding]]:
    """A claim that needs evidence, in a project that keeps some."""
    from .observed import look

    seen = look(link.text, label, resolved.kind, context, context.observer)
    level = severity_of(status)
    done = replace(
        claim,
        verdict=seen.verdict,
        message=seen.message,
        value=seen.value,
        unit=seen.unit,
        how=seen.how,
        right=seen.right,
        remedy=seen.remedy if level is not None else "",
        title=seen.title,
        target=seen.target or fragment,
    )
    if level is None:
        return done, []
    others = [finding("claim-aged", f"{link.text}: {note}") for note in seen.notes if note.startswith("aged: ")]
    others += _ambiguous(link, label, resolved, level, finding)
    if not seen.code:
        return done, others
    said = (
        f"{link.text}: {label} {seen.message}"
        if seen.message.startswith(("is ", "was ", "has "))
        else f"{link.text}: {seen.message}"
    )
    severity = seen.severity or ("note" if seen.code == "claim-plausible" else level)
    remedy = f"write {seen.right}" if seen.verdict == "fails" and seen.right else seen.remedy
    return done, [finding(seen.code, said, remedy, severity), *others]


def _kept(claim: ClaimResult, document: Document) -> ClaimResult:
    """The claim with its definition kept where that leads to evidence which was deleted, so that it can be found."""
    if claim.verdict != "unproven" or not any(d.target.endswith(".json") for d in document.definitions):
        return claim
    from .observed import GONE, gone

    found = gone(claim.label, document, os.path.dirname(os.path.abspath(document.path)))
    return replace(claim, target=found.target, title=GONE) if found is not None else claim


def _requirement(
    link: Link, label: Label, context: Context, claim: ClaimResult, status: str, finding: Any
) -> tuple[ClaimResult, list[Finding]]:
    from .requirements import judged_requirement

    said = judged_requirement(link, label, context)
    if isinstance(said, Problem):
        bad = replace(claim, message=said.message, title="error: the label resolves to nothing")
        return bad, [finding("unresolved-label", f"[{link.text}][{link.label}]: {said.message}")]
    judged = said.judged
    done = replace(
        claim,
        verdict=judged.verdict,
        message=judged.message,
        value=said.value,
        unit=getattr(said.value, "unit", ""),
        right=judged.right,
        remedy=judged.remedy,
        title=said.title,
    )
    level = severity_of(status)
    if judged.verdict == "holds" or level is None:
        return done, []
    remedy = f"write {judged.right}" if judged.verdict == "fails" and judged.right else judged.remedy
    level = "error" if judged.verdict == "error" else level
    return done, [finding(BAD[judged.verdict], f"{link.text}: {label} {judged.message}", remedy, level)]


VERDICTS = {"open": "not filled in", "error": "unreadable"}
"""How a definition's title says a verdict that has another word there."""


def assumed(text: str, stated: str) -> Judgement:
    """Whether a text says what `claims:` assumes; a text or an assumption that is no figure is taken as it is."""
    written = parse_text(text)
    if getattr(written, "kind", "") == "open":
        return unfilled(stated, stated)
    said, taken = _fraction(text), _fraction(stated)
    if said is None or taken is None or said[1] != taken[1] or abs(said[0] - taken[0]) <= said[2]:
        return Judgement("holds", f"is assumed to be {stated}", text, stated)
    return Judgement("fails", f"is assumed to be {stated}, not {text}", stated, stated)


def _fraction(text: str) -> tuple[Fraction, str, Fraction] | None:
    """A figure's amount (of a percentage the share), its base unit, and what its rounding leaves open."""
    written = parse_text(text)
    if not isinstance(written, Written) or written.kind != "amount" or written.figure is None:
        return None
    factor = Fraction(written.unit.factor if written.unit else 1) * written.figure.multiplier
    base = written.unit.base if written.unit else ""
    if base == "%":
        factor, base = factor / 100, ""
    return written.figure.number * factor, base, written.figure.place * factor / 2


def _percent_of_percent(text: str, resolved: Resolved) -> str:
    """A change in `%` of an accuracy or share that is itself a percentage."""
    written = parse_text(text)
    unit = getattr(written, "unit", None)
    if resolved.kind == "evaluated" and unit is not None and unit.base == "%":
        return f"{text} of a value that is itself a percentage is read as points"
    return ""


def _computed(
    link: Link, label: Label, resolved: Resolved, context: Context, claim: ClaimResult, status: str, finding: Any
) -> tuple[ClaimResult, list[Finding]]:
    from ..claims.explain import slip

    written = parse_text(link.text)
    judged = judgement(written, resolved)
    first = resolved.operands[0]
    value = first.value
    if resolved.compares:
        a, b = (operand.value for operand in resolved.operands)
        value = b / a if isinstance(a, Quantity) and isinstance(b, Quantity) and a.value and a.unit == b.unit else None
    unit = first.value.unit if isinstance(first.value, Quantity) and not resolved.compares else ""
    done = replace(
        claim,
        verdict=judged.verdict,
        message=judged.message,
        value=value,
        unit=unit,
        right=judged.right,
        remedy=judged.remedy,
        title=title(judged, resolved),
    )
    found: list[Finding] = []
    level = severity_of(status)
    if judged.verdict != "holds" and level is not None:
        why = slip(written, resolved, context) if judged.verdict == "fails" else ""
        done = replace(done, how=how(resolved), slip=why)
        if judged.verdict in ("error", "open"):
            level = "error" if judged.verdict == "error" else level
        message = f"{link.text}: {label} {judged.message}" + (f"; {why}" if why else "")
        remedy = f"write {judged.right}" if judged.verdict == "fails" and judged.right else judged.remedy
        found.append(finding(BAD[judged.verdict], message, remedy, level))
    for note in judged.notes:
        if note.code in RULES and level is not None and judged.verdict == "holds":
            found.append(replace(finding(note.code, note.message), fix=note.replacement))
    return done, found


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def judgement(written: Any, resolved: Resolved) -> Judgement:
    """The judgement of a text on what a label resolved to."""
    first = resolved.operands[0]
    better: Any = resolved.better
    if resolved.compares:
        second = resolved.operands[1]
        if not isinstance(first.value, Quantity) or not isinstance(second.value, Quantity):
            same = first.value == second.value
            said = "unchanged" if same else " to ".join(_word(operand.value) for operand in resolved.operands)
            if getattr(written, "kind", "") == "open":
                return unfilled(said, said)
            true = getattr(written, "source", "").casefold() == said.casefold()
            return Judgement("holds" if true else "fails", f"is {said}", said, said)
        return judge_comparison(written, first.value, second.value, better=better, names=(first.side, second.side))
    word = getattr(first.value, "word", None)
    if word is not None:  # a verdict such as fits, with what is needed and what there is
        judged = judge(written, bool(first.value))
        return replace(judged, message=judged.message.replace(word, str(first.value), 1), shown=str(first.value))
    if isinstance(first.value, bool):
        return judge(written, first.value, words=FLAG)
    per = first.settings.get("per")
    return judge(written, first.value, better=better, per=per if isinstance(per, str) and per != "model" else None)


def title(judged: Judgement, resolved: Resolved) -> str:
    """The title of a claim's definition: how it came about, the value, the verdict."""
    verdict = VERDICTS.get(judged.verdict, judged.verdict)
    assumed = "".join(f", {note}" for note in resolved.notes if note.startswith("assumes"))
    return f"computed: {judged.shown or judged.right}{assumed}, {verdict}"


def how(resolved: Resolved) -> str:
    """The arithmetic of a value in words, side by side for a comparison."""
    lines = []
    for operand in resolved.operands:
        line = _how(resolved.name, operand)
        if line:
            lines.append(f"{operand.side}: {line}" if resolved.compares else line)
    return "; ".join(lines)


def _how(metric: str, operand: Operand) -> str:
    from ..costs.metric import metrics

    if metric not in metrics:
        return ""
    return metrics.get(metric).how(operand.config, operand.settings)
