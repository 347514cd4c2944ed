"""Input that nobody should have written: refused with file, line, what was found and the remedy, never a traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from archwright.cli import main

from .cli.running import RESIDENT, Done, run, without_powers
from .decisions.corpora import ARCHITECTURE

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "vocab_size": 32000,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}
AS_JSON = json.dumps(
    {"architecture": {k.strip(): int(v) for k, v in (line.split(":") for line in ARCHITECTURE.splitlines()[1:])}},
    indent=2,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a sound architecture."""
    (tmp_path / "pyproject.toml").write_text("[tool.archwright]\n")
    (tmp_path / "sound.yaml").write_text(ARCHITECTURE)
    return tmp_path


def write(folder: Path, name: str, content: str | bytes) -> str:
    """A file in the folder; returns its name."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def refused(folder: Path, name: str, *said: str) -> Done:
    """Both commands that read an architecture refuse it and say all that; returns what `check` printed."""
    before = sorted(p.name for p in folder.rglob("*"))
    for words in (("estimate", "--json", name), ("check", name)):
        done = run(*words, cwd=folder)
        assert done.code in (1, 2, 3), done.text
        flat = " ".join(done.text.split())
        for words_said in (name, *said):
            assert words_said in flat, (words_said, done.text)
        if "--json" in words:
            problems = json.loads(done.out)["problems"]
            assert problems and all(p["message"] for p in problems)
    assert done.resident < RESIDENT
    assert sorted(p.name for p in folder.rglob("*")) == before
    return done


def parameters(folder: Path, name: str) -> int:
    """The parameters that `estimate --json` gives."""
    done = run("estimate", "--json", name, "parameters", cwd=folder)
    assert done.code == 0, done.text
    value = json.loads(done.out)["results"][0]["value"]
    assert isinstance(value, int)
    return value


# Architecture files ---------------------------------------------------------------------------------------------


def test_a01_a_key_given_twice(folder: Path) -> None:
    name = write(folder, "twice.yaml", ARCHITECTURE + "  rope_theta: 10000.0\n  n_heads: 16\n")
    done = refused(folder, name, "n_heads", "line 4", "line 10")
    assert "10:3" in done.out
    name = write(folder, "twice.json", AS_JSON.replace('"d_ff"', '"n_heads": 16,\n    "d_ff"'))
    refused(folder, name, "n_heads", "twice")


@pytest.mark.parametrize("indent", ["", "  "])
def test_a02_an_alias_bomb(folder: Path, indent: str) -> None:
    lines = ["architecture:" if indent else "# a bomb", f"{indent}a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"{indent}a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    lines += [f"{indent}layers: *a8" if indent else "architecture:\n  layers: *a8"]
    done = refused(folder, write(folder, "bomb.yaml", "\n".join(lines)), "alias", "10,000")
    assert any(f"{n}:" in done.out for n in range(3, 13))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.yaml", "[" * 200_000),
        ("list.json", "[" * 200_000),
        ("map.yaml", "{" * 200_000),
        ("map.json", '{"a":' * 40_000),
        ("block.yaml", "- " * 100_000),
        ("keys.yaml", "a: " * 60_000),
        ("lines.yaml", "".join(" " * n + "a:\n" for n in range(900))),
        ("quotes.yaml", '"' * 200_000),
        ("flow.yaml", "architecture: {" + "a: [" * 50_000),
    ],
)
def test_a03_deep_nesting(folder: Path, name: str, content: str) -> None:
    done = refused(folder, write(folder, name, content))
    if name != "lines.yaml":
        assert " 1:" in done.out
    assert "recursion" not in done.text.lower()


def test_a04_six_faults_in_one_run(folder: Path) -> None:
    text = (
        "architecture:\n  d_model: 4096\n  n_layers: true\n  n_heads: 32\n  n_kv_head: 8\n  d_ff: -11008\n"
        f"  vocab_size: {10**30}\n  max_seq_len: 32768\n  rope_theta: .nan\n  ffn_dropout: 1.5\n"
    )
    name = write(folder, "six.yaml", text)
    done = refused(
        folder, name, "n_layers is true", "n_kv_head ", "n_kv_heads", "-11008", str(10**30), "nan", "ffn_dropout is 1.5"
    )
    assert [word for line in (3, 5, 6, 7, 9, 10) if (word := f" {line}:") not in done.out] == []
    report = json.loads(run("estimate", "--json", name, cwd=folder).out)
    assert [(p["line"], p["field"].removeprefix("architecture."), p["found"]) for p in report["problems"]] == [
        (3, "n_layers", "true"),
        (5, "n_kv_head", None),
        (6, "d_ff", "-11008"),
        (7, "vocab_size", str(10**30)),
        (9, "rope_theta", "nan"),
        (10, "ffn_dropout", "1.5"),
    ]


def test_a05_windows_files_give_the_numbers_of_the_plain_file(folder: Path) -> None:
    plain = parameters(folder, "sound.yaml")
    for name, text in (("windows.yaml", ARCHITECTURE), ("windows.json", AS_JSON)):
        write(folder, name, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        assert parameters(folder, name) == plain
        assert run("check", name, cwd=folder).code == 0


def test_a06_other_encodings_and_nul(folder: Path) -> None:
    plain = parameters(folder, "sound.yaml")
    assert parameters(folder, write(folder, "utf16.yaml", ARCHITECTURE.encode("utf-16"))) == plain
    refused(folder, write(folder, "bare.yaml", ARCHITECTURE.encode("utf-16-le")), "UTF-8", "UTF-16")
    refused(folder, write(folder, "latin.yaml", "# Größe\n".encode("latin-1") + ARCHITECTURE.encode()), "UTF-8")
    done = refused(folder, write(folder, "nul.yaml", ARCHITECTURE.replace("heads: 8", "heads: 8\0")), "NUL")
    assert "5:16" in done.out


def test_a07_paths_that_cannot_be_read(folder: Path) -> None:
    os.symlink("b.yaml", folder / "a.yaml")
    os.symlink("a.yaml", folder / "b.yaml")
    os.mkfifo(folder / "pipe.yaml")
    (folder / "folder.yaml").mkdir()
    refused(folder, "a.yaml", "loop")
    refused(folder, "pipe.yaml", "pipe")
    refused(folder, "folder.yaml", "folder")
    for words in (("estimate", "gone.yaml"), ("check", "gone.yaml"), ("check", "gone"), ("estimate", "gone/")):
        done = run(*words, cwd=folder)
        assert done.code in (2, 3) and "gone" in done.text


def test_a07_a_file_without_permission(folder: Path) -> None:
    name = write(folder, "locked.yaml", ARCHITECTURE)
    (folder / name).chmod(0)
    for command in ("estimate", "check"):
        done = run(command, name, cwd=folder, prepare=without_powers)
        assert done.code == 3 and name in done.text and "permission" in done.text.lower()


def test_a08_extends_in_a_circle_and_out_of_the_project(folder: Path) -> None:
    write(folder, "a.yaml", "extends: b.yaml\narchitecture: {n_heads: 32}\n")
    write(folder, "b.yaml", "extends: a.yaml\narchitecture: {n_layers: 4}\n")
    refused(folder, "a.yaml", "b.yaml", "circle")
    outside = folder.parent / "outside"
    outside.mkdir(exist_ok=True)
    write(outside, "secret.yaml", "architecture: {d_model: 512}\npassword: swordfish\n")
    name = write(folder, "escape.yaml", "extends: ../outside/secret.yaml\narchitecture: {n_layers: 2}\n")
    done = refused(folder, name, "../outside/secret.yaml")
    assert "swordfish" not in done.text and "512" not in done.text
    name = write(folder, "linked.yaml", "extends: inside.yaml\narchitecture: {n_layers: 2}\n")
    os.symlink(outside / "secret.yaml", folder / "inside.yaml")
    assert "swordfish" not in refused(folder, name, "inside.yaml").text
    write(folder, "half.yaml", "extends: sound.yaml\narchitecture: {n_layers: 16}\n")
    assert parameters(folder, "half.yaml") < parameters(folder, "sound.yaml")


def test_a09_a_huge_file(folder: Path) -> None:
    with (folder / "huge.yaml").open("wb") as file:
        file.write(ARCHITECTURE.encode())
        file.seek(200_000_000)  # a hole: no disk is filled
        file.write(b"\n# the end\n")
    refused(folder, "huge.yaml", "200,000,0", "limit")


def test_a10_code_in_data(folder: Path) -> None:
    name = write(folder, "tag.yaml", 'architecture:\n  d_model: !!python/object/apply:os.system ["touch pwned"]\n')
    done = refused(folder, name, "python/object/apply:os.system")
    assert "2:12" in done.out
    name = write(folder, "name.yaml", "architecture:\n  custom_attention: os.system\n")
    done = refused(folder, name, "os.system", "sliding")
    assert "2:21" in done.out
    assert not (folder / "pwned").exists()


# config.json ----------------------------------------------------------------------------------------------------


def test_c01_a_file_cut_off_and_a_nan(folder: Path) -> None:
    whole = json.dumps(CONFIG, indent=2)
    for size in (1, 60, len(whole) // 2, len(whole) - 1):
        refused(folder, write(folder, "cut.json", whole[:size]), "cut off" if size > 1 else "JSON")
    text = json.dumps({**CONFIG, "rms_norm_eps": float("nan")}, indent=2)
    done = refused(folder, write(folder, "nan.json", text), "rms_norm_eps", "NaN")
    line = next(n for n, words in enumerate(text.splitlines(), 1) if "NaN" in words)
    assert f"{line}:" in done.out


@pytest.mark.parametrize("more", [{}, {"num_key_value_heads": None, "head_dim": None}])
def test_c02_first_generation_defaults(folder: Path, more: dict[str, Any]) -> None:
    name = write(folder, "config.json", json.dumps({**CONFIG, **more}))
    assert parameters(folder, name) == 6_738_415_616
    assert run("check", name, cwd=folder).code == 0


def test_c03_wrong_types_unknown_models_and_foreign_keys(folder: Path) -> None:
    wrong = {**CONFIG, "num_hidden_layers": True, "hidden_size": "4096", "num_attention_heads": 32.5}
    done = refused(folder, write(folder, "types.json", json.dumps(wrong, indent=2)), "num_hidden_layers is true")
    assert "hidden_size is '4096'" in done.out and "num_attention_heads is 32.5" in done.out
    refused(folder, write(folder, "unknown.json", json.dumps({**CONFIG, "model_type": "llamma"})), "llamma", "llama?")
    foreign = {**CONFIG, "attn_logit_softcapping": 50.0}
    refused(folder, write(folder, "foreign.json", json.dumps(foreign)), "attn_logit_softcapping", "50.0")


# Decision records -----------------------------------------------------------------------------------------------


def records(folder: Path, **files: str) -> None:
    """Records of a project, by file name."""
    (folder / "docs" / "decisions").mkdir(parents=True)
    for name, text in files.items():
        write(folder / "docs" / "decisions", name.removeprefix("r").replace("_", "-") + ".md", text)


def unchanged(folder: Path, *words: str) -> Done:
    """A run after which every file is as it was."""
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    done = run(*words, cwd=folder)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    return done


def test_d01_three_broken_records_beside_a_sound_one(folder: Path) -> None:
    sound = "---\nstatus: accepted\nbase: sound.yaml\n---\n# Sound\n\n## Decision\n\nNothing.\n"
    records(
        folder,
        r0001_sound=sound,
        r0002_status=sound.replace("accepted", "aproved"),
        r0003_open=sound.replace("---\n# Sound", "\n# Open"),
        r0004_one=sound,
        r0004_two=sound,
    )
    done = unchanged(folder, "check")
    assert done.code in (1, 3)
    for word in ("0002-status.md", "aproved", "0003-open.md", "never closed", "0004-one.md", "0004-two.md", "number 4"):
        assert word in done.out
    assert "0002-status.md · unknown" in done.out
    listed = json.loads(run("adr", "list", "--json", cwd=folder).out)["records"]
    assert {r["path"].rpartition("/")[2]: r["status"] for r in listed}["0002-status.md"] == "unknown"


CLAIM = (
    "---\nstatus: accepted\nbase: sound.yaml\nsettings: {context: 32768, dtype: bf16}\n---\n# Cache\n\n## Decision\n\n"
)


def test_d02_a_figure_that_somebody_changed(folder: Path) -> None:
    records(folder, r0001_cache=CLAIM + "The cache takes [4.00 GiB][kv_cache].\n")
    assert run("check", "--fix", cwd=folder).code == 0
    assert unchanged(folder, "check").code == 0
    path = folder / "docs" / "decisions" / "0001-cache.md"
    path.write_text(path.read_text().replace("[4.00 GiB]", "[8.00 GiB]"))
    done = unchanged(folder, "check")
    assert done.code == 1
    for word in ("0001-cache.md", "10:17", "8.00 GiB", "4.00 GiB", "write: 4.00 GiB"):
        assert word in done.out


def test_d03_four_claims_that_are_none(folder: Path) -> None:
    records(
        folder,
        r0001_claims=CLAIM
        + "A label that resolves to nothing: [3.00 GiB][kvv_cache].\nIn code: `[4.00 GiB][kv_cache]`.\n"
        + "With a space: [4.00 GiB] [kv_cache].\nBy hand: [11.1 GiB][weights].\n\n"
        + "[weights]: https://example.org 'mine'\n",
    )
    done = unchanged(folder, "check")
    assert done.code == 1
    found = {(f["line"], f["code"]) for f in json.loads(run("check", "--json", cwd=folder).out)["findings"]}
    assert found >= {
        (10, "unresolved-label"),
        (11, "claim-not-rendered"),
        (12, "claim-not-rendered"),
        (15, "hand-written-definition"),
    }
    for word in ("kvv_cache", "kv_cache?", "code", "space", "written by hand"):
        assert word in " ".join(done.out.split())


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        "[4.00 GiB][kv_cache]" * 5_000,
        "> " * 5_000 + "[4.00 GiB][kv_cache]",
        "`" * 100_001,
        "*" * 100_000 + "[4.00 GiB][kv_cache]",
        "<!--" * 20_000,
        "![" * 20_000 + "](x)" * 20_000,
        "| a " * 20_000,
        "[a]: b\n" * 20_000,
        "&#x" * 50_000,
        "- " * 20_000 + "[?][kv_cache]",
        "1,".join("0" for _ in range(50_000)) + " GiB",
        "9" * 100_000 + " GiB",
        f"[{'9' * 10_000} GiB][kv_cache] and [1e{'9' * 400} GiB][kv_cache] and [1e-999999 GiB][kv_cache]",
        f"[4.00 GiB][kv_cache(context={'9' * 5000})] [4.00 GiB][kv_cache(context=1e400)]",
        "\u202e[4.00 GiB][kv_cache]\u0000"[:-1] + "\x1b[31m\x07",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_text_of_any_kind_is_checked_in_bounded_time(folder: Path, body: str) -> None:
    records(folder, r0001_text=CLAIM + body + "\n")
    done = unchanged(folder, "check")
    assert done.code in (0, 1, 3)
    assert done.resident < RESIDENT


@pytest.mark.parametrize(
    "front",
    [
        "status: accepted\nbase: ../../../../etc/passwd",
        "status: accepted\nbase: .",
        "status: accepted\nbase: /dev/zero",
        "status: [accepted]\nbase: sound.yaml",
        "status: accepted\nbase: sound.yaml\ndecision: [1, 2]\nalternatives: 3\nclaims: x\nsettings: [1]",
        "status: accepted\nbase: sound.yaml\ndecision: {n_kv_heads: .nan, d_ff: 99999999999999999999999999}",
        "status: accepted\nbase: sound.yaml\nalternatives: {? [a]: {n_heads: 1}, 3: {n_heads: 1}, '': {}}",
        "status: accepted\nbase: sound.yaml\nclaims: {a: {metric: [1]}, b: {metric: {}}, d: {bench: null}}",
        "status: accepted\nbase: sound.yaml\nclaims: {c: {from: 1}, d: {}, a: '', b: ' '}",
        "status: accepted\nbase: sound.yaml\nclaims: {a: {metric: kv_cache, from: 1, to: {of: 3}}, b: {source: []}}",
        "status: accepted\nbase: sound.yaml\nsettings: {context: -1, dtype: fp3, batch: .inf}",
        "status: accepted\nbase: sound.yaml\nsettings: {context: " + "9" * 300 + "}",
        "status: accepted\nbase: sound.yaml\ndecision: {'layers[0-99].type': sliding}",
        "status: accepted\nbase: sound.yaml\ndecision: {'layers[': 1, '': 2, 'a.b.c.d': 3}",
        "&a status: *a",
        "status: accepted\nbase: sound.yaml\nbase: other.yaml",
        "? ",
        "- a list",
        "!!python/object/apply:os.system ['touch pwned']",
    ],
)
def test_front_matter_of_any_kind_is_a_finding(folder: Path, front: str, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = "[a][a] [1 x][b] [1][c] [1 x][d] [4.00 GiB][kv_cache] [?][weights.mha] [2x][kv_cache.base->decision]"
    records(folder, r0001_front=f"---\n{front}\n---\n# Title\n\n## Decision\n\n{labels}\n")
    done = unchanged(folder, "check")
    assert done.code in (1, 3)
    assert "0001-front.md" in done.out
    assert "root:" not in done.out
    monkeypatch.chdir(folder)
    for words in (["list"], ["show", "1"], ["fill", "1"], ["table", "kv_cache", "--record", "1"], ["accept", "1"]):
        assert main(["adr", *words]) in (0, 1, 2, 3)  # what a command does not catch ends the test
    assert not (folder / "pwned").exists()
