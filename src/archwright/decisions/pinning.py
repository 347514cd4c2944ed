"""Pinning: collects what a record's claims depend on, and writes it as a pin."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..arch.config import ArchitectureConfig
from ..arch.loading import Requirement
from ..claims.labels import parse_label
from ..claims.recorded import texts_of
from ..claims.resolve import alternative, resolve
from ..errors import NOTHING, InvalidValue, Problem
from .pins import FOLDER, FORMAT, HEADER, Pin, Pins, content_name, inputs_of
from .template import flow, scalar

if TYPE_CHECKING:
    from .frame import Frame


def needs_pin(frame: Frame) -> bool:
    """Whether a record speaks about an architecture that could change."""
    record = frame.record
    return record.base is not None or any(alternative(a)[2] for a in record.alternatives.values())


def make_pin(frame: Frame, folder: str) -> tuple[Pin, str]:
    """The pin of a record as its frame sees it today, and the text of its file.

    InvalidValue: a side that its claims speak about cannot be computed, so it cannot be kept.
    """
    broken = [
        Problem(name, NOTHING, f"cannot be computed: {side.problem}", "mend it, then accept the record")
        for name, side in frame.context.sides.items()
        if side.problem
    ]
    if broken:
        raise InvalidValue([p.at(frame.record.where) for p in broken])
    data = _data(frame)
    text = HEADER + "\n".join(_lines(data)) + "\n"
    from ..arch.files import parse_yaml

    read = parse_yaml(text).data
    name = content_name(read)
    path = os.path.join(folder, FOLDER, f"{name}.yaml")
    return Pins().of(read, path, name), text


def _data(frame: Frame) -> dict[str, Any]:
    from .. import __version__

    record, context = frame.record, frame.context
    data: dict[str, Any] = {"format": FORMAT, "release": __version__}
    base = context.sides["base"].config
    if record.base and base is not None:
        data["base"] = {"from": record.base, **_architecture(base)}
    others = {}
    for change in record.alternatives.values():
        named = alternative(change)[2]
        if named:
            others[named] = _architecture(frame.load(named))
    if record.proxy:
        others[record.proxy] = _architecture(frame.load(record.proxy))
    if others:
        data["others"] = others
    values, devices = _values(frame)
    if devices:
        data["devices"] = devices
    if record.decision is not None:
        data["decision"] = dict(record.decision)
    data["inputs"] = inputs_of(record)
    if values:
        data["values"] = values
    return data


def _architecture(config: ArchitectureConfig) -> dict[str, Any]:
    stored: dict[str, Any] = {"fingerprint": config.fingerprint}  # without its name: it may be that of a folder
    if config.source.weights_dtype:
        stored["weights_dtype"] = config.source.weights_dtype
        if config.source.kept_parts:
            stored["kept_parts"] = list(config.source.kept_parts)
    stored["architecture"] = config.to_dict()
    if config.source.requirements:
        stored["requirements"] = [_requirement(r) for r in config.source.requirements]
    return stored


def _requirement(requirement: Requirement) -> dict[str, Any]:
    return {
        "name": requirement.name,
        "metric": requirement.metric,
        **dict(requirement.settings),
        **dict(requirement.bounds),
    }


def _values(frame: Frame) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of computed claims by label, and the accelerators that they and the requirements use."""
    values: dict[str, Any] = {}
    named: list[Any] = []
    for link in frame.document.claims:
        label = parse_label(link.label)
        if label is None:
            continue
        resolved = resolve(label, frame.context)
        if resolved.kind == "computed":
            texts = texts_of(resolved)
            values[str(label)] = texts[0] if len(texts) == 1 else list(texts)
            named += [operand.settings.get("device") for operand in resolved.operands]
    base = frame.context.sides["base"].config
    for requirement in base.source.requirements if base is not None else ():
        named.append(dict(requirement.settings).get("device"))
    from ..costs.hardware import devices

    return values, {slug: _facts(slug) for slug in sorted({n for n in named if isinstance(n, str) and n in devices})}


def _facts(slug: str) -> dict[str, Any]:
    from ..costs.hardware import device

    found = device(slug)
    facts: dict[str, Any] = {"name": found.name, "vendor": found.vendor}
    peaks: dict[str, Any] = {}
    for name, fact in found.facts:
        unit = {"memory": "B", "bandwidth": "B/s", "power": "W"}.get(name, "FLOP/s")
        value: Any = int(fact.value) if fact.value.denominator == 1 else float(Fraction(fact.value))
        entry = {"value": value, "unit": unit, "source": fact.source, "read_on": fact.read_on}
        if name.startswith("peak."):
            peaks[name.removeprefix("peak.")] = entry
        else:
            facts[name] = entry
    return {**facts, "peaks": peaks}


def _lines(data: Mapping[str, Any], depth: int = 0) -> list[str]:
    """YAML lines: maps as blocks as long as they are not small, lists of maps one item a line."""
    indent = "  " * depth
    lines: list[str] = []
    for key, value in data.items():
        name = f"{indent}{scalar(key)}:"
        if isinstance(value, Mapping) and "read_on" not in value and (depth == 0 or len(flow(value)) > 100):
            lines += [name, *_lines(value, depth + 1)]
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            lines += [name, *(f"{indent}  - {flow(item)}" for item in value)]
        else:
            lines.append(f"{name} {flow(value)}")
    return lines
