"""What [tool.archwright] in a pyproject.toml may say: every key, its shape, and each mistake with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from .errors import NOTHING, Location, Problem, did_you_mean

if TYPE_CHECKING:
    from .project import Project


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it means and its JSON Schema."""

    doc: str
    schema: Mapping[str, Any]


def _text(doc: str) -> Key:
    return Key(doc, {"type": "string", "minLength": 1})


def _texts(doc: str) -> Key:
    return Key(doc, {"type": "array", "items": {"type": "string", "minLength": 1}})


IGNORE: dict[str, Key] = {
    "code": _text("The finding's code."),
    "path": _text("Which files: a path from the project's root; * stands for anything."),
    "reason": _text("Why it is right that this finding does not count."),
    "until": Key("The last day on which it is ignored.", {"type": "string", "format": "date"}),
}
"""Keys of an entry of [[tool.archwright.ignore]]; all but `until` are required."""

KEYS: dict[str, Key] = {
    "decisions": _text("The folder of the decision records (docs/decisions)."),
    "base": _text("The architecture that new records start from (architecture.yaml)."),
    "architectures": _texts("Further architecture files whose requirements are checked, from the project's root."),
    "components": _text("The folder of pages about components (docs/components)."),
    "sources": _texts("Folders of Python files whose docstrings are checked with the records."),
    "device": _text("The accelerator that costs are compared on (h100-sxm)."),
    "evidence": _text("The folder of evidence: benches, evaluations, training runs (evidence)."),
    "age_counts": Key("Whether evidence of another version of torch is stale.", {"type": "boolean"}),
    "allow_unproven": Key("Whether accepted records may have claims without evidence.", {"type": "boolean"}),
    "plugins": _texts("Modules of this project that register variants, metrics or accelerators."),
    "ignore": Key(
        "Findings that do not count, each with its reason.",
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: dict(key.schema, description=key.doc) for name, key in IGNORE.items()},
                "required": ["code", "path", "reason"],
                "additionalProperties": False,
            },
        },
    ),
}
"""Every key of [tool.archwright]."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """Findings that do not count: of a code, in files that a pattern matches, for a reason, to a day."""

    code: str
    path: str
    reason: str
    until: date | None
    where: Location

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.until is not None and today > self.until


@dataclass(frozen=True, slots=True)
class Settings:
    """[tool.archwright] as far as it is sound, and everything that is not."""

    values: Mapping[str, Any] = field(default_factory=dict)
    ignores: tuple[Ignore, ...] = ()
    problems: tuple[Problem, ...] = ()

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty where it is not set."""
        value = self.values.get(key, ())
        return tuple(value) if isinstance(value, list | tuple) else ()


def schema() -> dict[str, Any]:
    """The JSON Schema of [tool.archwright]."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "[tool.archwright] in pyproject.toml",
        "type": "object",
        "properties": {name: dict(key.schema, description=key.doc) for name, key in KEYS.items()},
        "additionalProperties": False,
    }


def settings_of(project: Project) -> Settings:
    """The settings of a project, read with all mistakes at once; never raises."""
    if not project.settings or project.file is None:
        return Settings()
    text = project.file.read_text(encoding="utf-8", errors="replace")
    from .filenames import shown

    lines = _Lines(text, shown(project.file))
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name, value in project.settings.items():
        if name not in KEYS:
            hint = did_you_mean(name, KEYS, "Keys")
            problems.append(Problem(name, NOTHING, "is not a key of [tool.archwright]", hint, lines.of(name)))
        elif name == "ignore":
            continue
        elif (rule := _misfit(value, KEYS[name].schema)) is not None:
            problems.append(Problem(name, value, rule, KEYS[name].doc, lines.of(name)))
        else:
            values[name] = value
    ignores = tuple(_ignores(project.settings.get("ignore"), lines, problems))
    return Settings(values, ignores, tuple(problems))


def _misfit(value: Any, schema: Mapping[str, Any]) -> str | None:
    kind = schema["type"]
    if kind == "string":
        return None if isinstance(value, str) and value.strip() else "must be a text"
    if kind == "boolean":
        return None if isinstance(value, bool) else "must be true or false"
    good = isinstance(value, list) and all(isinstance(v, str) and v.strip() for v in value)
    return None if good else "must be a list of texts"


def _ignores(data: Any, lines: _Lines, problems: list[Problem]) -> Iterator[Ignore]:
    if data is None:
        return
    if not isinstance(data, list):
        remedy = "Write [[tool.archwright.ignore]] with code, path and reason below it"
        problems.append(Problem("ignore", NOTHING, "must be a list of tables", remedy, lines.of("ignore")))
        return
    for number, entry in enumerate(data):
        where = lines.of_ignore(number)
        if not isinstance(entry, dict):
            problems.append(Problem("ignore", entry, "must be a table with code, path and reason", "", where))
            continue
        before = len(problems)
        for key in entry:
            if key not in IGNORE:
                hint = did_you_mean(str(key), IGNORE, "Keys")
                problems.append(
                    Problem(f"ignore.{key}", NOTHING, "is not a key of it", hint, lines.of_ignore(number, key))
                )
        for key in ("code", "path", "reason"):
            value = entry.get(key)
            if not isinstance(value, str) or not value.strip():
                found = entry.get(key, NOTHING)
                rule = "must be a text" if key in entry else "is missing"
                problems.append(Problem(f"ignore.{key}", found, rule, IGNORE[key].doc, lines.of_ignore(number, key)))
        until = _day(entry.get("until"))
        if isinstance(until, str):
            remedy = "Write until = 2026-12-31"
            problems.append(
                Problem("ignore.until", entry.get("until"), until, remedy, lines.of_ignore(number, "until"))
            )
        if len(problems) == before:
            day = until if isinstance(until, date) else None
            yield Ignore(entry["code"], entry["path"], entry["reason"], day, where)


def _day(value: Any) -> date | str | None:
    from datetime import datetime

    if value is None:
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return "must be a date"


class _Lines:
    """Where the keys of a pyproject.toml stand; TOML readers do not say."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.lines = text.splitlines()

    def _from(self, header: re.Pattern[str], nth: int = 0) -> int | None:
        found = [n for n, line in enumerate(self.lines) if header.match(line)]
        return found[nth] if nth < len(found) else None

    def _key(self, start: int, key: str) -> int | None:
        for n in range(start + 1, len(self.lines)):
            line = self.lines[n].strip()
            if line.startswith("["):
                return None
            if re.match(rf"[\"']?{re.escape(key)}[\"']?\s*[.=]", line):
                return n
        return None

    def of(self, key: str) -> Location:
        """The place of a key of [tool.archwright], or of the table itself."""
        own = self._from(re.compile(rf"\s*\[\[?\s*tool\.archwright\.{re.escape(key)}\b"))
        if own is not None:
            return Location(self.path, own + 1, 1)
        start = self._from(re.compile(r"\s*\[\s*tool\.archwright\s*\]"))
        if start is None:
            return Location(self.path)
        found = self._key(start, key)
        return Location(self.path, (start if found is None else found) + 1, 1)

    def of_ignore(self, number: int, key: str = "") -> Location:
        """The place of an entry of the ignores, or of a key in it."""
        start = self._from(re.compile(r"\s*\[\[\s*tool\.archwright\.ignore\s*\]\]"), number)
        if start is None:
            return self.of("ignore")
        found = self._key(start, key) if key else None
        return Location(self.path, (start if found is None else found) + 1, 1)
