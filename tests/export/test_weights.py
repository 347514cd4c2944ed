"""Files of weights: both ways, in shards, with every difference listed, and refused where they are not sound."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

import archwright as aw  # noqa: E402
from archwright.cli import main  # noqa: E402
from archwright.errors import InvalidValue, NotSupported, UnknownName, Unreadable  # noqa: E402
from archwright.export import export_weights, import_weights, plan  # noqa: E402
from archwright.nn import Transformer, checkpoint  # noqa: E402

KEYS = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 50,
    "max_position_embeddings": 64,
}
TOKENS = torch.arange(12)[None]


@pytest.fixture
def model() -> Transformer:
    return Transformer(aw.load(KEYS), seed=0).eval()


@pytest.fixture
def folder(model, tmp_path) -> Path:
    """A published model in several shards."""
    return export_weights(model, tmp_path / "published", "llama", shard_bytes=20_000)


def message(error) -> str:
    return "\n".join(str(p) for p in error.value.problems)


@torch.no_grad()
def test_shards_with_an_index_come_back(model, folder):
    """What was written in several files is read as the same numbers."""
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    files = {p.name for p in folder.glob("*.safetensors")}
    assert len(files) > 3
    assert set(index["weight_map"].values()) == files
    assert all(p.stat().st_size < 25_000 for p in folder.glob("*.safetensors"))
    config = aw.load(folder / "config.json")
    assert config == model.config
    seen = []
    again = import_weights(folder, config, "llama", progress=lambda done, total, name: seen.append((done, total)))
    assert torch.equal(again(TOKENS), model(TOKENS))
    assert not again.training
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)


@torch.no_grad()
def test_transformers_reads_what_was_exported(model, folder):
    """The other direction: from_pretrained on our files gives our logits."""
    transformers = pytest.importorskip("transformers")
    other = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    wanted = model(TOKENS)
    assert (other(TOKENS).logits - wanted).abs().max() < 1e-4 * wanted.std()


def test_dtypes_are_kept_or_converted(model, tmp_path):
    """bfloat16 on disk stays bfloat16 unless another type is asked for."""
    folder = export_weights(model, tmp_path / "half", "llama", dtype=torch.bfloat16)
    assert json.loads((folder / "config.json").read_text())["torch_dtype"] == "bfloat16"
    assert import_weights(folder, model.config, "llama").head.weight.dtype == torch.bfloat16
    wide = import_weights(folder, model.config, "llama", dtype=torch.float32)
    assert torch.equal(wide.head.weight, model.head.weight.bfloat16().float())


def test_a_tied_head_is_one_tensor_and_may_be_stored_twice(tmp_path):
    """The head is the table again after reading; a second copy in the file is passed over."""
    config = aw.load({**KEYS, "tie_word_embeddings": True})
    folder = export_weights(Transformer(config, seed=0), tmp_path / "tied", "llama")
    tensors = load_file(folder / "model.safetensors")
    assert "lm_head.weight" not in tensors
    save_file({**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].clone()}, folder / "model.safetensors")
    again = import_weights(folder, config, "llama")
    assert again.head.weight is again.embedding.weight


def test_names_without_the_first_part_are_read(model, tmp_path):
    """Files of the bare model: `layers.0...` for `model.layers.0...`."""
    folder = export_weights(model, tmp_path / "bare", "llama")
    tensors = load_file(folder / "model.safetensors")
    save_file({n.removeprefix("model."): t for n, t in tensors.items()}, folder / "model.safetensors")
    again = import_weights(folder, model.config, "llama")
    assert torch.equal(again.layers[2].attention.q_proj.weight, model.layers[2].attention.q_proj.weight)


@pytest.mark.parametrize("place", ["language_model.model.", "model.language_model."])
def test_the_language_model_of_a_multimodal_one_is_read_alone(model, tmp_path, place):
    """What stands beside it is left out; what is missing within is still named."""
    folder = export_weights(model, tmp_path / "wrapped", "llama")
    tensors = {n.replace("model.", place, 1): t for n, t in load_file(folder / "model.safetensors").items()}
    if place.startswith("language"):
        tensors["language_model.lm_head.weight"] = tensors.pop("lm_head.weight")
    tensors["vision_tower.patches.weight"] = torch.ones(3, 3)
    save_file(tensors, folder / "model.safetensors")
    again = import_weights(folder, model.config, "llama")
    assert torch.equal(again.head.weight, model.head.weight)
    del tensors[f"{place}norm.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(Unreadable, match=r"lacks model\.norm\.weight"):
        import_weights(folder, model.config, "llama")


def test_layers_that_predict_further_tokens_are_passed_over(tmp_path):
    """Published DeepSeek-V3 files hold one layer more than num_hidden_layers says."""
    from .small import CASES

    config = aw.load({"model_type": "deepseek_v3", **CASES["deepseek_v3"][1]})
    folder = export_weights(Transformer(config, seed=0), tmp_path / "further", "deepseek_v3")
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "model.layers.4.eh_proj.weight": torch.ones(2, 2)}, folder / "model.safetensors")
    import_weights(folder, config, "deepseek_v3")


def test_every_difference_is_listed(model, tmp_path):
    """Missing, left over and of another shape: all in one error, before anything is read."""
    folder = export_weights(model, tmp_path / "other", "llama")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.strange.weight"] = tensors.pop("model.layers.1.mlp.up_proj.weight")
    tensors["model.norm.weight"] = torch.ones(31)
    del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(Unreadable) as error:
        import_weights(folder, model.config, "llama")
    said = message(error)
    assert len(error.value.problems) == 4
    assert "lacks model.layers.1.mlp.up_proj.weight (48, 32)" in said
    assert "holds model.layers.1.strange.weight" in said
    assert "model.norm.weight has shape (31,), not (32,)" in said
    assert "lacks lm_head.weight (50, 32)" in said


def test_a_missing_and_a_cut_shard_are_named(model, folder):
    """The files by name, with what to do."""
    shards = sorted(folder.glob("*.safetensors"))
    shards[1].write_bytes(shards[1].read_bytes()[:-100])
    shards[2].write_bytes(b"not a header at all")
    with pytest.raises(Unreadable) as error:
        import_weights(folder, model.config, "llama")
    assert shards[1].name in message(error) and shards[2].name in message(error)
    assert "Fetch it again" in message(error)
    shards[3].unlink()
    with pytest.raises(Unreadable, match="lacks 1 of") as missing:
        import_weights(folder, model.config, "llama")
    assert shards[3].name in message(missing)


def test_pickled_weights_are_refused_with_the_conversion(model, tmp_path):
    """Reading a pickle runs what is in it."""
    (tmp_path / "pytorch_model.bin").write_bytes(b"anything")
    with pytest.raises(Unreadable, match="pickled weights") as error:
        import_weights(tmp_path, model.config, "llama")
    assert "save_pretrained" in message(error)


def test_no_folder_no_weights_and_a_spoilt_index(model, tmp_path):
    """Each says what is missing."""
    with pytest.raises(Unreadable, match="does not exist"):
        import_weights(tmp_path / "nowhere", model.config, "llama")
    with pytest.raises(Unreadable, match="holds no weights"):
        import_weights(tmp_path, model.config, "llama")
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": [1]}')
    with pytest.raises(Unreadable, match="is no index"):
        import_weights(tmp_path, model.config, "llama")
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../a.safetensors"}}')
    with pytest.raises(Unreadable, match="outside its folder"):
        import_weights(tmp_path, model.config, "llama")


def test_quantised_weights_are_refused(model, tmp_path):
    """Scales beside eight-bit matrices are no numbers to copy."""
    folder = export_weights(model, tmp_path / "eight", "llama")
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    tensors[name] = tensors[name].to(torch.float8_e4m3fn)
    tensors[name + "_scale_inv"] = torch.ones(1, 1)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(NotSupported, match="quantised weights"):
        import_weights(folder, model.config, "llama")


def test_unknown_types_and_tensors_without_a_name(model):
    """A type that nobody knows, and one that has no name for a tensor of ours."""
    with pytest.raises(UnknownName, match="Did you mean llama"):
        plan(model.config, "lama")
    with pytest.raises(NotSupported, match="has no name among the tensors of gpt2"):
        plan(model.config, "gpt2")


def test_a_folder_with_weights_is_not_written_over(model, folder):
    """Nothing of it is touched."""
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(InvalidValue, match="holds weights already"):
        export_weights(model, folder, "llama")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


@torch.no_grad()
def test_the_command_imports_and_exports(model, folder, tmp_path, capsys):
    """weights import, then weights export: the same tensors under the same names."""
    kept, back = str(tmp_path / "checkpoint"), str(tmp_path / "back")
    assert main(["weights", "import", str(folder), "--to", kept]) == 0
    assert "parameters of llama in float32" in capsys.readouterr().out
    assert torch.equal(checkpoint.load(kept)(TOKENS), model(TOKENS))
    assert main(["weights", "export", kept, "--to", back, "--type", "llama"]) == 0
    found = load_file(Path(back) / "model.safetensors")
    for shard in folder.glob("*.safetensors"):
        for name, tensor in load_file(shard).items():
            assert torch.equal(found.pop(name), tensor)
    assert not found


def test_the_command_refuses_without_a_traceback(folder, tmp_path, capsys):
    """Exit code 3 and the file that is wrong."""
    next(folder.glob("*.safetensors")).unlink()
    assert main(["weights", "import", str(folder), "--to", str(tmp_path / "new")]) == 3
    said = capsys.readouterr().err
    assert "lacks 1 of" in said and "nothing was written" in said
    assert not (tmp_path / "new").exists()


PEAK = """
import json, resource, sys
from pathlib import Path
import archwright as aw
from archwright.export import import_weights
import torch
torch.set_num_threads(1)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
folder = Path(sys.argv[1])
config = aw.load(folder / "config.json")
import_weights(Path(sys.argv[2]), aw.load(Path(sys.argv[2]) / "config.json"), "llama")  # what loads once
before = peak()
model = import_weights(folder, config, "llama")
size = sum(p.nbytes for p in model.parameters())
print(json.dumps([peak() - before, size, max(p.stat().st_size for p in folder.glob("*.safetensors"))]))
"""


def test_peak_memory_is_the_model_and_one_shard(folder, tmp_path):
    """In a process of its own: less than the model and 1.3 times the largest shard."""
    big = aw.load({**KEYS, "hidden_size": 512, "intermediate_size": 2048, "vocab_size": 20000, "num_hidden_layers": 8})
    large = export_weights(Transformer(big, seed=0), tmp_path / "large", "llama", shard_bytes=50 * 10**6)
    done = subprocess.run([sys.executable, "-c", PEAK, str(large), str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    used, size, shard = json.loads(done.stdout)
    assert size > 150 * 10**6
    assert used < size + 1.3 * shard
