"""Texts through a tokenizer, a model and back."""

from __future__ import annotations

import pytest

from archwright.nn import Transformer
from archwright.nn.generation import Event, generate
from archwright.nn.sampling import Sampler
from archwright.nn.texts import Bytes, FromFile, Numbers, Piece, _pieces, continue_texts, tokenizer

from .conftest import small


@pytest.fixture(scope="module")
def byte_model() -> Transformer:
    return Transformer(small(vocab_size=256), seed=2).eval()


def test_pieces_add_up_to_the_text_of_the_tokens(byte_model):
    prompts = ["to be", "æ", "a longer prompt"]
    plain = generate(byte_model, [list(p.encode()) for p in prompts], max_new_tokens=12)
    pieces = list(continue_texts(byte_model, prompts, Bytes(), max_new_tokens=12))
    for row, result in enumerate(plain):
        assert "".join(p.text for p in pieces if p.row == row) == Bytes().decode(result.tokens)
        assert [p.finish for p in pieces if p.row == row][-1] == "length"


def test_a_character_of_several_bytes_comes_whole():
    events = iter([Event(0, t) for t in "é€".encode()] + [Event(0, 255), Event(0, finish="length")])
    pieces = list(_pieces(events, Bytes(), 1))
    assert [p.text for p in pieces] == ["é", "€", "\N{REPLACEMENT CHARACTER}", ""]
    assert pieces[-1] == Piece(0, finish="length")


def test_stop_texts_end_a_row(byte_model):
    (plain,) = generate(byte_model, [[65]], max_new_tokens=12)
    stop = Bytes().decode(plain.tokens[4:6])
    if "\N{REPLACEMENT CHARACTER}" in stop:
        stop = chr(plain.tokens[4]) if plain.tokens[4] < 128 else "\x00"
    text = "".join(p.text for p in continue_texts(byte_model, ["A"], Bytes(), max_new_tokens=12, stop=[stop]))
    assert stop not in text


def test_token_numbers_go_in_and_come_out(byte_model):
    pieces = list(continue_texts(byte_model, ["1 2,3"], Numbers(), max_new_tokens=3, sampler=Sampler(1.0, seed=1)))
    (result,) = generate(byte_model, [[1, 2, 3]], max_new_tokens=3, temperature=1.0, seed=1)
    assert "".join(p.text for p in pieces).split() == [str(t) for t in result.tokens]
    with pytest.raises(ValueError, match="prompt is 'x'"):
        Numbers().encode("1 x")


def test_a_tokenizer_file_is_read_or_refused(tmp_path, byte_model):
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1, "[UNK]": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    read = tokenizer(tmp_path / "tokenizer.json")
    assert isinstance(read, FromFile) and read.encode("a b c") == [0, 1, 2] and read.size == 3
    assert "".join(p.text for p in continue_texts(byte_model, ["a"], read, max_new_tokens=2)) is not None
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ValueError, match=r"broken.json.*is not a tokenizer"):
        tokenizer(tmp_path / "broken.json")
    with pytest.raises(ValueError, match=r"nowhere.json.*is not a file"):
        tokenizer(tmp_path / "nowhere.json")


def test_a_tokenizer_larger_than_the_model_is_refused(model):
    with pytest.raises(ValueError, match="vocab_size is 50: smaller than the tokenizer's 256 tokens"):
        continue_texts(model, ["a"], tokenizer("bytes"), max_new_tokens=1)
