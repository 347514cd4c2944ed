"""From anything that means an architecture (a file, a folder, a preset, a map) to an `ArchitectureConfig`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NOTHING, InvalidValue, Location, Problem, Unreadable, did_you_mean
from .change import PARTS, retyped
from .config import ArchitectureConfig, Source
from .spec import Where

if TYPE_CHECKING:
    from .files import Document

TOP_KEYS = ("architecture", "extends", "name", "requirements")
BOUNDS = ("at_most", "at_least", "equals")
_MAX_EXTENDS = 32


@dataclass(frozen=True, slots=True)
class Requirement:
    """What the model must meet: a metric, its settings and a bound, as written."""

    name: str
    metric: str
    bounds: tuple[tuple[str, Any], ...]
    settings: tuple[tuple[str, Any], ...] = ()
    where: Location | None = None


def from_text(text: str, kind: str) -> ArchitectureConfig:
    """From YAML or JSON text, which has no location and so cannot extend a file."""
    from .files import parse_json, parse_yaml

    document = parse_json(text) if kind == "json" else parse_yaml(text)
    return read(document, root=None)


def load(
    what: str | os.PathLike[str] | Mapping[str, Any] | ArchitectureConfig, root: Path | None = None
) -> ArchitectureConfig:
    """An architecture from a file (ours or a `config.json`), a folder with one, a preset's name, or a map.

    `root` is the folder that `extends` must not leave; by default the project's.
    """
    if isinstance(what, ArchitectureConfig):
        return what
    if isinstance(what, Mapping):
        return from_map(what)
    text = os.fspath(what) if isinstance(what, str | os.PathLike) else what
    if not isinstance(text, str):
        raise InvalidValue(Problem("architecture", what, "is not a file, a preset or a map"))
    if text.startswith("preset:"):
        return from_preset(text[7:])
    path = Path(text)
    if path.is_dir():
        for name in ("architecture.yaml", "architecture.yml", "config.json"):
            if (path / name).exists():
                return from_file(path / name, root)
        raise Unreadable(
            Problem(text, NOTHING, "is a folder without an architecture", "Put architecture.yaml or config.json there")
        )
    if os.path.lexists(path) or path.suffix in (".yaml", ".yml", ".json") or "/" in text:
        return from_file(path, root)
    return from_preset(text)


def from_preset(name: str) -> ArchitectureConfig:
    """A published model by its name; an unknown one gets the nearest."""
    from .presets import names, preset

    if name not in names():
        hint = did_you_mean(name, names()) if names() else ""
        if hint and not hint.startswith("Did"):
            hint = "See archwright presets"
        raise Unreadable(Problem("architecture", name, "is neither a file nor a preset", hint))
    return preset(name)


def from_map(data: Mapping[str, Any]) -> ArchitectureConfig:
    """From a map in memory: ours (flat or under `architecture`) or a `config.json`'s."""
    from .files import Document

    return read(Document(dict(data)), root=None)


def from_file(path: Path, root: Path | None = None) -> ArchitectureConfig:
    """From a file of ours or a `config.json`."""
    from .files import load as load_file

    return read(load_file(path), root=root, path=path)


def is_foreign(data: object) -> bool:
    """Whether a map is a published model's `config.json`."""
    return (
        isinstance(data, Mapping) and "architecture" not in data and bool({"model_type", "architectures"} & set(data))
    )


def read(document: Document, root: Path | None, path: Path | None = None) -> ArchitectureConfig:
    """An architecture from a parsed document."""
    if is_foreign(document.data):
        from .huggingface import import_config

        config = import_config(document)
        name = config.source.name or (_name_of(path) if path else "")
        return config.sourced(replace(config.source, name=name, path=str(path) if path else None))
    fields, source, where, top = _authored(document, root, path, ())
    prefix = "architecture." if top else ""
    return ArchitectureConfig.from_fields(fields, prefix, where, top, source)


def _name_of(path: Path) -> str:
    generic = path.stem in ("architecture", "config", "model", "base")
    return path.resolve().parent.name if generic and path.resolve().parent.name else path.stem


def _authored(
    document: Document, root: Path | None, path: Path | None, seen: tuple[str, ...]
) -> tuple[dict[str, Any], Source, Where, tuple[str, ...]]:
    """The authored fields after `extends`, the source, and where each field stands."""
    data = document.data
    label = str(path) if path else document.path
    if data is None or not isinstance(data, Mapping):
        found = "is empty" if data is None else f"is {type(data).__name__}, not a map of fields"
        raise Unreadable(
            Problem(label, NOTHING, found, "Write architecture: with d_model, n_layers, ...").at(document.where(()))
        )
    top: tuple[str, ...] = ()
    problems: list[Problem] = []
    own: Any = data
    if "architecture" in data:
        top = ("architecture",)
        own = data["architecture"] if data["architecture"] is not None else {}
        for key in data:
            if key not in TOP_KEYS:
                hint = did_you_mean(str(key), TOP_KEYS, "The keys of a file")
                if key not in TOP_KEYS and _is_field(str(key)):
                    hint = "Move it under architecture:"
                problems.append(
                    Problem(str(key), NOTHING, "is not a key of an architecture file", hint).at(
                        document.where((key,), True)
                    )
                )
        if not isinstance(own, Mapping):
            raise InvalidValue(Problem("architecture", own, "must be a map of fields").at(document.where(top)))
    else:
        own = {k: v for k, v in data.items() if k not in TOP_KEYS}
    requirements = _requirements(data.get("requirements"), document, problems)
    name = data.get("name")
    if name is not None and not isinstance(name, str):
        problems.append(Problem("name", name, "must be a text").at(document.where(("name",))))
    fields = dict(own)
    where: Where = document.where
    if data.get("extends") is not None:
        try:
            parent, foreign = _parent(data["extends"], document, root, path, seen)
        except (InvalidValue, Unreadable) as error:
            raise type(error)([*problems, *error.problems]) from None
        fields = _extended(parent, own)
        where = _placed(document, top, foreign)
    if problems:
        raise InvalidValue(problems)
    source = Source(str(name or (_name_of(path) if path else "")), str(path) if path else None, requirements)
    return fields, source, where, top


