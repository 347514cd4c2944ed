"""The record: its file, its hash, and everything that can be wrong with one."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from archwright.errors import InvalidValue, Unreadable
from archwright.evidence.reading import from_dict
from archwright.evidence.record import Arm, Curve, Evidence, Measure, content_hash
from archwright.evidence.schema import SCHEMA

from .helpers import BASE, TIME, bench, evaluation, noisy

GOOD = bench({"mha": noisy(2.0), "decision": noisy(1.0, seed=2)})


def rehashed(data: dict[str, Any]) -> dict[str, Any]:
    """Data with a hash that fits, as someone who edits with care would leave it."""
    return {**data, "hash": content_hash(data)}


def test_round_trip_and_schema() -> None:
    data = json.loads(GOOD.to_json())
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    again = from_dict(data)
    assert again == GOOD and again.hash == GOOD.hash and again.to_json() == GOOD.to_json()
    assert GOOD.file_name == f"bench-2026-11-20-{GOOD.hash[7:15]}.json"


def test_summary_holds_medians_and_the_paired_ratio() -> None:
    summary = GOOD.summary
    assert summary["arms"]["mha"]["time"]["value"] == pytest.approx(2.0, rel=0.02)
    (ratio,) = summary["compared"]
    assert (ratio["from"], ratio["to"], ratio["statistic"]) == ("mha", "decision", "ratio")
    assert ratio["low"] < 0.5 < ratio["high"] and ratio["n"] == 40
    assert "order-statistic" in ratio["method"]


def test_derived_measures_follow_from_time_and_work() -> None:
    arm = GOOD.arms[1]
    assert GOOD.values(arm, "throughput") == [8 / t for t in arm.samples["time"]]
    assert GOOD.measure("throughput").unit == "tokens/s"  # type: ignore[union-attr]
    assert GOOD.measure("flops_share") is None
    assert GOOD.arm("nobody") is None


def test_numbers_stand_on_one_line_in_the_file() -> None:
    assert any(line.count(",") > 30 for line in GOOD.to_json().splitlines())


EDITS: list[tuple[str, Any, str]] = [
    ("schema", "archwright/evidence/9", "schema .* must be archwright/evidence/1"),
    ("kind", "rumour", "kind .* must be one of bench, ablation, eval, calibration"),
    ("created", "yesterday", "created .* must look like"),
    ("paired", "yes", "paired .* must be true or false"),
    ("arms", [], "arms must not be empty"),
    ("settings", {"batch": [8]}, "settings.batch .* must be a text or a number"),
    ("measures", {"time": {"unit": "s", "better": "smaller", "summary": "median"}}, "better .* must be one of"),
    ("extra", 1, "extra is not a key of evidence"),
    ("sumary", {}, "Did you mean summary"),
]


@pytest.mark.parametrize("key, value, message", EDITS)
def test_a_wrong_shape_is_named(key: str, value: Any, message: str) -> None:
    data = rehashed({**GOOD.to_dict(), key: value})
    with pytest.raises(Unreadable, match=message):
        from_dict(data)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(data)


def test_all_problems_at_once() -> None:
    data = rehashed({**GOOD.to_dict(), "kind": "rumour", "paired": 3, "created": "now"})
    with pytest.raises(Unreadable) as caught:
        from_dict(data)
    assert [p.field for p in caught.value.problems] == ["kind", "created", "paired"]


def test_missing_keys_are_named() -> None:
    data = GOOD.to_dict()
    del data["arms"], data["summary"]
    with pytest.raises(Unreadable, match=r"arms is missing[\s\S]*summary is missing"):
        from_dict(data)


def test_an_edited_sample_is_found_twice_over() -> None:
    data = json.loads(GOOD.to_json())
    data["arms"][1]["samples"]["time"] = [x / 2 for x in data["arms"][1]["samples"]["time"]]
    with pytest.raises(Unreadable, match="hash does not match the content"):
        from_dict(data)
    with pytest.raises(Unreadable, match="does not follow from the samples"):
        from_dict(rehashed(data))


def test_an_edited_summary_is_found_even_with_a_fitting_hash() -> None:
    data = json.loads(GOOD.to_json())
    data["summary"]["compared"][0]["value"] = 0.1
    with pytest.raises(Unreadable, match=r"summary.compared\[0\].value is 0.1: does not follow from the samples"):
        from_dict(rehashed(data))


def test_not_even_a_map() -> None:
    for data in ([], None, 3, "text"):
        with pytest.raises(Unreadable, match="must be a map"):
            from_dict(data)


def test_rules_beyond_the_schema() -> None:
    def of(*arms: Arm, **fields: Any) -> Evidence:
        given = {"kind": "bench", "target": "decode", "measures": {"time": TIME}, "created": "2026-11-20T12:00:00Z"}
        return Evidence.of(**{**given, "arms": arms, **fields})

    ok = [1.0] * 8
    with pytest.raises(InvalidValue, match="must have different names"):
        of(Arm("a", samples={"time": ok}), Arm("a", samples={"time": ok}))
    with pytest.raises(InvalidValue, match="equally many samples of time"):
        of(Arm("a", samples={"time": ok}), Arm("b", samples={"time": ok[1:]}), paired=True)
    with pytest.raises(InvalidValue, match=r"arms\[0\].samples.time is -1.0: must be positive"):
        of(Arm("a", samples={"time": [-1.0]}))
    with pytest.raises(InvalidValue, match="is not one of measures"):
        of(Arm("a", samples={"speed": ok}))
    with pytest.raises(InvalidValue, match="holds samples or stated values"):
        of(Arm("a"))
    with pytest.raises(InvalidValue, match="must name each of the 8 samples once"):
        of(Arm("a", samples={"time": ok}, keys={"time": [1] * 8}))


def test_a_curve_must_end_in_its_sample() -> None:
    loss = Measure("nats", "lower", "mean")
    given: dict[str, Any] = {
        "kind": "ablation",
        "target": "training",
        "measures": {"val_loss": loss},
        "created": "2026-11-20T12:00:00Z",
    }
    curve = Curve("val_loss", 0, (1, 2), (3.0, 2.5))
    arm = Arm("a", samples={"val_loss": [2.5]}, keys={"val_loss": [0]}, curves=(curve,))
    assert Evidence.of(arms=(arm,), **given).summary["arms"]["a"]["val_loss"]["low"] is None
    other = Arm("a", samples={"val_loss": [2.4]}, keys={"val_loss": [0]}, curves=(curve,))
    with pytest.raises(InvalidValue, match=r"not the last value of its curve \(2.5\)"):
        Evidence.of(arms=(other,), **given)


def test_above_the_peak_is_refused_with_both_figures() -> None:
    arm = Arm("a", samples={"time": [1e-3] * 8}, work={"flops": 2e12, "bytes": 1e9})
    peaks = {"flops": 989.4e12, "bytes": 3.35e12, "source": "data sheet, dense"}
    with pytest.raises(InvalidValue, match=r"2.00 PFLOP/s measured, 989 TFLOP/s at most \(data sheet, dense\)"):
        bench({}, arms=(arm,), peaks=peaks, paired=False)
    slower = Arm("a", samples={"time": [4e-3] * 8}, work={"flops": 2e12, "bytes": 1e9})
    made = bench({}, arms=(slower,), peaks=peaks, paired=False)
    assert made.values(made.arms[0], "flops_share") == pytest.approx([100 * 5e14 / 989.4e12] * 8)


def test_not_a_number_is_no_sample() -> None:
    with pytest.raises(ValueError):
        bench({"mha": [float("nan")] * 8}).to_json()


def test_evaluation_is_scaled_to_its_unit() -> None:
    made = evaluation("mha", BASE, [1.0, 0.0, 1.0, 1.0])
    assert made.summary["arms"]["mha"]["mmlu/acc"]["value"] == 75
