"""check at a revision and since one, read through git without a checkout."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from archwright.cli import main
from archwright.decisions.check import check
from archwright.decisions.report import Report
from archwright.decisions.revisions import repository, tree_at
from archwright.errors import Unreadable, UsageError

from .over_time import Project


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@b.c", *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
    )
    return done.stdout.strip()


def commit(project: Project, message: str = "change") -> str:
    git(project.root, "add", "-A")
    git(project.root, "commit", "-q", "-m", message, "--allow-empty")
    return git(project.root, "rev-parse", "HEAD")


BODY = "The cache is [4.00 GiB][kv_cache]; the model has [5.93 B][parameters]."


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Three accepted records and a proposed one, committed."""
    root = tmp_path / "repo"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    made = Project(root)
    git(root, "init", "-q", "-b", "main")
    made.write("base.yaml", (root / "architecture.yaml").read_text())
    made.write("child.yaml", "extends: base.yaml\narchitecture: {d_ff: 8192}\n")
    for number, (decision, base) in enumerate((("n_kv_heads: 8", "architecture"), ("d_ff: 8192", "child")), 1):
        path = made.record(number, f"decision: {{{decision}}}\nsettings: {{context: 32768}}", BODY)
        if base == "child":
            made.set("base: architecture.yaml", "base: child.yaml", f"docs/decisions/000{number}-record-{number}.md")
            made.set("5.93 B", "4.83 B", f"docs/decisions/000{number}-record-{number}.md")
        made.accept(path)
    made.accept(made.record(3, "decision: {vocab_size: 32000}", "Because of [ADR-1](0001-record-1.md)."))
    made.record(4, "settings: {context: 32768}", "It takes [4.00 GiB][kv_cache].")
    check(fix=True)
    commit(made, "start")
    return made


def codes(report: Report) -> list[str]:
    return sorted(f.code for f in report.findings if f.code != "outdated-definition")


# --at -----------------------------------------------------------------------------------------------------------


def test_the_project_as_it_was(project: Project) -> None:
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    project.set("4.00 GiB", "8.00 GiB", "docs/decisions/0004-record-4.md")
    second = commit(project)
    (project.root / "docs/decisions/0004-record-4.md").unlink()
    assert codes(check(at="HEAD~1")) == []
    report = check(at="HEAD")
    assert codes(report) == ["claim-fails", "decision-upheld"]
    assert report.about == f"at HEAD ({second[:10]})"
    assert {f.path for f in report.findings} == {"docs/decisions/0001-record-1.md", "docs/decisions/0004-record-4.md"}
    assert len(report.files) == 4 and len(check().files) == 3


def test_nothing_is_written_and_the_current_folder_stays(project: Project) -> None:
    before = {p: p.read_bytes() for p in project.root.rglob("*") if p.is_file() and ".git/" not in str(p)}
    status, here = git(project.root, "status", "--porcelain"), Path.cwd()
    check(at="main")
    assert {p: p.read_bytes() for p in project.root.rglob("*") if p.is_file() and ".git/" not in str(p)} == before
    assert (git(project.root, "status", "--porcelain"), Path.cwd()) == (status, here)


