"""import: records of ours from the plain-text form, from docstrings and from other dialects, prose unchanged."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..arch.config import ArchitectureConfig
from ..arch.loading import load
from ..errors import NOTHING, ArchwrightError, Location, Problem, Unreadable, UsageError
from ..project import find_root
from ..textio import read_text
from .bases import default_base
from .new import from_root
from .numbering import create
from .record import parse
from .template import heading, render

_TITLE = re.compile(r"^[ \t]*Architecture Decision Record:[ \t]*(?P<title>.+?)[ \t]*$", re.M)
_SECTION = re.compile(r"^(?P<name>[A-Z][A-Za-z][A-Za-z /&-]{1,58}):[ \t]*$")
_OF_CODE = frozenset(
    (
        *("Args", "Arguments", "Parameters", "Returns", "Yields", "Raises", "Attributes"),
        *("Example", "Examples", "Note", "Notes", "Usage", "Shape", "See Also"),
    )
)
"""Sections that describe code and decide nothing."""
_FIELD = re.compile(r"^(?P<name>Date|Status|Authors?|Deciders?):[ \t]*(?P<value>.*?)[ \t]*$")
_INSTEAD = re.compile(
    r"(?P<new>\d+)\s+(?:KV|key[-/ ](?:and[- ])?value)[- ]heads?\b[^.\n]{0,40}?"
    r"\b(?:instead of|rather than|down from|not)\s+(?P<old>\d+)",
    re.I,
)
_FIELD_VALUE = re.compile(r"\bn_kv_heads\s*[:=]\s*(?P<new>\d+)(?P<rest>[^\n]*)")
_USUAL = re.compile(
    r"\b(?:standard|usual|from|of|than(?: the)?|instead of)\s+(?:the\s+)?(?:usual\s+|standard\s+)?(?P<old>\d+)"
)
_ONE = re.compile(r"\b(?:1|one|a single)\s+(?:KV|key[-/ ](?:and[- ])?value)[- ]head\b(?!s)", re.I)
_CONTEXT = re.compile(r"\b(?P<size>\d+)\s?K\b(?=[^.\n]{0,20}\b(?:tokens?|context|window|prompts?)\b)")


@dataclass(frozen=True, slots=True)
class Imported:
    """One new record: its path, and what was guessed for the author to confirm."""

    path: str
    title: str
    guesses: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON output."""
        return {"path": self.path, "title": self.title, "guesses": list(self.guesses)}


@dataclass(slots=True)
class Source:
    """One record found in a file: its title, head fields and Markdown body."""

    title: str
    body: str
    date: str | None = None
    status: str = "unknown"
    authors: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
    """Front matter keys that say what supersedes it, and what it supersedes."""


def import_file(path: str, base: str | None, folder: Path) -> list[Imported]:
    """Make a record of each one found in a file.

    Unreadable: nothing in it reads as a record; UsageError: it is one of ours. Nothing is written then.
    """
    text = read_text(path).text
    found = list(sources(text, path))
    if not found:
        rule = "holds nothing that reads as a record"
        remedy = (
            "A record begins with 'Architecture Decision Record: TITLE', or is Markdown, or a docstring with sections"
        )
        raise Unreadable(Problem("", NOTHING, rule, remedy, Location(path)))
    root = find_root(folder if folder.is_dir() else Path.cwd())
    base = from_root(base, root) or default_base(root)
    config: ArchitectureConfig | None = None
    if base is not None:
        file = root / base
        config = load(file if file.exists() or "/" in base or base.endswith((".yaml", ".json")) else base, root)
    return [_write(source, base, config, folder) for source in found]


def sources(text: str, path: str) -> Iterator[Source]:
    """Every record in a text: the plain-text form anywhere in it, else docstrings with sections, else Markdown."""
    plain = list(_plain(text, path))
    if plain:
        yield from plain
    elif path.endswith(".py"):
        yield from _docstrings(text, path)
    elif path.endswith((".md", ".markdown")):
        yield from _markdown(text, path)


def _plain(text: str, path: str) -> Iterator[Source]:
    for match in _TITLE.finditer(text):
        rest = text[match.end() :]
        # a docstring or fence that is open at the title closes the record; others are part of it
        quotes = [re.escape(q) for q in ('"""', "'''", "```") if text.count(q, 0, match.start()) % 2]
        closing = re.search(rf"^[ \t]*(?:{'|'.join(quotes)})", rest, re.M) if quotes else None
        following = _TITLE.search(rest)
        ends = [m.start() for m in (closing, following) if m]
        block = textwrap.dedent(rest[: min(ends)] if ends else rest)
        made = Source(match["title"], "")
        lines = block.split("\n")
        body: list[str] = []
        for line in lines:
            known = _FIELD.match(line)
            if known and not body_started(body):
                _head(made, known["name"].lower(), known["value"])
            else:
                body.append(line)
        made.body = _headed("\n".join(body))
        record = parse(f"Architecture Decision Record: {made.title}\n{block}", path)
        made.status = record.status
        made.date = record.date or made.date
        yield made


def body_started(lines: list[str]) -> bool:
    """Whether anything but blank lines was read."""
    return any(line.strip() for line in lines)


def _head(source: Source, name: str, value: str) -> None:
    if name == "date":
        source.date = value or None
    elif name.startswith(("author", "decider")):
        source.authors = tuple(part.strip() for part in value.split(",") if part.strip())


