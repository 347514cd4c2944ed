"""Mutation test: one coefficient or operator of arch/ or costs/ is changed at a time, and a named test must fail.

    python benchmarks/mutants.py [--only TEXT] [--jobs 2]

The sources are copied and changed there; the working tree is not touched. A change that no test notices is printed
and makes the exit code 1, unless it is listed with the reason why nothing can notice it. A change whose text is not
in its file exactly once makes the exit code 2: the list has to follow the code.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml  # noqa: F401  (imported before the processes are forked, so that none has to)
from hypothesis import Phase, settings

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "archwright"
UNTOUCHED = ("nn", "lab", "cli", "claims", "decisions", "evidence", "testing", "site", "export")
TIMEOUT = 120
"""Seconds after which a change counts as noticed: it made something endless."""


@dataclass(frozen=True)
class Mutant:
    """One change: in which file, what becomes what, which tests must notice; or why none can."""

    file: str
    old: str
    new: str
    tests: str
    survives: str = ""


def mutants() -> list[Mutant]:
    """The list, by file."""
    found: list[Mutant] = []

    def of(file: str, tests: str, *changes: tuple[str, str]) -> None:
        found.extend(Mutant(file, old, new, tests) for old, new in changes)

    of(
        "arch/weights.py",
        "arithmetic parameters",
        ("return 2 * prod(self.shape)", "return 3 * prod(self.shape)"),
        ('if self.role == "matrix" else 0', 'if self.role != "vector" else 0'),
        ("return 0 if self.shared_with else prod(self.shape) * self.copies", "return prod(self.shape) * self.copies"),
    )
    of(
        "arch/attention/base.py",
        "parameters",
        ('"q": (self.n_heads * self.key_dim, self.d_model)', '"q": (self.n_kv_heads * self.key_dim, self.d_model)'),
        ('"v": (self.n_kv_heads * self.value_dim, self.d_model)', '"v": (self.n_heads * self.value_dim, self.d_model)'),
        ('"o": (self.d_model, self.n_heads * self.value_dim)', '"o": (self.d_model, self.d_model)'),
        ("            if name in self.bias:", "            if name not in self.bias:"),
    )
    of(
        "arch/attention/base.py",
        "cache",
        ("self.n_kv_heads * (self.key_dim + self.value_dim)", "self.n_kv_heads * self.key_dim"),
    )
    of(
        "arch/attention/base.py",
        "arithmetic",
        ("end = min(q + 1, context)", "end = min(q, context)"),
        ("stop = min(part.stop, end)", "stop = min(part.stop, end + 1)"),
    )
    of(
        "arch/attention/full.py",
        "arithmetic cache",
        ("context * (context + 1) // 2", "context * (context - 1) // 2"),
        ("return max(0, context)", "return max(0, context - 1)"),
    )
    of(
        "arch/attention/sliding.py",
        "arithmetic cache shape",
        ("return abs(q - k) <= self.window_size", "return abs(q - k) < self.window_size"),
        ("range(q - width, q + width + 1, self.step)", "range(q - width + 1, q + width + 1, self.step)"),
        ("self.step * width * (width + 1) // 2", "self.step * width * (width - 1) // 2"),
        ("self.window_size * self.step + 1)", "self.window_size * self.step)"),
    )
    of(
        "arch/attention/dilated.py",
        "shape",
        ("abs(q - k) <= self.window_size * self.dilation", "abs(q - k) <= self.window_size"),
        ("% self.dilation == 0", "% self.dilation == 1"),
        ("        return self.dilation", "        return self.dilation + 1"),
    )
    of(
        "arch/feed_forward/gated.py",
        "parameters",
        ('("down_proj", (d_model, d_ff)),', ""),
        ('shape[:1], "vector", copies, active)', 'shape[1:], "vector", copies, active)'),
    )
    of(
        "arch/feed_forward/plain.py",
        "parameters",
        ('("down_proj", (self.d_model, self.d_ff))', '("down_proj", (self.d_model, self.d_model))'),
    )
    of(
        "arch/norm.py",
        "parameters",
        ("if self.has_bias and not self.without_bias:", "if not self.has_bias and not self.without_bias:"),
    )
    of(
        "arch/ends.py",
        "parameters arithmetic",
        ('shared_with="embedding.weight" if self.tied else None', "shared_with=None"),
        (
            '"embedding", (self.vocab_size, self.table_width), "table")',
            '"embedding", (self.vocab_size, self.table_width))',
        ),
    )
    of(
        "arch/config.py",
        "parameters truth",
        ("parts.get(weight.part, 0) + times * weight.parameters", "parts.get(weight.part, 0) + weight.parameters"),
    )
    of(
        "arch/config.py",
        "parameters",
        ("return self.d_model // self.n_heads if given", "return self.d_model // self.n_kv_heads if given"),
    )
    of(
        "arch/position.py",
        "shape",
        ("theta ** (-2 * i / dims)", "theta ** (-i / dims)"),
        ("return [f / self.factor for f in plain]", "return [f * self.factor for f in plain]"),
        ("(1 - smooth) * frequency / self.factor + smooth", "smooth * frequency / self.factor + smooth"),
        ("/ self.original_max_position - (self.factor - 1)", "/ self.original_max_position - self.factor"),
        ("(dims / (dims - 2)) if dims > 2", "(dims / (dims + 2)) if dims > 2"),
        (
            "frequency / self.factor * ramp + frequency * (1 - ramp)",
            "frequency / self.factor * (1 - ramp) + frequency * ramp",
        ),
    )
    of(
        "costs/tally.py",
        "parameters arithmetic",
        ("            yield 1, weight\n        for group", "            yield 2, weight\n        for group"),
        ("                yield group.count, weight", "                yield 1, weight"),
        ('or part.startswith(wanted + ".")', ""),
        ("chosen = ((g, sum(n in where for n in g.numbers))", "chosen = ((g, sum(n not in where for n in g.numbers))"),
    )
    of(
        "costs/dtypes.py",
        "memory",
        ('("int4-g128", Fraction(33, 8), False)', '("int4-g128", Fraction(4), False)'),
        ("return self.bits / 8", "return self.bits / 4"),
        ('("mxfp4", Fraction(17, 4), True)', '("mxfp4", Fraction(9, 2), True)'),
    )
    of(
        "costs/settings.py",
        "settings",
        ("return number / 100 if percent else number", "return number"),
        ('_share, "0.9")', '_share, "1")'),
        ("values[name] = config.max_seq_len", "values[name] = config.d_model"),
        (
            'Setting("kv_dtype", "Type of cached keys and values.", _TYPES, _dtype, REQUIRED, "dtype")',
            'Setting("kv_dtype", "Type of cached keys and values.", _TYPES, _dtype, "bf16")',
        ),
    )
    of(
        "costs/sharding.py",
        "memory cache",
        ("return -(-amount // ways)", "return amount // ways"),
        ("keys = weight.name.endswith((", "keys = not weight.name.endswith(("),
        ("pieces = weight.shape[-1 if", "pieces = weight.shape[0 if"),
        ("return split(heads, tp) * by_head", "return split(heads, tp + 1) * by_head"),
        ("(stage < extra)", "(stage <= extra)"),
        ("(last if stage == pp - 1 else 0)", "0"),
        ('UNSPLIT = ("norms", "router")', 'UNSPLIT = ("router",)'),
        ("last += [w for w in first if w.name in shared]", "last += []"),
    )
    of(
        "costs/dtypes.py",
        "training_memory",
        ('role == "vector" or part in self.kept', "part in self.kept"),
        ('role == "vector" or part in self.kept', 'role == "vector"'),
    )
    of(
        "costs/formulas/kept.py",
        "activations",
        ('STATISTICS = {"rms": 1, "layer": 2}', 'STATISTICS = {"rms": 2, "layer": 2}'),
        ("return self.sequences * self.queries", "return self.sequences * self.keys"),
        ("once += run.queries * layer.position.dims * WIDE", "once += run.tokens * layer.position.dims * WIDE"),
        ("(2 if _by_head(layer) else 1) * out", "2 * out"),
        ("heads * (2 * run.keys * WIDE + WIDE + 1)", "heads * (2 * run.keys * WIDE + WIDE)"),
        ("tensors += 3 if gated else 1", "tensors += 2 if gated else 1"),
        ("spec.d_ff, True, run, spec.limit is not None) + 3 * stream", "spec.d_ff, True, run, spec.limit is not None)"),
        ("(2 * spec.kv_lora_rank + spec.qk_rope_head_dim)", "(spec.kv_lora_rank + spec.qk_rope_head_dim)"),
        ("token += 2 * spec.d_model  # the masks", "token += spec.d_model  # the masks"),
        ("run.keys * (2 * element + 1)", "run.keys * 2 * element"),
        ("token += 2 * split(weight.shape[0], run.tp)", "token += split(weight.shape[0], run.tp)"),
        ("return first, last + run.tokens * WIDE", "return first, last"),
        ("run.tokens * (vocab * WIDE + capped)", "run.tokens * (vocab * run.element + capped)"),
    )
    of(
        "costs/formulas/activations.py",
        "activations",
        ("Fraction(size) * (pp - i)", "Fraction(size)"),
        ('asked["dp"] * asked["fsdp"], asked["cp"]', 'asked["dp"], asked["cp"]'),
    )
    of(
        "costs/formulas/training_memory.py",
        "training_memory",
        ('(1 if optimizer == "muon" and matrix else 2)', "2"),
        ("SMALLEST = 4096", "SMALLEST = 1024"),
        ("BLOCK = 256", "BLOCK = 2048"),
        ('weight.part not in ("embedding", "head")', 'weight.part != "embedding"'),
        ("wider = master_dtype.bits > type_of", "wider = master_dtype.bits >= type_of"),
        ("return dp if int(zero) >= stage else 1", "return dp if int(zero) > stage else 1"),
        ("OPTIMIZER_STATE, GRADIENTS, WEIGHTS = 1, 2, 3", "OPTIMIZER_STATE, GRADIENTS, WEIGHTS = 1, 3, 2"),
        ("end) + 2 * layer + gradient", "end) + layer + gradient"),
        ('if fsdp > 1 or (zero == "3" and dp > 1)', "if fsdp > 1"),
        ("[kept + repeated for kept", "[kept for kept"),
    )
    of(
        "costs/formulas/communication.py",
        "communication",
        ("return Fraction(self.ways - 1, self.ways)", "return Fraction(self.ways, self.ways)"),
        ("return 2 * self.gather", "return self.gather"),
        ('sums = 1 if layer.residual == "parallel" else 2', "sums = 2"),
        ("(2 if backward else 1)", "1"),
        ('gathers = 2 if asked["zero"] == "3" else 1', "gathers = 1"),
        ("shards.gather * (2 * weights + gradients)", "shards.gather * (weights + gradients)"),
        ("(between if stage > 0 else none)", "none"),
    )
    of(
        "costs/formulas/money.py",
        "money",
        ("device_seconds(a, tokens, device, rate) / HOUR * price", "device_seconds(a, tokens, device, rate) * price"),
        ("price.amount / HOUR * MILLION / throughput", "price.amount / HOUR * MILLION * throughput"),
        ('throughput = served["batch"] / step_bound', "throughput = 1 / step_bound"),
    )
    of(
        "costs/formulas/parameters.py",
        "parameters truth",
        ('embedding == "output" and weight.name in tied', 'embedding == "output"'),
        ('weight.part != "head" or embedding == "output"', 'weight.part != "head"'),
        ("Fraction(100 * _total(parts, part), whole)", "Fraction(_total(parts, part), whole)"),
    )
    of(
        "costs/formulas/shape.py",
        "shape",
        ("Fraction(a.n_layers, a.d_model)", "Fraction(a.d_model, a.n_layers)"),
        ("visible_keys(context - 1) for g", "visible_keys(context) for g"),
        ("more = min(covered + 1, steps - covered)", "more = min(covered + 2, steps - covered)"),
        ("bits | bits << more * step", "bits | bits << more"),
        ("distances(a, context, where).bit_length() - 1", "distances(a, context, where).bit_length()"),
        ("Fraction(100 * (bits.bit_count() - 1), far)", "Fraction(100 * bits.bit_count(), far)"),
        ("2 * g.layer.attention.value_dim", "g.layer.attention.value_dim"),
        ("[2 * math.pi / f for f in frequencies]", "[math.pi / f for f in frequencies]"),
        ("for number in reversed(range(a.n_layers))", "for number in range(a.n_layers)"),
        ("sum(length > context for length in lengths)", "sum(length < context for length in lengths)"),
        (
            "near, far = context - min(start + size, context)",
            "near, far = context - 1 - min(start + size, context - 1)",
        ),
    )
    of(
        "costs/formulas/cache.py",
        "cache",
        ("min(context, limit - 1) if limit", "min(context, limit) if limit"),
        ("split(spec.cache_slots(context), page) * page", "split(spec.cache_slots(context), page)"),
        ("most = max(g.layer.attention", "most = min(g.layer.attention"),
        ("g.count * held * cached", "held * cached"),
        ("return Fraction(whole, context), notes", "return Fraction(whole, context + 1), notes"),
        ("elements(a, context + 1, cache, where)", "elements(a, context + 2, cache, where)"),
        ("return Fraction(batch * whole), notes", "return Fraction(whole), notes"),
        ("Fraction(batch * per_device_elements(", "Fraction(per_device_elements("),
    )
    of(
        "costs/formulas/memory.py",
        "memory",
        ("bits += times * weight.parameters * type_of(", "bits += weight.parameters * type_of("),
        (
            "weight_bytes(a, weights_dtype, moe_dtype, part, every) / len(every)",
            "weight_bytes(a, weights_dtype, moe_dtype, part, every) / a.d_model",
        ),
        ("cached: Number = batch * elements(", "cached: Number = elements("),
        ("held[id(group.layer)] * on_device * size", "on_device * size"),
    )
    of(
        "costs/formulas/capacity.py",
        "capacity",
        ('held["device"].memory * held["usable"]', 'held["device"].memory'),
        ("low, high = (middle, high) if holds(middle)", "low, high = (middle + 1, high) if holds(middle)"),
        ("return ways * pp", "return ways"),
        ("int(needed <= there)", "int(needed >= there)"),
        ("sequences * context + _found(more", "sequences + _found(more"),
        ("tokens < context and size(tokens) <= rest", "tokens < context and size(tokens) <= rest + 1"),
        ("low, ways = (middle, ways) if too_full(middle)", "low, ways = (middle, ways) if not too_full(middle)"),
        ("return n_devices // (pp * ep), pp, ep", "return n_devices, pp, ep"),
        ("return self.available - self.needed", "return self.needed - self.available"),
    )
    of(
        "costs/formulas/arithmetic.py",
        "arithmetic",
        ("return 2 * spec.n_heads * (spec.key_dim", "return 2 * spec.n_kv_heads * (spec.key_dim"),
        ("(spec.key_dim + spec.value_dim)\n\n\ndef expanded", "spec.key_dim\n\n\ndef expanded"),
        ("spec.visible_keys(context - 1)\n", "spec.visible_keys(context)\n"),
        ('return context * context if convention == "dense"', 'return context * context if convention != "dense"'),
        ('return spec.cache_slots(context) if convention == "dense" else', "return"),
        ("add(found, part, tokens * flops)", "add(found, part, flops)"),
        ("add(found, part, group.count * tokens * flops)", "add(found, part, tokens * flops)"),
        ("return 3 * _total(", "return 2 * _total("),
        ('NORM = {"rms": 4, "layer": 7}', 'NORM = {"rms": 5, "layer": 7}'),
        ("SOFTMAX = 5", "SOFTMAX = 4"),
        ("+ 2 * a.d_model\n", "+ a.d_model\n"),
        ("ROTATION = 3", "ROTATION = 6"),
    )
    of(
        "costs/formulas/traffic.py",
        "time",
        ("return min(tokens, weight.shape[0]) * prod(weight.shape[1:])", "return tokens * prod(weight.shape[1:])"),
        (
            'return batch if phase == "decode" else batch * context',
            'return 1 if phase == "decode" else batch * context',
        ),
        ('spec.visible_keys(context - 1) if phase == "decode" else context', "context"),
        (
            '(1 if phase == "decode" else spec.cache_slots(context))',
            '(0 if phase == "decode" else spec.cache_slots(context))',
        ),
        ("found.get(part, Fraction(0)) + group.count * size", "found.get(part, Fraction(0)) + size"),
        ("flops = batch * sum(by_part(", "flops = sum(by_part("),
    )
    of(
        "costs/formulas/experts.py",
        "experts",
        (
            "experts * (1 - (1 - Fraction(active, experts)) ** tokens)",
            "experts * (1 - Fraction(active, experts) ** tokens)",
        ),
        ("Decimal(active) / Decimal(experts)", "Decimal(experts) / Decimal(active)"),
        ("comb(copies, active) for", "comb(copies, active + 1) for"),
    )
    of(
        "costs/formulas/arithmetic.py",
        "experts",
        ("2 * spec.kv_lora_rank + spec.qk_rope_head_dim", "spec.kv_lora_rank + spec.qk_rope_head_dim"),
        ("cache_slots(context) - 1\n", "cache_slots(context)\n"),
    )
    of(
        "costs/sharding.py",
        "experts",
        ("stored = stored * split(weight.copies, ep) // weight.copies", "stored = stored // ep"),
        ('if cache == "materialised" and', 'if cache != "materialised" and'),
    )
    of(
        "arch/attention/mla.py",
        "experts",
        ("return self.kv_lora_rank + self.qk_rope_head_dim", "return self.kv_lora_rank"),
        ("return self.n_heads * (self.key_dim + self.value_dim)", "return self.n_heads * self.key_dim"),
        (
            "(self.n_heads * (self.qk_nope_head_dim + self.v_head_dim), self.kv_lora_rank)",
            "(self.n_heads * (self.key_dim + self.v_head_dim), self.kv_lora_rank)",
        ),
    )
    of(
        "arch/feed_forward/moe.py",
        "experts",
        ('"experts", self.n_experts, self.top_k)', '"experts", self.n_experts, self.n_experts)'),
        ("if self.shared_d_ff:\n            yield from", "if not self.shared_d_ff:\n            yield from"),
    )
    of(
        "arch/attention/chunked.py",
        "shape",
        ("return q // self.chunk_size == k // self.chunk_size", "return q // self.chunk_size >= k // self.chunk_size"),
    )
    of(
        "costs/roofline.py",
        "time",
        ("total += max(compute, move)", "total += compute + move"),
        ("total += max(compute, move)", "total += min(compute, move)"),
        ("times * size / bandwidth", "size / bandwidth"),
        ("return self.traffic > self.arithmetic", "return self.traffic < self.arithmetic"),
        ("bandwidth = device.bandwidth * efficiency", "bandwidth = device.bandwidth"),
        ("work.batch * cached * work.kv_dtype.bytes", "cached * work.kv_dtype.bytes"),
        ('if part == "head" and work.head_at_last', 'if part != "head" and work.head_at_last'),
        (
            "cache_read(group, work.phase, work.context) + cache_written(group, work.phase, work.context)",
            "cache_read(group, work.phase, work.context)",
        ),
    )
    of(
        "costs/formulas/time.py",
        "time",
        (
            "device.peak(activation_dtype.name) / device.bandwidth",
            "device.bandwidth / device.peak(activation_dtype.name)",
        ),
        ('"prefill", step, head_at_last=True', '"prefill", step'),
        ('step["batch"] * step["context"])', 'step["context"])'),
    )
    of(
        "costs/formulas/time.py",
        "training",
        ("    if achieved > peak:", "    if achieved > 3 * peak:"),
    )
    of(
        "costs/formulas/training.py",
        "training",
        ("return Fraction(6 * sum(", "return Fraction(2 * sum("),
        ("total = 3 * sum(forward.values())", "total = 2 * sum(forward.values())"),
        ("total += forward.get(SCORES, 0)", "total -= forward.get(SCORES, 0)"),
        ("device_seconds(a, tokens, device, rate) / n_devices", "device_seconds(a, tokens, device, rate)"),
        ('* rate["efficiency"])', ")"),
        ("return hours * HOUR", "return hours"),
        (
            "Fraction(tokens, sum(parameters_by_part(a, embedding).values()))",
            "Fraction(tokens, sum(parameters_by_part(a).values()))",
        ),
    )
    of(
        "costs/hardware/__init__.py",
        "hardware",
        ("Fraction(str(value)) * size", "Fraction(str(value))"),
        ("key=lambda d: (d.memory, d.slug)", "key=lambda d: d.slug"),
    )
    of(
        "costs/hardware/h100-sxm.yaml",
        "hardware time",
        ("  bf16:\n    value: 989.4", "  bf16:\n    value: 1978.9"),
        ("value: 81559", "value: 81920"),
        ("value: 3.35", "value: 3.3"),
    )
    of(
        "costs/table.py",
        "estimate",
        ("percent = 100 * (ratio - 1)", "percent = 100 * (1 - ratio)"),
        ("if ratio <= Fraction(1, 2):", "if ratio < Fraction(1, 2):"),
        ("base = first.amount(unit)", "base = largest.amount(unit)"),
    )
    found += [
        Mutant(
            "arch/attention/sliding.py",
            "max(0, context - 1) // self.step",
            "max(0, context) // self.step",
            "arithmetic shape",
            "the neighbour it adds is a whole sequence away: no query has it, and it counts context - context = 0",
        ),
        Mutant(
            "costs/formulas/capacity.py",
            "LARGEST = 2**48",
            "LARGEST = 2**47",
            "capacity",
            "where the search gives up is arbitrary: no device holds that much",
        ),
        Mutant(
            "costs/tally.py",
            "_MOST = 64",
            "_MOST = 65",
            "parameters",
            "how many tallies are kept changes speed alone",
        ),
        Mutant(
            "costs/formulas/shape.py",
            "            if bits == everything:\n                break",
            "            if bits == 0:\n                break",
            "shape",
            "the loop ends early where nothing can be added: speed alone",
        ),
    ]  # fmt: skip
    return found


class Quick:
    """A pytest plugin: random tests take the same cases each time, and a failing one is not made smaller."""

    def pytest_collection(self) -> None:
        """After the project's own conftest, before the test modules."""
        settings.load_profile("mutants")