def _placed(document: Document, top: tuple[str, ...], parent: Location | None) -> Where:
    """Places of a child's fields; those it does not set stand where it extends."""

    def where(keys: tuple[str | int, ...], key: bool = False) -> Location | None:
        data: Any = document.data
        for step in keys:
            try:
                data = data[step]
            except (KeyError, IndexError, TypeError):
                return parent
        return document.where(keys, key)

    return where


def _is_field(key: str) -> bool:
    from .fields import FIELDS

    return key in FIELDS


def _extended(parent: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396 with the two rules of this tree: a changed type drops fields, layers and pattern replace each other."""
    fields = dict(parent)
    for key, value in own.items():
        if value is None:
            fields.pop(key, None)
        elif key in PARTS:
            fields[key] = retyped(key, fields.get(key), value)
        else:
            fields[key] = value
    if own.get("layers") is not None and own.get("pattern") is None:
        fields.pop("pattern", None)
    if own.get("pattern") is not None and own.get("layers") is None:
        fields.pop("layers", None)
    return fields


def _parent(
    target: Any, document: Document, root: Path | None, path: Path | None, seen: tuple[str, ...]
) -> tuple[dict[str, Any], Location | None]:
    """The authored fields of what a file extends."""
    place = document.where(("extends",))
    if not isinstance(target, str):
        raise InvalidValue(Problem("extends", target, "must name a file or preset:NAME").at(place))
    if target.startswith("preset:"):
        from .presets import names, preset

        if target[7:] not in names():
            raise InvalidValue(
                Problem("extends", target, "is not a known preset", did_you_mean(target[7:], names(), "Known")).at(
                    place
                )
            )
        return _given(preset(target[7:])), place
    if path is None:
        raise InvalidValue(
            Problem(
                "extends",
                target,
                "needs a file: a text has no place to start from",
                "Use preset:NAME, or load the file",
            ).at(place)
        )
    from ..project import find_root

    base = (root or find_root(path.parent)).resolve()
    parent = path.parent / target
    if not parent.resolve().is_relative_to(base):
        raise InvalidValue(
            Problem("extends", target, f"leaves the project ({base.name}/)", "Copy the file into the project").at(place)
        )
    here = str(path.resolve())
    if str(parent.resolve()) in (*seen, here):
        chain = " -> ".join(Path(p).name for p in (*seen, here, str(parent.resolve())))
        raise InvalidValue(
            Problem("extends", target, f"closes a circle: {chain}", "Let one of them stand alone").at(place)
        )
    if len(seen) >= _MAX_EXTENDS:
        raise InvalidValue(Problem("extends", target, f"is the {_MAX_EXTENDS + 1}th file of a chain").at(place))
    from .files import load as load_file

    if not os.path.lexists(parent):
        raise Unreadable(Problem("extends", target, "does not exist").at(place))
    other = load_file(parent)
    if is_foreign(other.data):
        return _given(read(other, base, parent)), place
    fields, _, _, _ = _authored(other, base, parent, (*seen, here))
    return fields, place


def _given(config: ArchitectureConfig) -> dict[str, Any]:
    return {k: v for k, v in config.to_dict().items() if v is not None}


def _requirements(data: Any, document: Document, problems: list[Problem]) -> tuple[Requirement, ...]:
    """The file's requirements, each shaped right: a unique name, a metric, at least one bound."""
    if data is None:
        return ()
    if not isinstance(data, list):
        problems.append(
            Problem("requirements", data, "must be a list", "Write - {name: ..., metric: ..., at_most: ...}").at(
                document.where(("requirements",))
            )
        )
        return ()
    found: list[Requirement] = []
    for number, item in enumerate(data):
        keys: tuple[str | int, ...] = ("requirements", number)
        label = f"requirements[{number}]"
        if not isinstance(item, Mapping):
            problems.append(Problem(label, item, "must be a map").at(document.where(keys)))
            continue
        good = True
        for key in ("name", "metric"):
            if not isinstance(item.get(key), str) or not item[key]:
                good = False
                rule = "must be a text" if key in item else "is missing"
                value = item.get(key, NOTHING)
                problems.append(
                    Problem(f"{label}.{key}", value, rule).at(document.where((*keys, key) if key in item else keys))
                )
        if good and any(r.name == item["name"] for r in found):
            good = False
            problems.append(Problem(f"{label}.name", item["name"], "is used twice").at(document.where((*keys, "name"))))
        bounds = tuple((b, item[b]) for b in BOUNDS if b in item)
        if not bounds and item.get("metric") != "fits":
            good = False
            problems.append(
                Problem(label, NOTHING, "has no bound", f"Add {', '.join(BOUNDS[:-1])} or {BOUNDS[-1]}").at(
                    document.where(keys)
                )
            )
        if good:
            settings = tuple((str(k), v) for k, v in item.items() if k not in ("name", "metric", *BOUNDS))
            found.append(Requirement(item["name"], item["metric"], bounds, settings, document.where(keys)))
    return tuple(found)
