"""Why a field has its value: who decided it, when and in which sentence, and what undoing it would mean."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..arch.change import PARTS, readings, restored
from ..arch.config import ArchitectureConfig
from ..arch.fields import FIELDS
from ..arch.selectors import as_ranges, indices, parse_path
from ..claims.document import parse as parse_document
from ..claims.resolve import alternative
from ..costs.metric import metrics
from ..errors import NOTHING, ArchwrightError, InvalidValue, Problem, Unreadable
from ..project import find_root
from .bases import default_base
from .frame import shown
from .governance import (
    MISSING,
    Leaf,
    Ruling,
    change_of,
    in_layer,
    same_field,
    strongest_first,
    value_in,
    value_of,
)
from .names import name_parts
from .origins import Origin, origin_of
from .reading import Records, read_all
from .sentences import sentence_about
from .standing import value_text

COMPARED = ("kv_cache", "parameters", "weights", "prefill_flops")
"""What undoing a decision is measured by, the first two that change."""


@dataclass(frozen=True, slots=True)
class Part:
    """One value of a field and the layers that have it, with who decided it, or where it was written."""

    value: Any
    layers: tuple[int, ...]
    ruling: Ruling | None = None
    leaf: Leaf | None = None
    line: int = 0
    sentence: str = ""
    undone: str = ""
    origin: Origin | None = None
    former: tuple[tuple[Ruling, Leaf], ...] = ()

    @property
    def upheld(self) -> bool:
        """Whether the value is the decided one."""
        return self.leaf is None or self.leaf.value == self.value


@dataclass(frozen=True, slots=True)
class Answer:
    """Why a field of a file is what it is."""

    field: str
    file: str
    parts: tuple[Part, ...] = ()
    n_layers: int = 0
    in_layer: str = ""
    """The field's path in a layer, where the answer is by layers."""


def why(asked: str, architecture: str | None = None, folder: Path | None = None) -> Answer:
    """Who decided a field (`n_kv_heads`, `layers[3].attention.window_size`) of an architecture.

    InvalidValue: no such field; Unreadable: no architecture to ask about.
    """
    records = read_all(folder)
    config, file = _asked_of(architecture, records)
    path = parse_path(asked)
    head = path.field.partition(".")[0]
    if path.select is None and head not in FIELDS:
        readings(config, asked)  # says which fields there are
    per_layer = path.select is not None or FIELDS[head].per_layer or head in ("layers", "pattern", "custom_attention")
    name = "attention" if head in ("layers", "pattern") else path.field
    if per_layer:
        chosen = (
            list(range(config.n_layers))
            if path.select is None
            else indices(path.select, config.n_layers, config.layers)
        )
        lookup = f"{name}.type" if name in PARTS and name not in ("rope_scaling",) else name
        field_name = in_layer(lookup)
        values = {i: value_in(config, i, field_name) for i in chosen}
        if any(v is not MISSING for v in values.values()):
            match = "attention.type" if head in ("layers", "pattern") else in_layer(name)
            return Answer(
                asked, shown(file), _layered(records, config, file, match, values), config.n_layers, field_name
            )
        if path.select is not None:
            readings(config, asked)  # says what the layers have
    value = value_of(config, path.field)
    if value is MISSING:
        readings(config, asked)
        raise InvalidValue(Problem(asked, NOTHING, "is not set", "Its layers may set it: layers[0]." + path.field))
    found = records.governance.who(file, path.field, None, False)
    return Answer(asked, shown(file), (_part(records, config, file, value, (), found, path.field),), config.n_layers)


def _asked_of(architecture: str | None, records: Records) -> tuple[ArchitectureConfig, str]:
    from ..arch.loading import load

    if architecture is None:
        root = find_root()
        base = default_base(root)
        files = [os.path.join(root, base)] if base else sorted(records.presents)
        if len(files) != 1:
            rule = "is not named, and the project has " + (
                f"several: {', '.join(map(shown, files))}" if files else "no architecture.yaml"
            )
            remedy = f"archwright why FIELD {shown(files[0])}" if files else "archwright why FIELD architecture.yaml"
            raise Unreadable(Problem("architecture", NOTHING, rule, remedy))
        architecture = files[0]
    path = os.path.abspath(architecture)
    for file, config in records.presents.items():
        if os.path.realpath(file) == os.path.realpath(path):
            return config, file
    config = load(architecture)
    return config, os.path.abspath(config.source.path) if config.source.path else architecture