def test_paths_and_folders_within_a_revision(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(check("docs/decisions/0001-record-1.md", at="main").files) == 1
    monkeypatch.chdir(project.root / "docs")
    assert len(check(at="main").files) == 4
    (project.root / "new").mkdir()
    monkeypatch.chdir(project.root / "new")
    with pytest.raises(Unreadable, match="did not exist at"):
        check(at="main")
    monkeypatch.chdir(project.root)
    with pytest.raises(UsageError, match="does not exist"):
        check("docs/decisions/0009.md", at="main")


def test_a_project_below_the_top_of_the_repository(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    git(project.root, "rm", "-q", "--cached", "-r", ".")
    inner = project.root / "models" / "one"
    inner.mkdir(parents=True)
    for name in ("pyproject.toml", "architecture.yaml", "base.yaml", "child.yaml", "docs"):
        (project.root / name).rename(inner / name)
    commit(project)
    monkeypatch.chdir(inner)
    report = check(at="HEAD")
    assert codes(report) == [] and len(report.files) == 4
    assert all(f.path.startswith("docs/") for f in report.files)


def test_links_between_files_are_followed_inside_the_tree_only(project: Project) -> None:
    (project.root / "linked.yaml").symlink_to("architecture.yaml")
    (project.root / "outside.yaml").symlink_to("/etc/hostname")
    project.set("base: architecture.yaml", "base: linked.yaml", "docs/decisions/0004-record-4.md")
    commit(project)
    assert codes(check("docs/decisions/0004-record-4.md", at="HEAD")) == []
    repo = repository()
    with tree_at(repo, repo.commit("HEAD")) as tree:
        assert os.path.islink(os.path.join(tree.folder, "linked.yaml"))
        assert not os.path.lexists(os.path.join(tree.folder, "outside.yaml"))


def test_names_in_any_script(project: Project) -> None:
    (project.root / "docs/decisions/0004-record-4.md").rename(project.root / "docs/decisions/0004-Übersicht 決定.md")
    commit(project)
    assert "docs/decisions/0004-Übersicht 決定.md" in [f.path for f in check(at="HEAD").files]


def test_at_with_fix_or_since_makes_no_sense(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--at", "main", "--fix"]) == 2
    assert main(["check", "--at", "main", "--changed-since", "main"]) == 2
    assert "exclude each other" in capsys.readouterr().err


# --changed-since ------------------------------------------------------------------------------------------------


def test_nothing_changed(project: Project) -> None:
    report = check(changed_since="HEAD")
    assert report.files == [] and report.exit_code() == 0
    assert "0 files, none of which" in report.about
    project.write("README.md", "Hello\n")
    assert check(changed_since="HEAD").files == []


def edit(old: str, new: str, name: str) -> Callable[[Project], None]:
    return lambda p: p.set(old, new, name)


def removed(name: str) -> Callable[[Project], None]:
    return lambda p: (p.root / name).unlink()


def added(number: int, front: str, body: str = "Because.", status: str = "accepted") -> Callable[[Project], None]:
    return lambda p: p.record(number, front, body, status=status, name="added") and None


def one_pin(project: Project) -> None:
    path = next(p for p in project.pins() if "n_kv_heads: 8\n" in p.read_text() and "d_ff: 11008" in p.read_text())
    path.write_text(path.read_text().replace("d_ff: 11008", "d_ff: 512"))


def circle(project: Project) -> None:
    project.set("status: accepted", "status: superseded by ADR-0002", FIRST)
    project.set("status: accepted", "status: superseded by ADR-0001", SECOND)


FIRST, SECOND, FOURTH = (f"docs/decisions/000{n}-record-{n}.md" for n in (1, 2, 4))
CHANGES: dict[str, Callable[[Project], None]] = {
    "a figure": edit("4.00 GiB", "8.00 GiB", FOURTH),
    "a figure of an accepted record": edit("5.93 B", "5.94 B", FIRST),
    "a governed field": edit("n_kv_heads: 8", "n_kv_heads: 4", "architecture.yaml"),
    "a field of the base that a base extends": edit("vocab_size: 32000", "vocab_size: 64000", "base.yaml"),
    "a governed field of a file that extends": edit("d_ff: 8192", "d_ff: 4096", "child.yaml"),
    "a field that only a claim depends on": edit("n_layers: 32", "n_layers: 16", "architecture.yaml"),
    "a broken base": edit("n_heads: 32", "n_heads: 31", "base.yaml"),
    "a base that is gone": removed("child.yaml"),
    "the parent of a base that is gone": removed("base.yaml"),
    "a record that is gone": removed(FIRST),
    "a pin that was edited": one_pin,
    "a second record with a number": added(1, "decision: {n_kv_heads: 8}"),
    "a contradiction": added(5, "decision: {n_kv_heads: 4}"),
    "a successor in force": added(5, "decision: {n_kv_heads: 8}\nsupersedes: ADR-0001"),
    "a successor that is proposed": added(5, "decision: {n_kv_heads: 4}\nsupersedes: 1", status="proposed"),
    "an amendment": added(5, "decision: {n_kv_heads: 4}\namends: ADR-0001"),
    "a link to nothing": added(5, "supersedes: ADR-0077"),
    "a status": edit("status: accepted", "status: rejected", FIRST),
    "a status that is none": edit("status: accepted", "status: on hold", FIRST),
    "settings of the project": edit("[tool.archwright]", "[tool.archwright]\nnonsense = 1", "pyproject.toml"),
    "requirements": edit(
        "architecture:",
        "requirements:\n  - {name: a, metric: n_layers, at_most: 3}\narchitecture:",
        "architecture.yaml",
    ),
    "requirements of a parent are not its child's": edit(
        "architecture:", "requirements:\n  - {name: a, metric: n_layers, at_most: 3}\narchitecture:", "base.yaml"
    ),
    "a changed decision": edit("decision: {n_kv_heads: 8}", "decision: {n_kv_heads: 2}", FIRST),
    "a circle": circle,
}


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_a_change_breaks_is_found_without_checking_all(project: Project, change: str) -> None:
    before = {(f.code, f.path, f.message) for f in check().findings}
    CHANGES[change](project)
    full = check()
    new = {(f.code, f.path, f.message) for f in full.findings} - before
    since = check(changed_since="HEAD")
    found = {(f.code, f.path, f.message) for f in since.findings}
    assert found >= new
    assert set(found) <= {(f.code, f.path, f.message) for f in full.findings}
    if new:
        assert since.exit_code() == full.exit_code()


def test_most_records_are_left_alone(project: Project) -> None:
    project.set("4.00 GiB", "8.00 GiB", FOURTH)
    assert [f.path for f in check(changed_since="HEAD").files] == [FOURTH]
    commit(project)
    assert [f.path for f in check(changed_since="HEAD~1").files] == [FOURTH]
    assert check(changed_since="HEAD").files == []


def test_since_and_paths_together(project: Project) -> None:
    project.set("4.00 GiB", "8.00 GiB", FOURTH)
    project.set("5.93 B", "5.94 B", FIRST)
    assert [f.path for f in check(FIRST, changed_since="HEAD").files] == [FIRST]
    assert len(check("docs", changed_since="HEAD").files) == 2
    with pytest.raises(UsageError):
        check("nowhere", changed_since="HEAD")


def test_since_the_common_ancestor(project: Project) -> None:
    git(project.root, "checkout", "-q", "-b", "work")
    project.set("4.00 GiB", "8.00 GiB", FOURTH)
    commit(project)
    git(project.root, "checkout", "-q", "main")
    project.set("Because of", "Thanks to", "docs/decisions/0003-record-3.md")
    commit(project)
    git(project.root, "checkout", "-q", "work")
    assert len(check(changed_since="main").files) == 2
    assert [f.path for f in check(changed_since="main...").files] == [FOURTH]


def test_since_with_fix_mends_only_what_changed(project: Project) -> None:
    project.set("4.00 GiB", "4 GB", FOURTH)
    project.set('holds"', 'what else"', FIRST)
    git(project.root, "add", FIRST)
    git(project.root, "-c", "user.name=A", "commit", "-q", "-m", "x", FIRST)
    report = check(changed_since="HEAD", fix=True)
    assert report.fixed == [FOURTH]
    assert 'what else"' in (project.root / FIRST).read_text()


# Bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--at", "--changed-since"])
@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("mian", "revision is 'mian': does not exist. Did you mean main?"),
        ("v9.9", "See git log --all"),
        ("--output=x", "does not exist"),
        ("HEAD~99", "does not exist"),
        ("", "does not exist"),
        ("HEAD:architecture.yaml", "does not exist"),
        ("nope...main", "does not exist"),
    ],
)
def test_a_revision_that_does_not_exist(
    project: Project, capsys: pytest.CaptureFixture[str], option: str, revision: str, words: str
) -> None:
    assert main(["check", f"{option}={revision}"]) == 3
    said = capsys.readouterr()
    assert words in said.err and "Traceback" not in said.err and not said.out
    assert not (project.root / "x").exists()


def test_a_shallow_clone_says_so(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = git(project.root, "rev-parse", "HEAD")
    project.set("4.00 GiB", "8.00 GiB", FOURTH)
    commit(project)
    git(tmp_path, "clone", "-q", "--depth", "1", project.root.as_uri(), "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    assert len(check(at="HEAD").files) == 4
    for revision in (first, "HEAD~1"):
        with pytest.raises(Unreadable, match=r"shallow.*\n?.*fetch-depth: 0"):
            check(at=revision)
        with pytest.raises(Unreadable, match="git fetch --unshallow"):
            check(changed_since=revision)


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    Project(tmp_path)
    assert main(["check", "--at", "HEAD"]) == 3
    assert "is in no git repository" in capsys.readouterr().err


def test_a_repository_without_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Project(tmp_path)
    git(tmp_path, "init", "-q")
    for kind in ("at", "changed_since"):
        with pytest.raises(Unreadable, match="no commit yet"):
            check(**{kind: "HEAD"})


def test_no_git_at_all(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    for kind in ("at", "changed_since"):
        with pytest.raises(Unreadable, match="git cannot be run"):
            check(**{kind: "HEAD"})


def test_a_dirty_tree_is_no_part_of_a_revision(project: Project) -> None:
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    project.write("docs/decisions/0009-new.md", "---\nstatus: accepted\nbase: nowhere.yaml\n---\n# X\n")
    assert codes(check(at="HEAD")) == []
    assert repository().dirty()
    git(project.root, "stash", "-q", "-u")
    assert not repository().dirty()
