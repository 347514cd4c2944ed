"""Where review happens: the steps of action.yml and the hooks, run with the same commands, files and outputs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .decisions.over_time import Project
from .decisions.test_revisions import commit, git

ROOT = Path(__file__).resolve().parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}

GH = """#!/usr/bin/env python3
import json, os, sys
store = os.environ["FAKE_GH"]
state = json.load(open(store)) if os.path.exists(store) else {"calls": [], "comments": {}}
words = sys.argv[1:]
state["calls"].append(words)
if os.environ.get("FAKE_GH_REFUSES"):
    json.dump(state, open(store, "w"))
    sys.exit("HTTP 403: Resource not accessible by integration")
body = next((open(w.split("@", 1)[1]).read() for w in words if w.startswith("body=@")), None)
if "POST" in words:
    state["comments"]["7"] = body
elif "PATCH" in words:
    state["comments"][words[3].rpartition("/")[2]] = body
else:
    for number, text in state["comments"].items():
        if text.startswith("<!-- archwright -->"):
            print(number)
json.dump(state, open(store, "w"))
"""


class Runner:
    """The hosting service, as far as a composite action sees it."""

    def __init__(self, project: Project, folder: Path, event: str = "pull_request", **inputs: str) -> None:
        self.project = project
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "bin").mkdir(exist_ok=True)
        for name, text in (("gh", GH), ("archwright", f'#!/bin/sh\nexec {sys.executable} -m archwright "$@"\n')):
            path = folder / "bin" / name
            path.write_text(text)
            path.chmod(0o755)
        self.inputs = {name: str(i.get("default", "")) for name, i in ACTION["inputs"].items()} | inputs
        self.context = {
            "github.event_name": event,
            "github.repository": "team/models",
            "github.server_url": "https://host.example",
            "github.sha": "abc123",
            "github.token": "t",
            "github.event.pull_request.number": "12",
            "github.event.pull_request.base.sha": git(project.root, "rev-parse", "main"),
        }
        self.outputs: dict[str, dict[str, str]] = {}
        self.log = ""

    def value(self, text: str) -> str:
        """A text with its expressions replaced, as the service does."""

        def one(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name.startswith("inputs."):
                return self.value(self.inputs[name.removeprefix("inputs.")])
            if name.startswith("steps."):
                _, step, _, key = name.split(".")
                return self.outputs.get(step, {}).get(key, "")
            return self.context[name]

        return re.sub(r"\$\{\{([^}]*)\}\}", one, text)

    def skipped(self, step: dict[str, Any]) -> bool:
        """Whether the condition of a step is false; the conditions of action.yml are conjunctions of comparisons."""
        condition = str(step.get("if", "true")).strip().removeprefix("${{").removesuffix("}}").strip()
        for part in condition.split("&&"):
            comparison = re.fullmatch(r"([\w.-]+)\s*([!=]=)\s*'([^']*)'", part.strip())
            if comparison is None:
                continue
            same = self.value("${{ " + comparison[1] + " }}") == comparison[3]
            if same != (comparison[2] == "=="):
                return True
        return False

    def run(self, name: str) -> int:
        """Run one step; its exit code."""
        step = STEPS[name]
        if self.skipped(step):
            return -1
        files = {key: self.folder / key.lower() for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        files["GITHUB_OUTPUT"].write_text("")
        environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_WORKSPACE": git(self.project.root, "rev-parse", "--show-toplevel"),
            "FAKE_GH": str(self.folder / "gh.json"),
            "COLUMNS": "100",
            **{key: str(path) for key, path in files.items()},
            **{key: self.value(str(text)) for key, text in step.get("env", {}).items()},
        }
        where = self.project.root / self.value(step.get("working-directory", "."))
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self.value(step["run"])],
            cwd=where,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.log = done.stdout + done.stderr
        if "id" in step:
            lines = files["GITHUB_OUTPUT"].read_text().splitlines()
            self.outputs[step["id"]] = dict(line.split("=", 1) for line in lines)
        return done.returncode

    @property
    def summary(self) -> str:
        return (self.folder / "github_step_summary").read_text()

    @property
    def gh(self) -> dict[str, Any]:
        path = self.folder / "gh.json"
        return json.loads(path.read_text()) if path.exists() else {"calls": [], "comments": {}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose branch changes a governed field."""
    root = tmp_path / "repo"
    root.mkdir()
    monkeypatch.chdir(root)
    made = Project(root)
    git(root, "init", "-q", "-b", "main")
    made.accept(
        made.record(1, "decision: {n_kv_heads: 8}\nsettings: {context: 32768}", "It takes [4.00 GiB][kv_cache].")
    )
    commit(made, "start")
    git(root, "checkout", "-q", "-b", "work")
    made.set("n_kv_heads: 8", "n_kv_heads: 4")
    commit(made, "fewer heads")
    return made


