"""The block of link definitions: written last, kept in order, nothing else touched."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archwright.claims.definitions import (
    Wanted,
    by_hand,
    clean,
    is_tool_title,
    outdated,
    render,
    title,
    update,
)
from archwright.claims.document import parse

KV = Wanted("kv_cache", "../../architecture.yaml", "computed: 4.00 GiB, holds")
MHA = Wanted(
    "kv_cache.mha->decision", "../../architecture.yaml", "computed: 16.0 GiB to 4.00 GiB, 4.00x smaller, holds"
)
BODY = "# Title\n\nIt is [4.00 GiB][kv_cache], [4x smaller][kv_cache.mha->decision].\n"


def test_one_definition_a_line_in_the_given_order_behind_a_blank_line() -> None:
    assert update(BODY, [MHA, KV]) == (
        BODY + "\n"
        '[kv_cache.mha->decision]: ../../architecture.yaml "computed: 16.0 GiB to 4.00 GiB, 4.00x smaller, holds"\n'
        '[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'
    )


def test_the_definitions_are_read_as_they_were_meant() -> None:
    document = parse(update(BODY, [MHA, KV]))
    assert [(d.label, d.target, d.title, d.in_block) for d in document.definitions] == [(*MHA, True), (*KV, True)]
    assert all(claim.defined for claim in document.claims)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'),
        ("text", 'text\n\n[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'),
        ("text  \n", 'text  \n\n[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'),
        ("text\n\n\n", 'text\n\n\n[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'),
        (
            "---\nstatus: x\n---\n",
            '---\nstatus: x\n---\n\n[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n',
        ),
    ],
)
def test_nothing_before_the_block_changes(before: str, after: str) -> None:
    assert update(before, [KV]) == after


def test_an_outdated_definition_is_replaced_and_one_without_a_claim_goes() -> None:
    old = BODY + '\n[kv_cache]: old.yaml "computed: 8.00 GiB, fails"\n[weights]: a.yaml "computed: 1 GiB, holds"\n'
    assert update(old, [KV]) == BODY + '\n[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'
    assert update(old, []) == BODY


def test_an_authors_own_definitions_stay_before_ours_and_as_written() -> None:
    own = BODY + "\n[paper]:   https://example.org/paper  'A title'\n[other]: <a b>\n"
    once = update(own, [KV])
    assert once == own + '[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'
    assert update(once, [KV]) == once
    assert update(once, []) == own
    mixed = BODY + '\n[kv_cache]: a.yaml "computed: 1, holds"\n[paper]: https://example.org\n'
    assert update(mixed, [KV]).endswith(
        '\n\n[paper]: https://example.org\n[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'
    )


def test_a_file_without_claims_and_with_own_definitions_is_left_alone() -> None:
    text = "See [the paper][paper].\n\n[paper]: https://example.org\n\n\n"
    assert update(text, []) == text


def test_a_block_in_conflict_is_read_and_rewritten() -> None:
    text = (
        BODY + "\n<<<<<<< HEAD\n"
        '[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'
        "=======\n"
        '[kv_cache]: ../../architecture.yaml "computed: 2.00 GiB, fails"\n'
        '[kv_cache.mha->decision]: ../../architecture.yaml "computed: x, holds"\n'
        ">>>>>>> branch\n"
    )
    document = parse(text)
    assert document.conflicts == [5, 7, 10]
    assert [d.title for d in document.definitions] == [
        "computed: 4.00 GiB, holds",
        "computed: 2.00 GiB, fails",
        "computed: x, holds",
    ]
    assert [d.duplicate for d in document.definitions] == [False, True, False]
    mended = update(text, [KV, MHA])
    assert mended == BODY + "\n" + render([KV, MHA])
    assert not parse(mended).conflicts


def test_titles_hold_nothing_that_a_formatter_would_change() -> None:
    assert clean('a "b"\\c\n d & e') == "a 'b'/c d and e"
    assert title("unproven", "no evidence yet") == "unproven: no evidence yet"
    assert is_tool_title("computed: 1, holds") and is_tool_title("unproven: no evidence yet") and is_tool_title("stale")
    assert not is_tool_title("computers") and not is_tool_title("A paper about x") and not is_tool_title("")


def test_targets_with_spaces_are_put_in_angle_brackets() -> None:
    line = render([Wanted("kv_cache", "my file (1).yaml", "computed: 1, holds")])
    assert line == '[kv_cache]: <my file (1).yaml> "computed: 1, holds"\n'
    assert parse("x [1][kv_cache]\n\n" + line).definitions[0].label == "kv_cache"


def test_a_definition_by_hand_under_a_claims_label_is_found() -> None:
    text = (
        '# T\n\n[KV_Cache]: https://example.org "mine"\n\nIt is [4.00 GiB][kv_cache].\n\n'
        '[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'
    )
    document = parse(text)
    assert [(d.line, d.label) for d in by_hand(document, ["kv_cache"])] == [(3, "KV_Cache")]
    assert [d.duplicate for d in document.definitions] == [False, True]


def test_in_the_block_a_foreign_title_and_target_are_by_hand_and_a_lost_title_is_not() -> None:
    document = parse("[1][kv_cache] [2][weights]\n\n[kv_cache]: https://example.org\n[weights]: a.yaml\n")
    assert [d.label for d in by_hand(document, ["kv_cache", "weights"], ["a.yaml"])] == ["kv_cache"]
    assert by_hand(document, ["parameters"]) == []


LINES = st.sampled_from(
    [
        "",
        "text",
        "- [4.00 GiB][kv_cache]",
        "# Heading",
        "[paper]: https://e.org",
        "[kv_cache]: a.yaml",
        '[kv_cache]: a.yaml "computed: 1, holds"',
        "> quote",
        "```",
        "<!-- x",
        "    code",
        "| a | b |",
        "|---|---|",
        "<<<<<<< HEAD",
        "=======",
        ">>>>>>> x",
        "---",
        "  ",
        "[weights]: b.yaml 'computed: 2, holds'",
    ]
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(LINES, max_size=10).map("\n".join), st.lists(st.sampled_from([KV, MHA]), max_size=2, unique=True))
def test_twice_is_once_and_the_text_before_the_block_is_kept(source: str, wanted: list[Wanted]) -> None:
    once = update(source, wanted)
    assert update(once, wanted) == once
    assert not outdated(parse(once), wanted)
    block = parse(source).block_start
    ours = '[kv_cache]: a.yaml "computed: 1, holds"'
    kept = [line for line in source[:block].split("\n") if line.strip() and line != ours]
    assert [line for line in once.split("\n") if line.strip() and line != ours][: len(kept)] == kept
    if ours not in source[:block]:
        assert once.startswith(source[:block].rstrip("\n"))


def test_definitions_that_text_was_written_behind_move_to_the_end() -> None:
    once = update(BODY, [KV]) + "\nMore was written later.\n"
    assert by_hand(parse(once), ["kv_cache"]) == []
    assert update(once, [KV]) == BODY + (
        '\nMore was written later.\n\n[kv_cache]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'
    )
