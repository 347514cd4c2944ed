"""Coverage: the fields of an architecture that differ from what it extends and that no record decides."""

from __future__ import annotations

from dataclasses import dataclass

from ..arch.config import ArchitectureConfig
from ..errors import InvalidValue
from .governance import Governance, Leaf, leaves_of
from .origins import extended, origin_of
from .report import Finding
from .standing import value_text


@dataclass(frozen=True, slots=True)
class Covered:
    """How many fields of a file differ, how many of those a record decides, and a note for each other one."""

    fields: int
    decided: int
    findings: tuple[Finding, ...] = ()


def coverage_of(config: ArchitectureConfig, file: str, path: str, governance: Governance) -> Covered | None:
    """Coverage of one file, compared with what it extends, else with the defaults; None for a published config."""
    parent = extended(file)
    if parent is None:
        return None
    old, new = parent.to_dict(), config.to_dict()
    differing = {k: new.get(k) for k in {**old, **new} if old.get(k) != new.get(k)}
    if "layers" in differing and "pattern" in differing:  # one replaces the other
        differing.pop("layers" if new.get("layers") is None else "pattern")
    try:
        leaves = leaves_of(differing, parent, config)
    except InvalidValue:
        return None
    findings = []
    for leaf in leaves:
        layers = _undecided(leaf, config, file, governance)
        if layers is None:
            continue
        first = layers[0] if layers else None
        origin = origin_of(config, file, leaf.field, first)
        name = leaf.named(layers) if leaf.explicit else leaf.named()
        message = f"{name} is {value_text(leaf.value)}, and no record says why"
        remedy = f'archwright adr new "{name}: {value_text(leaf.value)}" --base {path}'
        findings.append(Finding("undecided-field", "note", path, origin.line, origin.column, message, remedy))
    return Covered(len(leaves), len(leaves) - len(findings), tuple(findings))


def _undecided(leaf: Leaf, config: ArchitectureConfig, file: str, governance: Governance) -> tuple[int, ...] | None:
    """The layers in which nobody decided a field, () for a field of the model; None where all is decided."""
    if not leaf.of_layers:
        return None if governance.who(file, leaf.field, None, False) else ()
    layers = leaf.layers if leaf.layers is not None else range(config.n_layers)
    left = tuple(i for i in sorted(layers) if leaf.reaches(i) and not governance.who(file, leaf.field, i, True))
    return left or None
