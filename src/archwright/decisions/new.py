"""new: a record that is already half written: front matter, figures, alternatives with a table."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..arch.attention.base import divisors
from ..arch.config import ArchitectureConfig
from ..arch.loading import load
from ..claims.labels import is_name
from ..errors import NOTHING, ArchwrightError, InvalidValue, Problem, UsageError, did_you_mean
from .bases import default_base
from .filling import filled
from .frame import Frames
from .numbering import create
from .tables import table
from .template import render
from .writing import shown_value


@dataclass(slots=True)
class Draft:
    """What a new record starts from; everything but the title may be left out."""

    title: str
    base: str | None = None
    decision: dict[str, Any] = field(default_factory=dict)
    alternatives: dict[str, dict[str, Any]] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    authors: Sequence[str] = ()
    date: str = ""
    device: str = "h100-sxm"


@dataclass(frozen=True, slots=True)
class Created:
    """The new record: where it is, how many figures were written, and its alternatives by name."""

    path: str
    figures: int
    alternatives: dict[str, dict[str, Any]]
    text: str
    changes: tuple[str, ...] = ()
    """What changes, `n_kv_heads 8 -> 4`."""
    effects: tuple[tuple[str, str], ...] = ()
    """What that does: a metric's label and `4.00 GiB to 2.00 GiB, 2.00x smaller`."""


WORDS = {
    "kv_cache": "The KV cache at a context of {context}",
    "parameters": "The parameters",
    "weights": "The weights",
    "prefill_flops": "The arithmetic of the whole context of {context}",
    "decode_time": "The lower bound of decoding a token on {device}",
}
"""What a new record compares when a change alters it, in a sentence's words."""


def new(draft: Draft, folder: str | os.PathLike[str], root: Path) -> Created:
    """Write a new record with the next free number in a folder; parallel calls get different numbers."""
    if not draft.title.strip():
        raise UsageError(Problem("title", draft.title, "is empty", 'Write archwright adr new "Fewer KV heads"'))
    base, config = base_of(draft.base, root)
    if base is None and (draft.decision or draft.alternatives):
        raise UsageError(Problem("base", NOTHING, "is missing: what is changed?", "Add --base architecture.yaml"))
    _require_valid(draft, config)  # problems are reported before anything is written
    alternatives = draft.alternatives
    if alternatives is None:
        alternatives = proposed_alternatives(config, draft.decision) if config and draft.decision else {}
    settings = {"context": config.max_seq_len, "dtype": "bf16"} if config else {}
    if config and draft.decision:
        settings["device"] = draft.device
    settings |= draft.settings
    frames = Frames()
    probe = os.path.join(os.fspath(folder), "draft.md")
    sections, compared = _sections(draft, config, settings)
    if not compared and draft.alternatives is None:
        alternatives = {}  # nothing would stand in their table
    if alternatives and compared:
        frame = frames.of(_rendered(draft, base, alternatives, settings, sections), probe)
        sections["Alternatives Considered"] = _alternatives(alternatives) + table(frame, compared[:3])
    text, _, _ = filled(frames, _rendered(draft, base, alternatives, settings, sections), probe)
    figures = len(frames.of(text, probe).document.claims)
    path = create(folder, draft.title, lambda number: text)
    changes = [f"{p} {_before(config, p)} -> {_said(v)}" for p, v in draft.decision.items()] if config else []
    effects = _effects(config, draft.decision, compared, settings) if config else []
    return Created(path, figures, alternatives, text, tuple(changes), tuple(effects))


def base_of(named: str | None, root: Path) -> tuple[str | None, ArchitectureConfig | None]:
    """The base that a new record speaks about, as the record names it, and its architecture; `-` is none."""
    if named == "-":
        return None, None
    base = from_root(named, root) or default_base(root)
    if base is None:
        return None, None
    return base, load(base if base.startswith("preset:") else _located(base, root), root)


def from_root(base: str | None, root: Path) -> str | None:
    """A base as a record names it: a file that was named from the current folder is named from the project's root."""
    if base is None or base.startswith("preset:") or (root / base).exists() or not os.path.exists(base):
        return base
    return os.path.relpath(base, root).replace(os.sep, "/")


def _require_valid(draft: Draft, config: ArchitectureConfig | None) -> None:
    """InvalidValue with everything that is wrong with the decision, the alternatives and the settings."""
    from ..costs.metric import known_setting
    from ..costs.settings import SETTINGS

    problems: list[Problem] = []
    changes = [("", draft.decision), *((f"{n}: ", c) for n, c in (draft.alternatives or {}).items())]
    for owner, change in changes:
        if owner and not is_name(owner[:-2]):
            rule = "is no name of an alternative: lower case letters, digits, _ and -, none of the reserved words"
            problems.append(Problem("alternative", owner[:-2], rule, "Write --alternative mha:n_kv_heads=32"))
        try:
            if config is not None:
                config.change(change)
        except ArchwrightError as error:
            problems += [replace(p, field=owner + p.field) for p in error.problems]
    for name in draft.settings:
        if not known_setting(name):
            problems.append(Problem(name, NOTHING, "is not a setting", did_you_mean(name, SETTINGS)))
    if problems:
        raise InvalidValue(problems)


