"""bind: a label for each figure in plain prose, from its dimension, the words near it, and its value as tie-breaker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..claims.figures import Figure, find_figures
from ..claims.labels import parse_label
from ..claims.resolve import EVIDENCE_KEYS, Context, resolve
from ..claims.texts import parse_text
from ..errors import NOTHING, Location, Problem, UsageError
from ..textio import apply_edits, read_text, write_text
from .claims_of import judgement
from .fixing import with_definitions
from .frame import Frame, Frames, shown

SYNONYMS = {
    "mha": r"\bMHA\b|multi-?head\b|full KV",
    "mqa": r"\bMQA\b|multi-?query",
    "gqa": r"\bGQA\b|grouped?[- ]quer",
    "flash": r"\bflash",
    "paged": r"\bpaged",
}
"""How prose calls alternatives of these names."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What words near a figure speak about, and the metric, field or evidence that measures it."""

    words: str
    name: str
    units: tuple[str, ...]
    evidence: str = ""


TOPICS = (
    Topic(r"\b(?:kv[- ]?)?cach(?:e|ing)\b|\bper[- ]token\b|\bof one token\b", "kv_cache", ("B", "x", "%")),
    Topic(r"\bn_kv_heads\b|\bKV heads\b", "n_kv_heads", ("heads", "x")),
    Topic(r"\bn_heads\b|\bn_query_heads\b|\bquery heads\b", "n_heads", ("heads", "x")),
    Topic(r"\bparam(?:eter)?s?\b", "parameters", ("params", "x", "%")),
    Topic(r"\bweights\b|\bcheckpoint\b", "weights", ("B", "x", "%")),
    Topic(r"\bcontext window\b|\bcontext length\b|\bmaximum sequence\b", "max_seq_len", ("tokens",)),
    Topic(r"\blayers\b|\bdepth\b", "n_layers", ("layers",)),
    Topic(r"\bprefill FLOPs?\b|\bforward FLOPs?\b", "forward_flops", ("FLOP", "x", "%")),
    Topic(r"\bdecod\w+ FLOPs?\b|\bFLOPs? (?:a|per) token\b", "decode_flops", ("FLOP", "x", "%")),
    Topic(r"\btraining FLOPs?\b|\btraining compute\b", "training_flops", ("FLOP", "x", "%")),
    Topic(
        r"\bthroughput\b|\btokens per second\b|\btokens/s\b",
        "throughput",
        ("x", "%", "tokens/s"),
        "bench: decode_throughput",
    ),
    Topic(r"\blatency\b", "latency", ("s", "x", "%"), "bench: decode_time"),
    Topic(r"\bfaster\b|\bslower\b|\bspeed-?up\b", "speed", ("x", "%"), "bench: time"),
    Topic(r"\bMMLU\b", "mmlu", ("%", "pp"), "eval: mmlu/acc"),
    Topic(r"\bHellaSwag\b", "hellaswag", ("%", "pp"), "eval: hellaswag/acc_norm"),
    Topic(r"\bGSM8K\b", "gsm8k", ("%", "pp"), "eval: gsm8k/exact_match"),
    Topic(r"\bperplexity\b", "perplexity", ("%", "", "x"), "eval: perplexity/word_perplexity"),
    Topic(r"\baccura(?:cy|te)\b|\bquality\b", "quality", ("%", "pp"), "eval: quality/score"),
    Topic(r"\bmemory\b", "kv_cache", ("x",)),
)
"""In order of strength: the first whose words stand nearest decides."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One label a figure could have: its value there, and whether the figure agrees."""

    label: str
    value: str
    agrees: bool
    entry: str = ""
    """What `claims:` needs for it, where it is evidence."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A figure with its candidates, and the one that was chosen."""

    figure: Figure
    candidates: tuple[Candidate, ...]
    chosen: Candidate | None