def test_every_step_has_a_name_and_inputs_that_exist() -> None:
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text()))
    assert used == set(ACTION["inputs"])
    assert all(entry["description"].endswith(".") for entry in ACTION["inputs"].values())
    for step in STEPS.values():
        assert ("run" in step) != ("uses" in step)
        assert "run" not in step or step["shell"] == "bash"
        assert "${{" not in step.get("run", ""), "expressions go through env, never into a script"


def test_a_broken_decision_on_a_pull_request(project: Project, tmp_path: Path) -> None:
    runner = Runner(project, tmp_path / "runner")
    assert runner.run("Check") == 0
    assert re.search(
        r"^::error file=docs/decisions/0001-record-1.md,line=5,col=24,title=decision-upheld::", runner.log, re.M
    )
    assert runner.outputs["check"]["code"] == "1"
    sarif = json.loads(Path(runner.outputs["check"]["sarif"]).read_text())
    assert [r["ruleId"] for r in sarif["runs"][0]["results"]] == ["decision-upheld"]
    assert "## Archwright" in runner.summary and "n_kv_heads is 4 in architecture.yaml" in runner.summary
    assert runner.run("Compare") == 0
    said = Path(runner.outputs["diff"]["file"]).read_text()
    assert said.startswith("**architecture.yaml**: 1 field changed, 1 decision touched")
    assert "(https://host.example/team/models/blob/abc123/docs/decisions/0001-record-1.md)" in said
    assert said in runner.summary
    assert runner.run("Comment") == 0
    assert runner.gh["comments"] == {"7": f"<!-- archwright -->\n{said}"}
    assert runner.run("Result") == 1


def test_the_comment_is_one_and_is_brought_up_to_date(project: Project, tmp_path: Path) -> None:
    runner = Runner(project, tmp_path / "runner")
    for step in ("Check", "Compare", "Comment"):
        runner.run(step)
    project.set("n_kv_heads: 4", "n_kv_heads: 2")
    commit(project, "fewer still")
    for step in ("Check", "Compare", "Comment"):
        assert runner.run(step) == 0
    (comment,) = runner.gh["comments"].values()
    assert "| 8 | 2 |" in comment
    methods = [words[2] for words in runner.gh["calls"] if "--method" in words]
    assert methods == ["POST", "PATCH"]


