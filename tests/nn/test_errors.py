"""Errors of the running modules: what and where, all at once; M03 and M04 of the list of bad inputs among them."""

from __future__ import annotations

import pytest
import torch

from archwright.nn import AttentionConfig, CustomAttentionFactory, Segments, Transformer

from .conftest import small


def raises(match: str):
    return pytest.raises(ValueError, match=match)


def test_four_faults_of_a_configuration_come_in_one_message():
    with pytest.raises(ValueError) as caught:
        AttentionConfig("sliding", 8, 3, window_size=-1, head_dim=0, dropout=1.5)
    for part in ("n_kv_heads is 3", "window_size is -1", "head_dim is 0", "dropout is 1.5"):
        assert part in str(caught.value)
    with raises("slidng.*Did you mean sliding"):
        AttentionConfig("slidng", 8)
    with raises("window_size is 4.*has no window"):
        AttentionConfig("full", 8, window_size=4)
    with raises("n_kv_heads is 2: must be 1 for mqa"):
        AttentionConfig("mqa", 8, 2)


def test_a_module_on_one_device_and_an_input_on_another():
    attn = CustomAttentionFactory.create(AttentionConfig("full", 2, head_dim=8))
    with raises(r"x is on meta: must be on the device of the module \(cpu\)"):
        attn(torch.empty(1, 2, 16, device="meta"))
    cache = attn.new_cache(1, 4, device="meta")
    with raises("kv_cache is on meta: must be on the device of x"):
        attn.eval()(torch.zeros(1, 2, 16), cache)


def test_a_cache_of_another_pattern_is_refused():
    window = CustomAttentionFactory.create(AttentionConfig("sliding", 2, head_dim=8, window_size=3)).eval()
    wider = CustomAttentionFactory.create(AttentionConfig("sliding", 2, head_dim=8, window_size=5)).eval()
    with raises("kv_cache is with 4 slots: does not hold every key that this pattern sees"):
        wider(torch.zeros(1, 2, 16), window.new_cache(1, 20))
    full = CustomAttentionFactory.create(AttentionConfig("full", 2, head_dim=8)).eval()
    window(torch.zeros(1, 2, 16), full.new_cache(1, 20))  # a dense cache serves every pattern


def test_a_two_sided_module_takes_no_cache():
    attn = CustomAttentionFactory.create(AttentionConfig("full", 2, head_dim=8, causal=False)).eval()
    with raises("kv_cache needs causal attention"):
        attn(torch.zeros(1, 2, 16), attn.new_cache(1, 4))


def test_max_seqlen_without_segments_is_refused():
    attn = CustomAttentionFactory.create(AttentionConfig("full", 2, head_dim=8))
    with raises("max_seqlen is 4: has a meaning only with cu_seqlens"):
        attn(torch.zeros(1, 2, 16), max_seqlen=4)


@pytest.mark.parametrize(
    ("lengths", "match"),
    [([], "at least one token"), ([0, 0], "at least one token"), ([2, -1], "not negative"), ([1.5], "whole numbers")],
)
def test_segments_need_lengths(lengths, match):
    with raises(match):
        Segments.of(lengths)