@dataclass(slots=True)
class Bound:
    """What `bind` found and did."""

    path: str
    bindings: list[Binding] = field(default_factory=list)
    applied: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON output."""
        return {
            "path": self.path,
            "applied": self.applied,
            "figures": [
                {
                    "line": b.figure.line,
                    "column": b.figure.column,
                    "text": b.figure.text,
                    "chosen": b.chosen.label if b.chosen else None,
                    "candidates": [{"label": c.label, "value": c.value, "agrees": c.agrees} for c in b.candidates],
                }
                for b in self.bindings
            ],
        }


def bind(path: str, *, apply: bool = False) -> Bound:
    """Propose labels for the figures of a record; with `apply`, write those that are decided."""
    source = read_text(path)
    frames = Frames()
    frame = frames.of(source.text, path, shown(path))
    if not frame.record.base:
        where = Location(shown(path), 1, 1)
        raise UsageError(
            Problem(
                "base", NOTHING, "is missing: what do the figures speak about?", "Add base: architecture.yaml", where
            )
        )
    side = frame.context.sides["base"]
    if side.config is None:
        raise UsageError(Problem("base", frame.record.base, f"cannot be computed: {side.problem}"))
    result = Bound(shown(path), bindings(frame))
    chosen = [b for b in result.bindings if b.chosen is not None]
    if apply and chosen:
        text = apply_edits(
            source.text,
            [(b.figure.start, b.figure.end, f"[{b.figure.text}][{b.chosen.label}]") for b in chosen if b.chosen],
        )
        text = with_entries(
            text, {c.label.partition(".")[0]: c.entry for b in chosen if (c := b.chosen) and c.entry}, path
        )
        text = with_definitions(frames, text, path)
        write_text(path, text, like=source)
        result.applied = True
    return result


def with_entries(text: str, entries: dict[str, str], path: str) -> str:
    """The text with entries added to the front matter's `claims:`, those that are missing."""
    from ..arch.files import set_value

    start = text.index("\n") + 1
    end = text.index("\n---", start) + 1
    front = text[start:end]
    from ..arch.files import parse_yaml

    present = parse_yaml(front, path, 2).data.get("claims") or {}
    for name, entry in entries.items():
        if name in present:
            continue
        kind, _, what = entry.partition(": ")
        front = set_value(front, ("claims", name), {kind: what})
        present = parse_yaml(front, path, 2).data.get("claims") or {}
    return text[:start] + front + text[end:]


def bindings(frame: Frame) -> list[Binding]:
    """Every unbound figure of a record with its candidates."""
    found = []
    for figure in figures_of(frame):
        candidates = tuple(_candidates(figure, frame))
        found.append(Binding(figure, candidates, _choice(candidates)))
    return [b for b in found if b.candidates]


def figures_of(frame: Frame) -> list[Figure]:
    """The unbound figures that count: in the usual sections, or everywhere in a record that has none of them."""
    figures = find_figures(frame.document)
    titles = {h.title.lower() for h in frame.document.headings}
    if not figures and not titles & {"context", "decision", "consequences"}:
        figures = find_figures(frame.document, sections=None)
    return figures


def _choice(candidates: tuple[Candidate, ...]) -> Candidate | None:
    """The only candidate, or the only one that agrees."""
    if len(candidates) == 1:
        return candidates[0]
    agreeing = [c for c in candidates if c.agrees]
    return agreeing[0] if len(agreeing) == 1 else None


# Candidates ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The words around a figure: its line before and after it, the item it belongs to, and its section."""

    before: str
    after: str
    item: str
    section: str


def surroundings(figure: Figure, frame: Frame) -> Surroundings:
    """What stands around a figure."""
    text = frame.document.text
    start = text.rfind("\n", 0, figure.start) + 1
    end = text.find("\n", figure.end)
    end = len(text) if end < 0 else end
    heading = frame.document.heading_at(figure.start)
    headings = frame.document.headings
    begin = headings[heading].start if heading >= 0 else frame.document.body_start
    stop = headings[heading + 1].start if heading + 1 < len(headings) else len(text)
    indent = len(text[start:end]) - len(text[start:end].lstrip())
    item = ""
    for line in reversed(text[begin:start].removesuffix("\n").split("\n")):
        # the head of the list item that holds the figure: the nearest line above with less indentation
        if line.strip() and len(line) - len(line.lstrip()) < indent:
            item = line
            break
        if not line.strip():
            break
    return Surroundings(text[start : figure.start], text[figure.end : end], item, text[begin:stop])


def topic_of(figure: Figure, around: Surroundings, unit: str) -> Topic | None:
    """What a figure is about: the topic of its dimension whose words stand nearest, in its line, item or section."""
    fitting = [t for t in TOPICS if unit in t.units]
    best: tuple[int, int] | None = None
    found: Topic | None = None
    for order, topic in enumerate(fitting):
        distances = [len(around.before) - m.end() for m in re.finditer(topic.words, around.before, re.I)]
        distances += [m.start() for m in re.finditer(topic.words, around.after, re.I)]
        if distances and (best is None or (min(distances), order) < best):
            best, found = (min(distances), order), topic
    if found is not None:
        return found
    for text in (around.item, around.section):
        hits = [t for t in fitting if re.search(t.words, text, re.I)]
        if hits:
            return hits[0]
    return None


def side_of(around: Surroundings, context: Context) -> str:
    """The alternative that the words after a figure, or its list item, name; else the decision."""
    names = [n for n in context.sides if n not in ("base", "decision")]
    after = re.split(r"[,;.](?:\s|$)|->|→|\(", around.after, maxsplit=1)[0]
    for text in (after, around.item):
        for name in names:
            words = SYNONYMS.get(name, rf"\b{re.escape(name)}\b")
            if re.search(words, text, re.I):
                return name
    return context.default


