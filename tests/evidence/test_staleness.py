"""What makes evidence stale and what does not, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archwright.arch.config import ArchitectureConfig
from archwright.errors import InvalidValue
from archwright.evidence import revisions
from archwright.evidence.code import code_differences, source_identity
from archwright.evidence.record import Arm, Evidence, Identity
from archwright.evidence.staleness import (
    age,
    arm_differences,
    field_differences,
    identity,
    layer_at,
    parts_fingerprint,
    present_versions,
    setting_differences,
)

from .helpers import BASE, TIME, bench, noisy

SCOPES = ("attention", "layer", "inference", "training")

# A change, and the scopes whose evidence it makes stale.
CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"n_kv_heads": 4}, "attention layer inference training"),
    ({"n_heads": 4, "n_kv_heads": 4}, "attention layer inference training"),
    ({"head_dim": 64}, "attention layer inference training"),
    ({"d_model": 512, "head_dim": 32}, "attention layer inference training"),
    ({"attention": {"type": "sliding", "window_size": 64}}, "attention layer inference training"),
    ({"attention": {"type": "full", "bias": ["q", "k", "v"]}}, "attention layer inference training"),
    ({"rope_theta": 500000.0}, "attention layer inference training"),
    ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "attention layer inference training"),
    ({"d_ff": 1024}, "layer inference training"),
    ({"use_gated_geglu": False}, "layer inference training"),
    ({"use_rms_norm": False}, "layer inference training"),
    ({"norm_eps": 1e-6}, "layer inference training"),
    ({"n_layers": 5}, "inference training"),
    ({"vocab_size": 2000}, "inference training"),
    ({"max_seq_len": 8192}, "inference training"),
    ({"tie_embeddings": True}, "inference training"),
    ({"attention_dropout": 0.1}, "training"),
    ({"ffn_dropout": 0.1}, "training"),
    ({"init_method": "xavier"}, "training"),
    ({"n_kv_heads": 8}, ""),
    ({"custom_attention": "full"}, ""),
    ({"attention": {"type": "gqa"}}, ""),
    ({"head_dim": 32}, ""),
    ({"pattern": ["full"]}, ""),
]


@pytest.mark.parametrize("change, stale", CHANGES, ids=[str(c) for c, _ in CHANGES])
def test_a_change_of_the_architecture(change: dict[str, Any], stale: str) -> None:
    changed = BASE.change(change)
    found = [s for s in SCOPES if parts_fingerprint(BASE, s) != parts_fingerprint(changed, s)]
    assert found == stale.split()


def test_dropout_matters_to_a_layer_where_it_is_trained() -> None:
    changed = BASE.change(attention_dropout=0.1)
    for scope in ("attention", "layer"):
        assert parts_fingerprint(BASE, scope) == parts_fingerprint(changed, scope)
        assert parts_fingerprint(BASE, scope, passes="both") != parts_fingerprint(changed, scope, passes="both")


def test_a_layer_of_a_mixed_model_is_named() -> None:
    mixed = BASE.change({"layers[0-1].attention": {"type": "sliding", "window_size": 64}})
    with pytest.raises(
        InvalidValue, match=r"the layers differ. Name one kind: layers\[0-1\] sliding; layers\[2-3\] full"
    ):
        parts_fingerprint(mixed, "attention")
    assert layer_at(mixed, "layers[0]") is layer_at(mixed, "type=sliding")
    assert parts_fingerprint(mixed, "attention", "3") == parts_fingerprint(BASE, "attention")
    wider = mixed.change({"layers[0-1].attention.window_size": 128})
    assert parts_fingerprint(mixed, "layer", "0") != parts_fingerprint(wider, "layer", "0")
    assert parts_fingerprint(mixed, "layer", "3") == parts_fingerprint(wider, "layer", "3")
    with pytest.raises(InvalidValue, match="means layers that differ"):
        layer_at(mixed, "1-2")


def test_scopes_do_not_mix_and_unknown_ones_are_refused() -> None:
    assert len({parts_fingerprint(BASE, scope) for scope in SCOPES}) == 4
    with pytest.raises(InvalidValue, match="Did you mean layer"):
        parts_fingerprint(BASE, "layers")


def test_what_changed_is_said_in_fields() -> None:
    made = identity(BASE.change(n_kv_heads=4, d_ff=1024), "layer")
    assert field_differences(made.fields, BASE) == ["n_kv_heads was 4, is 8", "d_ff was 1024, is 512"]


SETTINGS: list[tuple[dict[str, Any], dict[str, Any], int]] = [
    ({"batch": 8}, {"batch": 8}, 0),
    ({"batch": 8}, {"batch": 1}, 1),
    ({"batch": 8, "threads": 2}, {"batch": 8}, 0),
    ({"batch": 8}, {"batch": 8, "backend": "flash"}, 1),
    ({"context": 4096}, {"context": 4096.0}, 0),
    ({"compile": True}, {"compile": 1}, 1),
    ({"dtype": "bf16", "context": 1}, {"dtype": "fp16", "context": 2}, 2),
    ({}, {}, 0),
]


@pytest.mark.parametrize("recorded, asked, differences", SETTINGS)
def test_a_change_of_the_settings(recorded: dict[str, Any], asked: dict[str, Any], differences: int) -> None:
    assert len(setting_differences(recorded, asked)) == differences


SOURCE = '''\
"""Two variants."""
import math
from helpers import scale

WIDTH = 8
OTHER = 9


def shared(x):
    """What both use."""
    return x * WIDTH  # eight


class Mine:
    """The one that was measured."""

    width: int = 3

    def attend(self, q, k):
        return shared(q) @ k * scale(2)


class Theirs:
    def attend(self, q, k):
        return math.sqrt(OTHER) * q @ k


register("mine", Mine)
register("theirs", Theirs)
'''
HELPERS = "def scale(x):\n    return x / 2\n\ndef unused(x):\n    return x\n"

# A replacement in the source (or in helpers.py), and which of the two variants go stale.
EDITS: list[tuple[str, str, str]] = [
    ("# eight", "# VIII", ""),
    ("    return x * WIDTH  # eight", "    return (x\n            * WIDTH)", ""),
    ('"""The one that was measured."""', '"""Another description."""', ""),
    ('    """What both use."""\n', "", ""),
    ('"""Two variants."""\n', "", ""),
    ("\n\n\n", "\n\n", ""),
    ("class Theirs:\n", "class Theirs:\n    pass\n", ""),
    ("shared(q) @ k", "shared(q) @ q", "Mine"),
    ("width: int = 3", "width: int = 4", "Mine"),
    ("WIDTH = 8", "WIDTH = 16", "Mine"),
    ("def shared(x):", "def shared(x, y=1):", "Mine"),
    ("math.sqrt(OTHER)", "math.exp(OTHER)", "Theirs"),
    ("OTHER = 9", "OTHER = 10", "Theirs"),
    ("import math", "import cmath as math", "Theirs"),
    ("scale(2)", "scale(3)", "Mine"),
    ('register("theirs", Theirs)', "", "Mine Theirs"),
    ('register("mine", Mine)', 'tune()\nregister("mine", Mine)', "Mine Theirs"),
    ("class Mine:", "class Mine(Theirs):", "Mine"),
    ("@helpers", "x / 2\n", "Mine"),
    ("@helpers unused", "", ""),
]


@pytest.mark.parametrize("old, new, stale", EDITS, ids=[f"{o.strip()[:30]}" for o, _, _ in EDITS])
def test_a_change_of_the_users_code(tmp_path: Path, old: str, new: str, stale: str) -> None:
    module, helpers = tmp_path / "variants.py", tmp_path / "helpers.py"
    module.write_text(SOURCE)
    helpers.write_text(HELPERS)
    names = ("Mine", "Theirs")
    before = {name: source_identity(module, name, tmp_path) for name in names}
    assert len(set(before.values())) == 2 and all(before.values())
    if old == "@helpers":
        helpers.write_text(HELPERS.replace("x / 2", "x / 4"))
    elif old == "@helpers unused":
        helpers.write_text(HELPERS.replace("return x\n", "return -x\n"))
    else:
        assert old in SOURCE
        module.write_text(SOURCE.replace(old, new))
    found = [name for name in names if source_identity(module, name, tmp_path) != before[name]]
    assert found == stale.split()


def test_a_whole_module_a_moved_and_a_lost_one(tmp_path: Path) -> None:
    module = tmp_path / "variants.py"
    module.write_text(SOURCE)
    whole = source_identity(module)
    recorded = {"variants.py": source_identity(module, "", tmp_path), "variants.py:Mine": "source-0000000000000000"}
    assert code_differences(recorded, tmp_path) == ["variants.py:Mine has changed"]
    assert code_differences(recorded, None) == []
    module.write_text(SOURCE.replace("OTHER = 9", "OTHER = 10"))
    assert source_identity(module) != whole
    module.write_text("class Broken(:\n")
    assert code_differences({"variants.py:Mine": "source-1"}, tmp_path) == ["variants.py:Mine is gone"]
    module.unlink()
    assert code_differences({"variants.py": "source-1"}, tmp_path) == ["variants.py is gone"]


def test_packages_and_unknown_modules_of_ours() -> None:
    assert code_differences({"package flash_attn": "2.8.1"}, None) == []
    assert code_differences({"archwright.nn.no_such_module": "revision 1"}, None) == [
        "archwright.nn.no_such_module is gone"
    ]


def test_the_readme_has_no_part_in_it(tmp_path: Path) -> None:
    module, readme = tmp_path / "variants.py", tmp_path / "README.md"
    module.write_text(SOURCE)
    readme.write_text("before")
    before = source_identity(module, "Mine", tmp_path)
    readme.write_text("after")
    assert source_identity(module, "Mine", tmp_path) == before


def test_every_reason_is_given() -> None:
    made = bench({"mha": noisy(1.0)})
    arm = Arm("mha", made.arms[0].architecture, code={"archwright.nn.gone": "revision 1"}, samples={"time": [1.0]})
    reasons = list(arm_differences(made, arm, BASE.change(n_kv_heads=4), {"batch": 1}, None))
    assert reasons == [
        "another architecture: n_kv_heads was 8, is 4",
        "other settings: batch was 8, is 1",
        "other code: archwright.nn.gone is gone",
    ]
    assert not list(arm_differences(made, made.arms[0], BASE, {"batch": 8, "context": 1024}, None))


def test_age_is_another_version_of_something_that_is_here() -> None:
    made = bench({"mha": noisy(1.0)}, environment={"versions": {"torch": "2.9.0+cpu", "triton": "3"}})
    assert age(made, {"torch": "2.13.0", "numpy": "2"}) == ["torch 2.9.0+cpu, now 2.13.0"]
    assert age(made, {"torch": "2.9.0"}) == []
    assert present_versions(("no-such-package-at-all",)) == {}


# Revisions of our own modules ---------------------------------------------------------------------------------


def test_every_revision_is_honest() -> None:
    """A changed module of `nn` needs a raised revision, or the word that behaviour and speed are the same."""
    wrong = revisions.differences()
    assert not wrong, "\n".join([f"mend all of it with one command: {revisions.MEND}", *wrong])


def test_the_table_notices_a_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nn").mkdir()
    module = tmp_path / "nn" / "rope.py"
    module.write_text("def rotate(x):\n    return x\n")
    monkeypatch.setattr(revisions, "PACKAGE", tmp_path)
    monkeypatch.setattr(revisions, "FILE", tmp_path / "revisions.json")
    revisions.table.cache_clear()
    try:
        assert "has no revision" in revisions.differences()[0] and revisions.revision("archwright.nn.rope") == 0
        assert revisions.main(["--raise", "all"]) == 0
        assert revisions.differences() == [] and revisions.revision("archwright.nn.rope") == 1
        module.write_text('"""Rotation."""\n\n\ndef rotate(x):  # by nothing\n    return x\n')
        assert revisions.differences() == []
        module.write_text("def rotate(x):\n    return -x\n")
        assert "raise" in revisions.differences()[0]
        assert revisions.main(["--same", "archwright.nn.rope"]) == 0
        assert revisions.differences() == [] and revisions.revision("archwright.nn.rope") == 1
        module.write_text("def rotate(x):\n    return x + 0\n")
        assert revisions.main(["--raise", "archwright.nn.rope"]) == 0
        assert revisions.revision("archwright.nn.rope") == 2
        module.unlink()
        assert "is gone" in revisions.differences()[0]
        (tmp_path / "nn" / "other.py").write_text("A = 1\n")
        assert revisions.MEND.endswith("--raise all")
        assert revisions.main(["--raise", "all"]) == 0 and revisions.differences() == []
        assert revisions.main(["--raise", "nothing.at.all"]) == 2 and revisions.main(["--rise", "all"]) == 2
    finally:
        revisions.table.cache_clear()


def test_identity_is_plain_data() -> None:
    made = identity(ArchitectureConfig(), "layer", name="x")
    assert isinstance(made, Identity) and made.to_dict()["fields"]["n_kv_heads"] == 8
    assert Evidence.of(
        kind="bench",
        target="layer",
        measures={"time": TIME},
        arms=(Arm("x", made, samples={"time": [1.0]}),),
        created="2026-11-20T12:00:00Z",
    )
