"""archwright generate: the tokens of the API, seeds, stops, several rows, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archwright import ArchitectureConfig
from archwright.cli import main


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    torch = pytest.importorskip("torch")
    from archwright.nn import Transformer
    from archwright.nn.checkpoint import save

    torch.manual_seed(3)
    config = ArchitectureConfig(
        d_model=32,
        n_layers=2,
        n_heads=4,
        n_kv_heads=2,
        d_ff=48,
        vocab_size=40,
        max_seq_len=64,
        init_method="normal(0.3)",
    )
    return save(Transformer(config), tmp_path_factory.mktemp("model") / "checkpoint")


def rows(capsys, *words: str) -> list[dict]:
    assert main(["generate", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "archwright/generate/1"
    return found["rows"]


def test_it_says_what_the_api_says(checkpoint, capsys):
    from archwright.nn.checkpoint import load
    from archwright.nn.generation import generate

    expected = generate(load(checkpoint), [[1, 2, 3], [4]], max_new_tokens=9)
    got = rows(capsys, str(checkpoint), "--tokens", "1,2,3", "--tokens", "4", "--max-new-tokens", "9", "--chunk", "2")
    assert [(r["tokens"], r["finish"]) for r in got] == [(r.tokens, r.finish) for r in expected]
    assert main(["generate", str(checkpoint), "--tokens", "1,2,3", "--max-new-tokens", "9"]) == 0
    assert capsys.readouterr().out.split() == [str(t) for t in expected[0].tokens]


def test_seeds_and_stops(checkpoint, capsys):
    words = [str(checkpoint), "--tokens", "5,6", "--max-new-tokens", "12", "--temperature", "1.3", "--top-k", "20"]
    first, again = rows(capsys, *words, "--seed", "7"), rows(capsys, *words, "--seed", "7")
    assert first == again
    third = first[0]["tokens"][2]
    (stopped,) = rows(capsys, *words, "--seed", "7", "--stop", str(third))
    assert stopped["finish"] == "stop"
    assert stopped["tokens"] == first[0]["tokens"][: first[0]["tokens"].index(third)]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "Add --prompt TEXT or --tokens"),
        (["--tokens", "1,x"], 2, "not a list of token numbers"),
        (["--prompt", "hello"], 3, "tokenizer.json"),
        (["--tokens", "1", "--top-p", "3"], 3, "top_p"),
        (["--tokens", "99"], 3, "99"),
    ],
)
def test_what_is_missing_or_wrong(checkpoint, capsys, words, code, said):
    assert main(["generate", str(checkpoint), *words]) == code
    printed = capsys.readouterr()
    assert said in " ".join(printed.err.split())
    assert "Traceback" not in printed.err


def test_texts(checkpoint, tmp_path, capsys):
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{")
    assert main(["generate", str(checkpoint), "--prompt", "x", "--tokenizer", str(broken)]) == 3
    assert "is not a tokenizer" in " ".join(capsys.readouterr().err.split())
    (byte,) = rows(capsys, str(checkpoint), "--prompt", "\x05", "--tokenizer", "bytes", "--max-new-tokens", "4")
    (number,) = rows(capsys, str(checkpoint), "--tokens", "5", "--max-new-tokens", "4")
    assert byte["tokens"] == number["tokens"] and byte["text"] == bytes(byte["tokens"]).decode(errors="replace")


def test_a_checkpoint_that_is_not_there(tmp_path, capsys):
    assert main(["generate", str(tmp_path / "none"), "--tokens", "1"]) == 3
    assert "none" in capsys.readouterr().err
