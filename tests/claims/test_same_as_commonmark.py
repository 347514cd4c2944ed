"""The fast readers of blocks and links against the CommonMark parser, on texts made to trip them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from archwright.claims import blocks, commonmark, document, inline
from archwright.claims.document import Document, Link, claim_labels
from archwright.claims.labels import fold

INLINE = [
    "[4.00 GiB][kv_cache]",
    "[4x smaller][kv_cache.mha->decision]",
    "[?][weights]",
    "[text](a.md)",
    '[t](b.md "x")',
    "[kv_cache]",
    "[kv_cache][]",
    "[a][b]",
    "[x][nope nope]",
    "`code`",
    "`[1][kv_cache]`",
    "``a ` b``",
    "`",
    "**",
    "*",
    "_",
    "\\",
    "\\[",
    "\\]",
    "[",
    "]",
    "(",
    ")",
    "![alt][kv_cache]",
    "![4 GiB](i.png)",
    "![see [2][kv_cache]](i.png)",
    "<b>",
    "</b>",
    "<https://a.b>",
    "<",
    ">",
    "&amp;",
    "[4.00 GiB] [kv_cache]",
    "[a [2][kv_cache] b](c)",
    "[**3**][kv_cache]",
    "[`3`][kv_cache]",
    "word",
    " ",
    "  ",
    "é",
    "1.",
    "|",
    ":",
    "!",
    "[2](javascript:x)",
    "[ ]",
    "[]",
    "[](x)",
    "[9][`q`]",
    "[4][f(where=layers[0-3])]",
    "\u00a0",
]
STARTS = [
    "",
    "",
    "",
    "",
    "- ",
    "* ",
    "+ ",
    "1. ",
    "2. ",
    "3) ",
    "  ",
    "   ",
    "    ",
    "  - ",
    "> ",
    "# ",
    "## ",
    "###",
    "#x",
    " ## ",
    "- - ",
    "- # ",
    "-",
    "---",
    "--",
    "===",
    "=",
    "***",
    "* * *",
    "___",
    "```",
    "~~~",
    "<div>",
    "<!-- ",
    "-->",
    "| ",
    "|---|---|",
    "--|--",
    "\t",
    "-\t",
    "-     ",
    "[kv_cache]: a.yaml",
    '[kv_cache]: b.yaml "computed: 4, holds"',
    "[other]: <c d>",
    "[weights]: javascript:x",
    "10. ",
    "\\",
    "[",
    "- [",
    "-  ",
    "[a\\]b]: /u",
    "***x",
]

inline_text = st.lists(st.sampled_from(INLINE), max_size=7).map("".join)
line = st.tuples(st.sampled_from(STARTS), inline_text).map("".join)
body = st.lists(st.one_of(line, st.just(""), line), max_size=9).map("\n".join)
ending = st.sampled_from(
    [
        "",
        "\n",
        '\n\n[kv_cache]: a.yaml "computed: 4.00 GiB, holds"\n',
        "\n\n[a]: x\n[kv_cache]: ../a.yaml\n[KV_cache]: é.yaml\n",
    ]
)
text = st.tuples(body, ending).map("".join)


@contextmanager
def without_fast_readers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "scan", lambda *_: None)
        patch.setattr(inline, "scan", lambda *_: None)
        yield


def seen(d: Document) -> dict[str, Any]:
    return {
        "claims": d.claims,
        "links": d.links,
        "headings": d.headings,
        "definitions": d.definitions,
        "block": d.block_start,
        "unrendered": d.unrendered,
    }


@settings(max_examples=600, deadline=None, derandomize=True)
@given(text)
@example("- foo\n2. bar [1][kv_cache]\n")
@example("a\n---\n[1][kv_cache]\n")
@example("# [1][kv_cache] #\n")
def test_a_plain_text_is_read_as_the_full_parser_reads_it(source: str) -> None:
    fast = document.parse(source)
    with without_fast_readers():
        slow = document.parse(source)
    assert seen(fast) == seen(slow)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.lists(inline_text, min_size=1, max_size=3).map("\n".join))
@example("[1][kv_cache][2]")
@example("[x][nope nope](y)")
def test_flat_links_are_found_as_the_full_parser_finds_them(source: str) -> None:
    references = {"KV_CACHE"} | claim_labels(source)

    def known(label: str, said: str) -> bool:
        return fold(label) in references

    fast = inline.scan(source, known)
    if fast is None:
        return
    slow = commonmark.links(source, references)
    assert [f._replace(target=None) for f in fast] == [f._replace(target=None) for f in slow]


def plain_links(source: str, references: set[str]) -> list[str]:
    """Text of every link, in order, by an untouched parser that knows the references."""
    md = MarkdownIt("commonmark").enable("table")
    found: list[str] = []
    for token in md.parse(source, environment(references)):
        nested = 0
        for child in token.children or []:
            if child.type == "link_open":
                nested += 1
                if child.info != "auto":
                    found.append("")
            elif child.type == "link_close":
                nested -= 1
            elif nested:
                found[-1] += "\n" if child.type == "softbreak" else child.content
    return found


def environment(references: set[str]) -> dict[str, Any]:
    return {"references": {label: {"href": "#", "title": ""} for label in references}}


def bare(said: str, references: set[str]) -> str:
    children = MarkdownIt("commonmark").parseInline(said, environment(references))[0].children or []
    return "".join("\n" if c.type == "softbreak" else c.content for c in children)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(text)
def test_the_same_links_as_an_untouched_parser(source: str) -> None:
    assume("<" not in source and not source.startswith("---"))  # text of an automatic link; front matter
    found = document.parse(source)
    every: list[Link] = sorted([*found.claims, *found.links], key=lambda link: link.whole_start)
    references = claim_labels(source)
    expected = [" ".join(said.split()) for said in plain_links(source, references)]
    assert [" ".join(bare(link.text, references).split()) for link in every] == expected


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text)
def test_positions_point_at_the_link(source: str) -> None:
    found = document.parse(source)
    lines = source.split("\n")
    for link in [*found.claims, *found.links]:
        assert source[link.whole_start] == "["
        assert lines[link.line - 1][link.column - 1] == "["
        assert found.place(link.whole_start) == (link.line, link.column)
        if "\n" not in link.text and "|" not in link.text:
            assert source[link.start : link.end] == link.text