def _candidates(figure: Figure, frame: Frame) -> Iterator[Candidate]:
    written = parse_text(figure.text)
    unit = getattr(written, "unit", None)
    around = surroundings(figure, frame)
    base = (
        unit.base if unit is not None else "params" if getattr(getattr(written, "figure", None), "suffix", "") else ""
    )
    topic = topic_of(figure, around, base)
    if topic is None:
        return
    context = frame.context
    side = side_of(around, context)
    names = [n for n in context.sides if n not in ("base", "decision")]
    baseline = names[0] if names else "base"
    if re.match(r"\s*(?:->|→|—>)\s*[~≈]?\d", around.after) and side == context.default:
        side = baseline
    if topic.evidence:
        yield _evidence(topic, side, baseline, frame)
    elif base in ("x", "%"):
        yield from _comparisons(figure, topic.name, side, baseline, context)
    else:
        yield from _values(figure, topic.name, side, around, context)


def _evidence(topic: Topic, side: str, baseline: str, frame: Frame) -> Candidate:
    if topic.name == "quality":
        text = frame.document.text
        specific = [
            t
            for t in TOPICS
            if t.evidence.startswith("eval") and t.name != "quality" and re.search(t.words, text, re.I)
        ]
        topic = specific[0] if len(specific) == 1 else topic
    present = [
        name
        for name, entry in frame.context.entries.items()
        if isinstance(entry, dict) and any(f"{k}: {entry.get(k)}" == topic.evidence for k in EVIDENCE_KEYS)
    ]
    name = present[0] if present else topic.name
    label = f"{name}.{baseline}->{side}" if baseline != side and len(frame.context.sides) > 1 else name
    return Candidate(label, "needs evidence", False, topic.evidence)


def _comparisons(figure: Figure, name: str, side: str, baseline: str, context: Context) -> Iterator[Candidate]:
    pairs = [(baseline, side)] if baseline != side else []
    if side != context.default:
        pairs.append((context.default, side))
    tried = [_try(figure, f"{name}.{a}->{b}", context) for a, b in pairs]
    yield from (c for c in tried if c is not None)


def _values(figure: Figure, name: str, side: str, around: Surroundings, context: Context) -> Iterator[Candidate]:
    line = around.before + around.after
    a_token = name == "kv_cache" and re.search(
        r"\bper[- ]token\b|\bof one token\b|\ba token\b|\beach token\b", line, re.I
    )
    tail = "" if side == context.default else f".{side}"
    settings = "context=1" if a_token else ""
    first = _try(figure, name + (f"({settings})" if settings else "") + tail, context)
    if first is None:
        return
    yield first
    if first.agrees:
        return
    from ..costs.metric import metrics

    if name in metrics and "per" in metrics.get(name).settings:
        both = f"{settings}, per=layer" if settings else "per=layer"
        other = _try(figure, f"{name}({both}){tail}", context)
        if other is not None and other.agrees:
            yield other


def _try(figure: Figure, label: str, context: Context) -> Candidate | None:
    """A label's value against a figure; None where the label has no value here, or not of the figure's kind."""
    parsed = parse_label(label)
    if parsed is None:
        return None
    resolved = resolve(parsed, context)
    if resolved.kind != "computed":
        return None
    judged = judgement(parse_text(figure.text), resolved)
    if judged.verdict == "error":
        return None
    return Candidate(label, judged.shown or judged.right, judged.verdict == "holds")


def describe(result: Bound, width: int = 100) -> str:
    """What was found, figure by figure, and the next command."""
    lines = [result.path]
    for b in result.bindings:
        place = f"{b.figure.line}:{b.figure.column}"
        mark = "bound" if b.chosen and result.applied else "one" if b.chosen else "?"
        head = f"  {place:<7}{b.figure.text}"
        for candidate in b.candidates:
            fits = "agrees" if candidate.agrees else "needs evidence" if candidate.entry else f"is {candidate.value}"
            arrow = "->" if candidate is b.chosen else "  "
            lines.append(f"{head:<22} {arrow} [{candidate.label}]  {fits}"[: max(width, 60)])
            head = ""
        if mark == "?":
            lines.append(f"{'':<22}    several could be meant: bind it by hand")
    chosen = sum(b.chosen is not None for b in result.bindings)
    if not result.bindings:
        lines.append("  no unbound figure that a metric or an evaluation measures")
    elif result.applied:
        lines.append(f"{chosen} figures bound. Next: archwright check")
    else:
        lines.append(f"{chosen} of {len(result.bindings)} figures can be bound. Next: the same with --apply")
    return "\n".join(lines)
