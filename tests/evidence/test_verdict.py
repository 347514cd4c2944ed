"""The verdict algebra, and the whole way from stored records to a verdict."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from archwright.arch.config import ArchitectureConfig
from archwright.errors import InvalidValue, UnknownName
from archwright.evidence.observation import observe
from archwright.evidence.record import Arm, Evidence, Measure
from archwright.evidence.request import Request, Side, ablation_request, bench_request, command, evaluation_request
from archwright.evidence.staleness import identity
from archwright.evidence.statistics import Estimate
from archwright.evidence.store import Store
from archwright.evidence.verdict import Span, Verdict, hold, judge, merge
from archwright.evidence.words import describe

from .helpers import BASE, DECISION, TIME, asked, bench, evaluation, noisy, request

INF = math.inf


def estimate(
    low: float, value: float, high: float, statistic: Any = "value", n: int = 40, wide: float = 1.3
) -> Estimate:
    """An estimate whose 99 % interval is `wide` times its 95 % one."""
    low99, high99 = value - wide * (value - low), value + wide * (high - value)
    smallest = 0.02 if statistic == "ratio" else 0.0
    return Estimate(value, low, high, low99, high99, n, "test", statistic, smallest)


ALGEBRA: list[tuple[Estimate, list[tuple[Any, ...]], str]] = [
    # of a value
    (estimate(9, 10, 11), [(8, 12)], "holds"),
    (estimate(9, 10, 11), [(9, 11)], "holds"),
    (estimate(9, 10, 11), [(9, 11, False, True)], "plausible"),
    (estimate(9, 10, 11), [(9.5, 12)], "plausible"),
    (estimate(9, 10, 11), [(10, 12)], "plausible"),
    (estimate(9, 10, 11), [(10, 12, False, True)], "undecided"),
    (estimate(9, 10, 11), [(10.5, 12)], "undecided"),
    (estimate(9, 10, 11), [(11, 12)], "undecided"),
    (estimate(9, 10, 11), [(11, 12, False, True)], "fails"),
    (estimate(9, 10, 11), [(12, 13)], "fails"),
    (estimate(9, 10, 11), [(-INF, 8), (12, INF)], "fails"),
    (estimate(9, 10, 11), [(8, 10), (10, 12)], "holds"),
    (estimate(9, 10, 11), [(8, 10, True, False), (10, 12, False, True)], "undecided"),
    (estimate(9, 10, 11), [(-INF, INF)], "holds"),
    (estimate(10, 10, 10), [(10, 10)], "holds"),
    (estimate(-INF, 10, INF), [(9, 11)], "plausible"),
    # of a ratio: gains and losses
    (estimate(0.38, 0.40, 0.42, "ratio"), [(0.3, 0.5)], "holds"),
    (estimate(0.38, 0.40, 0.42, "ratio"), [(1.5, 3)], "fails"),
    (estimate(0.90, 0.99, 1.08, "ratio"), [(0.3, 0.5)], "within-noise"),
    (estimate(0.90, 0.95, 0.995, "ratio"), [(0.9, 0.99)], "within-noise"),
    (estimate(0.980, 0.985, 0.990, "ratio"), [(0.97, 0.99)], "within-noise"),
    (estimate(0.90, 0.91, 0.92, "ratio"), [(0.85, 0.99)], "holds"),
    (estimate(-INF, 0.5, INF, "ratio", n=3), [(0.3, 0.7)], "within-noise"),
    # of a ratio: bounds and "unchanged" hold where a gain could not be claimed
    (estimate(0.97, 1.00, 1.03, "ratio"), [(0.9, 1.1)], "holds"),
    (estimate(0.97, 1.00, 1.03, "ratio"), [(0.98, 1.1)], "plausible"),
    (estimate(0.995, 1.00, 1.005, "ratio"), [(1, 1)], "holds"),
    (estimate(0.97, 1.00, 1.03, "ratio"), [(1, 1)], "plausible"),
    (estimate(0.50, 0.51, 0.52, "ratio"), [(1, 1)], "fails"),
    # of a difference
    (estimate(-0.9, -0.5, -0.1, "difference", wide=1.1), [(-1, 0, True, False)], "holds"),
    (estimate(-0.9, -0.3, 0.3, "difference"), [(-1, 0, True, False)], "within-noise"),
    (estimate(-0.9, -0.3, 0.3, "difference"), [(-1, 1)], "holds"),
    (estimate(-1.2, -0.6, 0.0, "difference"), [(-1, 1)], "plausible"),
]


@pytest.mark.parametrize("observed, allowed, verdict", ALGEBRA)
def test_algebra(observed: Estimate, allowed: list[tuple[Any, ...]], verdict: str) -> None:
    assert hold(observed, allowed, TIME).name == verdict


def test_plausible_says_how_many_samples_would_settle_it() -> None:
    made = hold(estimate(8, 10, 12), [(9, 12)], TIME)
    assert made.name == "plausible" and made.passes and made.more == 120
    assert "120 more samples would settle it" in made.message
    edge = hold(estimate(8, 10, 12), [(10, 13)], TIME)
    assert edge.more is None and "no number of samples settles it" in edge.message


def test_within_noise_says_why() -> None:
    def message(e: Estimate) -> str:
        return hold(e, [(0.1, 0.9)], TIME).message

    assert "no effect lies within its 99 % interval" in message(estimate(0.9, 0.99, 1.08, "ratio"))
    assert "3 samples are too few" in message(estimate(-INF, 0.5, INF, "ratio", n=3))
    assert "an effect of at most 2%" in message(estimate(0.984, 0.985, 0.986, "ratio"))


def test_merged_spans() -> None:
    assert merge([(2, 3), (0, 1), (1, 2)]) == [Span(0, 3)]
    assert merge([(0, 1, True, False), (1, 2, False, True)]) == [Span(0, 1, True, False), Span(1, 2, False, True)]
    assert merge([(0, 5, True, True, "rounds-to"), (1, 2)]) == [Span(0, 5)]


def test_words() -> None:
    assert describe(estimate(0.38, 0.40, 0.42, "ratio"), TIME) == "2.50x faster (2.38 to 2.63)"
    tokens = Measure("tokens/s", "higher", "median")
    assert describe(estimate(2.38, 2.5, 2.63, "ratio"), tokens) == "2.50x faster (2.38 to 2.63)"
    share = Measure("%", "higher", "mean")
    assert describe(estimate(-0.9, -0.3, 0.3, "difference"), share) == "0.3 pp lower (0.9 pp lower to 0.3 pp higher)"
    assert describe(estimate(0.0012, 0.0013, 0.0014), TIME) == "1.30 ms (1.20 ms to 1.40 ms)"
    assert describe(estimate(-INF, 0.5, INF, "ratio", n=3), TIME) == "2.00x faster (no interval: 3 pairs)"


# From the store -----------------------------------------------------------------------------------------------

FASTER = [(2.25, 2.75)]
"""About 2.5x, of a throughput: the second over the first."""


def stored(tmp_path: Path, *records: Evidence) -> Store:
    store = Store.of(tmp_path)
    for record in records:
        store.add(record)
    return store


def verdict(tmp_path: Path, *records: Evidence, spans: Any = FASTER, of: Request | None = None, **more: Any) -> Verdict:
    present = more.pop("present", None)
    return judge(observe(of or request(), stored(tmp_path, *records), tmp_path, present), spans, "ratio", **more)


def test_a_gain_holds(tmp_path: Path) -> None:
    record = bench({"mha": noisy(2.5), "decision": noisy(1.0, seed=2)})
    made = verdict(tmp_path, record)
    assert made.name == "holds" and made.evidence == (record.file_name,)
    assert "2.5" in made.shown and "x faster" in made.shown


def test_a_gain_fails(tmp_path: Path) -> None:
    assert verdict(tmp_path, bench({"mha": noisy(1.5), "decision": noisy(1.0, seed=2)})).name == "fails"


def test_nothing_is_unproven_and_says_what_to_run(tmp_path: Path) -> None:
    made = verdict(tmp_path)
    assert made.name == "unproven" and not made.passes
    assert made.message == "no benchmark of decode_throughput, batch 8, context 1024, dtype bf16, on h100-sxm"
    assert made.remedy.startswith("Get it: archwright prove")


def test_one_side_alone_is_unproven(tmp_path: Path) -> None:
    made = verdict(tmp_path, bench({"mha": noisy(2.5)}))
    assert made.name == "unproven" and made.message.endswith("of decision")


def test_two_runs_of_one_side_each_are_not_a_comparison(tmp_path: Path) -> None:
    made = verdict(tmp_path, bench({"mha": noisy(2.5)}), bench({"decision": noisy(1.0)}))
    assert made.name == "unproven" and "never side by side" in made.message


def test_another_device_is_no_evidence(tmp_path: Path) -> None:
    record = bench({"mha": noisy(2.5), "decision": noisy(1.0)}, device="a100-sxm-80gb")
    assert verdict(tmp_path, record).name == "unproven"


def test_a_changed_architecture_is_stale_and_says_what_changed(tmp_path: Path) -> None:
    old = {"mha": BASE, "decision": BASE.change(n_kv_heads=4)}
    record = bench({"mha": noisy(2.5), "decision": noisy(1.0)}, old)
    made = verdict(tmp_path, record)
    assert made.name == "stale"
    assert f"{record.file_name} (decision): another architecture: n_kv_heads was 4, is 2" in made.message


def test_other_settings_are_stale(tmp_path: Path) -> None:
    record = bench({"mha": noisy(2.5), "decision": noisy(1.0)}, settings={"batch": 1})
    made = verdict(tmp_path, record)
    assert made.name == "stale" and "batch was 1, is 8" in made.message


def test_dropout_does_not_matter_to_decoding(tmp_path: Path) -> None:
    sides = (("mha", BASE.change(attention_dropout=0.1)), ("decision", DECISION.change(init_method="xavier")))
    record = bench({"mha": noisy(2.5), "decision": noisy(1.0, seed=2)})
    assert verdict(tmp_path, record, of=request(sides=sides)).name == "holds"


def test_another_torch_is_aged_and_may_count(tmp_path: Path) -> None:
    record = bench({"mha": noisy(2.5), "decision": noisy(1.0, seed=2)})
    made = verdict(tmp_path, record, present={"torch": "3.0.0"})
    assert made.name == "holds" and made.notes == (f"aged: {record.file_name}: torch 2.13.0, now 3.0.0",)
    assert verdict(tmp_path, record, present={"torch": "3.0.0"}, age_counts=True).name == "stale"


def test_runs_that_agree_are_pooled(tmp_path: Path) -> None:
    runs = [bench({"mha": noisy(2.5, seed=s), "decision": noisy(1.0, seed=s + 10)}) for s in range(3)]
    made = verdict(tmp_path, *runs)
    assert made.name == "holds" and len(made.evidence) == 3
    assert made.estimate is not None and made.estimate.n == 120


def test_runs_that_contradict_are_undecided_each_listed(tmp_path: Path) -> None:
    a = bench({"mha": noisy(2.3), "decision": noisy(1.0, seed=2)})
    b = bench({"mha": noisy(2.7, seed=5), "decision": noisy(1.0, seed=6)})
    made = verdict(tmp_path, a, b)
    assert made.name == "undecided" and not made.passes
    assert a.file_name in made.message and b.file_name in made.message


def test_a_stale_run_is_not_pooled(tmp_path: Path) -> None:
    good = bench({"mha": noisy(2.5), "decision": noisy(1.0, seed=2)})
    old = bench({"mha": noisy(9.0), "decision": noisy(1.0)}, {"mha": BASE, "decision": BASE.change(n_kv_heads=4)})
    made = verdict(tmp_path, good, old)
    assert made.name == "holds" and made.evidence == (good.file_name,)
    assert made.estimate is not None and made.estimate.n == 40


def test_a_value_of_one_side(tmp_path: Path) -> None:
    of = request("decode_throughput", (("decision", DECISION),))
    store = stored(tmp_path, bench({"mha": noisy(2.5), "decision": noisy(1.0, seed=2)}))
    assert judge(observe(of, store), [(7.5, 8.5)], "value").name == "holds"
    assert judge(observe(of, store), [(9, 10)], "value").name == "fails"


def test_sides_that_differ_by_a_setting_alone(tmp_path: Path) -> None:
    def arm(name: str, times: list[float], **settings: Any) -> Arm:
        return Arm(name, identity(BASE, "inference"), settings, samples={"time": times}, work={"tokens": 8})

    arms = (arm("flash", noisy(1.0, seed=2), backend="flash"), arm("base", noisy(2.5)))
    store = stored(tmp_path, bench({}, arms=arms))
    of = bench_request(
        "decode_throughput",
        (Side("base", BASE), Side("flash", BASE, (("backend", "flash"),))),
        {"batch": 8, "context": 1024, "dtype": "bf16"},
        "h100-sxm",
    )
    made = judge(observe(of, store), FASTER, "ratio")
    assert made.name == "holds" and made.estimate is not None and made.estimate.value > 2


def test_the_same_request_is_answered_once(tmp_path: Path) -> None:
    store = stored(tmp_path, bench({"mha": noisy(2.5), "decision": noisy(1.0, seed=2)}))
    assert observe(request(), store).fresh is observe(request(), store).fresh


# Evaluations --------------------------------------------------------------------------------------------------


def scores(right: int, of: int = 400, start: int = 0) -> list[float]:
    """`right` documents answered, beginning with document `start`."""
    return [1.0 if (i - start) % of < right else 0.0 for i in range(of)]


def judged(tmp_path: Path, *records: Evidence, spans: Any, statistic: Any = "difference") -> Verdict:
    return judge(observe(asked(), stored(tmp_path, *records)), spans, statistic)


AT_MOST_ONE_POINT = [(-1, 1)]


def test_paired_documents_prove_a_bound_that_separate_ones_cannot(tmp_path: Path) -> None:
    a, b = evaluation("mha", BASE, scores(240)), evaluation("decision", DECISION, scores(239))
    made = judged(tmp_path, a, b, spans=AT_MOST_ONE_POINT)
    assert made.name == "holds" and made.estimate is not None and made.estimate.value == pytest.approx(-0.25)
    apart = Evidence.of(
        kind="eval",
        target="lm-eval",
        measures={"mmlu/acc": Measure("%", "higher", "mean", 0.25, 100)},
        arms=(Arm("decision", identity(DECISION, "inference"), samples={"mmlu/acc": scores(239)}),),
        created="2026-11-20T12:00:00Z",
    )
    made = judged(tmp_path / "apart", a, apart, spans=AT_MOST_ONE_POINT)
    assert made.name == "plausible" and made.more is not None and made.more > 10_000


def test_a_loss_within_noise_may_not_be_written(tmp_path: Path) -> None:
    a, b = evaluation("mha", BASE, scores(240)), evaluation("decision", DECISION, scores(239))
    made = judged(tmp_path, a, b, spans=[(-1, 0, True, False)])
    assert made.name == "within-noise" and "bound" in made.remedy


def test_an_accuracy_at_chance_tells_nothing(tmp_path: Path) -> None:
    a, b = evaluation("mha", BASE, scores(104)), evaluation("decision", DECISION, scores(98))
    made = judged(tmp_path, a, b, spans=AT_MOST_ONE_POINT)
    assert made.name == "uninformative" and not made.passes
    good = evaluation("mha", BASE, scores(300))
    made = judged(tmp_path / "one", good, b, spans=[(-INF, -20)])
    assert made.name == "holds" and made.notes == ("decision is within two standard errors of guessing",)


def test_stated_values_need_standard_errors(tmp_path: Path) -> None:
    from archwright.evidence.record import Stated

    def stated(name: str, config: ArchitectureConfig, value: float, stderr: float | None) -> Evidence:
        return Evidence.of(
            kind="eval",
            target="lm-eval",
            measures={"mmlu/acc": Measure("%", "higher", "mean", None, 100)},
            arms=(Arm(name, identity(config, "inference"), stated={"mmlu/acc": Stated(value, stderr, 14042)}),),
            created="2026-11-20T12:00:00Z",
        )

    with_errors = (stated("mha", BASE, 0.60, 0.004), stated("decision", DECISION, 0.597, 0.004))
    made = judged(tmp_path, *with_errors, spans=[(-2, 2)])
    assert made.name == "holds" and made.estimate is not None
    assert made.estimate.high - made.estimate.value == pytest.approx(1.959964 * 100 * 0.004 * math.sqrt(2), rel=1e-6)
    without = (with_errors[0], stated("decision", DECISION, 0.597, None))
    made = judged(tmp_path / "without", *without, spans=[(-2, 2)])
    assert made.name == "unproven" and "has no standard error" in made.message


def test_a_proxy_is_named_in_the_verdict(tmp_path: Path) -> None:
    a, b = evaluation("mha", BASE, scores(240)), evaluation("decision", DECISION, scores(239))
    of = evaluation_request(
        "mmlu/acc", (Side("mha", BASE), Side("decision", DECISION)), {}, at="proxy (0.03 B params, 0.6 B tokens)"
    )
    made = judge(observe(of, stored(tmp_path, a, b)), AT_MOST_ONE_POINT, "difference")
    assert made.name == "holds" and made.label == "holds at proxy (0.03 B params, 0.6 B tokens)"


def test_seeds_pair_training_runs(tmp_path: Path) -> None:
    def run(name: str, config: ArchitectureConfig, losses: list[float], seeds: list[int]) -> Evidence:
        return Evidence.of(
            kind="ablation",
            target="training",
            measures={"val_loss": Measure("nats", "lower", "mean")},
            arms=(Arm(name, identity(config, "training"), samples={"val_loss": losses}, keys={"val_loss": seeds}),),
            created="2026-11-20T12:00:00Z",
        )

    a = run("mha", BASE, [3.00, 3.10, 2.95], [0, 1, 2])
    b = run("decision", DECISION, [2.96, 3.01, 3.11], [2, 0, 1])
    of = ablation_request("val_loss", (Side("mha", BASE), Side("decision", DECISION)), {})
    made = judge(observe(of, stored(tmp_path, a, b)), [(-0.02, 0.02)], "difference")
    assert made.name == "holds" and made.estimate is not None and made.estimate.value == pytest.approx(0.01)


# Requests -----------------------------------------------------------------------------------------------------


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean decode_throughput"):
        request("decode_throughputs")
    with pytest.raises(UnknownName, match="Did you mean val_loss"):
        ablation_request("valloss", (), {})
    with pytest.raises(InvalidValue, match="not task/metric"):
        evaluation_request("mmlu", (), {})


def test_a_request_says_all_that_is_missing() -> None:
    with pytest.raises(InvalidValue) as caught:
        bench_request("decode_time", (), {"contxt": 4096}, None, strict=frozenset({"contxt"}))
    fields = [p.field for p in caught.value.problems]
    assert fields == ["contxt", "device", "context"] and "Did you mean context" in str(caught.value)


def test_settings_that_no_bench_has_are_left_out_unless_the_claim_gives_them() -> None:
    made = bench_request("time", (), {"target": "attention", "context": 8, "kv_dtype": "fp8"}, "cpu")
    assert made.settings == (("batch", 1), ("context", 8), ("passes", "forward"))
    assert (made.target, made.measure) == ("attention", "time")


def test_the_command_that_answers_a_request() -> None:
    made = bench_request("decode_time", (), {"context": 8}, "cpu", record="1", label="speed")
    assert command(made) == "archwright prove 1 --only speed"
    assert "evidence import" in command(asked())
