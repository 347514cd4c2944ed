"""Checkpoints: whole, verified, old or new."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from archwright.errors import Unreadable
from archwright.nn import Transformer, checkpoint

from .conftest import small


def same(one: Transformer, two: Transformer) -> bool:
    a, b = one.state_dict(), two.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def test_a_model_comes_back_as_it_went(model, tmp_path):
    path = checkpoint.save(model, tmp_path / "run" / "model")
    again = checkpoint.load(path)
    assert same(model, again) and again.config == model.config and not again.training
    tokens = torch.arange(20)[None]
    assert torch.equal(again(tokens), model(tokens))
    assert {p.name.partition("-")[0] for p in path.iterdir()} == {"manifest.json", "weights", "architecture"}


def test_types_are_converted_when_asked(model, tmp_path):
    checkpoint.save(model, tmp_path / "c", dtype=torch.bfloat16)
    kept, wide = checkpoint.load(tmp_path / "c"), checkpoint.load(tmp_path / "c", dtype=torch.float32)
    assert kept.head.weight.dtype == torch.bfloat16
    assert kept.layers[0].attention.rotary.inverse_frequencies.dtype == torch.float32
    assert torch.equal(wide.head.weight, model.head.weight.bfloat16().float())


def test_a_tied_table_is_written_once_and_tied_again(tmp_path):
    model = Transformer(small(tie_embeddings=True), seed=1)
    path = checkpoint.save(model, tmp_path / "tied")
    (weights,) = path.glob("weights-*")
    assert weights.stat().st_size < 4 * model.config.estimate_params() + 10_000
    again = checkpoint.load(path)
    assert again.head.weight is again.embedding.weight and same(model, again)


def test_saving_over_an_older_one_replaces_it_whole(model, config, tmp_path):
    other = Transformer(config, seed=9)
    checkpoint.save(model, tmp_path / "c")
    checkpoint.save(other, tmp_path / "c")
    assert same(checkpoint.load(tmp_path / "c"), other)
    assert len(list((tmp_path / "c").iterdir())) == 3


@pytest.mark.parametrize("kind", ["weights", "architecture", "manifest"])
def test_every_flipped_bit_is_found_and_its_file_named(model, tmp_path, kind):
    path = checkpoint.save(model, tmp_path / "c")
    (file,) = path.glob(f"{kind}*")
    data = file.read_bytes()
    places = range(len(data)) if kind != "weights" else range(0, len(data), max(1, len(data) // 60))
    for place in places:
        bit = place % 8
        file.write_bytes(data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :])
        with pytest.raises(Unreadable, match=file.name):
            checkpoint.load(path)
    file.write_bytes(data)
    assert same(checkpoint.load(path), model)


@pytest.mark.parametrize("kind", ["weights", "architecture", "manifest"])
def test_a_cut_or_missing_file_is_named(model, tmp_path, kind):
    path = checkpoint.save(model, tmp_path / "c")
    (file,) = path.glob(f"{kind}*")
    data = file.read_bytes()
    for wrong in (data[:-1], data + b"\n", b""):
        file.write_bytes(wrong)
        with pytest.raises(ValueError, match=file.name):
            checkpoint.load(path)
    file.unlink()
    with pytest.raises(ValueError, match=file.name):
        checkpoint.load(path)


def test_what_is_no_checkpoint_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.*does not exist"):
        checkpoint.load(tmp_path / "nowhere")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"mine.*holds other files"):
        checkpoint.save(model, tmp_path / "mine")
    with pytest.raises(ValueError, match="the folder is no checkpoint"):
        checkpoint.load(tmp_path / "mine")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="is a file"):
        checkpoint.save(model, tmp_path / "file")
    with pytest.raises(ValueError, match="is not a folder"):
        checkpoint.load(tmp_path / "file")


def test_a_manifest_cannot_lead_elsewhere(model, tmp_path):
    from dataclasses import replace

    from archwright.nn.manifest import MANIFEST, read_manifest

    path = checkpoint.save(model, tmp_path / "c")
    made = read_manifest(path)
    away = replace(made, files=tuple(replace(e, name=f"../{e.name}") for e in made.files))
    (path / MANIFEST).write_bytes(away.to_bytes())
    with pytest.raises(ValueError, match=MANIFEST):
        checkpoint.load(path)


def test_a_disk_that_fills_up_keeps_the_old_one(model, config, tmp_path):
    path = checkpoint.save(model, tmp_path / "c")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, limits[1]))
    try:
        with pytest.raises(checkpoint.WriteFailed, match=re.escape(str(path))):
            checkpoint.save(Transformer(config, seed=2), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert same(checkpoint.load(path), model)
    checkpoint.save(Transformer(config, seed=2), path)
    assert len(list(path.iterdir())) == 3


KILLED = textwrap.dedent(
    """
    import os, random, signal, sys, time
    import torch
    torch.set_num_threads(1)
    from archwright.arch.config import ArchitectureConfig
    from archwright.nn import Transformer, checkpoint

    path = sys.argv[1]
    config = ArchitectureConfig(d_model=64, n_layers=2, n_heads=4, n_kv_heads=2, d_ff=128, vocab_size=2000)
    models = [Transformer(config, seed=s) for s in (1, 2)]
    checkpoint.save(models[0], path)
    began = time.perf_counter()
    checkpoint.save(models[1], path)
    one_save = time.perf_counter() - began
    random.seed(int(sys.argv[2]))
    seen = set()
    for round in range(40):
        child = os.fork()
        if child == 0:
            while True:
                for model in models:
                    checkpoint.save(model, path)
        time.sleep(random.uniform(0, 3 * one_save))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = checkpoint.load(path).state_dict()
        which = [all(torch.equal(found[n], t) for n, t in m.state_dict().items()) for m in models]
        assert sum(which) == 1, "neither the old nor the new one"
        seen.add(which.index(True))
    checkpoint.save(models[0], path)
    assert len(os.listdir(path)) == 3, os.listdir(path)
    print("whole", sorted(seen))
    """
)


def test_killed_at_any_moment_the_old_or_the_new_one_is_there(tmp_path):
    """kill -9 at forty random moments: loading gives one of both, whole, and the next save works."""
    source = Path(checkpoint.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "c"), "0"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("whole")
