"""Revisions: the project as it was at a commit, read through git without a checkout."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import NOTHING, Problem, Unreadable, nearest
from .names import is_record_name

SUFFIXES = (".md", ".markdown", ".yaml", ".yml", ".json", ".toml", ".py")
"""What is read of a revision; nothing else can matter to a check."""
LARGEST = 2**22
"""Bytes of the largest file that is read of a revision."""
_ENVIRONMENT = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def _git(root: str, *words: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", "-C", root, *words],
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            check=False,
            env={**os.environ, **_ENVIRONMENT},
        )
    except OSError as error:
        raise Unreadable(_no_git(error)) from None


def _start(root: str, *words: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            ["git", "-C", root, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_ENVIRONMENT},
        )
    except OSError as error:
        raise Unreadable(_no_git(error)) from None


def _no_git(error: OSError) -> Problem:
    return Problem("", NOTHING, f"git cannot be run: {error.strerror}", "Install git, or leave revisions out")


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[0].removeprefix("fatal: ").rstrip(".") if lines else f"git ended with {done.returncode}"


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository; `root` is the top of its working tree."""

    root: str

    def commit(self, revision: str) -> str:
        """The full name of the commit that a revision means. Unreadable: none, with what can be done about it."""
        name = revision
        if "..." in revision:
            a, _, b = revision.partition("...")
            done = _git(self.root, "merge-base", "--end-of-options", a or "HEAD", b or "HEAD")
            if done.returncode == 0:
                return done.stdout.decode().strip()
            name = a or b
        done = _git(self.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if done.returncode == 0:
            return done.stdout.decode().strip()
        raise Unreadable(self._unknown(revision))

    def _unknown(self, revision: str) -> Problem:
        if _git(self.root, "rev-parse", "--verify", "--quiet", "HEAD").returncode:
            return Problem(
                "revision", revision, "does not exist: the repository has no commit yet", "commit something first"
            )
        shallow = _git(self.root, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
        if shallow:
            rule = "is not in this clone, which is shallow: it holds the last commits only"
            return Problem(
                "revision", revision, rule, "run git fetch --unshallow, or set fetch-depth: 0 where CI checks out"
            )
        names = _git(self.root, "for-each-ref", "--format=%(refname:short)").stdout.decode("utf-8", "replace").split()
        hit = nearest(revision, names[:500])
        return Problem("revision", revision, "does not exist", f"did you mean {hit}?" if hit else "See git log --all")

    def changed(self, revision: str) -> list[str]:
        """Files that differ between a commit and the working tree, new ones included, relative to the root."""
        commit = self.commit(revision) if "..." in revision else revision
        compare = ["diff", "--name-only", "--no-renames", "-z", "--end-of-options", commit, "--"]
        running = _start(self.root, *compare), _start(self.root, "ls-files", "--others", "--exclude-standard", "-z")
        ended = [process.communicate() for process in running]
        failed = next((errors for p, (_, errors) in zip(running, ended, strict=True) if p.returncode), None)
        if failed is not None:
            self.commit(revision)  # says why where it does not exist
            said = failed.decode("utf-8", "replace").strip().partition("\n")[0]
            raise Unreadable(Problem("", NOTHING, f"git cannot compare with {revision}: {said}"))
        found = {name for out, _ in ended for name in out.split(b"\0")}
        return sorted(os.fsdecode(name) for name in found if name)

    def between(self, one: str, other: str) -> list[str]:
        """Files that differ between two commits, relative to the root."""
        done = _git(self.root, "diff", "--name-only", "--no-renames", "-z", one, other, "--")
        if done.returncode:
            raise Unreadable(Problem("", NOTHING, f"git cannot compare: {_said(done)}"))
        return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]

    def dirty(self) -> bool:
        """Whether the working tree has changes that are not committed."""
        done = _git(self.root, "status", "--porcelain", "-z", "--untracked-files=normal")
        return bool(done.stdout.strip(b"\0"))

    def files(self, commit: str) -> dict[str, tuple[str, bool]]:
        """The files of a commit that can matter, each with its object and whether it is a symbolic link."""
        done = _git(self.root, "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
        if done.returncode:
            raise Unreadable(Problem("", NOTHING, f"git cannot list {commit[:12]}: {_said(done)}"))
        found: dict[str, tuple[str, bool]] = {}
        for entry in done.stdout.split(b"\0"):
            head, tab, raw = entry.partition(b"\t")
            if not tab:
                continue
            mode, kind, object_name, size = head.split()
            name = os.fsdecode(raw)
            if kind != b"blob" or not name.lower().endswith(SUFFIXES):
                continue
            if int(size) <= LARGEST and os.path.normpath(name) == name and not name.startswith(("/", "..")):
                found[name] = object_name.decode(), mode == b"120000"
        return found

    def contents(self, objects: Iterable[str]) -> Iterator[bytes]:
        """The bytes of objects, in their order. Unreadable: one that a partial clone lacks."""
        names = list(objects)
        done = _git(self.root, "cat-file", "--batch", "--buffer", data="".join(f"{n}\n" for n in names).encode())
        at, data = 0, done.stdout
        for name in names:
            end = data.find(b"\n", at)
            head = data[at:end].split()
            if len(head) != 3:
                rule = f"git has no content of {name[:12]}: this clone is partial or damaged"
                raise Unreadable(Problem("", NOTHING, rule, "run git fetch --refetch, or clone it anew"))
            size = int(head[2])
            yield data[end + 1 : end + 1 + size]
            at = end + 1 + size + 1


@dataclass(slots=True)
class Tree:
    """The files of a commit, written below a folder as they are needed; without a commit the working tree as it is."""

    repo: Repository
    folder: str
    commit: str | None = None
    _files: dict[str, tuple[str, bool]] | None = None

    def names(self) -> list[str]:
        """All files that can matter; none of a working tree."""
        if self.commit is None:
            return []
        if self._files is None:
            self._files = self.repo.files(self.commit)
        return list(self._files)

    def below(self, folder: str) -> dict[str, bytes]:
        """The records below a folder of the tree, by path, with their bytes; nothing is written."""
        inside = os.path.join(os.path.relpath(os.path.realpath(folder), self.folder).replace(os.sep, "/"), "")
        inside = "" if inside == "./" else inside
        names = [
            n for n in self.names() if n.startswith(inside) and n.lower().endswith(".md") and _is_record(n, inside)
        ]
        objects = [(self._files or {})[n][0] for n in names]
        read = self.repo.contents(objects)
        return {os.path.join(self.folder, n): data for n, data in zip(names, read, strict=True)}

    def write(self, wanted: Iterable[str] | None = None) -> None:
        """Write files that are not there yet; all of them without `wanted`."""
        every = self.names()
        chosen = every if wanted is None else [n for n in dict.fromkeys(wanted) if n in (self._files or {})]
        files = self._files or {}
        missing = [n for n in chosen if not os.path.lexists(os.path.join(self.folder, n))]
        made: set[str] = set()
        for name, data in zip(missing, self.repo.contents(files[n][0] for n in missing), strict=True):
            path = os.path.join(self.folder, name)
            parent = os.path.dirname(path)
            if parent not in made:
                os.makedirs(parent, exist_ok=True)
                made.add(parent)
            if files[name][1]:
                _link(path, os.fsdecode(data), self.folder)
            else:
                with open(path, "wb") as file:
                    file.write(data)


def _is_record(name: str, inside: str) -> bool:
    """Whether `names.walk` would find a file in a folder."""
    if not name.lower().endswith(".md"):
        return False
    parts = name[len(inside) :].split("/")
    hidden = any(part.startswith(".") or part in ("node_modules", "__pycache__") for part in parts[:-1])
    return not hidden and is_record_name(parts[-1][:-3])


def _link(path: str, target: str, folder: str) -> None:
    """A symbolic link, where it stays inside the tree."""
    inside = os.path.normpath(os.path.join(os.path.dirname(path), target))
    if not os.path.isabs(target) and inside.startswith(os.path.join(folder, "")):
        os.symlink(target, path)


def repository(start: Path | str = ".") -> Repository:
    """The repository that a folder belongs to. Unreadable: git is not installed, or there is none."""
    if not any(name in os.environ for name in ("GIT_DIR", "GIT_WORK_TREE")):
        here = Path(start).resolve()
        marked = next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), None)
        if marked is not None and ((marked / ".git").is_file() or (marked / ".git" / "HEAD").exists()):
            return Repository(str(marked))
    done = _git(str(start), "rev-parse", "--show-toplevel")
    if done.returncode == 0 and done.stdout.strip():
        return Repository(os.fsdecode(done.stdout.rstrip(b"\n")))
    said = _said(done)
    if "not a git repository" in said or not done.stdout.strip():
        if "dubious" in said:
            raise Unreadable(
                Problem(
                    "", NOTHING, f"git refuses: {said}", "run git config --global --add safe.directory with this folder"
                )
            )
        rule = "is in no git repository, so it has no revisions"
        raise Unreadable(Problem(str(Path(start).resolve()), NOTHING, rule, "run git init, or leave the revision out"))
    raise Unreadable(Problem("", NOTHING, f"git: {said}"))


