"""load(): files, folders, maps, extends, requirements, and the errors with their places."""

from __future__ import annotations

from pathlib import Path

import pytest

import archwright as aw
from archwright.errors import ArchwrightError

SMALL = """architecture:
  d_model: 64
  n_layers: 4
  n_heads: 4
  n_kv_heads: 2
  d_ff: 96
  vocab_size: 50
  max_seq_len: 256
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def project(tmp_path, monkeypatch):
    write(tmp_path / "pyproject.toml", "[tool.archwright]\n")
    write(tmp_path / "architecture.yaml", SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(what) -> str:
    with pytest.raises(ArchwrightError) as caught:
        aw.load(what)
    return str(caught.value)


def test_every_way_to_say_which(project):
    config = aw.load("architecture.yaml")
    assert config.d_model == 64
    assert aw.load(project) == config == aw.load(str(project / "architecture.yaml"))
    assert aw.load({"architecture": config.to_dict()}) == config == aw.load(config.to_dict()) == aw.load(config)
    assert config.source.path == "architecture.yaml"
    write(project / "flat.json", config.to_json())
    assert aw.load("flat.json") == config
    assert aw.load("flat.json").name == "flat"
    named = write(project / "named.yaml", "name: small one\n" + SMALL)
    assert aw.load(named).name == "small one"
    assert aw.load(named) == config


def test_windows_files_are_the_plain_file(project):
    plain = aw.load("architecture.yaml")
    (project / "w.yaml").write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    (project / "w.json").write_bytes(b"\xef\xbb\xbf" + plain.to_json().replace("\n", "\r\n").encode())
    assert aw.load("w.yaml") == plain == aw.load("w.json")


def test_extends(project):
    write(project / "sub/child.yaml", "extends: ../architecture.yaml\narchitecture:\n  n_kv_heads: 1\n  d_ff: null\n")
    child = aw.load("sub/child.yaml")
    assert (child.n_kv_heads, child.d_ff, child.d_model) == (1, 11008, 64)
    write(
        project / "p.yaml",
        "extends: architecture.yaml\narchitecture:\n  pattern: [{type: sliding, window_size: 4}, full]\n",
    )
    write(project / "l.yaml", "extends: p.yaml\narchitecture:\n  layers: [{layers: 0, attention: full}]\n")
    assert [x.attention.type for x in aw.load("l.yaml").layers] == ["full"] * 4
    write(project / "t.yaml", "extends: w.yaml\narchitecture:\n  attention: {type: full}\n")
    write(
        project / "w.yaml", "extends: architecture.yaml\narchitecture:\n  attention: {type: sliding, window_size: 9}\n"
    )
    assert aw.load("t.yaml") == aw.load("architecture.yaml")


def test_extends_refusals(project):
    outside = write(project.parent / "outside" / "secret.yaml", "architecture: {d_model: 12345}\n")
    write(project / "e.yaml", f"extends: ../outside/{outside.name}\narchitecture: {{}}\n")
    text = refusal("e.yaml")
    assert "../outside/secret.yaml" in text and "leaves the project" in text and "12345" not in text
    write(project / "a.yaml", "extends: b.yaml\narchitecture: {}\n")
    write(project / "b.yaml", "extends: a.yaml\narchitecture: {}\n")
    text = refusal("a.yaml")
    assert "a.yaml" in text and "b.yaml" in text and "circle" in text
    write(project / "m.yaml", "extends: missing.yaml\n")
    assert "does not exist" in refusal("m.yaml")
    write(project / "n.yaml", "extends: preset:llama-3.1-8\n")
    assert "is not a known preset" in refusal("n.yaml").replace(": not", " is not")
    with pytest.raises(ValueError, match="needs a file"):
        aw.ArchitectureConfig.from_yaml("extends: architecture.yaml\n")


def test_problems_have_file_line_and_column(project):
    write(
        project / "bad.yaml",
        "architecture:\n  d_model: 4096\n  n_layers: true\n  n_heads: 32\n  n_kv_head: 8\n  d_ff: -11008\n"
        "  vocab_size: 1000000000000000000000000000000\n  max_seq_len: 4096\n  rope_theta: .nan\n  ffn_dropout: 1.5\n",
    )
    lines = refusal("bad.yaml").splitlines()
    places = [line.split()[0] for line in lines]
    assert places == [
        "bad.yaml:3:13",
        "bad.yaml:5:3",
        "bad.yaml:6:9",
        "bad.yaml:7:15",
        "bad.yaml:9:15",
        "bad.yaml:10:16",
    ]
    assert "architecture.n_kv_head is not a field. Did you mean n_kv_heads?" in lines[1]
    write(
        project / "deep.yaml",
        SMALL + "  layers:\n    - {layers: 0-1, attention: {type: sliding, window_size: -3}}\n    - {layers: 2-9}\n",
    )
    lines = refusal("deep.yaml").splitlines()
    assert lines[0].startswith("deep.yaml:10:61  architecture.layers[0-1].attention.window_size is -3")
    assert lines[1].startswith("deep.yaml:11:16  architecture.layers[1].layers is '2-9'")


def test_a_problem_inherited_from_a_parent_stands_where_the_child_extends(project):
    write(project / "c.yaml", "name: c\nextends: architecture.yaml\narchitecture:\n  n_heads: 8\n  n_kv_heads: 3\n")
    assert refusal("c.yaml").startswith("c.yaml:5:15")
    write(project / "d.yaml", "name: d\nextends: architecture.yaml\narchitecture:\n  n_heads: 3\n")
    assert all(line.startswith(("d.yaml:2", "d.yaml:4")) for line in refusal("d.yaml").splitlines())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("- 1\n", "not a map"),
        ("architecture: 5\n", "must be a map"),
        ("architecture: {}\nrequirments: []\n", "requirements"),
        ("architecture: {}\nn_layers: 3\n", "Move it under architecture"),
        ("architecture: {n_heads: 8, n_heads: 16}\n", "n_heads"),
        ("architecture: {d_model: !!python/object/apply:os.system [x]}\n", "python/object"),
        ("architecture: {}\nrequirements: [{name: x}]\n", "metric is missing"),
        ("architecture: {}\nrequirements: [{name: x, metric: weights}]\n", "has no bound"),
        (
            "architecture: {}\nrequirements: [{name: x, metric: a, at_most: 1}, {name: x, metric: a, at_most: 1}]\n",
            "used twice",
        ),
        ("architecture: {}\nrequirements: 3\n", "must be a list"),
    ],
)
def test_files_that_say_nothing_sound(project, text, expected):
    write(project / "x.yaml", text)
    assert expected in refusal("x.yaml")
    assert "x.yaml" in refusal("x.yaml")


def test_requirements_are_read_and_take_no_part_in_equality(project):
    write(
        project / "r.yaml",
        SMALL + "requirements:\n  - {name: small, metric: parameters, at_most: 7B}\n"
        "  - {name: one-node, metric: inference_memory, context: 100_000, at_most: 80 GB}\n",
    )
    config = aw.load("r.yaml")
    small, node = config.source.requirements
    assert (small.name, small.metric, small.bounds) == ("small", "parameters", (("at_most", "7B"),))
    assert dict(node.settings) == {"context": 100_000}
    assert (node.where.line, config == aw.load("architecture.yaml")) == (11, True)


def test_what_cannot_be_found(project):
    assert "neither a file nor a preset" in refusal("nonsense")
    with pytest.raises(ArchwrightError, match="nonsense"):
        aw.load("nonsense")
    (project / "empty").mkdir()
    assert "folder without an architecture" in refusal(project / "empty")
    with pytest.raises(ArchwrightError):
        aw.load("missing.yaml")
    with pytest.raises(ValueError):
        aw.load(5)


def test_three_query_groups_are_refused_with_both_readings(project):
    write(project / "g.yaml", SMALL.replace("n_kv_heads: 2", "n_kv_groups: 2"))
    text = refusal("g.yaml")
    assert "n_kv_groups" in text and "(2)" in text and "then 2 KV heads" in text and "n_kv_heads" in text


def test_shared_lesson_of_two_readings(shared):
    with pytest.raises(ValueError) as caught:
        aw.load(shared / "data/field-cases/fc-21-kv-groups-two-readings/arch.yaml")
    text = str(caught.value)
    assert "n_kv_groups" in text and "(4)" in text and "6 KV heads" in text and "n_kv_heads" in text