def test_files(words: str) -> list[str]:
    """`cache arch/config` as test files; a word alone is a file of costs."""
    named = [word if "/" in word else f"costs/{word}" for word in words.split()]
    return [str(ROOT / "tests" / folder / f"test_{name}.py") for folder, name in (word.split("/") for word in named)]


def start(mutant: Mutant | None, tests: str, folder: str) -> int:
    """Run tests against a changed copy in a forked process, whose imports of pytest and the like are done already."""
    child = os.fork()
    if child:
        return child
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    signal.alarm(TIMEOUT)
    copy = Path(folder) / "archwright"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns(*UNTOUCHED))
    if mutant is not None:
        path = copy / mutant.file
        path.write_text(path.read_text(encoding="utf-8").replace(mutant.old, mutant.new), encoding="utf-8")
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    os.chdir(ROOT)
    words = ["-q", "-x", "-p", "no:cacheprovider", "--assert=plain", "--no-header", "--tb=no", *test_files(tests)]
    code = pytest.main(words, plugins=[Quick()])
    os._exit(int(code))


def finish(children: dict[int, tuple[int, str]]) -> tuple[int, int]:
    """Wait for one of the processes; which it was, and its exit code (a signal's is over 128)."""
    child, status = os.wait()
    number, folder = children.pop(child)
    shutil.rmtree(folder, ignore_errors=True)
    return number, os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def run_all(chosen: list[Mutant], jobs: int) -> Iterator[tuple[Mutant, bool]]:
    """Each change, and whether a test noticed it, as they end."""
    waiting = list(enumerate(chosen))
    children: dict[int, tuple[int, str]] = {}
    while waiting or children:
        while waiting and len(children) < jobs:
            number, mutant = waiting.pop(0)
            folder = tempfile.mkdtemp(prefix="mutant-")
            children[start(mutant, mutant.tests, folder)] = (number, folder)
        number, code = finish(children)
        yield chosen[number], code != 0