def test_without_permission_to_comment_the_log_says_it(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_GH_REFUSES", "1")
    runner = Runner(project, tmp_path / "runner")
    runner.run("Check")
    runner.run("Compare")
    assert runner.run("Comment") == 0
    assert "::notice::archwright may not comment" in runner.log and "1 field changed" in runner.log


def test_outside_pull_requests_there_is_no_comparison(project: Project, tmp_path: Path) -> None:
    runner = Runner(project, tmp_path / "runner", event="push")
    assert runner.run("Check") == 0
    assert runner.run("Compare") == -1 and runner.run("Comment") == -1
    assert runner.run("Result") == 1


def test_a_clone_without_the_base_says_what_to_set(project: Project, tmp_path: Path) -> None:
    runner = Runner(project, tmp_path / "runner")
    runner.context["github.event.pull_request.base.sha"] = "0" * 40
    assert runner.run("Compare") == 0
    assert "set fetch-depth: 0" in runner.log and runner.outputs["diff"] == {}
    assert runner.run("Comment") == -1


def test_green_strict_and_paths(project: Project, tmp_path: Path) -> None:
    project.set("n_kv_heads: 4", "n_kv_heads: 8")
    project.record(2, "", "It takes 5 GB.")
    runner = Runner(project, tmp_path / "runner")
    assert runner.run("Check") == 0 and runner.run("Result") == 0
    assert "::warning file=docs/decisions/0002-record-2.md" in runner.log or runner.run("Check") == 0
    strict = Runner(project, tmp_path / "strict", strict="true")
    assert strict.run("Check") == 0 and strict.run("Result") == 1
    one = Runner(project, tmp_path / "one", strict="true", paths="docs/decisions/0001-record-1.md architecture.yaml")
    assert one.run("Check") == 0 and one.run("Result") == 0
    nothing = Runner(project, tmp_path / "nothing", paths="nowhere")
    assert nothing.run("Check") == 0 and nothing.run("Result") == 2


def test_a_project_below_the_top_of_the_repository(project: Project, tmp_path: Path) -> None:
    inner = project.root / "models"
    inner.mkdir()
    for name in ("docs", "architecture.yaml", "pyproject.toml"):
        (project.root / name).rename(inner / name)
    commit(project, "moved")
    runner = Runner(project, tmp_path / "runner", **{"working-directory": "models"})
    assert runner.run("Check") == 0
    assert "::error file=models/docs/decisions/0001-record-1.md,line=5" in runner.log
    sarif = json.loads(Path(runner.outputs["check"]["sarif"]).read_text())
    place = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert place == "models/docs/decisions/0001-record-1.md"


# pre-commit -------------------------------------------------------------------------------------------------------

HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


def hook(name: str, project: Project) -> subprocess.CompletedProcess[str]:
    (entry,) = [h["entry"] for h in HOOKS if h["id"] == name]
    words = entry.split()
    assert words[0] == "archwright"
    return subprocess.run([sys.executable, "-m", *words], cwd=project.root, capture_output=True, text=True, check=False)


def test_hooks_are_what_pre_commit_reads() -> None:
    assert {h["id"] for h in HOOKS} == {"archwright-check", "archwright-fix"}
    for entry in HOOKS:
        assert {"id", "name", "description", "entry", "language", "files"} <= set(entry)
        assert entry["language"] == "python" and entry["pass_filenames"] is False
        assert all(re.search(entry["files"], name) for name in ("docs/decisions/0001-a.md", "architecture.yaml"))
        assert not re.search(entry["files"], "src/model.cpp")


def test_the_hooks_see_what_is_about_to_be_committed(project: Project) -> None:
    assert hook("archwright-check", project).returncode == 0, "nothing has changed since HEAD"
    path = project.record(2, "settings: {context: 32768}", "It takes [3.00 GiB][kv_cache].", status="accepted")
    git(project.root, "add", "-A")
    done = hook("archwright-check", project)
    assert done.returncode == 1 and "write: 2.00 GiB" in done.stdout
    project.set("3.00 GiB", "2.00 GiB", str(path.relative_to(project.root)))
    done = hook("archwright-fix", project)
    assert done.returncode == 0 and "fixed docs/decisions/0002-record-2.md" in done.stdout
    assert 'holds"' in path.read_text()


# Editors ----------------------------------------------------------------------------------------------------------


def test_init_wires_the_schema_into_editors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jsonschema import Draft202012Validator

    from archwright.cli import main

    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    first = (tmp_path / "architecture.yaml").read_text().splitlines()[0]
    name = first.removeprefix("# yaml-language-server: $schema=")
    schema = json.loads((tmp_path / name).read_text())
    data = yaml.safe_load((tmp_path / "architecture.yaml").read_text())
    Draft202012Validator(schema).validate(data)
    assert not Draft202012Validator(schema).is_valid({"architecture": {"n_kv_head": 8}})
    settings = json.loads((tmp_path / ".vscode" / "settings.json").read_text())
    assert settings["yaml.schemas"][name][0] == "architecture.yaml"
    shutil.rmtree(tmp_path / ".vscode")
    (tmp_path / ".vscode").mkdir()
    (tmp_path / ".vscode" / "settings.json").write_text('{"editor.rulers": [100]} // mine\n')
    assert main(["init"]) == 0
    assert (tmp_path / ".vscode" / "settings.json").read_text() == '{"editor.rulers": [100]} // mine\n'
    assert main(["check", "architecture.yaml"]) == 0
