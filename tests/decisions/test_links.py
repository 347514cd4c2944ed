"""The graph of supersession: duplicates, links that cannot be followed, one-sided ones, circles."""

from __future__ import annotations

import pytest

from archwright.decisions.links import Graph, check_links
from archwright.decisions.record import parse
from archwright.errors import UnknownName


def record(name, status="accepted", *lines):
    return parse("\n\n".join(("# T", f"Status: {status}", *lines)) + "\n", f"{name}.md")


def codes(*records):
    return [(i.code, i.path) for i in check_links(records)]


def test_sides_that_agree_are_no_issue():
    old = record("0001-a", "superseded by [ADR-0002](0002-b.md)")
    new = record("0002-b", "accepted", "Supersedes: 0001")
    assert codes(old, new) == []
    graph = Graph([old, new])
    assert [r.path for r in graph.successors["0001-a.md"]] == ["0002-b.md"]
    assert [r.path for r in graph.predecessors["0002-b.md"]] == ["0001-a.md"]
    assert graph.supersedes(new, old)
    assert not graph.supersedes(old, new)


@pytest.mark.parametrize("reference", ["10", "0010", "ADR-010", "ADR-0010", "0010-x", "0010-x.md", "[t](0010-x.md)"])
def test_every_spelling_of_a_number_means_the_same_record(reference):
    ten = record("0010-x", "superseded by 11")
    assert codes(ten, record("0011-y", "accepted", f"Supersedes: {reference}")) == []


def test_records_without_numbers_are_linked_by_their_names():
    old = record("gqa_implementation", "superseded by [new](mla.md)")
    assert codes(old, record("mla", "accepted", "Supersedes: gqa_implementation")) == []


def test_duplicates_name_each_other_and_letters_make_other_numbers():
    found = check_links([record("0027-a"), record("027-b"), record("0040-c"), record("0040a-d"), record("0040b-e")])
    assert [(i.code, i.path) for i in found] == [("duplicate-number", "0027-a.md"), ("duplicate-number", "027-b.md")]
    assert "027-b.md" in found[0].message
    assert "another number" in found[0].remedy


def test_each_folder_numbers_its_own_records():
    first = [record("a/0001-x", "superseded by 2"), record("a/0002-y", "accepted", "Supersedes: 1")]
    second = [record("b/0001-x", "superseded by 2"), record("b/0002-y", "accepted", "Supersedes: 1")]
    assert codes(*first, *second) == []


def test_an_ambiguous_link_names_both_and_has_its_place():
    (issue,) = [
        i
        for i in check_links([record("0027-a"), record("0027-b"), record("0041-c", "accepted", "Supersedes ADR-0027")])
        if i.code == "ambiguous-link"
    ]
    assert (issue.path, issue.line, issue.column) == ("0041-c.md", 5, 12)
    assert "0027-a.md or 0027-b.md" in issue.message
    assert "[ADR-0027](0027-a.md)" in issue.remedy


def test_a_link_to_the_file_is_not_ambiguous():
    new = record("0041-c", "accepted", "Supersedes [ADR-0027](0027-b.md)")
    found = codes(record("0027-a"), record("0027-b", "superseded by 41"), new)
    assert found == [("duplicate-number", "0027-a.md"), ("duplicate-number", "0027-b.md")]


def test_broken_links():
    found = check_links([record("0001-a", "superseded by ADR-0044"), record("0002-mla", "accepted", "Amends: mlla.md")])
    assert [(i.code, i.path, i.line) for i in found] == [
        ("broken-link", "0001-a.md", 3),
        ("broken-link", "0002-mla.md", 5),
    ]
    assert "ADR-44" in found[0].message


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (("superseded by 2",), ("accepted",), "0001-a.md"),
        (("accepted",), ("accepted", "Supersedes: 1"), "0002-b.md"),
        (("superseded",), ("accepted", "Supersedes: 1"), "0002-b.md"),
        (("accepted", "Superseded by: 2"), ("accepted", "Supersedes: 1"), "0001-a.md"),
        (("superseded by 2",), ("proposed", "Supersedes: 1"), "0001-a.md"),
        (("superseded by 2",), ("rejected", "Supersedes: 1"), "0001-a.md"),
    ],
)
def test_sides_that_disagree(old, new, where):
    found = check_links([record("0001-a", *old), record("0002-b", *new)])
    assert [(i.code, i.path) for i in found] == [("one-sided-link", where)]
    assert found[0].line > 0
    assert "archwright adr" in found[0].remedy or "stands" in found[0].remedy


def test_a_proposed_record_does_not_yet_supersede():
    old, new = record("0001-a"), record("0002-b", "proposed", "Supersedes: 1")
    assert codes(old, new) == []
    assert not Graph([old, new]).supersedes(new, old)


def test_several_successors():
    assert (
        codes(
            record("0001-a", "superseded by 2 and 3"),
            record("0002-b", "accepted", "Supersedes: 1"),
            record("0003-c", "accepted", "Supersedes: 1"),
        )
        == []
    )


def test_circles_are_found_once_also_long_ones():
    ring = [
        record(f"{n:04}-x", f"superseded by {n % 900 + 1}", f"Supersedes: {(n - 2) % 900 + 1}") for n in range(1, 901)
    ]
    (issue,) = check_links(ring)
    assert issue.code == "supersede-cycle"
    (itself,) = check_links([record("0005-x", "accepted", "Supersedes: 5")])
    assert itself.code == "supersede-cycle"
    assert "itself" in itself.message


def test_a_small_circle_is_told_in_order():
    issues = check_links(
        [
            record("0001-a", "superseded by 2", "Supersedes: 2"),
            record("0002-b", "superseded by 1", "Supersedes: 1"),
        ]
    )
    assert [i.code for i in issues] == ["supersede-cycle"]
    assert "ADR-0001 by ADR-0002 by ADR-0001" in issues[0].message


def test_templates_and_readmes_take_no_part():
    assert codes(record("0001-a"), parse("# T\n\nStatus: superseded by 99\n", "adr-template.md")) == []


def test_one_record_by_what_a_person_types():
    graph = Graph([record("0001-a"), record("0027-b"), record("0027-c"), record("mla")])
    assert graph.one("1").path == graph.one("ADR-0001").path == graph.one("0001-a.md").path == "0001-a.md"
    assert graph.one("mla").path == "mla.md"
    with pytest.raises(UnknownName, match=r"0027-b\.md or 0027-c\.md"):
        graph.one("27")
    with pytest.raises(UnknownName, match="no record 99"):
        graph.one("99")
