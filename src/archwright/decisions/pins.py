"""Pin: what a record was decided on, kept in a file that is named by the hash of its content and never changed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arch.config import ArchitectureConfig, Source, fingerprint
from ..claims.recorded import Recorded
from ..claims.resolve import Bases, Context
from ..errors import NOTHING, ArchwrightError, Location, Problem, Unreadable

if TYPE_CHECKING:
    from .record import Record

FOLDER = "bases"
"""The folder of pins, beside the records."""
FORMAT = 1
"""The version of the format; every version is read for ever."""
NAME = re.compile(r"v1-[0-9a-f]{16}")
HEADER = "# What a decision was made on, kept as it was. Its name is the hash of its content: never edit it.\n"
PINNED = ("accepted", "deprecated", "superseded")
"""Statuses whose records are held against their pin."""


@dataclass(frozen=True, slots=True)
class Pin:
    """What was stored when a record was accepted. `edited`: the content is no longer what its name says."""

    name: str
    path: str
    base: ArchitectureConfig | None
    others: Mapping[str, ArchitectureConfig] = field(default_factory=dict)
    """The bases of alternatives and the proxy, by how the record names them."""
    devices: Mapping[str, Any] = field(default_factory=dict)
    decision: Mapping[str, Any] | None = None
    inputs: str = ""
    recorded: Recorded | None = None
    edited: bool = False


def content_name(data: Any) -> str:
    """The name of a pin with that content: comments, layout and line ends do not matter.

    >>> content_name({"format": 1, "release": "0.1.0"})
    'v1-52c434a5c4a2c0a4'
    """
    return fingerprint(data)


def inputs_of(record: Record) -> str:
    """The hash of everything in a front matter that values depend on, except the base's content and the decision."""
    return fingerprint(
        {"alternatives": record.alternatives, "settings": record.settings, "claims": record.claims_entries}
    )


# Reading ------------------------------------------------------------------------------------------------------


