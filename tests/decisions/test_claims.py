"""What labels mean in a record: sides, settings, entries of claims, verdicts, and which links are no claims."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from archwright.decisions.check import check
from archwright.decisions.report import ClaimResult, Finding

HEAD = """\
---
status: {status}
base: architecture.yaml
decision: {{n_kv_heads: 8}}
settings: {{context: 16384, dtype: bf16}}
alternatives:
  mha: {{n_kv_heads: 32}}
  short: {{change: {{n_kv_heads: 8}}, settings: {{context: 4096}}}}
  big: {{base: "preset:llama-3.1-70b", note: another model}}
  flash: {{settings: {{backend: flash}}}}
claims:
{claims}---
# Title

## Decision

"""
CLAIMS = {
    "entry": "{metric: kv_cache, context: 8192}",
    "two": "{metric: kv_cache, from: {of: mha, kv_dtype: bf16}, to: {of: decision, kv_dtype: fp8}}",
    "path": '{metric: "layers[0-15].attention.n_heads"}',
    "halves": '{metric: "layers[0-15].attention.n_kv_heads", of: mha}',
    "word": "weights",
    "other": "{metric: kv_cache, of: mha}",
    "paper": '{source: "Ainslie et al. 2023, table 1"}',
    "page": '{source: "https://arxiv.org/abs/2305.13245 section 3"}',
    "vague": "{source: a book}",
    "share": "{assumed: 40%}",
    "growth": "{assumed: 1.5}",
    "days": "{metric: training_time, tokens: 1e12, n_devices: 1024, device: h100-sxm, efficiency: $share}",
    "speed": "{bench: decode_throughput, batch: 8, device: h100-sxm}",
    "mmlu": "{eval: mmlu/acc}",
    "loss": "{ablation: final_loss, on: proxy}",
    "unknown_metric": "{metric: kv_cash}",
    "unknown_setting": "{metric: kv_cache, frm: {of: mha}}",
    "no_map": "{metric: kv_cache, from: mha, to: {of: decision}}",
    "two_kinds": "{bench: a, eval: b}",
    "no_kind": "{note: nothing}",
    "gpu": "{metric: decode_time, device: $card}",
}


def result(project: Path, body: str, status: str = "proposed") -> tuple[list[ClaimResult], list[Finding]]:
    """Claims and findings of a record with that body, without those about definitions and unused entries."""
    used = {n: text for n, text in CLAIMS.items() if re.search(rf"\[{n}[\].(]|\${n}", body) or n == "share"}
    claims = "".join(f"  {name}: {text}\n" for name, text in used.items()) or "  {}\n"
    path = project / "docs" / "decisions" / "0001-x.md"
    path.write_text(HEAD.format(status=status, claims=claims) + body + "\n")
    report = check(path)
    apart = ("outdated-definition", "unused-claim", "not-pinned")
    return report.claims, [f for f in report.findings if f.code not in apart]


def one(project: Path, body: str, status: str = "proposed") -> tuple[ClaimResult, list[Finding]]:
    """The only claim of a record."""
    (claim,), findings = result(project, body, status)
    return claim, findings


# Sides and settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("kv_cache", "2.00 GiB"),  # the record's settings over the metric's default, which is 32,768 tokens
        ("kv_cache.decision", "2.00 GiB"),
        ("kv_cache.base", "2.00 GiB"),
        ("kv_cache.mha", "8.00 GiB"),
        ("kv_cache.short", "512 MiB"),  # the alternative's settings over the record's
        ("entry", "1.00 GiB"),  # the entry's over both
        ("entry.short", "1.00 GiB"),
        ("entry(context=2048)", "256 MiB"),  # the label's over all
        ("entry(context=2048).short", "256 MiB"),
        ("kv_cache(context=32Ki)", "4.00 GiB"),
        ("kv_cache(kv_dtype=fp8)", "1.00 GiB"),
        ("kv_cache(dtype=fp8, context=32_768)", "2.00 GiB"),
        ("kv_cache.big", "5.00 GiB"),  # an alternative with a base of its own
        ("kv_cache.flash", "2.00 GiB"),  # a setting that this metric does not have
        ("weights", "11.1 GiB"),  # settings of the record that weights do not have
        ("KV_Cache.MHA", "8.00 GiB"),  # labels fold their case
        ("word", "11.1 GiB"),
        ("other", "8.00 GiB"),
        ("other.short", "512 MiB"),  # a side in the label is stronger than the entry's
        ("path", "32 heads"),
        ("halves", "32 heads"),
        ("n_kv_heads.mha", "32 heads"),
        ("n_layers", "32 layers"),
    ],
)
def test_settings_from_weakest_to_strongest(label: str, shown: str, project: Path) -> None:
    claim, findings = one(project, f"[{shown}][{label}]")
    assert (claim.verdict, findings) == ("holds", []), claim.message
    assert claim.message == f"is {shown}"
    wrong, _ = one(project, f"[9{shown}][{label}]")
    assert wrong.verdict == "fails"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("4x smaller", "kv_cache.mha->decision"),
        ("4x larger", "kv_cache.decision->mha"),
        ("16x smaller", "kv_cache.mha->short"),
        ("8x smaller", "two"),
        ("unchanged", "kv_cache.base->decision"),
        ("75 % less", "kv_cache.mha->decision"),
        ("-75 %", "kv_cache.mha->decision"),
        ("6 GiB less", "kv_cache.mha->decision"),
        ("8 GiB to 2 GiB", "kv_cache.mha->decision"),
        ("8 of 32", "n_kv_heads.mha->decision"),
    ],
)
def test_comparisons(text: str, label: str, project: Path) -> None:
    claim, findings = one(project, f"[{text}][{label}]")
    assert (claim.verdict, findings) == ("holds", []), claim.message


def test_settings_that_only_some_metrics_have_are_strict_in_labels_and_entries_alone(project: Path) -> None:
    _, findings = one(project, "[11.1 GiB][weights(context=4096)]")
    assert [f.code for f in findings] == ["bad-setting"]
    assert "It takes" in findings[0].message and "weights_dtype" in findings[0].message
    _, findings = one(project, "[32][n_heads(context=1)]")
    assert [f.code for f in findings] == ["bad-setting"] and "no settings" in findings[0].message


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("[1 GiB][kv_cash]", "unresolved-label", "Did you mean kv_cache?"),
        ("[1 GiB][n_kv_hedas]", "unresolved-label", "Did you mean n_kv_heads?"),
        ("[1 GiB][zzz]", "unresolved-label", "archwright metrics"),
        ("[1 GiB][kv_cache.mah]", "unresolved-label", "Did you mean mha?"),
        ("[1 GiB][kv_cache.zzz]", "unresolved-label", "Sides: base, decision, mha, short, big, flash"),
        ("[2x][kv_cache.mha->deicsion]", "unresolved-label", "Did you mean decision?"),
        ("[1 GiB][kv_cache(dtyp=fp8)]", "bad-setting", "Did you mean dtype?"),
        ("[1 GiB][kv_cache(zzz=1)]", "bad-setting", "It takes batch, cache, context, dtype, kv_dtype"),
        ("[1 GiB][kv_cache(context=32K)]", "bad-setting", "32_000 or 32Ki"),
        ("[1 GiB][kv_cache(dtype=fp3)]", "bad-setting", "fp8"),
        ("[1 ms][decode_time]", "bad-setting", "one of a100-40gb"),
        ("[1 ms][decode_time(device=h101)]", "bad-setting", "h100-sxm"),
        ("[1][unknown_metric]", "unresolved-label", "claims.unknown_metric.metric is 'kv_cash'"),
        ("[1][unknown_setting]", "bad-setting", "'frm'"),
        ("[1][no_map]", "unresolved-label", "{of: decision, kv_dtype: bf16}"),
        ("[1][two_kinds]", "unresolved-label", "bench and eval"),
        ("[1][no_kind]", "unresolved-label", "Give exactly one of metric, bench"),
        ("[1 ms][gpu]", "bad-setting", "no assumption of claims:"),
        ("[2x][two.mha]", "unresolved-label", "names its sides itself"),
        ("[5 %][paper.zzz]", "unresolved-label", "no side of this record"),
        ("[5 %][mmlu.zzz->mha]", "unresolved-label", "no side of this record"),
    ],
)  # fmt: skip
def test_what_does_not_resolve_names_the_nearest_or_what_is_accepted(
    body: str, code: str, said: str, project: Path
) -> None:
    claim, findings = one(project, body)
    assert claim.verdict == "error"
    assert [(f.code, f.severity) for f in findings] == [(code, "error")]
    assert said in findings[0].message
    assert "Traceback" not in findings[0].message


def test_a_name_that_is_a_metric_and_an_entry_is_neither(project: Path) -> None:
    path = project / "docs" / "decisions" / "0001-x.md"
    for name in ("weights", "n_heads"):
        head = HEAD.format(status="proposed", claims=f"  {name}: {{metric: kv_cache}}\n")
        path.write_text(head + f"[1 GiB][{name}]\n")
        (finding,) = [f for f in check(path).findings if f.code == "unresolved-label"]
        assert f"claims.{name} has the name of a" in finding.message


# Kinds of values ------------------------------------------------------------------------------------------------


def test_cited(project: Path) -> None:
    claim, findings = one(project, "[5 %][paper]", "accepted")
    assert (claim.verdict, claim.title, claim.target) == ("cited", "cited: Ainslie et al. 2023, table 1", "#title")
    assert findings == []
    claim, findings = one(project, "[5 %][page]")
    assert claim.target == "https://arxiv.org/abs/2305.13245" and findings == []
    claim, findings = one(project, "[5 %][vague]")
    assert [(f.code, f.severity) for f in findings] == [("no-locator", "warning")]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("40 %", "assumed"),
        ("40%", "assumed"),
        ("0.4", "assumed"),
        ("50 %", "fails"),
        ("half", "assumed"),
        ("?", "open"),
    ],
)
def test_assumed(text: str, verdict: str, project: Path) -> None:
    claim, findings = one(project, f"[{text}][share]", "accepted")
    assert claim.verdict == verdict
    assert [f.code for f in findings] == {"fails": ["claim-fails"], "open": ["claim-unfilled"]}.get(verdict, [])
    if verdict != "assumed":
        assert claim.right == "40%"


def test_what_depends_on_an_assumption_says_so(project: Path) -> None:
    claim, findings = one(project, "[?][days]")
    assert claim.verdict == "open" and "assumes share 40%" in claim.title
    assert [f.code for f in findings] == ["claim-unfilled"]
    path = project / "docs" / "decisions" / "0001-x.md"
    path.write_text(path.read_text().replace("assumed: 40%", "assumed: 20%"))
    (other,) = check(path).claims
    assert float(other.value.value if hasattr(other.value, "value") else other.value) > 1.9 * _seconds(claim)


def _seconds(claim: ClaimResult) -> float:
    value: Any = claim.value
    return float(getattr(value, "value", value))


@pytest.mark.parametrize(
    ("status", "severity"), [("accepted", "error"), ("proposed", "warning"), ("rejected", None), ("deprecated", None)]
)
@pytest.mark.parametrize("label", ["speed.mha->decision", "mmlu", "loss.base->decision"])
def test_evidence_that_nobody_has(label: str, status: str, severity: str | None, project: Path) -> None:
    claim, findings = one(project, f"[2.5x faster][{label}]", status)
    assert claim.verdict == "unproven" and claim.title.startswith("unproven: ")
    assert [f.severity for f in findings if f.code == "claim-unproven"] == ([severity] if severity else [])


def test_a_change_in_percent_of_a_percentage_has_two_readings(project: Path) -> None:
    _, findings = one(project, "[at most 0.5 %][mmlu.mha->decision]")
    (finding,) = [f for f in findings if f.code == "ambiguous-percent"]
    assert "at most 0.5 pp" in finding.remedy and "at most 0.5 % relative" in finding.remedy
    for body in ("[76 %][mmlu]", "[0.5 pp][mmlu.mha->decision]", "[0.5 % relative][mmlu.mha->decision]"):
        _, findings = one(project, body)
        assert "ambiguous-percent" not in [f.code for f in findings], body


# Flags and names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label", "verdict"),
    [
        ("false", "tie_embeddings", "holds"),
        ("no", "tie_embeddings", "holds"),
        ("true", "tie_embeddings", "fails"),
        ("maybe", "tie_embeddings", "error"),
        ("kaiming", "init_method", "holds"),
        ("xavier", "init_method", "fails"),
        ("unchanged", "tie_embeddings.base->mha", "holds"),
        ("fits", "fits(device=h100-sxm)", "holds"),
        ("does not fit", "fits(device=rtx-4090, context=131072).mha", "holds"),
        ("does not fit", "fits(device=h100-sxm)", "fails"),
        ("?", "tie_embeddings", "open"),
        ("null", "attention", "holds"),
        ("32 layers", "layers", "error"),
    ],
)
def test_fields_that_are_no_numbers(text: str, label: str, verdict: str, project: Path) -> None:
    claim, _ = one(project, f"[{text}][{label}]")
    assert claim.verdict == verdict, claim.message
    assert len(claim.message) < 200 and "(" not in claim.message[:20]
    if claim.right and verdict in ("fails", "open"):
        again, _ = one(project, f"[{claim.right}][{label}]")
        assert again.verdict == "holds"


# What is no claim -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "[MADR][madr]\n\n[madr]: https://adr.github.io/madr/",
        "[Llama 2][llama2]\n\n[llama2]: https://example.org",
        "[the 70B model][model]\n\n[model]: https://example.org 'title'",
        "[text][]\n\n[text]: https://example.org",
        "[8 GB](https://example.org)",
        "[shortcut]\n\n[shortcut]: https://example.org",
        "`[4.00 GiB](x)`",
        r"\[4.00 GiB\]\[x\]",
    ],
)
def test_ordinary_links_are_no_claims(body: str, project: Path) -> None:
    claims, findings = result(project, body)
    assert claims == []
    assert [f.code for f in findings if f.code != "unbound-number"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("[the paper][ainslie]", "unresolved-label"),  # a label that reads as one, and no definition
        ("[8 GB][the cache]", "bad-label"),  # a figure, and no definition
        ("[2.00 GiB][kv_cache]\n\n[kv_cache]: https://example.org", "hand-written-definition"),
    ],
)
def test_links_that_should_be_claims(body: str, code: str, project: Path) -> None:
    claims, findings = result(project, body)
    assert len(claims) == 1 and [f.code for f in findings] == [code]


def test_every_place_of_a_repeated_label_is_judged(project: Path) -> None:
    claims, findings = result(project, "[2 GiB][kv_cache] [2 GiB][kv_cache]\n\n| a |\n|---|\n| [3 GiB][kv_cache] |")
    assert [(c.line, c.column, c.verdict) for c in claims] == [
        (claims[0].line, 1, "holds"),
        (claims[0].line, 19, "holds"),
        (claims[0].line + 4, 3, "fails"),
    ]
    assert [f.code for f in findings] == ["claim-fails"]


# Slips ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label", "slip"),
    [
        ("64 MiB", "kv_cache", "per=layer would give 64.0 MiB"),
        ("4.00 GiB", "kv_cache", "kv_dtype=fp32 would give 4.00 GiB"),
        ("1.95 GiB", "kv_cache", "context=16000 would give 1.95 GiB"),
        ("8.00 GiB", "kv_cache", "all query heads as KV heads or the side mha would give 8.00 GiB"),
        ("5.5 GiB", "weights", "weights_dtype=fp8 would give 5.53 GiB"),
        ("5.80 B", "parameters", "tied embeddings would give 5.80 B"),
        (
            "4x larger",
            "kv_cache.mha->decision",
            "the other direction, decision->mha, would give 2.00 GiB to 8.00 GiB, 4.00x larger",
        ),
        ("7.77 GiB", "kv_cache", ""),
    ],
)
def test_a_miss_is_explained_where_one_or_two_slips_give_it(text: str, label: str, slip: str, project: Path) -> None:
    claim, (finding,) = one(project, f"[{text}][{label}]")
    assert (claim.verdict, claim.slip) == ("fails", slip)
    assert slip in finding.message


def test_at_most_two_slips_are_named_and_three_are_silence(project: Path) -> None:
    claim, _ = one(project, "[1.00 GiB][kv_cache]")
    assert claim.slip == "kv_dtype=fp8 or keys without values would give 1.00 GiB"
    claim, _ = one(project, "[about 8 GB][kv_cache]")
    assert claim.slip == "" or claim.slip.count(" or ") + claim.slip.count(";") <= 1
