"""Requirements: what an architecture file says its model must meet, checked like claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ..arch.config import ArchitectureConfig
from ..arch.loading import Requirement
from ..claims.document import Link
from ..claims.judge import judge
from ..claims.labels import Label
from ..claims.paste import show_like
from ..claims.resolve import Context, side_of
from ..claims.texts import Written, parse_text
from ..claims.verdicts import Judgement
from ..errors import InvalidValue, Problem, UnknownName, did_you_mean
from ..units import Quantity
from .report import ClaimResult, Finding

WORDS = {"at_most": "at most", "at_least": "at least", "equals": ""}
"""A bound's key as the grammar of texts says it."""
MET = {"fits": True, "met": True, "holds": True, "does not fit": False, "not met": False, "broken": False}
"""What a sentence may say of a requirement without giving the figure."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A requirement held against an architecture.

    `met` is None where it could not be computed, and `problem` then says why; `value` is exact, `said` the value and
    its bound in words ("57.1 GB, at most 80 GB").
    """

    requirement: Requirement
    met: bool | None
    value: Any = None
    shown: str = ""
    bound: str = ""
    problem: str = ""
    remedy: str = ""

    @property
    def said(self) -> str:
        """The value and its bound."""
        if self.met is None:
            return self.problem
        return f"{self.shown}, {'' if self.met else 'not '}{self.bound}" if self.bound else self.shown


def outcome(requirement: Requirement, config: ArchitectureConfig, devices: Mapping[str, Any] | None = None) -> Outcome:
    """Whether an architecture meets a requirement. Never raises for what a file can say."""
    try:
        value = _value(requirement, config, devices or {})
        return _held(requirement, value)
    except (InvalidValue, UnknownName) as error:
        first = error.problems[0]
        return Outcome(requirement, None, problem=replace(first, remedy="").message, remedy=first.remedy)


def _value(requirement: Requirement, config: ArchitectureConfig, devices: Mapping[str, Any]) -> Quantity:
    from ..costs.metric import evaluate

    settings = dict(requirement.settings)
    relative = settings.pop("relative_to", None)
    if settings.get("device") in devices:
        settings["device"] = devices[settings["device"]]
    value = evaluate(requirement.metric, config, settings)
    if relative is None:
        return value
    if not isinstance(relative, Mapping) or not relative:
        rule = "must be a map of the settings to compare with"
        raise InvalidValue(Problem("relative_to", relative, rule, "Write relative_to: {context: 4096}"))
    other = evaluate(requirement.metric, config, {**settings, **relative})
    if not other.value:
        raise InvalidValue(Problem("relative_to", dict(relative), f"gives a {requirement.metric} of 0"))
    return Quantity(Fraction(value.value) / Fraction(other.value), "x")


def _held(requirement: Requirement, value: Quantity) -> Outcome:
    word = getattr(value, "word", None)
    if word is not None:
        bounds_given = dict(requirement.bounds)
        wanted = bounds_given.pop("equals", True)
        for key, bound in bounds_given.items():
            raise InvalidValue(Problem(key, bound, f"is no bound of {requirement.metric}", "Leave it out"))
        if not isinstance(wanted, bool):
            raise InvalidValue(Problem("equals", wanted, "must be true or false", "Leave it out: it means fits"))
        shown = str(value)
        met = bool(value) == wanted
        return Outcome(requirement, met, bool(value), f"{word} ({shown.partition(': ')[2]})", "" if met else "required")
    met, shown, bounds = True, str(value), []
    for key, bound in requirement.bounds:
        good, text, looks = _bound(key, bound, value)
        bounds.append(text)
        if not good or met:
            shown = looks
        met = met and good
    if value.unit == "x":
        shown = f"{shown.removesuffix(' x').removesuffix('x')}x"
    return Outcome(requirement, met, value, shown, " and ".join(bounds))