class Pins:
    """The pins of one run; equal architectures are one object."""

    def __init__(self) -> None:
        self._found: dict[str, Pin | Problem] = {}
        self._configs: dict[str, ArchitectureConfig] = {}
        self._folders: dict[str, list[str]] = {}

    def add(self, pin: Pin) -> None:
        """A pin that is about to be written."""
        self._found[os.path.abspath(pin.path)] = pin

    def find(self, name: str, folder: str) -> Pin | Problem:
        """The pin of that name for a record in a folder, or why there is none."""
        if not NAME.fullmatch(name):
            return Problem("decided_on", name, "is no name of a pin", "Leave it to archwright adr accept")
        places = self._folders.get(folder)
        if places is None:
            places = self._folders[folder] = _places(folder)
        for place in places:
            path = os.path.join(place, f"{name}.yaml")
            found = self._found.get(path)
            if found is None and os.path.lexists(path):
                found = self._found[path] = self._read(path, name)
            if found is not None:
                return found
        where = os.path.join(places[0], f"{name}.yaml")
        rule = f"names {_relative(where)}, which is not there"
        remedy = f"bring it back: git checkout HEAD -- {_relative(where)}"
        return Problem("decided_on", NOTHING, rule, remedy)

    def _read(self, path: str, name: str) -> Pin | Problem:
        from ..arch.files import load

        try:
            data = load(path).data
            return self.of(data, path, name)
        except ArchwrightError as error:
            first = error.problems[0]
            said = f"{first.where} {first.message}" if first.where else first.message
            return Problem("decided_on", name, f"cannot be read: {said}", "bring the file back as it was")

    def of(self, data: Any, path: str, name: str) -> Pin:
        """A pin from its data. Unreadable: not the shape of one, or a later format."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, dict) else None
            rule = f"is of format {found}, which this release cannot read" if isinstance(found, int) else "is no pin"
            raise Unreadable(Problem("", NOTHING, rule, "Install a newer release of archwright", Location(path)))
        others = {key: self._config(value) for key, value in _map(data, "others").items()}
        base = data.get("base")
        values = {k: tuple(map(str, v if isinstance(v, list) else [v])) for k, v in _map(data, "values").items()}
        decision = data.get("decision")
        return Pin(
            name,
            path,
            self._config(base) if base is not None else None,
            others,
            {slug: _device(slug, facts) for slug, facts in _map(data, "devices").items()},
            decision if isinstance(decision, dict) else None,
            str(data.get("inputs", "")),
            Recorded(str(data.get("release", "")), values),
            content_name(data) != name,
        )

    def _config(self, stored: Any) -> ArchitectureConfig:
        fields = _map(stored, "architecture") if isinstance(stored, dict) else {}
        if not fields:
            raise Unreadable(Problem("architecture", NOTHING, "is missing"))
        key = repr(stored)
        known = self._configs.get(key)
        if known is None:
            source = Source(
                str(stored.get("name", "")),
                None,
                _requirements(stored),
                weights_dtype=stored.get("weights_dtype"),
                kept_parts=tuple(stored.get("kept_parts", ())),
            )
            known = self._configs[key] = ArchitectureConfig.from_fields(fields, source=source)
        return known


def _map(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _places(folder: str) -> list[str]:
    """Where the pins of records in a folder may lie: beside them, or beside a folder that holds theirs."""
    from ..project import find_root

    root = str(find_root(folder))
    here = os.path.abspath(folder)
    places = [os.path.join(here, FOLDER)]
    while here != root and here.startswith(os.path.join(root, "")):
        here = os.path.dirname(here)
        places.append(os.path.join(here, FOLDER))
    return places


def _relative(path: str) -> str:
    from ..filenames import shown

    return shown(path)


def _device(slug: str, facts: Any) -> Any:
    from ..costs.hardware import read

    return read(slug, facts if isinstance(facts, dict) else {})


def _requirements(stored: Mapping[str, Any]) -> tuple[Any, ...]:
    from ..arch.loading import BOUNDS, Requirement

    found = []
    for item in stored.get("requirements") or ():
        settings = tuple((k, v) for k, v in item.items() if k not in ("name", "metric", *BOUNDS))
        found.append(
            Requirement(item["name"], item["metric"], tuple((b, item[b]) for b in BOUNDS if b in item), settings)
        )
    return tuple(found)


class PinnedBases(Bases):
    """Architectures as they were: those of a pin by the names that a record gives them, all others as they are."""

    def __init__(
        self, base: ArchitectureConfig | None, others: Mapping[str, ArchitectureConfig], present: Bases
    ) -> None:
        self._base = base
        self._others = others
        self._present = present
        self._first = True

    def load(self, name: str, root: Path) -> ArchitectureConfig:
        """The pinned architecture, else the present one. The first that a context asks for is the record's base."""
        if self._first:
            self._first = False
            if self._base is not None:
                return self._base
        return self._others.get(name) or self._present.load(name, root)

    def change(self, base: ArchitectureConfig, changes: Mapping[str, Any]) -> ArchitectureConfig:
        """As without a pin: the same changes of the same architecture are one object."""
        return self._present.change(base, changes)


def use_facts(pin: Pin, record: Record, context: Context) -> None:
    """Let a context speak of the accelerators of a pin, and of its values where the record still asks the same."""
    from ..costs.hardware import devices as known

    for slug, device in pin.devices.items():
        if slug not in known or _present(slug) != device:  # the same facts keep their name, and so their values
            context.devices = {**context.devices, slug: device}
    if pin.recorded is not None:
        context.recorded = Recorded(pin.recorded.release, pin.recorded.values, lambda: _asks_the_same(pin, record))


def _asks_the_same(pin: Pin, record: Record) -> bool:
    return pin.inputs == inputs_of(record) and (pin.decision or {}) == (record.decision or {})


def _present(slug: str) -> Any:
    from ..costs.hardware import device

    return device(slug)
