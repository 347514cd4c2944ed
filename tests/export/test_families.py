"""Every imported family: published files in, logits equal to transformers' with padding, caches and generation."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from archwright.arch.huggingface import model_types  # noqa: E402
from archwright.export import export_weights, import_weights, plan, weight_types  # noqa: E402
from archwright.nn import Transformer  # noqa: E402
from archwright.nn.generation import generate  # noqa: E402

from .small import CASES, ours, theirs  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

CLOSE = 1e-4
"""The accuracy rule: the largest error in units of the logits' standard deviation, in float32."""


@pytest.fixture(autouse=True)
def quiet():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    yield
    torch.set_num_threads(threads)


def saved(case: str, folder: Path):
    """Their model, and its weights as published."""
    other = theirs(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other.save_pretrained(folder)
    return other


def close(found, wanted) -> bool:
    return bool((found - wanted).abs().max() < CLOSE * wanted.std())


def sample(seed: int, *shape: int):
    return torch.randint(0, 96, shape, generator=torch.Generator().manual_seed(seed))


def test_every_imported_type_has_a_case_and_a_key_map():
    """No family is imported whose modules and weights were never compared."""
    kinds = {kind for kind, _ in CASES.values()}
    assert set(model_types()) - set(weight_types()) == set()
    assert set(model_types()) == kinds


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_logits_are_those_of_transformers(case, tmp_path):
    """Plain, padded on the left and on the right, in pieces through a cache, and as greedy continuations."""
    other = saved(case, tmp_path)
    config = ours(case)
    model = import_weights(tmp_path, config, CASES[case][0])
    assert model.embedding.weight.dtype == torch.float32
    tokens = sample(1, 2, 40)
    wanted = other(tokens).logits
    assert close(model(tokens), wanted)

    for left in (True, False):
        mask = torch.ones_like(tokens)
        mask[0, :13] = 0
        mask[0] = mask[0] if left else mask[0].flip(0)
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        given = {"position_ids": places} if "position_ids" in inspect.signature(other.forward).parameters else {}
        real = mask.bool()  # what they give for padding means nothing
        assert close(model(tokens, attention_mask=mask)[real], other(tokens, attention_mask=mask, **given).logits[real])

    caches = model.new_caches(2, 40)
    pieces = [model(tokens[:, :17], caches), model(tokens[:, 17:29], caches)]
    pieces += [model(tokens[:, at : at + 1], caches) for at in range(29, 40)]
    assert close(torch.cat(pieces, 1), wanted)

    prompts = [sample(2, 21).tolist(), sample(3, 12).tolist()]
    made = generate(model, prompts, max_new_tokens=6, chunk=9)
    for prompt, result in zip(prompts, made, strict=True):
        row = list(prompt)
        for _ in range(6):
            row.append(int(other(torch.tensor([row])).logits[0, -1].argmax()))
        assert result.tokens == row[len(prompt) :]


@torch.no_grad()
def test_longrope_takes_the_long_factors_beyond_the_trained_length(tmp_path):
    """200 tokens where 128 were trained."""
    other = saved("phi3 longrope", tmp_path)
    model = import_weights(tmp_path, ours("phi3 longrope"), "phi3")
    tokens = sample(1, 1, 200)
    assert close(model(tokens), other(tokens).logits)


@pytest.mark.parametrize("case", [c for c in CASES if c != "kimi_k2"])  # a class that transformers does not name
@torch.no_grad()
def test_transformers_reads_every_type_that_is_written(case, tmp_path):
    """Our random model as the files of its type: from_pretrained gives our logits."""
    kind = CASES[case][0]
    model = Transformer(ours(case).change(init_method="normal(0.15)"), seed=0).eval()
    export_weights(model, tmp_path / "made", kind, shard_bytes=100_000)
    path = "sdpa" if kind == "falcon" else "eager"
    other, told = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "made", dtype=torch.float32, attn_implementation=path, output_loading_info=True
    )
    assert not told["missing_keys"] and not told["unexpected_keys"] and not told["mismatched_keys"]
    tokens = sample(4, 1, 30)
    assert close(other.eval()(tokens).logits, model(tokens))


@pytest.mark.parametrize("case", CASES)
def test_every_tensor_takes_part(case):
    """A loss has a gradient with respect to every parameter: none lies beside the computation."""
    model = Transformer(ours(case).change(init_method="normal(0.3)"), seed=0)
    model(sample(5, 2, 30)).square().mean().backward()
    assert [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.isfinite().all())
    ] == []


@pytest.mark.parametrize("case", CASES)
def test_published_tensors_come_back_bit_by_bit(case):
    """From theirs to ours and back, every layout: nothing is lost, nothing is moved."""
    config, kind = ours(case), CASES[case][0]
    generator = torch.Generator().manual_seed(0)
    for entry in plan(config, kind):
        tensor = torch.randn(entry.shape, generator=generator)
        parts = entry.split(tensor)
        assert [tuple(p.shape) for p in parts] == [tuple(s) for s in entry.shapes]
        assert torch.equal(entry.join(parts), tensor)
