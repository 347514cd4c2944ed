"""Integration: caches against the full pass, the transformer, generation, training machinery, costs."""

from __future__ import annotations

import copy
import io
import pickle
import warnings

import torch
from torch.utils.flop_counter import FlopCounterMode

from ...arch.config import ArchitectureConfig
from ...nn import Segments, Transformer
from .. import oracle
from ..accuracy import assert_accurate, assert_same
from ..case import Case
from . import needs_pattern, needs_projections
from .memory import run_through


class Integration:
    """The variant among everything else."""

    @needs_pattern
    def test_prefill_equals_the_full_pass(self, case: Case) -> None:
        """The whole sequence into an empty cache gives what it gives without one."""
        attn, x = case.module(rope=True), case.inputs()
        out = run_through(attn, x, attn.new_cache(2, case.tokens), [case.tokens])
        assert_same(out, attn(x), "prefill and full pass")

    @needs_pattern
    def test_token_by_token_equals_the_full_pass(self, case: Case) -> None:
        """Decoding one token at a time, across the window, gives the full pass."""
        attn, x = case.module(rope=True), case.inputs()
        out = run_through(attn, x, attn.new_cache(2, case.tokens), [1] * case.tokens)
        assert_same(out, attn(x), "decoding and full pass")

    @needs_pattern
    def test_chunks_longer_than_the_window_equal_the_full_pass(self, case: Case) -> None:
        """A prefill chunk longer than the window attends before it evicts; then decoding goes on."""
        attn = case.module(rope=True)
        chunk = min(2 * case.width * case.step + 4, 40)
        chunks = [chunk, case.width + 1, 3, *[1] * 6]
        x = case.inputs(sum(chunks))
        cache = attn.new_cache(2, sum(chunks))
        assert_same(run_through(attn, x, cache, chunks), attn(x), "chunked prefill and full pass")

    @needs_projections
    def test_decoding_in_low_precision_keeps_the_accuracy(self, case: Case) -> None:
        """Prefill and decoding in bfloat16 stay within twice an independent reference's error."""
        attn, x = case.module(dtype=torch.bfloat16), case.inputs(dtype=torch.bfloat16)
        exact = oracle.module(case.weights(attn), case.spec, x.double())
        low = oracle.module(case.weights(attn, torch.bfloat16), case.spec, x)
        out = run_through(attn, x, attn.new_cache(2, case.tokens), [3, *[1] * (case.tokens - 3)])
        assert_accurate(out, exact, low, "decoding in bfloat16")

    @needs_pattern
    def test_a_ragged_batch_equals_its_rows(self, case: Case) -> None:
        """Rows of different lengths, packed into the cache, decode as each does alone, across the window."""
        attn, lengths, steps = case.module(rope=True), [2, case.tokens, case.width + 1], case.width + 3
        x = case.inputs(sum(lengths), batch=1)[0]
        more = case.inputs(steps, batch=3, seed=6)
        cache = attn.new_cache(3, case.tokens + steps)
        with torch.no_grad():
            first = attn(x, cache, cu_seqlens=Segments.of(lengths, case.device))
        assert cache.lengths.tolist() == lengths
        outs = run_through(attn, more, cache, [1] * (steps - 2) + [2])
        for row, (part, began) in enumerate(zip(x.split(lengths), first.split(lengths), strict=True)):
            alone = attn(torch.cat((part, more[row]))[None])[0]
            assert_same(torch.cat((began, outs[row])), alone, f"row {row} of a ragged batch")

    @needs_pattern
    def test_packed_chunks_into_a_cache_equal_the_full_pass(self, case: Case) -> None:
        """Two packed chunks, in which some sequences have nothing left, give each sequence's full pass."""
        attn, first, second = case.module(rope=True), [5, case.tokens, 1], [case.width + 2, 0, 4]
        one, two = case.inputs(sum(first), batch=1)[0], case.inputs(sum(second), batch=1, seed=7)[0]
        cache = attn.new_cache(3, case.tokens + case.width + 8)
        with torch.no_grad():
            out_one = attn(one, cache, cu_seqlens=Segments.of(first, case.device)).split(first)
            out_two = attn(two, cache, cu_seqlens=Segments.of(second, case.device)).split(second)
        for row, (a, b) in enumerate(zip(one.split(first), two.split(second), strict=True)):
            alone = attn(torch.cat((a, b))[None])[0]
            assert_same(torch.cat((out_one[row], out_two[row])), alone, f"sequence {row} in packed chunks")

    def test_it_works_in_a_whole_transformer(self, case: Case) -> None:
        """A model of two such layers computes logits, and every parameter gets a finite gradient."""
        model = case.transformer().train()
        tokens = case.tokens_for(model)
        logits = model(tokens)
        assert logits.shape == (*tokens.shape, model.config.vocab_size)
        torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).backward()
        for name, tensor in model.named_parameters():
            assert tensor.grad is not None and bool(torch.isfinite(tensor.grad).all()), name

    @needs_pattern
    def test_generation_with_caches_equals_generation_without(self, case: Case) -> None:
        """Twenty greedy tokens are the same whether the past is cached or computed again."""
        model = case.transformer()
        cached = plain = case.tokens_for(model, 4)
        caches = model.new_caches(2, 32)
        fresh = cached
        with torch.no_grad():
            for _ in range(20):
                fresh = model(fresh, caches)[:, -1:].argmax(-1)
                cached = torch.cat((cached, fresh), 1)
                plain = torch.cat((plain, model(plain)[:, -1:].argmax(-1)), 1)
        assert torch.equal(cached, plain)

    @needs_pattern
    def test_padding_on_either_side_changes_nothing(self, case: Case) -> None:
        """Hugging Face's attention_mask, left and right: each row gives what it gives alone, padding gives zeros."""
        model = case.transformer()
        tokens = case.tokens_for(model, case.tokens)
        cut = case.tokens // 3
        for side in ("left", "right"):
            mask = torch.ones_like(tokens)
            kept = slice(cut, None) if side == "left" else slice(None, case.tokens - cut)
            mask[0] = 0
            mask[0, kept] = 1
            logits = model(tokens, attention_mask=mask)
            assert_same(logits[0, kept], model(tokens[:1, kept])[0], f"row padded on the {side}")
            assert_same(logits[1], model(tokens[1:])[0], "row without padding")
            assert float(logits[0][mask[0] == 0].detach().abs().max()) == 0.0

    def test_state_goes_out_and_comes_back(self, case: Case) -> None:
        """`state_dict` through bytes into another module gives the same results, and so do copy and pickle."""
        attn, other, x = case.module(seed=1), case.module(seed=2), case.inputs()
        buffer = io.BytesIO()
        torch.save(attn.state_dict(), buffer)
        buffer.seek(0)
        other.load_state_dict(torch.load(buffer, weights_only=True))
        assert torch.equal(other(x), attn(x))
        assert torch.equal(copy.deepcopy(attn)(x), attn(x))
        if "<locals>" not in type(case.spec).__qualname__ + type(attn).__qualname__:  # a notebook's has no place
            assert torch.equal(pickle.loads(pickle.dumps(attn))(x), attn(x))

    def test_it_compiles_without_graph_breaks(self, case: Case) -> None:
        """`torch.compile(fullgraph=True)` traces the module, and the traced one computes the same."""
        attn, x = case.module(), case.inputs(9)
        with warnings.catch_warnings():  # of torch about its own parts
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.compiler.reset()
            compiled = torch.compile(attn, backend="eager", fullgraph=True, dynamic=False)(x)
        assert_same(compiled, attn(x), "compiled and eager")

    def test_activation_checkpointing_gives_the_same_gradients(self, case: Case) -> None:
        """Layers computed again in the backward pass leave the gradients as they are, in full and selectively."""
        tokens, found = None, []
        for kind in ("none", "full", "selective"):
            model = case.transformer().train()
            model.checkpointing = kind
            tokens = case.tokens_for(model) if tokens is None else tokens
            model(tokens).logsumexp(-1).mean().backward()
            found.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
        for other in found[1:]:
            for name, gradient in found[0].items():
                assert_same(other[name], gradient, f"gradient of {name} with checkpointing")

    def test_parameters_are_those_of_the_spec(self, case: Case) -> None:
        """On the meta device, names and shapes are exactly those that the spec counts."""
        wanted = {w.name: w.shape for w in case.spec.weights()}
        with torch.device("meta"):
            module = case.module() if case.device == "meta" else None
        del module
        built = {n: tuple(p.shape) for n, p in case.module().named_parameters()}
        assert built == wanted

    def test_the_whole_model_has_the_parameters_of_its_architecture(self, case: Case) -> None:
        """Of the whole model on the meta device: the names, shapes and the total of `estimate_params`."""
        config = case.architecture()
        model = Transformer(config, device="meta")
        assert sum(p.numel() for p in model.parameters()) == config.estimate_params()

    def test_shapes_are_right_without_memory(self, case: Case) -> None:
        """On the meta device, a model of 4096 tokens computes shapes and touches no number."""
        model = Transformer(case.architecture(max_seq_len=4096), device="meta")
        logits = model(torch.zeros(1, 4096, dtype=torch.int64, device="meta"))
        assert logits.is_meta and logits.shape == (1, 4096, model.config.vocab_size)

    @needs_pattern
    def test_counted_flops_equal_the_formula(self, case: Case) -> None:
        """torch's counter on the reference counts every pair (dense): 2 T^2 N (Hk + Hv) and the projections."""
        attn, spec, tokens = case.module(backend="reference"), case.spec, case.tokens
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            attn(case.inputs(batch=1))
        dense = 2 * tokens**2 * spec.n_heads * (spec.key_dim + spec.value_dim)
        matrices = sum(2 * w.shape[0] * w.shape[1] for w in spec.weights() if len(w.shape) == 2) * tokens
        assert counter.get_total_flops() == dense + matrices

    @needs_pattern
    def test_pairs_equal_a_count(self, case: Case) -> None:
        """The spec's pairs are those that a loop over all queries and keys finds."""
        for tokens in case.lengths:
            assert case.spec.pairs(tokens) == sum(map(len, oracle.visible_keys(case.spec, range(tokens))))

    def test_an_architecture_file_builds_it(self, case: Case) -> None:
        """Through YAML and back the model is the same, and its attention is of the same class."""
        config = case.architecture()
        again = ArchitectureConfig.from_yaml(config.to_yaml())
        assert again == config
        one, two = Transformer(config, device="meta"), Transformer(again, device="meta")
        assert type(one.layers[0].attention) is type(two.layers[0].attention)

    @needs_pattern
    def test_moving_to_low_precision_keeps_the_angles(self, case: Case) -> None:
        """`.to(bfloat16)` leaves the rotary frequencies in float32: the result is that of a module made in bfloat16."""
        moved, made = case.module(rope=True).to(torch.bfloat16), case.module(rope=True, dtype=torch.bfloat16)
        made.load_state_dict(moved.state_dict())
        assert moved.rotary.inverse_frequencies.dtype == torch.float32
        x = case.inputs(dtype=torch.bfloat16)
        assert torch.equal(moved(x), made(x))

    @needs_pattern
    def test_every_backend_explains_itself(self, case: Case) -> None:
        """`explain` lists each candidate: those before the chosen one have reasons, the chosen one has none."""
        told = case.module().explain(case.tokens)
        names = [name for name, _ in told.candidates]
        assert told.chosen in names
        for name, reasons in told.candidates[: names.index(told.chosen)]:
            assert reasons, f"{name} comes before {told.chosen} and says nothing against the call"
        assert f"-> {told.chosen}" in str(told)