def works(tests: str) -> bool:
    """Whether the tests pass without any change."""
    folder = tempfile.mkdtemp(prefix="mutant-")
    return finish({start(None, tests, folder): (0, folder)})[1] == 0


def misplaced(all_mutants: list[Mutant]) -> list[str]:
    """Changes whose text is not in the file exactly once."""
    found = []
    for mutant in all_mutants:
        path = SOURCE / mutant.file
        times = path.read_text(encoding="utf-8").count(mutant.old) if path.is_file() else 0
        if times != 1:
            found.append(f"{mutant.file}: {mutant.old!r} occurs {times} times")
    return found


def main() -> int:
    """Run them all; 0 when every one that can be noticed is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="run those whose file or text contains this")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    args = parser.parse_args()
    chosen = [m for m in mutants() if args.only in m.file or args.only in m.old]
    wrong = misplaced(chosen)
    if wrong:
        print("\n".join(wrong), "the list has to follow the code", sep="\n")
        return 2
    begun = time.perf_counter()
    settings.register_profile(
        "mutants", phases=(Phase.explicit, Phase.generate), database=None, derandomize=True, deadline=None
    )
    if not works(" ".join(sorted({word for m in chosen for word in m.tests.split()}))):
        print("the tests fail without any change")
        return 2
    survivors = explained = 0
    for mutant, killed in run_all(chosen, args.jobs):
        if killed and not mutant.survives:
            continue
        what = f"{mutant.file}: {mutant.old!r} -> {mutant.new!r}"
        if killed:
            print(f"is noticed, so the reason is wrong  {what}", flush=True)
            survivors += 1
        elif mutant.survives:
            print(f"cannot be noticed  {what}: {mutant.survives}", flush=True)
            explained += 1
        else:
            print(f"NOT NOTICED  {what}", flush=True)
            survivors += 1
    print(
        f"{len(chosen)} changes: {len(chosen) - survivors - explained} noticed, {explained} cannot be, "
        f"{survivors} not noticed or wrongly explained ({time.perf_counter() - begun:.0f} s)"
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main())
