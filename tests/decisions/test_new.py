"""new: a record half written, with every figure computed, or nothing at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from archwright.arch.config import ArchitectureConfig
from archwright.arch.loading import load
from archwright.decisions.check import check
from archwright.decisions.new import Created, Draft, default_base, from_root, new, proposed_alternatives
from archwright.decisions.record import read
from archwright.errors import ArchwrightError, InvalidValue, UsageError

FOLDER = Path("docs/decisions")


def made(title: str = "Fewer KV heads", **given: Any) -> Created:
    """A new record in the current project."""
    return new(Draft(title, date="2026-01-05", authors=["Team"], **given), FOLDER, Path.cwd())


def test_a_changed_number_gives_consequences_alternatives_and_a_table(project: Path) -> None:
    created = made(decision={"n_kv_heads": 4})
    assert created.path == "docs/decisions/0001-fewer-kv-heads.md"
    assert created.alternatives == {"kv2": {"n_kv_heads": 2}, "kv1": {"n_kv_heads": 1}}
    assert created.changes == ("n_kv_heads 8 -> 4",)
    effects = dict(created.effects)
    assert effects["KV cache"] == "4.00 GiB to 2.00 GiB, 2.00x smaller"
    assert effects["parameters"].startswith("5.93 B to 5.80 B, 2.3 % ")
    text = Path(created.path).read_text()
    assert text.startswith(
        "---\nstatus: proposed\ndate: 2026-01-05\nauthors: [Team]\nbase: architecture.yaml\n"
        "decision: {n_kv_heads: 4}\nalternatives:\n  kv2: {n_kv_heads: 2}\n  kv1: {n_kv_heads: 1}\n"
        "settings: {context: 32768, dtype: bf16, device: h100-sxm}\n---\n# Fewer KV heads\n"
    )
    assert "Use `n_kv_heads: 4` instead of 8." in text
    assert "[2.00x smaller][kv_cache.base->decision]: [4.00 GiB][kv_cache.base] becomes [2.00 GiB][kv_cache]" in text
    assert "| KV cache | [2.00 GiB][kv_cache] | [1.00 GiB][kv_cache.kv2] | [0.50 GiB][kv_cache.kv1] |" in text
    assert "?]" not in text
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings == ["Context", "Decision", "Consequences", "Alternatives Considered", "References"]


def test_every_figure_of_a_new_record_holds_and_nothing_is_left_to_fix(project: Path) -> None:
    created = made(decision={"n_kv_heads": 4, "d_ff": 8192}, alternatives={"half": {"n_kv_heads": 16}})
    report = check()
    assert report.findings == []
    assert [c.verdict for c in report.claims] == ["holds"] * created.figures
    assert created.figures > 15


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (
            {"layers[0-15].attention": {"type": "sliding", "window_size": 512}},
            "Use `layers[0-15].attention: {type: sliding, window_size: 512}` instead of full.",
        ),
        ({"tie_embeddings": True}, "Use `tie_embeddings: true` instead of false."),
        ({"rope_theta": 500000.0}, "Use `rope_theta: 500000.0` instead of 10000.0."),
        ({"attention": {"type": "sliding", "window_size": 1024}}, "Use `attention: {type: sliding, "),
        ({"max_seq_len": 65536}, "Use `max_seq_len: 65536` instead of 32768."),
    ],
)
def test_changes_of_every_kind_are_said_and_checked(decision: dict[str, Any], said: str, project: Path) -> None:
    created = made(decision=decision)
    assert said in Path(created.path).read_text()
    assert check().findings == []


def test_a_window_is_compared_with_its_neighbours(project: Path) -> None:
    made("Window", decision={"layers[0-15].attention": {"type": "sliding", "window_size": 512}})
    (project / "windowed.yaml").write_text(
        (project / "architecture.yaml").read_text() + "  attention: {type: sliding, window_size: 512}\n"
    )
    created = made("Wider", base="windowed.yaml", decision={"layers[0-15].attention.window_size": 1024})
    assert created.alternatives == {"window2048": {"layers[0-15].attention.window_size": 2048}}
    assert created.changes == ("layers[0-15].attention.window_size 512 -> 1024",)
    assert check().findings == []


def test_a_change_without_effect_says_so_and_invents_no_table(project: Path) -> None:
    created = made("Rope", decision={"rope_theta": 500000.0})
    text = Path(created.path).read_text()
    assert "None of cache, parameters, weights, arithmetic or decoding time changes." in text
    assert created.alternatives == {} and created.effects == () and "|" not in text


def test_a_decision_that_changes_nothing(project: Path) -> None:
    created = made("Keep RMSNorm")
    text = Path(created.path).read_text()
    assert created.figures == 0 and created.changes == ()
    assert "decision:" not in text and "<!-- What is done, in one or two sentences? -->" in text
    assert check().findings == []


def test_a_preset_as_base(project: Path) -> None:
    created = made(base="preset:llama-3.1-8b", decision={"n_kv_heads": 4})
    text = Path(created.path).read_text()
    assert "base: preset:llama-3.1-8b" in text or 'base: "preset:llama-3.1-8b"' in text
    assert '[kv_cache]: # "computed: ' in text
    assert check().findings == []


def test_without_any_base_only_a_record_without_a_change(project: Path) -> None:
    (project / "architecture.yaml").unlink()
    assert default_base(project) is None
    made("First")
    with pytest.raises(UsageError, match="--base"):
        made(decision={"n_kv_heads": 4})
    with pytest.raises(UsageError, match="--base"):
        made(alternatives={"mha": {"n_kv_heads": 32}})
    assert len(list(FOLDER.iterdir())) == 1


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"decision": {"n_kv_heads": 6}}, ["n_kv_heads"]),
        ({"decision": {"n_kvheads": 4}}, ["n_kvheads"]),
        ({"decision": {"n_kv_heads": 4}, "alternatives": {"MHA": {"n_kv_heads": 32}}}, ["alternative"]),
        ({"decision": {"n_kv_heads": 4}, "alternatives": {"base": {"n_kv_heads": 32}}}, ["alternative"]),
        ({"decision": {"n_kv_heads": 4}, "alternatives": {"mha": {"n_kv_heads": 5}}}, ["mha: n_kv_heads"]),
        ({"decision": {"n_kv_heads": 4}, "settings": {"contxt": 1}}, ["contxt"]),
        ({"decision": {"n_kv_heads": 4}, "settings": {"context": "32K"}}, ["context"]),
        ({"decision": {"n_kv_heads": 4}, "settings": {"device": "h101"}}, ["device"]),
        (
            {"decision": {"n_kv_heads": 5}, "alternatives": {"X": {}, "y": {"d_ff": -1}}, "settings": {"zz": 1}},
            ["n_kv_heads", "alternative", "y: d_ff", "zz"],
        ),
        ({"base": "nowhere.yaml"}, None),
        ({"base": "preset:nothing"}, None),
    ],
)
def test_what_is_invalid_is_refused_whole_and_writes_nothing(
    given: dict[str, Any], fields: list[str] | None, project: Path
) -> None:
    with pytest.raises(ArchwrightError) as raised:
        made(**given)
    if fields is not None:
        assert [p.field for p in raised.value.problems] == fields
    assert list(FOLDER.iterdir()) == []


def test_an_empty_title_is_refused(project: Path) -> None:
    for title in ("", "  ", "\n"):
        with pytest.raises(UsageError, match="empty"):
            made(title)


@pytest.mark.parametrize(
    "title", ["Größe", "大小", "# x #", "a\nb", "<script>", "…", "x" * 500, "../../etc", "[a][b] `c`"]
)
def test_any_title_gives_a_record_of_that_title(title: str, project: Path) -> None:
    created = made(title)
    assert Path(created.path).parent == FOLDER
    record = read(created.path)
    assert record.number == "1" and record.status == "proposed"
    assert record.title.replace("\\", "").split() == title.split()


def test_numbers_go_on_after_the_largest(project: Path) -> None:
    for name in ("0027-a.md", "0040b-b.md", "20260101-dated.md"):
        (FOLDER / name).write_text("# A\n\n## Status\n\nAccepted\n")
    assert made().path.endswith("0041-fewer-kv-heads.md")


def test_a_base_named_from_another_folder_is_named_from_the_root(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sub = project / "sub"
    sub.mkdir()
    monkeypatch.chdir(sub)
    assert from_root("../architecture.yaml", project) == "architecture.yaml"
    assert from_root("architecture.yaml", project) == "architecture.yaml"
    assert from_root("preset:llama-3.1-8b", project) == "preset:llama-3.1-8b"
    assert from_root(None, project) is None
    assert from_root("gone.yaml", project) == "gone.yaml"


def test_the_settings_name_the_base(project: Path) -> None:
    (project / "big.yaml").write_text((project / "architecture.yaml").read_text().replace("layers: 32", "layers: 64"))
    (project / "pyproject.toml").write_text('[tool.archwright]\nbase = "big.yaml"\n')
    created = made(decision={"n_kv_heads": 4})
    assert dict(created.effects)["KV cache"].startswith("8.00 GiB to 4.00 GiB")


@pytest.mark.parametrize(
    ("decision", "names"),
    [
        ({"n_kv_heads": 1}, ["kv2", "kv4"]),
        ({"n_kv_heads": 2}, ["kv1"]),
        ({"n_kv_heads": 32}, ["kv16"]),
        ({"n_layers": 16}, ["layers8"]),
        ({"tie_embeddings": True}, []),
        ({"n_layers": 1}, ["layers2"]),
    ],
)
def test_alternatives_are_valid_neighbours_and_never_the_base(decision: dict[str, Any], names: list[str]) -> None:
    config = ArchitectureConfig()
    found = proposed_alternatives(config, decision)
    assert list(found) == names
    for change in found.values():
        assert config.change(change) != config


def test_one_problem_of_the_base_is_not_hidden_by_another(project: Path) -> None:
    (project / "bad.yaml").write_text("architecture:\n  n_heads: 0\n  d_ff: -1\n")
    with pytest.raises(InvalidValue) as raised:
        load("bad.yaml")
    with pytest.raises(InvalidValue) as again:
        made(base="bad.yaml", decision={"n_kv_heads": 4})
    assert len(again.value.problems) == len(raised.value.problems) == 2
