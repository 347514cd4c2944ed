"""Estimates and comparisons as people and programs see them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, settings

import archwright as aw
from archwright.costs.overview import overview
from archwright.costs.table import change, shared
from archwright.units import Quantity

from .strategies import architectures

A = aw.ArchitectureConfig()

LLAMA = """\
llama-3.1-8b · 32 layers · d_model 4,096 · 32 query / 8 KV heads of 128
  d_ff 14,336 · vocabulary 128,256

Parameters       8.03 B   (8,030,261,248)
  feed-forward   5.64 B   70.2 %  ███████████████████████████████████
  attention      1.34 B   16.7 %  ████████
  embedding       525 M    6.5 %  ███
  output head     525 M    6.5 %  ███
  norms           266 K    0.0 %

Context, bf16, batch 1          1      4,096     32,768                 131,072
KV cache                  128 KiB    512 MiB   4.00 GiB                16.0 GiB
weights + KV cache       15.0 GiB   15.5 GiB   19.0 GiB                31.0 GiB
decode, GFLOP a token        15.0       17.2       32.2                    83.7
fits, 90 % of memory          all        all        all   A100 40 GB and larger

Decode bound on an H100 SXM at 32,768: 5.76 ms a token (memory-bound, 3.35 TB/s).
Next: archwright compare llama-3.1-8b --change n_kv_heads=4"""


def test_the_overview_of_llama_3_1_8b():
    shown = aw.estimate("llama-3.1-8b")
    assert str(shown) == LLAMA
    assert max(map(len, LLAMA.splitlines())) <= 82
    assert shown["parameters"] == 8_030_261_248
    assert overview(shown.config, width=120).splitlines()[0].endswith("vocabulary 128,256")
    assert overview(shown.config, reference="model.yaml").endswith("compare model.yaml --change n_kv_heads=4")


def test_the_overview_as_data():
    data = aw.estimate("llama-3.1-8b").to_dict()
    assert data["schema"] == "archwright/estimate/1"
    assert data["architecture"]["name"] == "llama-3.1-8b"
    assert data["architecture"]["fingerprint"].startswith("v1-")
    caches = [r for r in data["results"] if r["metric"] == "kv_cache"]
    assert [r["settings"]["context"] for r in caches] == [1, 4096, 32768, 131072]
    assert [r["value"] for r in caches] == [131072 * c for c in (1, 4096, 32768, 131072)]
    fits = [r for r in data["results"] if r["metric"] == "fits" and not r["value"]]
    assert [(r["settings"]["context"], r["settings"]["device"]) for r in fits] == [(131072, "rtx-4090")]
    assert json.loads(json.dumps(data)) == data


def test_an_overview_of_what_fits_nowhere_and_of_windows():
    text = str(aw.estimate("llama-3.1-405b"))
    assert "No single accelerator holds it at 32,768 tokens; 11 x H100 SXM or 5 x MI300X do." in text
    windows = A.change({"layers[0-15].attention": {"type": "sliding", "window_size": 512}})
    text = str(aw.estimate(windows))
    assert "attention: sliding 512 in layers 0-15" in text and "full in layers 16-31" in text
    text = str(aw.estimate(A.change(tie_embeddings=True, max_seq_len=2048), dtype="fp8", batch=4))
    assert "(the output head is the embedding table)" in text
    assert "Context, fp8, batch 4" in text and "4,096" not in text.partition("Context")[2]
    assert "2,048" in text and "a step (memory-bound" in text
    text = str(aw.estimate(A, dtype="int4-g128", context=777))
    assert "777" in text and "Decode bound on an H100 SXM at 777" in text
    mqa = A.change(n_kv_heads=1)
    assert str(aw.estimate(mqa)).endswith("--change attention.type=sliding")


@settings(max_examples=40, deadline=None)
@given(architectures())
def test_an_overview_of_anything_stays_in_80_columns(a):
    for line in overview(a).splitlines():
        assert len(line) <= 84, line
    assert "Decode bound on an H100 SXM" in overview(a)


def test_an_estimate_of_some_metrics():
    found = aw.estimate(A, "parameters", "kv_cache", context=32768)
    assert str(found).splitlines() == [
        "parameters    5.93 B  (5,933,109,248)",
        "KV cache    4.00 GiB  (4,294,967,296 B)",
        "context 32,768 · batch 1 · bf16",
    ]
    assert repr(found) == str(found)
    assert found.to_dict()["results"][1] == {
        "metric": "kv_cache", "settings": {"context": 32768, "dtype": "bf16"}, "value": 4294967296, "unit": "B",
        "text": "4.00 GiB", "notes": [],
    }  # fmt: skip
    assert found["kv_cache"] == 4 * 2**30
    with pytest.raises(KeyError):
        _ = found["weights"]
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert rows[1] == {
        "metric": "kv_cache",
        "value": "4294967296",
        "unit": "B",
        "settings": "context=32768, dtype=bf16",
    }
    assert found.to_markdown().splitlines()[2:] == [
        "| parameters | 5.93 B |  |",
        "| KV cache | 4.00 GiB | context=32768, dtype=bf16 |",
    ]
    assert "<td style='text-align:right'>4.00 GiB</td>" in found._repr_html_()


def test_an_estimate_of_fields_verdicts_and_huge_numbers():
    found = aw.estimate(A, "n_heads", "fits", "training_flops", device="h100-sxm", tokens=10**13)
    lines = str(found).splitlines()
    assert lines[0].split() == ["n_heads", "32", "heads"]
    assert "yes: 15.1 of 71.7 GiB" in lines[1]
    assert "8.48e23 FLOP" in lines[2] or "e23 FLOP" in lines[2]
    assert found.to_dict()["results"][1]["value"] is True
    assert "note: 90 % of 79.6 GiB on H100 SXM" in lines


def test_notes_and_settings_that_nothing_takes():
    assert str(aw.estimate(A, "kv_cache", context=65536)).endswith(
        "note: context 65,536 is beyond max_seq_len (32,768)"
    )
    with pytest.raises(aw.ArchwrightError, match=r"device is a setting of none of these metrics.*They take"):
        aw.estimate(A, "kv_cache", device="h100-sxm")
    with pytest.raises(aw.ArchwrightError, match=r"contxt is not a setting. Did you mean context\?"):
        aw.estimate(A, "kv_cache", "parameters", contxt=1)
    with pytest.raises(aw.ArchwrightError, match=r"'paramters'.*Did you mean parameters\?"):
        aw.estimate(A, "paramters")
    with pytest.raises(aw.ArchwrightError) as caught:
        aw.estimate(A, "decode_time", "kv_cache", context=0)
    assert {p.field for p in caught.value.problems} == {"context", "device"}


def test_a_comparison():
    found = aw.compare(
        {"n_kv_heads=4": A.change(n_kv_heads=4), "base": A, "n_kv_heads=2": A.change(n_kv_heads=2)},
        "parameters", "kv_cache", "n_kv_heads", "attention_flops_share",
        context=32768,
    )  # fmt: skip
    assert str(found).splitlines() == [
        "                               base           n_kv_heads=4           n_kv_heads=2",
        "parameters                   5.93 B      5.80 B  -2.3 %         5.73 B  -3.4 %",
        "KV cache                   4.00 GiB    2.00 GiB  2.0x less    1.00 GiB  4.0x less",
        "n_kv_heads                  8 heads     4 heads  2.0x less     2 heads  4.0x less",
        "attention share of FLOP      42.5 %      43.1 %  +0.6 pp        43.4 %  +0.9 pp",
        "context 32,768 · batch 1 · bf16",
    ]
    assert found.names == ("base", "n_kv_heads=4", "n_kv_heads=2")
    data = found.to_dict()
    assert data["schema"] == "archwright/compare/1" and data["baseline"] == "base"
    assert [v["ratio"] for v in data["rows"][1]["values"]] == [1, 0.5, 0.25]
    assert json.loads(json.dumps(data)) == data
    rows = list(csv.reader(io.StringIO(found.to_csv())))
    assert rows[0] == ["metric", "unit", "base", "n_kv_heads=4", "n_kv_heads=2"]
    assert rows[2] == ["kv_cache", "B", "4294967296", "2147483648", "1073741824"]
    assert "| KV cache | 4.00 GiB | 2.00 GiB | 2.0x less | 1.00 GiB | 4.0x less |" in found.to_markdown()
    assert "<th style='text-align:right'>base</th>" in found._repr_html_()


def test_a_comparison_of_presets_at_one_length():
    found = aw.compare({"a": "llama-3.1-8b", "b": "llama-2-7b"})
    assert found.names[0] == "a"
    assert any("131,072" in note for note in found.notes)  # beyond the second model's length
    verdicts = aw.compare({"a": A, "b": A}, "fits", device="rtx-4090")
    assert "yes: 15.1 of 21.6 GiB" in str(verdicts)
    with pytest.raises(aw.ArchwrightError, match="at least one"):
        aw.compare({})


def test_rows_share_unit_and_decimals():
    assert shared([Quantity(2**30, "B"), Quantity(2**20, "B"), Quantity(1000, "B")]) == [
        "1.00 GiB",
        "1.00 MiB",
        "1,000 B",
    ]
    assert shared([Quantity(4 * 2**30, "B"), Quantity(40 * 2**30, "B")]) == ["4.00 GiB", "40.00 GiB"]
    assert shared([Quantity(0, "B"), Quantity(2**30, "B")]) == ["0.00 GiB", "1.00 GiB"]
    assert shared([Quantity(5, "layers"), Quantity(1234, "layers")]) == ["5 layers", "1,234 layers"]
    assert shared([Quantity(10**24, "FLOP"), Quantity(5 * 10**20, "FLOP")]) == ["1.00e24 FLOP", "500 EFLOP"]
    assert shared([Quantity(1, "s"), Quantity(2, "s")]) == ["1.00 s", "2.00 s"]


@pytest.mark.parametrize(
    ("base", "other", "text"),
    [
        (100, 100, "same"), (100, 97.7, "-2.3 %"), (100, 103, "+3.0 %"), (100, 50, "2.0x less"), (100, 51, "-49.0 %"),
        (100, 200, "2.0x more"), (100, 199, "+99.0 %"), (100000, 100001, "+0.001 %"), (0, 5, ""), (5, 0, ""),
    ],
)  # fmt: skip
def test_a_change_in_words(base, other, text):
    from fractions import Fraction

    assert change(Quantity(Fraction(str(base)), "B"), Quantity(Fraction(str(other)), "B")) == text
