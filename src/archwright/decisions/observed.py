"""Claims that need evidence: what they ask for, what the project's store holds about it, and the verdict.

Nothing of evidence is imported before a record with such a claim lies in a project that keeps some.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..claims.definitions import is_tool_title
from ..claims.document import Definition, Document
from ..claims.labels import Label, fold
from ..claims.resolve import EVIDENCE_KEYS, Bases, Context, alternative
from ..claims.texts import Written, parse_text
from ..claims.verdicts import refused, wrong_kind
from ..errors import NOTHING, ArchwrightError, InvalidValue, Location, Problem, UnknownName
from ..units import Quantity
from .report import Finding

if TYPE_CHECKING:
    from ..arch.config import ArchitectureConfig
    from ..evidence.observation import Observation
    from ..evidence.record import Measure
    from ..evidence.request import Request
    from ..evidence.statistics import Estimate, Statistic
    from ..evidence.store import Store
    from ..evidence.verdict import Verdict
    from .record import Record
    from .rules import Severity

CODES = {
    "fails": "claim-fails",
    "plausible": "claim-plausible",
    "undecided": "claim-undecided",
    "within-noise": "claim-within-noise",
    "stale": "claim-stale",
    "unproven": "claim-unproven",
    "uninformative": "claim-uninformative",
    "open": "claim-unfilled",
    "error": "claim-unreadable",
}
"""The finding that goes with each verdict; `holds` has none."""

NOT_SETTINGS = frozenset({*EVIDENCE_KEYS, "on", "device", "note"})
"""Keys of an entry of `claims:` that are no settings of what is observed."""


@dataclass(frozen=True)
class Ledger:
    """The evidence of one project; read when the first claim asks."""

    root: Path
    folder: Path
    age_counts: bool = False

    @cached_property
    def store(self) -> Store:
        """Its store."""
        from ..evidence.store import Store

        return Store(self.folder, self.root)

    @cached_property
    def present(self) -> Mapping[str, str]:
        """The versions that are installed now, for the age of evidence."""
        from ..evidence.staleness import present_versions

        return present_versions()

    def seen_from(self, folder: str) -> str:
        """The evidence folder, relative to that of a record."""
        known: dict[str, str] = self.__dict__.setdefault("_seen_from", {})
        if folder not in known:
            known[folder] = os.path.relpath(self.folder, folder).replace(os.sep, "/")
        return known[folder]

    def findings(self) -> Iterator[Finding]:
        """What is wrong with the files themselves, where they were read."""
        if "store" not in self.__dict__:
            return
        for problem in self.store.problems:
            place = problem.where or Location(str(self.folder))
            yield Finding("evidence-edited", "error", place.path, place.line, place.column, problem.message)


@dataclass
class Observer:
    """What answers the claims of one record: the project's evidence, and the architectures that the record names."""

    ledger: Ledger
    record: Record
    bases: Bases
    base_root: Path
    folder: str
    """Where the record lies: targets of definitions are relative to it."""
    _proxies: dict[str, ArchitectureConfig] = field(default_factory=dict)

    def observe(self, request: Request) -> Observation:
        """All that the store holds about a request."""
        from ..evidence.observation import observe

        return observe(request, self.ledger.store, self.ledger.root, self.ledger.present)

    def target(self, name: str) -> str:
        """An evidence file as a definition of the record leads to it."""
        return f"{self.ledger.seen_from(self.folder)}/{name}"

    # The request ----------------------------------------------------------------------------------------------

    def request(self, label: Label, context: Context) -> Request:
        """What a claim asks for; ArchwrightError where it asks for nothing that can be observed."""
        from ..evidence.request import Side, ablation_request, bench_request, evaluation_request

        entry: Mapping[str, Any] = context.entries[label.name]
        kind = next(key for key in EVIDENCE_KEYS if key in entry)
        name = str(entry[kind])
        own = {k: v for k, v in entry.items() if k not in NOT_SETTINGS}
        for key, value in label.settings:
            own[key] = value
        own.pop("device", None)
        own = {k: _plain(k, v) for k, v in own.items()}
        asked = (label.side or context.default, *((label.to_side,) if label.to_side else ()))
        proxy = entry.get("on") == "proxy"
        if entry.get("on") not in (None, "proxy"):
            raise InvalidValue(Problem(f"claims.{label.name}.on", entry["on"], "must be proxy"))
        sides = tuple(
            Side(
                side,
                self.proxy(side) if proxy else _config(context, side),
                tuple((k, v) for k, v in context.sides[side].settings.items() if k not in own and kind == "bench"),
            )
            for side in asked
        )
        said: dict[str, Any] = {"label": label.name, "record": self.record.number or self.record.path}
        if proxy:
            said["at"] = f"proxy ({_billions(sides[-1].architecture.estimate_params())} params)"
        if kind == "eval":
            return evaluation_request(name, sides, own, **said)
        if kind == "ablation":
            return ablation_request(name, sides, own, **said)
        shared = {k: _plain(k, v) for k, v in context.settings.items() if k != "device"}
        device = dict(label.settings).get("device") or entry.get("device") or context.settings.get("device")
        strict = frozenset(own)
        return bench_request(name, sides, {**shared, **own}, str(device) if device else None, strict=strict, **said)

    def proxy(self, side: str) -> ArchitectureConfig:
        """The proxy architecture with the change of a side."""
        if side in self._proxies:
            return self._proxies[side]
        record = self.record
        if not record.proxy:
            rule = "is missing, and a claim is made on it"
            raise InvalidValue(Problem("proxy", NOTHING, rule, "Add proxy: architectures/small.yaml"))
        change: Mapping[str, Any] = {}
        if side == "decision":
            change = record.decision or {}
        elif side != "base":
            change, _, base, _ = alternative(record.alternatives.get(side))
            if base:
                rule = "starts from an architecture of its own, so it is no change that a proxy could have"
                raise InvalidValue(Problem(side, NOTHING, rule, "Bind it without on: proxy"))
        made = self.bases.change(self.bases.load(record.proxy, self.base_root), change)
        self._proxies[side] = made
        return made


