"""Figures in plain prose: those with a unit are found, names and code are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from archwright.claims.document import parse
from archwright.claims.figures import find_figures


def texts(prose: str, sections: tuple[str, ...] | None = None) -> list[str]:
    return [figure.text for figure in find_figures(parse(prose), sections)]


@pytest.mark.parametrize(
    ("prose", "expected"),
    [
        ("It is reduced by 4x (8.0 GB -> 2.0 GB for 32K context)", ["4x", "8.0 GB", "2.0 GB"]),
        ("Quality falls ~0.5% on MMLU", ["~0.5%"]),
        ("Quality falls by about 0.5 % on MMLU", ["about 0.5 %"]),
        ("Throughput: ~2.5x (longer context)", ["~2.5x"]),
        ("decoding is about 3x faster than before", ["about 3x faster"]),
        ("- Model target: 70B parameters", ["70B parameters"]),
        ("a window of 32K tokens", ["32K tokens"]),
        ("8 * 128 * 2 * 2 bytes = 4KB (vs 16KB for MHA)", ["4KB", "16KB"]),
        ("8 x 128 x 2 x 2 bytes = 4 KiB", ["4 KiB"]),
        ("accuracy -0.3% on our set", ["-0.3%"]),
        ("**4x** and *2.0 GiB*", ["4x", "2.0 GiB"]),
        ("at most 1 pp, over 2x, up to 80 GB", ["at most 1 pp", "over 2x", "up to 80 GB"]),
        ("uses 40-60 % less, 2–3x faster", ["40-60 % less", "2–3x faster"]),
        (
            "380 tokens/s/GPU, 5.76 ms, 989 TFLOP/s, 3.35 TB/s",
            ["380 tokens/s/GPU", "5.76 ms", "989 TFLOP/s", "3.35 TB/s"],
        ),
        ("3.8e25 FLOP and 131,072 tokens", ["3.8e25 FLOP", "131,072 tokens"]),
        ("it costs $5.576 M", ["$5.576 M"]),
        ("| KV cache | 4.00 GiB |\n|---|---|\n| weights | 12 GiB |", ["4.00 GiB", "12 GiB"]),
        ("> quoted: 4 GiB", ["4 GiB"]),
        ("mit 4\u202fGiB", ["4\u202fGiB"]),
        ("8.03 billion parameters", ["8.03 billion parameters"]),
        ("layers 0-15 and 16-31, 8 KV heads", []),
        ("40 layers vs 32", ["40 layers"]),
        ("Llama 3.1 70B and the 70B model", []),
        ("an A100 80GB, H100-SXM 80 GB, an 80 GB A100, 80 GB GPUs, 8x A100, 8x NVIDIA H100, 4x RTX 4090", []),
        ("GQA-8, a 128K model, the 7B-parameter class", []),
        ("on 2025-11-15, in 2024, ADR-0003, v2.5x, fp16, int8, 4-bit", []),
        ("`4 GiB` and ``8x`` in code", []),
        ("[4.00 GiB][kv_cache] and [see 4x](a.md)", []),
        ("see https://example.org/a%20b?x=10%20 and <https://e.org/5%25>", []),
        ("<!-- 4 GiB --> <b title='4 GiB'>", []),
        ("a 4x4 grid, 1024x1024, 8 x 8", []),
        ("```\n4 GiB\n```\n\n    8 GiB in code\n", []),
        ("# A 4x smaller cache\n\ntext", []),
    ],
)
def test_what_is_a_figure(prose: str, expected: list[str]) -> None:
    assert texts(prose) == expected


def test_positions_family_and_sentence() -> None:
    document = parse("## Consequences\n\n- One thing. The cache takes 8.0 GB,\n  and then 4x less.\n- Other.\n")
    first, second = find_figures(document)
    assert (first.line, first.column, first.family) == (3, 30, "B")
    assert document.text[first.start : first.end] == "8.0 GB"
    assert (second.line, second.column, second.family, second.text) == (4, 12, "x", "4x less")
    assert first.sentence == "The cache takes 8.0 GB, and then 4x less"
    assert document.headings[first.heading].title == "Consequences"


def test_only_the_sections_asked_for() -> None:
    prose = (
        "# Decision to use 4x\n\nIntro 1 GiB.\n\n## Context and Problem Statement\n\n2 GiB\n\n### Detail\n\n3 GiB\n\n"
        "## References\n\n4 GiB\n\n## Considered Options\n\n5 GiB\n\n## Positive Consequences\n\n6 GiB\n"
    )
    assert [f.text for f in find_figures(parse(prose))] == ["2 GiB", "3 GiB", "5 GiB", "6 GiB"]
    assert texts(prose, ("references",)) == ["4 GiB"]
    assert texts(prose)[0] == "1 GiB"


def test_front_matter_and_definitions_are_not_prose() -> None:
    prose = '---\nnote: 4 GiB\n---\ntext [4 GiB][kv_cache]\n\n[kv_cache]: a.yaml "computed: 4.00 GiB, holds"\n'
    assert texts(prose) == []


def test_the_users_own_record(shared: Path) -> None:
    seed = (shared / "seed" / "architecture-documentation.txt").read_text(encoding="utf-8")
    record = seed[seed.index("Context:\n") : seed.index("References:\n")]
    for name in ("Context", "Decision", "Consequences", "Alternatives Considered"):
        record = record.replace(f"{name}:\n", f"## {name}\n\n")
    assert [f.text for f in find_figures(parse(record))] == [
        "70B parameters",
        "32K tokens",
        "4x",
        "8.0 GB",
        "2.0 GB",
        "~0.5%",
        "~2.5x",
        "8x",
        "~2%",
    ]
