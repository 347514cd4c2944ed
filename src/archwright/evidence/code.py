"""The identity of the code that ran: normalised source of the user's own modules, hand-raised revisions of ours.

A key names what ran (`my/attention.py:SinkWindow`, `archwright.nn.rope`, `package flash_attn`), its value the
identity then (`source-...`, `revision 3`, `2.8.1`).
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def code_differences(recorded: Mapping[str, str], root: Path | None) -> list[str]:
    """What ran then and is otherwise now; paths are relative to `root` (None: the user's code is not looked at)."""
    found = []
    for name, then in recorded.items():
        now = identify(name, root)
        if now is not None and now != then:
            found.append(f"{name} is gone" if not now else f"{name} has changed")
    return found


def identify(name: str, root: Path | None) -> str | None:
    """The identity of a named piece of code today; empty where it is gone, None where nobody here can tell."""
    if name.startswith("archwright."):
        from .revisions import revision

        known = revision(name)
        return f"revision {known}" if known is not None else ""
    if name.startswith("package "):
        return None  # a library's version is a matter of age, not of staleness
    if root is None:
        return None
    path, _, definition = name.partition(":")
    return source_identity(root / path, definition, root)


def source_identity(path: Path, definition: str = "", root: Path | None = None) -> str:
    """`source-` and 16 hex digits over the normalised source of a module, or of one definition and all it needs.

    What it needs: the definitions and assignments of its module that it names, directly or through others, every
    other statement of the module, and the same of modules under `root` that it imports. Comments, docstrings,
    layout and definitions that it does not name have no part in it. Empty where there is no such file or definition.
    """
    key = (str(path), definition, str(root) if root else "")
    known = _KNOWN.get(key)
    if known and all(_stamp(p) == stamp for p, stamp in known[0].items()):
        return known[1]
    seen: dict[tuple[str, str], str] = {}
    found = ""
    if _collect(path, definition, root, seen):
        base = str(root or path.parent)
        text = "\n".join(sorted(f"{os.path.relpath(p, base)}:{d}={body}" for (p, d), body in seen.items()))
        found = "source-" + hashlib.sha256(text.encode()).hexdigest()[:16]
    _KNOWN[key] = ({p: _stamp(p) for p in {str(path), *(p for p, _ in seen)}}, found)
    return found


_Stamp = tuple[int, int]
_KNOWN: dict[tuple[str, str, str], tuple[dict[str, _Stamp], str]] = {}
"""Identities by what was asked, with the state of every file that was read for them."""


def _stamp(path: str) -> _Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return (0, -1)
    return status.st_mtime_ns, status.st_size


def _collect(path: Path, definition: str, root: Path | None, seen: dict[tuple[str, str], str]) -> bool:
    """Add the normalised statements that a definition needs; False where the file or the definition is missing."""
    key = (str(path), definition)
    if key in seen:
        return True
    tree = parse(path)
    if tree is None:
        return False
    seen[key] = ""
    wanted = _needed(tree, definition.partition(".")[0]) if definition else tree.body
    if wanted is None:
        del seen[key]
        return False
    seen[key] = ";".join(normalised(statement) for statement in wanted if not _is_idle(statement))
    if root is not None:
        for other, name in _imports(wanted if definition else tree.body, tree, path, root):
            _collect(other, name, root, seen)
    return True


def parse(path: Path) -> ast.Module | None:
    """The syntax tree of a file; None where it is missing or is not Python."""
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


# What a definition needs --------------------------------------------------------------------------------------


def _needed(tree: ast.Module, name: str) -> list[ast.stmt] | None:
    """The statements of a module that a definition needs, in their order; None where it is not defined there."""
    owners: dict[str, list[ast.stmt]] = {}
    always: list[ast.stmt] = []
    for statement in tree.body:
        bound = _bound(statement)
        if bound is None:
            always.append(statement)
        for each in bound or ():
            owners.setdefault(each, []).append(statement)
    if name not in owners:
        return None
    chosen: set[int] = set()
    queue = [name]
    while queue:
        for statement in owners.get(queue.pop(), ()):
            if id(statement) not in chosen:
                chosen.add(id(statement))
                queue += [n for n in _names(statement) if n in owners]
    chosen |= {id(s) for s in always}
    return [s for s in tree.body if id(s) in chosen]


def _bound(statement: ast.stmt) -> list[str] | None:
    """The names that a statement defines; None where it does something else (a call, a condition, a loop)."""
    if isinstance(statement, _Definition):
        return [statement.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
    return None


def _names(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.value  # a forward reference, or a name that getattr looks up


def _imports(statements: Iterable[ast.stmt], tree: ast.Module, path: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """The modules of the project that statements import, with the definition that is taken from each."""
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from _located(alias.name.split("."), "", [path.parent, root, root / "src"])
            elif isinstance(node, ast.ImportFrom):
                places = [path.parent, root, root / "src"]
                if node.level:
                    places = [path.parents[node.level - 1]] if node.level <= len(path.parents) else []
                for alias in node.names:
                    module = (node.module or "").split(".") if node.module else []
                    yield from _located(module, alias.name, [p for p in places if p.is_relative_to(root)])


def _located(module: list[str], name: str, places: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    for place in places:
        base = place.joinpath(*module)
        if name and (base / f"{name}.py").is_file():
            yield base / f"{name}.py", ""
            return
        if name and (base / name / "__init__.py").is_file():
            yield base / name / "__init__.py", ""
            return
        for file in (base.with_suffix(".py") if module else base / "__init__.py", base / "__init__.py"):
            if file.is_file():
                yield file, "" if name == "*" else name
                return


# Normal form --------------------------------------------------------------------------------------------------


def normalised(node: ast.AST) -> str:
    """A syntax tree as text without places, docstrings, bare texts, `pass` and empty fields; equal in every Python."""
    if isinstance(node, ast.Constant):
        return f"{type(node.value).__name__}:{node.value!r}"
    parts = []
    for name, value in ast.iter_fields(node):
        if name in ("ctx", "type_comment", "kind") or value is None or value == []:
            continue
        if isinstance(value, list):
            kept = [v for v in value if not _is_idle(v)]
            parts.append(f"{name}=[{','.join(normalised(v) if isinstance(v, ast.AST) else repr(v) for v in kept)}]")
        else:
            parts.append(f"{name}={normalised(value) if isinstance(value, ast.AST) else repr(value)}")
    return f"{type(node).__name__}({','.join(parts)})"


def _is_idle(node: object) -> bool:
    """Whether a statement does nothing: a docstring, another bare text, `pass`."""
    if isinstance(node, ast.Pass):
        return True
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
