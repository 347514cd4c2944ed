"""What an observation depends on, narrowly: the parts of the architecture that matter, the settings, the code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidValue, Problem, did_you_mean, show
from .code import code_differences
from .record import Arm, Evidence, Identity
from .schema import SCOPES

if TYPE_CHECKING:
    from ..arch.config import ArchitectureConfig
    from ..arch.layer import Layer

SCOPE_OF = {"attention": "attention", "layer": "layer", "prefill": "inference", "decode": "inference"}
"""The parts that matter to each target of a bench."""

Present = Mapping[str, str]
"""Versions of what is installed now, by name."""


# The parts that matter ------------------------------------------------------------------------------------------


def parts_tree(config: ArchitectureConfig, scope: str, where: str = "", passes: str = "forward") -> dict[str, Any]:
    """The derived tree of the parts that matter, without neutral fields.

    attention: one layer's attention and positions. layer: the whole layer. inference: everything but dropout and
    initialisation. training: everything. Dropout matters to `attention` and `layer` only where `passes` is `both`.
    InvalidValue: an unknown scope; layers that differ where none is named.
    """
    if scope not in SCOPES:
        raise InvalidValue(Problem("scope", scope, "is not a scope", did_you_mean(scope, SCOPES, "Known")))
    if scope == "training":
        return {"scope": scope, **config.canonical()}
    if scope == "inference":
        tree: dict[str, Any] = _without_dropout(config.canonical())
        tree.pop("init_method", None)
        return {"scope": scope, **tree}
    layer = layer_at(config, where).canonical()
    if scope == "attention":
        layer = {name: layer[name] for name in ("attention", "position") if name in layer}
    return {"scope": scope, **(layer if passes == "both" else _without_dropout(layer))}


def _without_dropout(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _without_dropout(part) for name, part in tree.items() if name != "dropout"}
    if isinstance(tree, list):
        return [_without_dropout(part) for part in tree]
    return tree


def layer_at(config: ArchitectureConfig, where: str = "") -> Layer:
    """The layer that `where` names (`layers[3]`, `3`, `type=sliding`): one, or several that are the same."""
    from ..arch.selectors import as_ranges, indices

    chosen = where.strip()
    if chosen.startswith("layers[") and chosen.endswith("]"):
        chosen = chosen[7:-1]
    numbers = indices(chosen, config.n_layers, config.layers) if chosen else list(range(config.n_layers))
    layers = {id(config.layers[n]): config.layers[n] for n in numbers}
    if len(layers) == 1:
        return next(iter(layers.values()))
    kinds = "; ".join(f"layers[{as_ranges(group)}] {layer.attention.type}" for layer, group in config.groups)
    rule = "means layers that differ" if where else "is missing, and the layers differ"
    raise InvalidValue(Problem("where", where, rule, f"Name one kind: {kinds}"))


@lru_cache(maxsize=4096)
def _fingerprint(key: tuple[str, str, str, str]) -> dict[str, str]:
    return {}


def parts_fingerprint(config: ArchitectureConfig, scope: str, where: str = "", passes: str = "forward") -> str:
    """The fingerprint of the parts that matter: `v1-` and 16 hex digits.

    >>> from archwright.arch.config import ArchitectureConfig
    >>> a = ArchitectureConfig()
    >>> b = a.change(attention_dropout=0.1, init_method="xavier")
    >>> [parts_fingerprint(a, s) == parts_fingerprint(b, s) for s in ("attention", "inference", "training")]
    [True, True, False]
    """
    from ..arch.config import fingerprint

    # Equal fingerprints are equal trees, so each is cut to its parts once.
    known = _fingerprint((config.fingerprint, scope, where, passes))
    if "parts" not in known:
        known["parts"] = fingerprint(parts_tree(config, scope, where, passes))
    return known["parts"]


def identity(
    config: ArchitectureConfig, scope: str, where: str = "", passes: str = "forward", name: str = ""
) -> Identity:
    """The identity of an architecture as an arm carries it."""
    return Identity(
        name=name or config.name,
        fingerprint=config.fingerprint,
        scope=scope,
        parts=parts_fingerprint(config, scope, where, passes),
        where=where,
        fields=config.to_dict(),
    )


def field_differences(recorded: Mapping[str, Any], config: ArchitectureConfig) -> list[str]:
    """What was written then and is written otherwise now: `n_kv_heads was 32, is 8`."""
    from ..arch.fields import FIELDS

    now = config.to_dict()
    found = []
    for name in FIELDS:
        old, new = (fields.get(name, FIELDS[name].default) for fields in (recorded, now))
        if old != new and (name in recorded or name in now):
            found.append(f"{name} was {show(old)}, is {show(new)}")
    return found


# Settings -------------------------------------------------------------------------------------------------------


def setting_differences(recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Settings that are asked for and were others: `batch was 1, is 8`. Those that nobody asks for do not matter."""
    found = []
    for name, value in asked.items():
        if name not in recorded:
            found.append(f"{name} was not recorded, is {show(value)}")
        elif not same_setting(recorded[name], value):
            found.append(f"{name} was {show(recorded[name])}, is {show(value)}")
    return found


def same_setting(a: Any, b: Any) -> bool:
    """Whether two settings mean the same: numbers by value, texts as they are, true and false are no numbers."""
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


# All of it ------------------------------------------------------------------------------------------------------


def arm_differences(
    evidence: Evidence, arm: Arm, config: ArchitectureConfig | None, settings: Mapping[str, Any], root: Path | None
) -> Iterator[str]:
    """Every reason why an arm is not evidence about an architecture with these settings and the code of today."""
    passes = str(settings.get("passes", evidence.settings.get("passes", "forward")))
    known = arm.architecture
    if config is not None and known is not None:
        where = str(settings.get("where", known.where))
        if known.parts != parts_fingerprint(config, known.scope, where, passes):
            fields = field_differences(known.fields, config)
            yield f"another architecture: {'; '.join(fields)}" if fields else "another architecture"
    asked = {name: value for name, value in settings.items() if name != "where"}
    changed = setting_differences({**evidence.settings, **arm.settings}, asked)
    if changed:
        yield f"other settings: {'; '.join(changed)}"
    code = code_differences(arm.code, root)
    if code:
        yield f"other code: {'; '.join(code)}"


def age(evidence: Evidence, present: Present) -> list[str]:
    """What was installed in another version then: `torch 2.9.0, now 2.13.0`."""
    versions = evidence.environment.get("versions", {})
    found = []
    for name, now in present.items():
        then = versions.get(name)
        if then is not None and _public(str(then)) != _public(now):
            found.append(f"{name} {then}, now {now}")
    return found


def _public(version: str) -> str:
    return version.partition("+")[0]


def present_versions(names: tuple[str, ...] = ("torch",)) -> dict[str, str]:
    """The installed versions, read without importing anything; what is not installed is left out.

    By the names of the folders that installers write: `importlib.metadata` would take longer than a whole check.
    """
    import os
    import sys

    wanted = {name.lower().replace("-", "_"): name for name in names}
    found: dict[str, str] = {}
    for folder in sys.path:
        try:
            entries = os.listdir(folder or ".")
        except OSError:
            continue
        for entry in entries:
            if entry.endswith((".dist-info", ".egg-info")):
                package, _, version = entry.rpartition(".")[0].partition("-")
                name = wanted.get(package.lower().replace("-", "_").replace(".", "_"))
                if name is not None and version:
                    found.setdefault(name, version.partition("-py")[0])
    return {name: found[name] for name in names if name in found}