def _effects(
    config: ArchitectureConfig, decision: Mapping[str, Any], compared: Sequence[str], settings: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Label and comparison of each metric that the decision alters."""
    from ..claims.judge import judge_comparison
    from ..claims.texts import parse_text
    from ..costs.metric import metrics

    after = config.change(decision) if decision else config
    for name in compared:
        definition = metrics.get(name)
        own = {k: v for k, v in settings.items() if k in definition.settings}
        judged = judge_comparison(parse_text("?"), definition(config, **own), definition(after, **own))
        yield definition.label, judged.shown


def _located(base: str, root: Path) -> Path | str:
    path = root / base
    return path if path.exists() or "/" in base or base.endswith((".yaml", ".yml", ".json")) else base


def author(root: Path) -> str | None:
    """The name that git knows, or none."""
    try:
        done = subprocess.run(
            ["git", "config", "user.name"], cwd=root, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def proposed_alternatives(config: ArchitectureConfig, decision: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Two neighbours of a changed number, each valid; none where the change is of another kind."""
    found: dict[str, dict[str, Any]] = {}
    for path, value in decision.items():
        name = path.rpartition(".")[2]
        if not isinstance(value, int) or isinstance(value, bool):
            continue
        if name == "n_kv_heads":
            heads = config.change(decision).n_heads
            options = [d for d in reversed(divisors(heads)) if d < value][:2] or [
                d for d in divisors(heads) if d > value
            ][:2]
        else:
            options = [value // 2, value * 2]
        for option in options:
            if _before(config, path) == _said(option):
                continue  # that is what the decision changes
            change = {**decision, path: option}
            try:
                config.change(change)
            except ArchwrightError:
                continue
            if option > 0:
                found[f"{_short(name)}{option}"] = change
    return found


def _short(name: str) -> str:
    return {"n_kv_heads": "kv", "n_heads": "heads", "n_layers": "layers", "window_size": "window"}.get(
        name, name.replace("_", "-") + "-"
    )


def _sections(
    draft: Draft, config: ArchitectureConfig | None, settings: Mapping[str, Any]
) -> tuple[dict[str, str], list[str]]:
    """The sections that can be written, and the metrics that the change alters."""
    if config is None or not draft.decision:
        return {}, []
    lines, compared = _consequences(config, config.change(draft.decision), settings)
    lines.append("<!-- What does it cost in quality, and whom did you ask? -->")
    decision = "\n".join(_decision_line(config, path, value) for path, value in draft.decision.items())
    return {"Decision": decision, "Consequences": "\n".join(lines)}, compared


def _rendered(
    draft: Draft,
    base: str | None,
    alternatives: Mapping[str, Any],
    settings: Mapping[str, Any],
    sections: Mapping[str, str],
) -> str:
    return render(
        draft.title,
        date=draft.date or None,
        authors=list(draft.authors),
        base=base,
        decision=draft.decision or None,
        alternatives=alternatives or None,
        settings=settings or None,
        sections=sections,
    )


def _decision_line(config: ArchitectureConfig, path: str, value: Any) -> str:
    before = _before(config, path)
    return f"Use `{path}: {_said(value)}`" + (f" instead of {before}." if before else ".")


def _before(config: ArchitectureConfig, path: str) -> str:
    """What a path reads before the change; where it differs between layers, each value once."""
    from ..arch.change import readings

    try:
        return " and ".join(dict.fromkeys(_said(r.value) for r in readings(config, path)))
    except InvalidValue:
        return ""


def _said(value: Any) -> str:
    """A value as YAML; a part of a layer by its type."""
    kind = getattr(value, "type", None)
    return kind if isinstance(kind, str) else shown_value(value)


def _consequences(
    before: ArchitectureConfig, after: ArchitectureConfig, settings: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """A sentence for each metric that changes, with question marks for its figures."""
    from ..costs.metric import metrics

    lines, changed = [], []
    for name, words in WORDS.items():
        definition = metrics.get(name)
        own = {k: v for k, v in settings.items() if k in definition.settings}
        if definition(before, **own).value == definition(after, **own).value:
            continue
        changed.append(name)
        subject = words.format(context=f"{settings.get('context', after.max_seq_len):,}", device=settings.get("device"))
        verb, becomes = ("are", "become") if name in ("parameters", "weights") else ("is", "becomes")
        lines.append(f"- {subject} {verb} [?][{name}.base->decision]: [?][{name}.base] {becomes} [?][{name}].")
    if not changed:
        lines.append("- None of cache, parameters, weights, arithmetic or decoding time changes.")
    return lines, changed


def _alternatives(alternatives: Mapping[str, Any]) -> str:
    lines = [
        f"- {name}: " + ", ".join(f"`{k}: {shown_value(v)}`" for k, v in change.items())
        for name, change in alternatives.items()
    ]
    return "\n".join(lines) + "\n\n"
