"""Every example's records hold, and so do our own."""

from __future__ import annotations

from pathlib import Path

import pytest

import archwright as aw

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("folder", ["docs/decisions", "examples/published", "examples/long-context/docs/decisions"])
def test_records_hold(folder):
    report = aw.check(ROOT / folder)
    assert report.claims, "records without claims prove nothing"
    assert [f for f in report.findings if f.severity != "note"] == []
    assert {c.verdict for c in report.claims} <= {"holds", "cited", "assumed"}
    accepted = [aw.decisions.read(f.path) for f in report.files if f.status == "accepted"]
    assert all(record.decided_on for record in accepted if record.base)


def test_the_long_context_architecture_meets_what_its_records_say():
    config = aw.load(ROOT / "examples/long-context/architecture.yaml")
    assert {layer.attention.type for layer in config.layers} == {"sliding", "dilated", "full"}
    needs = {r.name: r for r in config.source.requirements}
    assert set(needs) == {"one-accelerator", "small", "long-prompts"}
    assert dict(needs["long-prompts"].settings)["relative_to"] == {"context": 4096}
    memory = aw.metrics.inference_memory(config, context=100_000, batch=8)
    assert int(memory) < 80 * 10**9
    assert int(aw.metrics.parameters(config)) < 7 * 10**9
    long, short = (aw.metrics.flops_per_token(config, context=c) for c in (100_000, 4096))
    assert long.value < 2 * short.value
