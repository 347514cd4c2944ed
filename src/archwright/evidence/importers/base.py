"""Importer: reads one format of results; `import_file` makes evidence of it for one named alternative."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import NOTHING, InvalidValue, Location, Problem, Unreadable, UsageError
from ...registry import Registry
from ...textio import read_text, shown
from ..environment import environment, now
from ..record import Arm, Curve, Evidence, Key, Kind, Measure, Scalar, Stated
from ..staleness import identity

if TYPE_CHECKING:
    from ...arch.config import ArchitectureConfig

LARGEST = 512 * 2**20
"""Bytes of the largest results file that is read."""


@dataclass(frozen=True)
class Imported:
    """What a file of results holds, before it is known which architecture it is about."""

    kind: Kind
    target: str
    measures: Mapping[str, Measure]
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    keys: Mapping[str, Sequence[Key]] = field(default_factory=dict)
    stated: Mapping[str, Stated] = field(default_factory=dict)
    curves: Sequence[Curve] = ()
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    """What the file says about its own making: tool, versions, model, date."""
    notes: tuple[str, ...] = ()


class Importer(ABC):
    """One format of results. Subclasses are registered under the entry-point group `archwright.importers`."""

    name: ClassVar[str]
    """How `--as` names it."""
    about: ClassVar[str]
    """One line: which tool writes it."""

    @abstractmethod
    def recognises(self, path: Path, head: str) -> bool:
        """Whether a file is of this format, by its name and its first 4,096 characters."""

    @abstractmethod
    def read(self, path: Path, options: Mapping[str, Any]) -> Imported:
        """What the file holds; Unreadable with place and remedy where it is not what it seems.

        `options` are those of the command line that were given: `metric`, `x`, `chance`, `better`, `unit`.
        """


def _load_builtin() -> None:
    from . import curves, lm_eval

    for importer in (lm_eval.LmEval(), curves.CsvCurve(), curves.JsonlCurve()):
        importers.register(importer.name, importer)


importers: Registry[Importer] = Registry("importer", "archwright.importers", _load_builtin)
"""Every importer by name, in the order in which formats are tried: their names'."""


def choose(path: Path, name: str | None = None) -> Importer:
    """The importer of a file: the named one, else the only one that recognises it.

    UsageError: none or several recognise it; UnknownName: no such importer.
    """
    if name is not None:
        return importers.get(name, "--as")
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            head = file.read(4096)
    except OSError:
        head = read_text(path, LARGEST).text[:4096]  # raises with the reason
    fitting = [key for key, importer in importers.items() if importer.recognises(path, head)]
    if len(fitting) == 1:
        return importers.get(fitting[0])
    known = "; ".join(f"{key} ({importer.about})" for key, importer in importers.items())
    rule = "is of no known format" if not fitting else f"could be of several formats: {', '.join(fitting)}"
    raise UsageError(Problem("", NOTHING, rule, f"Name one with --as: {known}", Location(shown(path))))


def import_file(
    path: Path,
    *,
    alternative: str | None,
    architecture: ArchitectureConfig | None,
    alternatives: Sequence[str] = (),
    importer: str | None = None,
    options: Mapping[str, Any] | None = None,
    settings: Mapping[str, Scalar] | None = None,
    root: Path | None = None,
    command: Sequence[str] = (),
) -> Evidence:
    """Evidence from a file of results, about the architecture of one alternative (or of the decision, or the base).

    Which one is never guessed: UsageError where it is not named. The record is not yet in a store.
    """
    if not alternative or architecture is None:
        names = ", ".join(alternatives) or "decision, base, or an alternative of the record"
        rule = "is missing: a file of results does not say which architecture it is about"
        raise UsageError(Problem("--for", NOTHING, rule, f"Add --for with one of {names}"))
    read = choose(path, importer).read(path, options or {})
    scope = "training" if read.kind == "ablation" else "inference"
    arm = Arm(
        name=alternative,
        architecture=identity(architecture, scope),
        samples=read.samples,
        keys=read.keys,
        stated=read.stated,
        curves=read.curves,
    )
    try:
        return Evidence.of(
            kind=read.kind,
            target=read.target,
            measures=read.measures,
            arms=(arm,),
            created=now(),
            command=tuple(command),
            settings={**read.settings, **(settings or {})},
            environment={**environment(root), "source": {"file": path.name, **read.source}},
            notes=read.notes,
        )
    except InvalidValue as error:
        where = Location(shown(path))
        raise Unreadable(problem.at(where) for problem in error.problems) from None
