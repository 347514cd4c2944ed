"""Proving: which claims lack evidence or have stale evidence, and the fewest runs that would give it to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..claims.document import Link
from ..claims.labels import parse_label
from ..claims.resolve import EVIDENCE_KEYS
from ..errors import ArchwrightError
from ..textio import read_text
from .claims_of import is_ours, severity_of
from .frame import Frame, Frames, shown
from .observed import look

if TYPE_CHECKING:
    from ..evidence.request import Request

LACKING = ("unproven", "stale")
KINDS = {"bench": "measured", "ablation": "trained", "eval": "evaluated"}


@dataclass(frozen=True)
class Need:
    """A claim that lacks evidence; `request` is what would give it, None (with the message) where nothing could."""

    record: str
    path: str
    line: int
    column: int
    name: str
    label: str
    text: str
    verdict: str
    message: str
    kind: str
    request: Request | None = None

    @property
    def words(self) -> set[str]:
        """What `--only` may call it: its label or name, its kind, device, target or record."""
        found = {self.name, self.label, self.kind, self.record, self.path}
        if self.request is not None:
            found |= {self.request.target, self.request.device or "", self.request.measure}
        return found - {""}


@dataclass
class Run:
    """One bench that serves several claims: a workload on a device, with every side that they compare."""

    request: Request
    needs: list[Need] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What runs, in words: `decode, batch 8, context 1024, on h100-sxm: mha, decision`."""
        settings = ", ".join(f"{name} {value}" for name, value in self.request.settings)
        sides = ", ".join(side.name for side in self.request.sides)
        return f"{self.request.target}, {settings}, on {self.request.device}: {sides}"


def needs_of(paths: Iterable[str]) -> list[Need]:
    """Every claim of some records that has no evidence, or none that is not stale; records that count for nothing
    (rejected, superseded, deprecated) ask for none. Unreadable: a record that cannot be read."""
    frames = Frames()
    frames.proving = True
    found: list[Need] = []
    for path in paths:
        frame = frames.of(read_text(path).text, path, shown(path))
        if frame.relevant and frame.readable and severity_of(frame.record.status) is not None:
            found += [need for link in frame.document.claims if (need := _need(link, frame)) is not None]
    return found


def _need(link: Link, frame: Frame) -> Need | None:
    context, document = frame.context, frame.document
    label = parse_label(link.label)
    if label is None or context.observer is None or not is_ours(link, document, context):
        return None
    entry = context.entries.get(label.name)
    kind = next((key for key in EVIDENCE_KEYS if isinstance(entry, dict) and key in entry), "")
    if not kind or any(side and side not in context.sides for side in (label.side, label.to_side)):
        return None
    seen = look(link.text, label, KINDS[kind], context, context.observer)
    if seen.verdict not in LACKING:
        return None
    record = frame.record
    made = Need(
        record.number or record.path,
        document.path,
        link.line,
        link.column,
        label.name,
        link.label,
        link.text,
        seen.verdict,
        seen.message,
        kind,
    )
    try:
        return replace(made, request=context.observer.request(label, context))
    except ArchwrightError:
        return made


def chosen(needs: Sequence[Need], only: Sequence[str]) -> list[Need]:
    """Those that every word of `--only` that is given may mean one of; all without words."""
    return [need for need in needs if not only or need.words & set(only)]


def runs_of(needs: Iterable[Need]) -> list[Run]:
    """The benches that would serve them: one for each workload of a record and device, with all its sides."""
    made: dict[Any, Run] = {}
    for need in needs:
        request = need.request
        if request is None or request.kind != "bench":
            continue
        key = (need.path, request.target, request.settings, request.device, request.at)
        run = made.setdefault(key, Run(request))
        new = [side for side in request.sides if side not in run.request.sides]
        names = {side.name for side in run.request.sides}
        if new and names.isdisjoint(side.name for side in new):
            run.request = replace(run.request, sides=(*run.request.sides, *new))
        elif new:  # the same name with other settings of its own: a bench of its own
            run = made.setdefault((*key, request.sides), Run(request))
        run.needs.append(need)
    return list(made.values())


def imports_of(needs: Iterable[Need]) -> list[str]:
    """What to evaluate or train elsewhere, and the command that brings each result in."""
    found: dict[str, None] = {}
    for need in needs:
        request = need.request
        if request is None or request.kind == "bench":
            continue
        what = f"evaluate {request.measure.partition('/')[0]}" if request.kind == "eval" else "train"
        of = " on the proxy" if request.at else ""
        for side in request.sides:
            on = " --on-proxy" if request.at else ""
            line = f"{what} for {side.name}{of}, then: archwright evidence import RESULTS --record {need.record}"
            found[f"{line} --for {side.name}{on}"] = None
    return list(found)


def elsewhere(runs: Sequence[Run], here: Iterable[str], records: Sequence[str]) -> dict[str, str]:
    """For each device that is not here the one command to run on a machine that has it."""
    known = set(here)
    named = "".join(f" {record}" for record in records)
    devices = dict.fromkeys(run.request.device or "" for run in runs if run.request.device not in known)
    return {device: f"archwright prove{named} --only {device}" for device in devices}