def _config(context: Context, name: str) -> ArchitectureConfig:
    side = context.sides[name]
    if side.config is None:
        raise BrokenSide(Problem(name, NOTHING, f"cannot be computed: {side.problem}"))
    return side.config


class BrokenSide(InvalidValue):
    """A side whose architecture cannot be computed, which is said once for each side and not for each claim."""


def _plain(key: str, value: Any) -> Any:
    """A setting as evidence carries it: tokens as integers."""
    if key == "context" and isinstance(value, str):
        from ..arch.files import parse_tokens

        return parse_tokens(value)
    return value


def _billions(count: float) -> str:
    from ..units import significant

    amount = significant(Fraction(count) / 10**9, 2)
    return f"{amount.rstrip('0').rstrip('.') if '.' in amount else amount} B"


# The verdict ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """What the evidence says about one claim, as `ClaimResult` carries it; `code` is the finding's, if there is one."""

    verdict: str
    message: str
    code: str = ""
    title: str = ""
    target: str = ""
    remedy: str = ""
    right: str = ""
    value: float | None = None
    unit: str = ""
    how: str = ""
    notes: tuple[str, ...] = ()
    severity: Severity | None = None
    """Of the finding, where it does not depend on the record's status."""


def look(text: str, label: Label, kind: str, context: Context, observer: Observer) -> Seen:
    """The verdict on a claim. `kind` is measured, trained or evaluated."""
    try:
        request = observer.request(label, context)
    except BrokenSide as error:
        return Seen("error", error.problems[0].message, title="error: the architecture cannot be computed")
    except ArchwrightError as error:
        return _impossible(error)
    observation = observer.observe(request)
    statistic, spans, bad = _allowed(text, request, observation)
    if bad is not None:
        return bad
    from ..evidence.verdict import judge

    verdict = judge(observation, spans, statistic, age_counts=observer.ledger.age_counts)
    if verdict.at:
        verdict = replace(verdict, at=_with_tokens(verdict, observation))
    if text.strip(" *_") == "?" and verdict.estimate is not None:
        right = _right(text, verdict.estimate, observation, statistic)
        remedy = f"archwright adr fill writes {right}"
        verdict = replace(verdict, message=f"is {verdict.shown}, not yet filled in", remedy=remedy)
        return _seen("open", verdict, kind, observation, observer, right)
    right = _right(text, verdict.estimate, observation, statistic) if verdict.name == "fails" else ""
    return _seen(verdict.name, verdict, kind, observation, observer, right)