def _bound(key: str, bound: Any, value: Quantity) -> tuple[bool, str, str]:
    """Whether a value keeps a bound, the bound in words, and the value as it looks beside it."""
    word = WORDS[key]
    if isinstance(bound, bool) or not isinstance(bound, int | float | str):
        raise InvalidValue(Problem(key, bound, "must be a number or a figure with its unit", f"Write {key}: {value}"))
    if isinstance(bound, str):
        said = f"{word} {bound}".strip()
        written = parse_text(said)
        held = replace(value, unit="") if value.unit == "x" else value
        judged = judge(written, held)
        if judged.verdict not in ("holds", "fails") or not isinstance(written, Written):
            raise InvalidValue(Problem(key, bound, judged.message.rpartition("] ")[2] or judged.message, _unit(value)))
        return judged.verdict == "holds", said or bound, show_like(written, held)
    exact = Fraction(repr(bound)) if isinstance(bound, float) else Fraction(bound)
    size = Fraction(value.value)
    good = {"at_most": size <= exact, "at_least": size >= exact, "equals": size == exact}[key]
    amount = replace(value, value=int(exact) if exact.denominator == 1 else exact)
    text = f"{float(exact):g}x" if value.unit == "x" else str(amount)
    return good, f"{word} {text}".strip() if word else f"equal to {text}", str(value)


def _unit(value: Quantity) -> str:
    return "Write 2x" if value.unit == "x" else f"Write a figure such as {value}"


# In an architecture file --------------------------------------------------------------------------------------


def requirement_claims(
    config: ArchitectureConfig, path: str, devices: Mapping[str, Any] | None = None
) -> tuple[list[ClaimResult], list[Finding]]:
    """The requirements of an architecture file, each as a claim, and a finding for each that is not met."""
    claims: list[ClaimResult] = []
    findings: list[Finding] = []
    for requirement in config.source.requirements:
        found = outcome(requirement, config, devices)
        line, column = (requirement.where.line, requirement.where.column) if requirement.where else (0, 0)
        label = f"requirement(name={requirement.name})"
        verdict = "error" if found.met is None else "holds" if found.met else "fails"
        said = f"{requirement.metric} is {found.said}" if found.met is not None else found.said
        claims.append(
            ClaimResult(path, line, column, label, found.bound or requirement.metric, verdict, said, found.value)
        )
        if found.met is None:
            message = f"requirement {requirement.name} cannot be checked: {found.problem}"
            findings.append(Finding("bad-requirement", "error", path, line, column, message, found.remedy))
        elif not found.met:
            message = f"requirement {requirement.name} is broken: {said}"
            remedy = "Change the architecture, or the requirement if it no longer stands"
            findings.append(Finding("requirement-broken", "error", path, line, column, message, remedy))
    return claims, findings


# In a sentence ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """What a sentence says of a requirement: the judgement, the value, and the title of its definition."""

    judged: Judgement
    value: Any
    title: str


def judged_requirement(link: Link, label: Label, context: Context) -> Said | Problem:
    """The verdict on `[fits][requirement(name=one-node)]`, or on a figure bound to a requirement's value."""
    given = dict(label.settings)
    name = given.pop("name", None)
    if name is None or given or label.compares:
        return Problem("label", label.raw, "must name one requirement", "Write requirement(name=one-node)")
    side = side_of(label.side, context)
    if isinstance(side, Problem):
        return side
    config = side.config
    assert config is not None
    known = {r.name: r for r in config.source.requirements}
    requirement = known.get(str(name))
    if requirement is None:
        listed = did_you_mean(str(name), known, "Its requirements") if known else "Add requirements: to the file"
        return Problem("requirement", name, "is not one of the architecture's", listed)
    found = outcome(requirement, config, context.devices)
    if found.met is None:
        return Problem(f"requirement {name}", found.problem, "cannot be checked", found.remedy)
    judged = _sentence(parse_text(link.text), found)
    verdict = {"open": "not filled in", "error": "unreadable"}.get(judged.verdict, judged.verdict)
    return Said(judged, found.value, f"requirement: {requirement.metric} {found.said}, {verdict}")


def _sentence(written: Any, found: Outcome) -> Judgement:
    right = "fits" if found.met else "does not fit"
    said = f"{found.requirement.metric} is {found.said}"
    if isinstance(written, Written) and written.kind in ("word", "text"):
        meant = MET.get(written.word.casefold())
        if meant is None:
            rule = f"reads [{written.source}], which says neither that it is met nor that it is not"
            return Judgement("error", rule, right, found.shown, f"Write {right}")
        return Judgement("holds" if meant == found.met else "fails", said, right, found.shown)
    if isinstance(written, Written) and written.kind == "open":
        return Judgement("open", said, right, found.shown, f"archwright adr fill writes {right}")
    if isinstance(found.value, Quantity):
        return judge(written, replace(found.value, unit="") if found.value.unit == "x" else found.value)
    return judge(written, bool(found.value))