def _layered(
    records: Records, config: ArchitectureConfig, file: str, name: str, values: Mapping[int, Any]
) -> tuple[Part, ...]:
    groups: dict[Any, tuple[Any, list[int], list[tuple[Ruling, Leaf]]]] = {}
    for layer, value in values.items():
        if value is MISSING:
            continue
        found = records.governance.who(file, name, layer, True)
        first = found[0] if found else None
        key = (repr(value), first and (first[0].record.path, first[1].key))
        groups.setdefault(key, (value, [], found))[1].append(layer)
    return tuple(
        _part(records, config, file, value, tuple(layers), found, name) for value, layers, found in groups.values()
    )


def _part(
    records: Records,
    config: ArchitectureConfig,
    file: str,
    value: Any,
    layers: tuple[int, ...],
    found: list[tuple[Ruling, Leaf]],
    name: str,
) -> Part:
    layer = layers[0] if layers else None
    former = [
        (ruling, leaf)
        for ruling in records.former
        if os.path.realpath(ruling.file) == os.path.realpath(file)
        for leaf in ruling.leaves
        if leaf.of_layers == bool(layers) and same_field(leaf, name) and (layer is None or leaf.reaches(layer))
    ]
    before = tuple(strongest_first(former, layer)[:2])
    if not found:
        return Part(value, layers, origin=origin_of(config, file, name, layer), former=before)
    ruling, leaf = _nearest(found, value)
    line, sentence = sentence_about(parse_document(ruling.record.text, ruling.record.path), leaf)
    return Part(value, layers, ruling, leaf, line, sentence, _undone(config, ruling, leaf), former=before)


def _nearest(found: list[tuple[Ruling, Leaf]], value: Any) -> tuple[Ruling, Leaf]:
    """Of the leaves of the strongest record the one with the present value: a map has several."""
    first = found[0][0]
    mine = [f for f in found if f[0] is first]
    return next((f for f in mine if f[1].value == value), mine[0])


def _undone(config: ArchitectureConfig, ruling: Ruling, leaf: Leaf) -> str:
    """What the field's metrics would be without the decision, or with the first alternative to it."""
    decision = change_of(ruling.record)
    settings = dict(ruling.record.settings)
    tries: list[tuple[str, Any]] = []
    with suppress(ArchwrightError):  # today's file may have no place for what was there before
        tries.append(("undone", restored(config, ruling.before, {leaf.key: decision[leaf.key]})))
    for name, data in ruling.record.alternatives.items():
        change, own, base, _ = alternative(data)
        if leaf.key in change and base is None:
            try:
                tries.append((f"with {name}", config.change({leaf.key: change[leaf.key]})))
                settings |= own
            except ArchwrightError:
                continue
    for name, other in tries:
        if other == config:
            continue
        said = _compared(config, other, settings)
        if said:
            return f"{name} ({_value(other, leaf)}): {'; '.join(said[:2])}"
    return ""


def _value(config: ArchitectureConfig, leaf: Leaf) -> str:
    if not leaf.of_layers:
        return value_text(value_of(config, leaf.field))
    layer = min(leaf.layers) if leaf.layers else 0
    found = value_in(config, layer, leaf.field)
    if found is MISSING:
        return f"{config.layers[layer].attention.type} attention"
    return value_text(found)


def _compared(now: ArchitectureConfig, other: ArchitectureConfig, settings: Mapping[str, Any]) -> list[str]:
    said = []
    for name in COMPARED:
        definition = metrics.get(name)
        own = {k: v for k, v in settings.items() if k in definition.settings and not str(v).startswith("$")}
        if "context" in definition.settings:
            own.setdefault("context", now.max_seq_len)
        try:
            mine, theirs = definition(now, **own), definition(other, **own)
        except InvalidValue:
            continue
        if mine.value != theirs.value:
            at = f" at {own['context']:,}" if isinstance(own.get("context"), int) else ""
            verb = "are" if definition.label.endswith("s") else "is"
            said.append(f"{definition.label}{at} {verb} {theirs} instead of {mine}")
    return said


# Words --------------------------------------------------------------------------------------------------------