def _impossible(error: ArchwrightError) -> Seen:
    """The verdict on a claim that asks for nothing that can be observed."""
    problem = error.problems[0]
    if all(p.rule.startswith("is missing") for p in error.problems):
        message = " ".join(p.message for p in error.problems)
        return Seen("unproven", message, "claim-unproven", "unproven: no evidence yet")
    code = "unresolved-label" if isinstance(error, UnknownName) else "bad-setting"
    return Seen("error", problem.message, code, "error: the label resolves to nothing", severity="error")


def _measure(observation: Observation) -> tuple[str, Any]:
    """Unit and direction of better of what a request observes, whether anything was observed or not."""
    from ..evidence.request import ABLATION_MEASURES, BENCH_MEASURES

    measure, request = observation.measure, observation.request
    if measure is not None:
        return measure.unit, measure.better
    tables = {"bench": BENCH_MEASURES, "ablation": ABLATION_MEASURES}
    return tables.get(request.kind, {}).get(request.measure, ("%", "higher"))


def _allowed(text: str, request: Request, observation: Observation) -> tuple[Statistic, Any, Seen | None]:
    """What a text says: of which statistic, and the values that it allows; or why it says nothing that is observed."""
    from ..claims.sets import Mismatch, written_set

    written = parse_text(text)
    compares = len(request.sides) == 2
    unit, better = _measure(observation)
    averaged = observation.measure is not None and observation.measure.summary == "mean"
    usual: Statistic = ("difference" if averaged else "ratio") if compares else "value"
    if not isinstance(written, Written):
        shown = _right(text, observation.estimate(usual), observation, usual)
        judged = refused(written, shown, shown)
        return usual, (), Seen("error", judged.message, CODES["error"], remedy=judged.remedy, severity="error")
    if written.kind == "open":
        return usual, [(-float("inf"), float("inf"), True, True)], None
    allowed = written_set(written, _written_unit(unit), compares=compares, better=better)
    if isinstance(allowed, Mismatch):
        shown = _right(text, observation.estimate(usual), observation, usual)
        judged = wrong_kind(written, allowed.rule, allowed.remedy, shown or "what was observed", shown or "a figure")
        return usual, (), Seen("error", judged.message, CODES["error"], remedy=judged.remedy, severity="error")
    # floats, as the observed values are: exact fractions would only be compared slowly with them
    spans = [(float(i.low), float(i.high), i.low_closed, i.high_closed) for i in allowed.intervals]
    return allowed.statistic, spans, None


def _written_unit(unit: str) -> str:
    """The unit that texts are read in: losses are written as plain numbers."""
    return "" if unit == "nats" else unit


def _right(text: str, estimate: Estimate | None, observation: Observation, statistic: Statistic) -> str:
    """What to write instead of a text, from the estimate; empty without one."""
    measure = observation.measure
    if estimate is None or measure is None:
        return ""
    from ..claims.judge import judge, judge_comparison

    unit = _written_unit(measure.unit)
    written = parse_text(text)
    value = Fraction(estimate.value)
    if statistic == "value":
        return judge(written, Quantity(value, unit), better=measure.better).right
    sides = dict(enumerate(e for _, e in observation.side_estimates()))
    first = Fraction(sides[0].value) if sides else Fraction(1)
    second = first * value if statistic == "ratio" else first + value
    if statistic == "ratio" and text.strip(" *_") == "?":
        # two figures and a hedge: an estimate's own digits say more than its interval does
        written = parse_text("about 1.0x faster" if unit in ("s", "tokens/s") else "about 1.0x smaller")
    return judge_comparison(written, Quantity(first, unit), Quantity(second, unit), better=measure.better).right