class TestTransformer:
    """The model's boundary."""

    def test_tokens_must_be_whole_numbers_in_the_vocabulary(self, model):
        with raises("tokens is of type torch.float32"):
            model(torch.zeros(1, 3))
        with raises("tokens is 50: must be from 0 to 49"):
            model(torch.tensor([[1, 50]]))
        with raises("tokens is -1: must be from 0 to 49"):
            model(torch.tensor([[1, -1]]))
        with raises(r"tokens is of shape \(3,\): must be \(B, T\)"):
            model(torch.zeros(3, dtype=torch.int64))
        with raises("with at least one token"):
            model(torch.zeros(2, 0, dtype=torch.int64))
        with raises("tokens is on meta"):
            model(torch.zeros(1, 2, dtype=torch.int64, device="meta"))

    def test_a_sequence_past_max_seq_len_names_both_lengths(self, model):
        long = torch.zeros(1, 129, dtype=torch.int64)
        with raises(r"a sequence of 129 tokens is longer than max_seq_len \(128\)"):
            model(long)
        caches = model.new_caches(1, 200)
        model(long[:, :100], caches)
        with raises(r"a sequence of 129 tokens is longer than max_seq_len \(128\)"):
            model(long[:, :29], caches)
        assert all(c.host_lengths == (100,) for c in caches)
        segments = Segments.of([10, 129])
        with raises("a sequence of 129 tokens"):
            model(torch.zeros(139, dtype=torch.int64), segments=segments)

    def test_a_full_cache_leaves_every_layer_as_it_was(self, model):
        caches = model.new_caches(1, 8)
        tokens = torch.arange(10)[None]
        with torch.no_grad():
            model(tokens[:, :6], caches)
            with raises("holds at most 8 tokens: sequence 0 has 6 and 3 more were given"):
                model(tokens[:, 6:9], caches)
            assert {c.host_lengths for c in caches} == {(6,)}
            out = model(tokens[:, 6:8], caches)
        assert (out - model(tokens[:, :8])[:, 6:]).abs().max() < 1e-4

    def test_caches_must_fit_the_model(self, model):
        tokens = torch.arange(4)[None]
        with raises(r"kv_caches is 3: must be one a layer \(4\)"):
            model(tokens, model.new_caches(1, 8)[:3])
        with raises("kv_caches cannot be used in training mode"):
            model.train()(tokens, model.new_caches(1, 8))
        model.eval()
        caches = model.new_caches(1, 8)
        caches[0]._lengths = [3]
        with raises("hold different numbers of tokens"):
            model(tokens, caches)

    @pytest.mark.parametrize(
        ("mask", "match"),
        [
            (torch.ones(2, 5), r"attention_mask is of shape \(2, 5\): must be \(2, 4\)"),
            (torch.tensor([[1, 1, 1, 1], [1, 0, 1, 1]]), "row 1 has a hole"),
            (torch.tensor([[1, 1, 1, 1], [0, 1, 0, 1]]), "row 1 has a hole"),
            (torch.tensor([[1, 1, 1, 1], [0, 0, 2, 1]]), "must hold 0 and 1 alone"),
            ([[1, 1, 1, 1]], "attention_mask is of type list"),
        ],
    )
    def test_masks_that_are_no_padding_are_refused(self, model, mask, match):
        with raises(match):
            model(torch.zeros(2, 4, dtype=torch.int64), attention_mask=mask)

    def test_a_mask_and_segments_exclude_each_other(self, model):
        with raises("attention_mask and segments exclude each other"):
            model(torch.zeros(4, dtype=torch.int64), attention_mask=torch.ones(1, 4), segments=Segments.of([4]))
        with raises("segments is 3: must hold 4 tokens"):
            model(torch.zeros(4, dtype=torch.int64), segments=Segments.of([3]))

    def test_a_mask_that_contradicts_the_caches_is_refused(self, model):
        caches = model.new_caches(2, 16)
        tokens = torch.zeros(2, 4, dtype=torch.int64)
        left = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]])
        with torch.no_grad():
            model(tokens, caches, attention_mask=left)
            assert caches[0].host_lengths == (3, 4)
            grown = torch.cat((left, torch.ones(2, 1, dtype=torch.int64)), 1)
            model(tokens[:, :1], caches, attention_mask=grown)
            assert caches[0].host_lengths == (4, 5)
            with raises(r"marks \[5, 5\] earlier tokens, and the caches hold \[4, 5\]"):
                model(tokens[:, :1], caches, attention_mask=torch.ones(2, 6))

    def test_a_padded_batch_gives_the_logits_of_its_rows(self, model):
        generator = torch.Generator().manual_seed(1)
        tokens = torch.randint(0, 50, (3, 12), generator=generator)
        mask = torch.ones(3, 12, dtype=torch.bool)
        mask[0, :5], mask[1, 9:], mask[2, :] = False, False, False
        logits = model(tokens, attention_mask=mask)
        assert (logits[0, 5:] - model(tokens[:1, 5:])[0]).abs().max() < 1e-4
        assert (logits[1, :9] - model(tokens[1:2, :9])[0]).abs().max() < 1e-4
        assert logits[2].abs().max() == 0 and logits[0, :5].abs().max() == 0

    def test_packed_segments_equal_the_sequences(self, model):
        lengths = [7, 0, 20, 1]
        tokens = torch.arange(28) % 50
        logits = model(tokens, segments=Segments.of(lengths))
        assert logits.shape == (28, 50)
        alone = torch.cat([model(part[None])[0] for part in tokens.split(lengths) if len(part)])
        assert (logits - alone).abs().max() < 1e-4

    def test_what_no_module_computes_is_named(self):
        base = small().to_dict()
        for change, match in (
            ({"position": {"type": "alibi"}}, r"layers\[0\].position"),
            ({"embedding": {"positions": "learned"}}, "embedding"),
        ):
            from archwright.arch.config import ArchitectureConfig

            config = ArchitectureConfig(**{**base, **change})
            try:
                Transformer(config, device="meta")
            except NotImplementedError as error:
                assert match.replace("\\", "") in str(error)
            else:  # once a module computes it, the parameters must be there
                model = Transformer(config, device="meta")
                assert sum(p.numel() for p in model.parameters()) == config.estimate_params()


def test_nothing_of_dense_size_is_taken_in_silence():
    """Law 4: `auto` refuses a pattern whose scores are huge and says how to insist; it never falls back unseen."""
    from archwright.nn.backends import Request, choose, explain
    from archwright.nn.backends.base import AttentionSpec

    class Odd(AttentionSpec):
        def visible(self, q, k):
            return (q + k) % 3 == 0

    spec = Odd(d_model=512, n_heads=8, n_kv_heads=8, head_dim=24)
    request = Request(spec, 1, 65_536, 65_536, needs_grad=True)
    told = explain(request)
    assert told.chosen is None
    with pytest.raises(NotImplementedError) as caught:
        choose(request)
    text = str(caught.value)
    assert "backend reference cannot run this: its scores take 128.0 GiB" in text and "name it" in text
    assert choose(request, "reference").name == "reference"
