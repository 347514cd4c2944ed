"""Documents: every claim with its exact place, wherever it stands; and what only looks like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from archwright.claims.document import Document, parse


def claims(text: str) -> list[tuple[str, str, int, int]]:
    return [(c.text, c.label, c.line, c.column) for c in parse(text).claims]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is [4.00 GiB][kv_cache].", [("4.00 GiB", "kv_cache", 1, 7)]),
        ("[1 B][w] and [1 B][w], [1 B][w]", [("1 B", "w", 1, 1), ("1 B", "w", 1, 14), ("1 B", "w", 1, 24)]),
        ("- a\n  - b [1][w]\n    c [2][w]", [("1", "w", 2, 7), ("2", "w", 3, 7)]),
        ("> quoted [1][w]\n> more [2][w]\nlazy [3][w]", [("1", "w", 1, 10), ("2", "w", 2, 8), ("3", "w", 3, 6)]),
        ("> - a\n>   > [1][w]", [("1", "w", 2, 7)]),
        (
            "| a | b |\n|---|---|\n| [1][w] | [2][w] |\n| x | [2][w] |",
            [("1", "w", 3, 3), ("2", "w", 3, 12), ("2", "w", 4, 7)],
        ),
        ("- | a | b |\n  |---|---|\n  | [1][w] | [1][w] |", [("1", "w", 3, 5), ("1", "w", 3, 14)]),
        ("> a | b\n> --|--\n> [1][w] | [2][w]", [("1", "w", 3, 3), ("2", "w", 3, 12)]),
        ("| a\\|b [1][w] | c |\n|---|---|\n| x \\| y [2][w] | z |", [("1", "w", 1, 8), ("2", "w", 3, 10)]),
        ("|a|b|\n|-|-|\n|| [1][w] |", [("1", "w", 3, 4)]),
        ("\t- a", []),
        ("- a\n\n\t[1][w]", [("1", "w", 3, 2)]),
        ("a\t[1][w]", [("1", "w", 1, 3)]),
        ("# Title [1][w]\n\nSet [2][w]\n===", [("1", "w", 1, 9), ("2", "w", 3, 5)]),
        ("**[4x smaller][w]** and [*2*][w]", [("4x smaller", "w", 1, 3), ("*2*", "w", 1, 25)]),
        ("a [4.00\nGiB][w] b [1][w]", [("4.00\nGiB", "w", 1, 3), ("1", "w", 2, 11)]),
        ("[4x][kv_cache.mha->decision]", [("4x", "kv_cache.mha->decision", 1, 1)]),
        ("[8][kv_cache(context=32768, kv_dtype=fp8)]", [("8", "kv_cache(context=32768, kv_dtype=fp8)", 1, 1)]),
        ("[?][kv_cache]", [("?", "kv_cache", 1, 1)]),
        ("[< 1 %][w] `x` [2][w]", [("< 1 %", "w", 1, 1), ("2", "w", 1, 16)]),
        ("日本語 [1][w] 文", [("1", "w", 1, 5)]),
        ("[see [1][w] there](a.md)", [("1", "w", 1, 6)]),
        ("[7 %][the paper]", [("7 %", "the paper", 1, 1)]),
        ("\\[1][w] [the paper](x) [paper][] [w]", []),
    ],
)
def test_where_a_claim_stands(text: str, expected: list[tuple[str, str, int, int]]) -> None:
    assert claims(text) == expected


def test_offsets_cover_the_text_and_the_whole() -> None:
    text = "---\nstatus: proposed\n---\n\n> A [4.00 GiB][kv_cache] b\n"
    document = parse(text)
    (claim,) = document.claims
    assert text[claim.start : claim.end] == "4.00 GiB"
    assert text[claim.whole_start : claim.whole_end] == "[4.00 GiB][kv_cache]"
    assert (claim.line, claim.column) == (5, 5)
    assert document.front_matter == "status: proposed\n"
    assert str(document.location(claim.start)) == ":5:6"


def test_lines_count_from_where_a_docstring_begins() -> None:
    document = parse("Title\n\n[1][w]\n", "module.py", first_line=40)
    assert (document.claims[0].line, document.claims[0].column) == (42, 1)


def test_a_byte_order_mark_is_no_text() -> None:
    document = parse("\ufeff---\nstatus: x\n---\n[1][w]\n")
    assert document.front_matter == "status: x\n"
    assert (document.claims[0].line, document.claims[0].column) == (4, 1)


@pytest.mark.parametrize("text", ["---\nstatus: proposed\n\n# Title\n\n[1][w]\n", "---\n", "---"])
def test_a_front_matter_that_is_never_closed_is_a_problem_with_its_place(text: str) -> None:
    document = parse(text, "0001.md")
    (problem,) = document.problems
    assert str(problem.where) == "0001.md:1:1"
    assert "never closed" in problem.rule and "---" in problem.remedy
    assert document.front is None


@pytest.mark.parametrize("text", ["text\n---\nmore", "----\na\n", "--- x\na: 1\n---\n", ""])
def test_what_is_no_front_matter(text: str) -> None:
    document = parse(text)
    assert (document.front, document.problems, document.body_start) == (None, [], 0)


def test_an_empty_front_matter() -> None:
    document = parse("---\n---\n# T\n")
    assert document.front_matter == "" and document.headings[0].line == 3


def test_headings_and_sections() -> None:
    document = parse("# T\n\n## Consequences\n\n### Detail ##\n\n[1][w]\n\n## Next\n\n[2][w]\n\nUnder\n-----\n[3][w]\n")
    assert [(h.line, h.level, h.title) for h in document.headings] == [
        (1, 1, "T"),
        (3, 2, "Consequences"),
        (5, 3, "Detail"),
        (9, 2, "Next"),
        (13, 2, "Under"),
    ]
    assert [document.sections(c.heading) for c in document.claims] == [
        ("T", "Consequences", "Detail"),
        ("T", "Next"),
        ("T", "Under"),
    ]
    assert document.sections(-1) == ()
    assert document.heading_at(0) == 0


def test_headings_in_code_quotes_and_lists_are_no_sections() -> None:
    document = parse("# T\n\n```\n# code\n```\n\n> # quoted\n\n- # item\n\n    # indented\n")
    assert [h.title for h in document.headings] == ["T"]


@pytest.mark.parametrize(
    ("text", "reason", "line", "column"),
    [
        ("a `[4.00 GiB][kv_cache]` b", "code", 1, 4),
        ("a ``x [4.00 GiB][kv_cache]`` b", "code", 1, 7),
        ("```\n[4.00 GiB][kv_cache]\n```", "code", 2, 1),
        ("text\n\n    [4.00 GiB][kv_cache]\n", "code", 3, 5),
        ("<div>\n[4.00 GiB][kv_cache]\n</div>", "html", 2, 1),
        ("a <b title='[4.00 GiB][kv_cache]'> b", "html", 1, 13),
        ("a <!-- [4.00 GiB][kv_cache] --> b", "html", 1, 8),
        ("![4.00 GiB][kv_cache]", "image", 1, 2),
        ("![see [4.00 GiB][kv_cache] b](i.png)", "image", 1, 7),
        ("a [4.00 GiB] [kv_cache] b", "space", 1, 3),
        ("| a |\n|---|\n| [4.00 GiB] [kv_cache] |", "space", 3, 3),
        ("a [4][layer_count(where=layers[0-3])] b", "brackets", 1, 3),
    ],
)
def test_a_claim_that_is_not_rendered(text: str, reason: str, line: int, column: int) -> None:
    document = parse(text)
    assert document.claims == []
    (found,) = document.unrendered
    assert (found.reason, found.line, found.column) == (reason, line, column)


@pytest.mark.parametrize(
    "text",
    [
        "`[text][label]`",
        "`a[i][j]`",
        "\\[4.00 GiB][kv_cache]",
        "[4.00 GiB][kv_cache]",
        "[a] [b]",
        "![a chart][kv_cache]",
        "`[?]`",
    ],
)
def test_what_is_not_a_claim_that_fails_to_render(text: str) -> None:
    assert parse(text).unrendered == []


def test_a_claim_beside_one_that_is_not_rendered() -> None:
    document = parse("`[1][w]` [2][w] [3] [w]")
    assert [c.text for c in document.claims] == ["2"]
    assert [(u.text, u.reason) for u in document.unrendered] == [("1", "code"), ("3", "space")]


def test_definitions_with_places_and_the_first_wins() -> None:
    text = '[W]: x.yaml "by hand"\n\n[1][w]\n\n[w]: ../a.yaml "computed: 1, holds"\n[v]: b.yaml\n'
    document = parse(text)
    assert [(d.label, d.target, d.title, d.line, d.in_block, d.duplicate) for d in document.definitions] == [
        ("W", "x.yaml", "by hand", 1, False, False),
        ("w", "../a.yaml", "computed: 1, holds", 5, True, True),
        ("v", "b.yaml", "", 6, True, False),
    ]
    assert document.block_start == text.index("[w]: ")
    assert document.claims[0].defined
    assert text[document.definitions[1].start : document.definitions[1].end] == '[w]: ../a.yaml "computed: 1, holds"'


@pytest.mark.parametrize("target", ["é.yaml", "../../a.yaml", "#consequences", "https://e.org/a?b=c#d"])
def test_a_target_is_given_as_written(target: str) -> None:
    for before in ("", "> quote\n\n"):
        assert parse(f'{before}[1][w]\n\n[w]: {target} "computed: 1, holds"\n').definitions[0].target == target


def test_definitions_inside_code_define_nothing() -> None:
    document = parse("```\n\n[w]: a.yaml\n")
    assert document.definitions == [] and document.block_start == len(document.text)


def test_merge_conflicts_are_noted_and_both_sides_read() -> None:
    document = parse("# T\n\n<<<<<<< HEAD\nIt is [1][w].\n=======\nIt is [2][w].\n>>>>>>> x\n")
    assert document.conflicts == [3, 5, 7]
    assert [c.text for c in document.claims] == ["1", "2"]
    assert parse("```\n<<<<<<< HEAD\n=======\n>>>>>>> x\n```\n").conflicts == []
    assert parse("Title\n=======\n").conflicts == []


def test_known_labels_count_as_claims_whatever_the_text() -> None:
    text = "[much smaller][The Cache]"
    assert parse(text).claims == []
    assert [c.label for c in parse(text, known_labels=["the cache"]).claims] == ["The Cache"]


def test_an_ordinary_link_is_no_claim() -> None:
    document = parse("See [the paper][the paper] and [this](a.md), [w].\n\n[the paper]: https://e.org\n[w]: x\n")
    assert document.claims == []
    assert [(link.text, link.label, link.defined) for link in document.links] == [
        ("the paper", "the paper", True),
        ("this", "", False),
        ("w", "", False),
    ]


@pytest.mark.parametrize(
    "text", ["[" * 3000, "`" * 3001, "[a](" * 500, "> " * 300 + "[1][w]", "- " * 200 + "[1][w]", "\\" * 999]
)
def test_hostile_text_is_read(text: str) -> None:
    assert isinstance(parse(text), Document)


def test_every_record_of_the_data_set_is_read(shared: Path) -> None:
    paths = sorted((shared / "data" / "records").rglob("*.md"))
    assert len(paths) >= 120
    for path in paths:
        document = parse(path.read_text(encoding="utf-8").replace("\r\n", "\n"), str(path))
        for claim in document.claims:
            assert document.text[claim.whole_start] == "["


def test_the_lesson_about_a_70b_cache(shared: Path) -> None:
    text = (shared / "data/field-cases/fc-19-lesson-70b-cache/record.md").read_text(encoding="utf-8")
    assert claims(text) == [
        ("10.4 GB", "kv_cache", 23, 26),
        ("32 GB", "kv_cache.mha", 23, 78),
        ("8x smaller", "kv_cache.mha->decision", 23, 110),
    ]