def _headed(text: str) -> str:
    """The text with its `Name:` lines as headings and what stands below each at the margin; every word as it was."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    fenced = False
    for line in text.split("\n"):
        section = None if fenced else _SECTION.match(line)
        if section:
            parts.append((section["name"], []))
            continue
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        parts[-1][1].append(line)
    said: list[str] = []
    for name, lines in parts:
        body = textwrap.dedent("\n".join(lines)).strip("\n")
        said += [part for part in (f"## {name}" if name else "", body) if part.strip()]
    return "\n\n".join(said)


def _docstrings(text: str, path: str) -> Iterator[Source]:
    """Docstrings that have sections of prose and figures with a unit, each as a record named after its owner."""
    from ..claims.document import parse as parse_document
    from ..claims.figures import find_figures

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python thinks of escapes in somebody's code is not ours to say
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 0
        said = getattr(error, "msg", None) or str(error) or "it is nested too deep"
        raise Unreadable(Problem("", NOTHING, f"is not Python: {said}", "Mend it", Location(path, line))) from None
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        doc = ast.get_docstring(node, clean=True)
        sections = [found["name"] for line in (doc or "").split("\n") if (found := _SECTION.match(line))]
        if not doc or all(name in _OF_CODE for name in sections):
            continue
        body = _headed(doc)
        if find_figures(parse_document(body), None):
            yield Source(getattr(node, "name", Path(path).stem), body)


def _markdown(text: str, path: str) -> Iterator[Source]:
    record = parse(text, path)
    if record.ours:
        rule = "is a record of this tool already"
        raise UsageError(Problem("", NOTHING, rule, "Copy the file to the folder of the records", Location(path)))
    if not record.is_record or not text.strip():
        return
    lines = text.split("\n")
    spot = record.spot
    if record.dialect == "section" and spot is not None:
        _blank_status(lines, text.count("\n", 0, spot.start))
    lines = lines[record.front.body if record.front is not None else 0 :]
    first = next((i for i, line in enumerate(lines) if line.startswith("# ")), None)
    if first is not None:
        del lines[first]
    links = {
        key: ", ".join(references)
        for key, references in (("superseded-by", record.superseded_by), ("supersedes", record.supersedes))
        if references
    }
    body = "\n".join(lines).strip("\n")
    yield Source(record.title or Path(path).stem, body, record.date, record.status, record.authors, links)


def _blank_status(lines: list[str], at: int) -> None:
    """Remove a section that says the status in one line, which the front matter says from now on."""
    before = next((i for i in range(at - 1, -1, -1) if lines[i].strip()), None)
    after = next((i for i in range(at + 1, len(lines)) if lines[i].strip()), len(lines))
    if before is not None and lines[before].startswith("#") and (after == len(lines) or lines[after].startswith("#")):
        del lines[before:after]


def _write(source: Source, base: str | None, config: ArchitectureConfig | None, folder: Path) -> Imported:
    decision, alternatives, settings, guesses = guess(source.body, config)
    front = render(
        source.title,
        status=source.status,
        date=source.date,
        authors=source.authors,
        base=base,
        decision=decision or None,
        alternatives=alternatives or None,
        settings=settings or None,
        extra=source.links,
    )
    head = front.split("\n# ", 1)[0]
    text = f"{head}\n# {heading(source.title)}\n\n{source.body}\n"
    return Imported(create(folder, source.title, lambda number: text), source.title, tuple(guesses))


def guess(
    text: str, config: ArchitectureConfig | None
) -> tuple[dict[str, Any], dict[str, dict[str, Any]], dict[str, Any], list[str]]:
    """Decision, alternatives and settings where sentences say them plainly, and a line for each for the author."""
    decision: dict[str, Any] = {}
    alternatives: dict[str, dict[str, Any]] = {}
    settings: dict[str, Any] = {}
    guesses: list[str] = []
    new, old, quote = _heads(text)
    n_heads = config.n_heads if config else None

    def possible(heads: int) -> bool:
        if config is None:
            return True
        try:
            config.change(n_kv_heads=heads)
        except ArchwrightError:
            return False
        return True

    if new is not None and possible(new):
        decision["n_kv_heads"] = new
        guesses.append(f"decision: n_kv_heads: {new}  (from {quote!r})")
        if old is not None and possible(old):
            name = "mha" if n_heads in (None, old) else f"kv{old}"
            alternatives[name] = {"n_kv_heads": old}
            guesses.append(f"alternatives: {name}: n_kv_heads: {old}  (from {quote!r})")
    one = _ONE.search(text)
    if one and decision.get("n_kv_heads") != 1:
        alternatives["mqa"] = {"n_kv_heads": 1}
        guesses.append(f"alternatives: mqa: n_kv_heads: 1  (from {one[0]!r})")
    sizes = {int(m["size"]) for m in _CONTEXT.finditer(text)}
    if len(sizes) == 1 and decision:
        size = sizes.pop()
        context = size * 1024 if config is None or config.max_seq_len % 1000 else size * 1000
        settings["context"] = context
        guesses.append(f"settings: context: {context:,}  (from '{size}K')")
    return decision, alternatives, settings, guesses


def _heads(text: str) -> tuple[int | None, int | None, str]:
    """KV heads decided and those they replace, with the words that say so."""
    match = _INSTEAD.search(text)
    if match:
        return int(match["new"]), int(match["old"]), " ".join(match[0].split())
    match = _FIELD_VALUE.search(text)
    if match:
        usual = _USUAL.search(match["rest"])
        return int(match["new"]), int(usual["old"]) if usual else None, " ".join(match[0].split())
    return None, None, ""
