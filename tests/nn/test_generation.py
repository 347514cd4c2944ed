"""Generation: greedy and sampled, one and many, at once and streamed."""

from __future__ import annotations

import pytest
import torch

from archwright.nn import Transformer
from archwright.nn.generation import Event, generate, stream
from archwright.nn.sampling import Sampler

from .conftest import small

PROMPTS = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]]


def greedy(model: Transformer, prompt: list[int], count: int) -> list[int]:
    """One row, everything computed again for each token."""
    tokens = list(prompt)
    with torch.no_grad():
        for _ in range(count):
            tokens.append(int(model(torch.tensor([tokens]))[0, -1].argmax()))
    return tokens[len(prompt) :]


def test_greedy_batches_of_unequal_length_equal_each_row_alone(model):
    found = generate(model, PROMPTS, max_new_tokens=20)
    for prompt, result in zip(PROMPTS, found, strict=True):
        assert result.tokens == greedy(model, prompt, 20)
        assert result.finish == "length"


@pytest.mark.parametrize("chunk", [1, 2, 5, 100])
def test_prefill_in_chunks_changes_nothing(model, chunk):
    whole = generate(model, PROMPTS, max_new_tokens=12)
    assert generate(model, PROMPTS, max_new_tokens=12, chunk=chunk) == whole
    even = [p[:1] * 9 for p in PROMPTS]
    assert generate(model, even, max_new_tokens=5, chunk=chunk) == generate(model, even, max_new_tokens=5)


def test_two_hundred_tokens_with_caches_equal_the_full_pass():
    """Decoding across all windows for 200 tokens, against one pass over the result."""
    model = Transformer(small(max_seq_len=256), seed=4).eval()
    prompt = list(range(1, 21))
    (result,) = generate(model, [prompt], max_new_tokens=200)
    tokens = torch.tensor([prompt + result.tokens])
    with torch.no_grad():
        logits = model(tokens)
    assert logits[0, len(prompt) - 1 : -1].argmax(-1).tolist() == result.tokens


def test_a_seed_repeats_and_rows_do_not_depend_on_their_neighbours(model):
    options = {"max_new_tokens": 15, "temperature": 1.0, "top_k": 20, "seed": 3}
    one, same = generate(model, PROMPTS, **options), generate(model, PROMPTS, **options)
    assert one == same
    assert generate(model, PROMPTS[:1], **options)[0] == one[0]
    assert generate(model, PROMPTS, **{**options, "seed": 4}) != one
    assert one[0].tokens != greedy(model, PROMPTS[0], 15)


def test_stop_tokens_and_sequences_end_a_row_and_are_not_part_of_it(model):
    plain = [r.tokens for r in generate(model, PROMPTS, max_new_tokens=20)]
    stop = plain[0][4]
    (first, *_) = generate(model, PROMPTS, max_new_tokens=20, stop=[stop])
    assert first.tokens == plain[0][: plain[0].index(stop)] and first.finish == "stop"
    pair = tuple(plain[2][6:8])
    at = next(i for i in range(20) if tuple(plain[2][i : i + 2]) == pair)
    third = generate(model, PROMPTS, max_new_tokens=20, stop=[pair])[2]
    assert third.tokens == plain[2][:at] and third.finish == "stop"


def test_streaming_gives_the_same_in_order_and_holds_back_what_may_be_a_stop(model):
    plain = generate(model, PROMPTS, max_new_tokens=10)
    events = list(stream(model, PROMPTS, max_new_tokens=10))
    for row, result in enumerate(plain):
        mine = [e for e in events if e.row == row]
        assert [e.token for e in mine[:-1]] == result.tokens
        assert mine[-1] == Event(row, finish="length")
    a, b = plain[0].tokens[:2]
    never = (a, b, 49 if plain[0].tokens[2] != 49 else 48)
    held = list(stream(model, PROMPTS[:1], max_new_tokens=10, stop=[never]))
    assert [e.token for e in held[:-1]] == plain[0].tokens


def test_streaming_is_lazy(model):
    events = stream(model, PROMPTS, max_new_tokens=50)
    first = next(events)
    assert first.row == 0 and first.token is not None
    events.close()


def test_training_mode_comes_back(model):
    model.train()
    generate(model, PROMPTS, max_new_tokens=2)
    assert model.training


def test_sampling_draws_from_what_temperature_top_k_and_top_p_leave():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    plain = torch.softmax(logits, -1)
    assert torch.allclose(Sampler(1.0).probabilities(logits), plain)
    assert torch.allclose(Sampler(0.5).probabilities(logits), torch.softmax(2 * logits, -1))
    two = Sampler(1.0, top_k=2).probabilities(logits)
    assert (two[0, 2:] == 0).all() and torch.allclose(two[0, :2], plain[0, :2] / plain[0, :2].sum())
    # 0.644 alone does not reach 0.7, with 0.237 it does
    nucleus = Sampler(1.0, top_p=0.7).probabilities(logits)
    assert (nucleus[0] > 0).tolist() == [True, True, False, False]
    assert (Sampler(1.0, top_p=0.6).probabilities(logits)[0] > 0).tolist() == [True, False, False, False]
    assert torch.allclose(Sampler(1.0, top_p=1.0).probabilities(logits), plain)


def test_sampled_frequencies_follow_the_probabilities():
    logits = torch.tensor([[1.0, 0.0, -1.0]]).expand(4000, -1)
    sampler = Sampler(1.0, seed=5)
    drawn = torch.tensor(sampler.choose(logits, sampler.generators(4000)))
    shares = torch.bincount(drawn, minlength=3) / 4000
    expected = torch.softmax(logits[0], -1)
    error = (expected * (1 - expected) / 4000).sqrt()
    assert ((shares - expected).abs() < 5 * error).all()


def test_greedy_takes_the_first_of_equals():
    assert Sampler().choose(torch.tensor([[1.0, 3.0, 3.0]]), []) == [1]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"prompts": []}, "at least one prompt"),
        ({"prompts": [[1], []]}, r"prompts\[1\] must have at least one token"),
        ({"prompts": [[1, 50]]}, r"prompts\[0\] is 50: must hold tokens from 0 to 49"),
        ({"prompts": [[1] * 120]}, "longer than max_seq_len"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"temperature": -1.0}, "temperature is -1"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_p": 0.0}, "top_p is 0"),
        ({"stop": [()]}, "empty sequence"),
    ],
)
def test_wrong_arguments_are_named(model, change, match):
    given = {"prompts": PROMPTS, "max_new_tokens": 10, **change}
    with pytest.raises(ValueError, match=match):
        generate(model, given.pop("prompts"), **given)
