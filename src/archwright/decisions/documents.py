"""Documents with claims beyond records: pages about components, and docstrings of Python files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..claims.resolve import Context, context_of
from ..errors import ArchwrightError, Problem
from ..project import find as find_project
from ..textio import apply_edits, read_text
from .claims_of import judged_claims
from .fixing import claims_in, definition_findings, upkeep, write_fixed
from .frame import Frame, Frames, base_folder, shown
from .framed import frame_findings, of_problem
from .names import walk
from .report import FileReport, Finding
from .statuses import Status

if TYPE_CHECKING:
    from .docstrings import Docstring

STATUS: Status = "accepted"
"""How much the claims of a page or docstring matter: it says what is so."""
SKIPPED = ("node_modules", "__pycache__", "site-packages", "build", "dist")


def components_folder(root: Path) -> Path:
    """Where a project keeps its pages about components."""
    return root / str(find_project(root).settings.get("components", "docs/components"))


def own_documents() -> list[str]:
    """The pages of a project and the Python files that its settings name, as far as they may hold claims."""
    project = find_project()
    folder = components_folder(project.root)
    pages = walk(str(folder)) if folder.is_dir() else []
    listed = project.settings.get("sources")
    sources = [str(project.root / s) for s in listed if isinstance(s, str)] if isinstance(listed, list) else []
    return [*(p for p in pages if _may_hold(p)), *(p for s in sources for p in python_files(s))]


def python_files(path: str) -> list[str]:
    """The Python files below a folder (or the file itself) that may hold claims, sorted."""
    if not os.path.isdir(path):
        return [path] if path.endswith(".py") and os.path.isfile(path) else []
    found = []
    for here, folders, files in os.walk(path):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in SKIPPED)
        found += [os.path.join(here, f) for f in files if f.endswith(".py")]
    return sorted(p for p in found if _may_hold(p))


def _may_hold(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            data = file.read(2**22)
    except OSError:
        return True  # reading it says what is wrong
    return b"][" in data or b"Claims:" in data


# Pages ------------------------------------------------------------------------------------------------------------


def page_frame(text: str, path: str, name: str, frames: Frames) -> Frame:
    """The frame of a page: it speaks about its `base:`, else about the project's own architecture."""
    from .bases import default_base

    root = find_project(path).root
    frame = frames.of(text, path, name, default_base(root))
    return Frame(
        replace(frame.record, status=STATUS),
        frame.document,
        frame.context,
        frame.target,
        frame.anchor,
        frame.root,
        frame.bases,
    )


def fixed_page(text: str, path: str, frames: Frames) -> str:
    """A page's text with binary unit prefixes and definitions as they should be."""
    frame = page_frame(text, path, path, frames)
    if not frame.relevant or not frame.readable:
        return text
    claims, findings = claims_in(frame)
    spans = {(link.line, link.column): link for link in frame.document.claims}
    units = [
        (spans[f.line, f.column].start, spans[f.line, f.column].end, f.fix)
        for f in findings
        if f.code == "binary-unit" and f.fix
    ]
    if units:
        return fixed_page(apply_edits(text, units), path, frames)
    return apply_edits(text, upkeep(frame.document, claims, STATUS)[1])


def check_page(path: str, frames: Frames, fixed: list[str] | None = None) -> FileReport | None:
    """The report on a page; None for one without claims. With `fixed` it is mended first, and listed there."""
    name = shown(path)
    try:
        source = read_text(path)
    except ArchwrightError as error:
        file = FileReport(name, kind="page")
        file.findings += [of_problem("unreadable-record", problem, name) for problem in error.problems]
        return file
    text = source.text
    if fixed is not None:
        text = fixed_page(text, path, frames)
        if write_fixed(source, text, path):
            fixed.append(name)
    frame = page_frame(text, path, name, frames)
    if not frame.relevant:
        return None
    file = FileReport(name, frame.record.title, kind="page")
    if frame.readable:
        file.claims, file.findings = claims_in(frame)
        file.findings += definition_findings(frame.document, file.claims, STATUS)
    file.findings += frame_findings(frame, file.claims)
    return file


# Docstrings -------------------------------------------------------------------------------------------------------


def check_python(path: str, frames: Frames, text: str | None = None) -> FileReport | None:
    """The report on the docstrings of a Python file, or of another text in its place; None where none holds a claim."""
    from .docstrings import docstrings_with_claims, may_hold_claims

    name = shown(path)
    file = FileReport(name, kind="docstrings")
    try:
        text = read_text(path).text if text is None else text
        found = docstrings_with_claims(text, name) if may_hold_claims(text) else []
    except ArchwrightError as error:
        file.findings += [of_problem("unreadable-record", problem, name) for problem in error.problems]
        return file
    for docstring in found:
        _check_docstring(docstring, path, name, frames, file)
    return file if found else None


def _check_docstring(docstring: Docstring, path: str, name: str, frames: Frames, file: FileReport) -> None:
    file.findings += [of_problem(code, problem, name) for code, problem in docstring.problems]
    context, problems = context_of_docstring(docstring, path, frames)
    file.findings += [of_problem("front-matter", problem, name) for problem in problems]
    base = context.sides["base"].problem
    document = docstring.document
    document.claims = [*document.claims, *docstring.stated]
    if base and document.claims:
        place = docstring.where("base") if docstring.where is not None else None
        line, column = (place.line, place.column) if place else (document.claims[0].line, document.claims[0].column)
        file.findings.append(Finding("broken-base", "error", name, line, column, f"{docstring.name}: {base}"))
    for claim, findings in judged_claims(document, context, STATUS, "#", "#"):
        file.claims.append(claim)
        file.findings += findings
    for entry in context.entries:
        if entry not in context.used:
            place = docstring.where("claims", entry) if docstring.where is not None else None
            line, column = (place.line, place.column) if place else (0, 0)
            message = f"claims.{entry} is used by no label"
            file.findings.append(Finding("unused-claim", "warning", name, line, column, message, "Bind a figure to it"))


def context_of_docstring(docstring: Docstring, path: str, frames: Frames) -> tuple[Context, tuple[Problem, ...]]:
    """What the labels of a docstring speak about: its section's keys, else the project's own architecture."""
    from .bases import default_base
    from .shape import check_shape

    folder = os.path.dirname(os.path.abspath(path))
    shaped: dict[str, Any] = _NOTHING
    problems: tuple[Problem, ...] = ()
    if docstring.frame:
        shaped, problems = check_shape(docstring.frame, docstring.where)
    base = shaped["base"] or default_base(find_project(folder).root)
    context = context_of(
        base,
        shaped["decision"],
        shaped["alternatives"],
        shaped["settings"],
        shaped["claims"],
        Path(base_folder(base, folder)),
        frames.bases,
        frames.values,
    )
    return context, problems


_NOTHING: dict[str, Any] = {
    "base": None,
    "decision": None,
    "alternatives": {},
    "settings": {},
    "claims": {},
}