def text(answer: Answer, width: int = 100) -> str:
    """The answer for a terminal: values with their layers, then who decided them."""
    groups: dict[Any, list[Part]] = {}
    for part in answer.parts:
        groups.setdefault((part.ruling and part.ruling.record.path, part.upheld, part.undone), []).append(part)
    lines: list[str] = []
    for parts in groups.values():
        lines += _block(answer, parts, width)
    return "\n".join(lines)


def _block(answer: Answer, parts: list[Part], width: int) -> list[str]:
    room = max(len(value_text(part.value)) for part in parts) + 2
    indent = " " * room
    lines: list[str] = []
    for part in parts:
        where = ""
        if part.layers and len(part.layers) != answer.n_layers:
            where = f"layer{'s' * (len(part.layers) > 1)} {as_ranges(part.layers)}"
        said = _said_of(answer, part)
        alone = len(parts) == 1 or part.ruling is None
        words = ": ".join(w for w in (where, said if alone else "") if w)
        lines += _wrapped(f"{value_text(part.value):<{room}}{words}", indent, width)
    first = parts[0]
    if first.ruling is not None:
        if len(parts) > 1:
            lines += _wrapped(indent + _said_of(answer, first), indent, width)
        place = f"{first.ruling.record.path}:{first.line}" if first.line else first.ruling.record.path
        sentence = f'  "{first.sentence}"' if first.sentence else ""
        lines += _wrapped(f"{indent}{place}{sentence}", indent, width)
        if first.undone:
            lines += _wrapped(f"{indent}{first.undone}", indent, width)
    for ruling, leaf in first.former:
        record = ruling.record
        digits = len(name_parts(record.stem).digits)
        names = [f"ADR-{n:0>{digits}}" if n[:1].isdigit() else n for n in record.superseded_by]
        by = f" by {', '.join(names)}" if names else ""
        status = record.status if record.status != "accepted" else "superseded"
        before = f'{indent}before: {value_text(leaf.value)}, {record.label} "{record.title}" ({status}{by})'
        lines += _wrapped(before, indent, width)
    if first.ruling is None:
        name = f"{answer.field}: {value_text(first.value)}"
        lines.append(f'{indent}Next: archwright adr new "{name}" --change {_change(answer, first)}')
    elif not first.upheld:
        number = first.ruling.record.number or first.ruling.record.path
        lines.append(f"{indent}Next: set it back, or archwright adr supersede {number} --by N")
    return lines


def _said_of(answer: Answer, part: Part) -> str:
    if part.ruling is None or part.leaf is None:
        return f"{part.origin.words if part.origin else 'unknown'}; no record decides it"
    record = part.ruling.record
    when = f", accepted {record.date}" if record.date else ", accepted"
    named = f'{record.label} "{record.title}"{when}'
    if part.upheld:
        return f"decided in {named}"
    return f"in {answer.file}, but {value_text(part.leaf.value)} was decided in {named}"


def _wrapped(line: str, indent: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(line, max(width, 40), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _change(answer: Answer, part: Part) -> str:
    field = answer.field
    some = part.layers and len(part.layers) != answer.n_layers
    if some or field in ("layers", "pattern", *PARTS):
        selected = as_ranges(part.layers) if part.layers else ""
        field = f"layers[{selected}].{answer.in_layer}" if answer.in_layer else field
    word = f"{field}={value_text(part.value)}"
    return f"'{word}'" if any(c in word for c in " {}[]&|;<>()$`") else word


def as_data(answer: Answer) -> dict[str, Any]:
    """The answer as in the JSON output."""
    from ..arch.selectors import plain

    parts = []
    for part in answer.parts:
        record = part.ruling.record if part.ruling else None
        parts.append(
            {
                "value": plain(part.value),
                "layers": as_ranges(part.layers) if part.layers else None,
                "upheld": part.upheld,
                "record": record.path if record else None,
                "number": record.number if record else None,
                "title": record.title if record else None,
                "date": record.date if record else None,
                "decided": plain(part.leaf.value) if part.leaf and part.leaf.value is not MISSING else None,
                "line": part.line or None,
                "sentence": part.sentence,
                "undone": part.undone,
                "origin": part.origin.words if part.origin else None,
                "former": [
                    {"record": r.record.path, "value": plain(leaf.value), "status": r.record.status}
                    for r, leaf in part.former
                ],
            }
        )
    return {"schema": "archwright/why/1", "field": answer.field, "file": answer.file, "values": parts}