def _with_tokens(verdict: Verdict, observation: Observation) -> str:
    """How a verdict names a proxy: with the tokens that it was trained on, where the evidence says."""
    counts = {
        found.stored.evidence.settings.get("tokens")
        for side in observation.fresh
        for found in side
        if found.stored.evidence.settings.get("tokens")
    }
    count = counts.pop() if len(counts) == 1 else None
    if isinstance(count, int | float):
        return verdict.at.removesuffix(")") + f", {_billions(count)} tokens)"
    return verdict.at


def _seen(name: str, verdict: Verdict, kind: str, observation: Observation, observer: Observer, right: str) -> Seen:
    at = f" at {verdict.at}" if verdict.at else ""
    files = verdict.evidence
    title = f"{kind}: {verdict.shown}, {VERDICTS.get(name, name)}{at}"
    if name == "unproven":
        title = "unproven: no evidence yet"
        files = ()
    elif name == "stale":
        old = next((side[0] for side in observation.stale if side), None)
        reasons = old.reasons if old is not None else ("other versions",)
        title = "stale: " + ", ".join(reason.partition(":")[0] for reason in reasons)
        files = (old.stored.name,) if old is not None else files
    elif name == "uninformative":
        title = f"{kind}: within two standard errors of guessing, uninformative{at}"
        files = tuple(dict.fromkeys(f.stored.name for side in observation.fresh for f in side))
    passes = name in ("holds", "plausible")
    estimate, measure = verdict.estimate, observation.measure
    return Seen(
        verdict=f"{name} at proxy" if verdict.at and passes else name,
        message=f"{verdict.message}{at}",
        code=CODES.get(name, ""),
        title=title,
        target=observer.target(files[0]) if files else "",
        remedy="" if passes else verdict.remedy,
        right=right,
        value=estimate.value if estimate is not None else None,
        unit=_unit_of(measure, estimate),
        how=", ".join(files),
        notes=verdict.notes if name != "stale" else (),
    )


VERDICTS = {"open": "not filled in"}


def _unit_of(measure: Measure | None, estimate: Estimate | None) -> str:
    return measure.unit if measure is not None and estimate is not None and estimate.statistic == "value" else ""


# Evidence that is gone ------------------------------------------------------------------------------------------

OBSERVED = ("measured", "trained", "evaluated", "stale", "unproven")
"""How titles of definitions begin that lead to evidence."""
GONE = "unproven: its evidence is gone"


def is_gone(definition: Definition, folder: str) -> bool:
    """Whether a definition of ours leads to an evidence file that is not there."""
    if not definition.target.endswith(".json") or not definition.title.startswith(OBSERVED):
        return False
    return is_tool_title(definition.title) and not os.path.exists(os.path.join(folder, definition.target))


def gone(label: str, document: Document, folder: str) -> Definition | None:
    """The definition of a claim whose evidence was deleted; it stays, so that it can be brought back."""
    key = fold(label)
    return next((d for d in document.definitions if fold(d.label) == key and is_gone(d, folder)), None)


def gone_findings(document: Document, folder: str, level: Severity | None) -> Iterator[Finding]:
    """A finding for each definition that leads to evidence which was deleted."""
    if level is None:
        return
    for definition in document.definitions:
        if is_gone(definition, folder):
            name = os.path.normpath(os.path.join(folder, definition.target))
            shown = os.path.relpath(name).replace(os.sep, "/")
            message = f"{shown} is the evidence of [{definition.label}] and is gone: evidence is never deleted"
            remedy = f"Bring it back: git log --diff-filter=D -- {shown}, then git checkout REVISION~1 -- {shown}"
            yield Finding("evidence-missing", level, document.path, definition.line, definition.column, message, remedy)