@contextmanager
def tree_at(
    repo: Repository, commit: str | None, here: str | None = None, wanted: Callable[[str], bool] | None = None
) -> Iterator[Tree]:
    """The project as it was at a commit, in a folder that is gone afterwards, with the current folder moved into it.

    `here` is the folder that is meant (the current one), `wanted` says which files are enough at first. Without a
    commit it is the working tree. Unreadable: the folder did not exist then.
    """
    from tempfile import TemporaryDirectory

    back = os.getcwd()
    here = os.path.realpath(here or back)
    if commit is None:
        os.chdir(here)
        try:
            yield Tree(repo, os.path.realpath(repo.root))
        finally:
            os.chdir(back)
        return
    inner = os.path.relpath(here, os.path.realpath(repo.root))
    with TemporaryDirectory(prefix="archwright-") as name:
        tree = Tree(repo, os.path.realpath(name), commit)
        tree.write(None if wanted is None else [n for n in tree.names() if wanted(n)])
        os.makedirs(os.path.join(tree.folder, ".git"), exist_ok=True)  # it marks the root, as in the working tree
        place = os.path.normpath(os.path.join(tree.folder, inner))
        if not os.path.isdir(place):
            rule = f"did not exist at {commit[:12]}"
            raise Unreadable(Problem(inner, NOTHING, rule, "run this in a folder that did"))
        os.chdir(place)
        try:
            yield tree
        finally:
            os.chdir(back)
