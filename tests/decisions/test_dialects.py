"""Every dialect of decision records: a table of small records of our own, and what a reader should find in each."""

from __future__ import annotations

import pytest

from archwright.decisions.dialects import DIALECTS
from archwright.decisions.record import parse, status_problem

# ruff: noqa: E501
# text, status, date, superseded_by, supersedes
CASES = [
    ("# T\n\n## Status: Accepted\n", "accepted", None, (), ()),
    ("# T\n\n## Status — Rejected\n\nfoo", "rejected", None, (), ()),
    ("# T\n\n## 2. Status\n\n**Accepted**\n", "accepted", None, (), ()),
    ("# T\n\n| **Status** | Accepted |\n|---|---|\n| **Date** | 2020-01-02 |\n", "accepted", "2020-01-02", (), ()),
    (
        "# T\n\n|  |  |\n|---|---|\n| Status | Superseded by [ADR-3](0003-a.md) |\n| Decision date | 21.07.2017 |\n",
        "superseded",
        "2017-07-21",
        ("3",),
        (),
    ),
    ("# T\n\n| Status | Date |\n|---|---|\n| Accepted | 10 Apr 2022 |\n", "accepted", "2022-04-10", (), ()),
    ("# T\n\n**Status:** Accepted | **Date:** September 20, 2024\n", "accepted", "2024-09-20", (), ()),
    ("# T\n\n**Status**: Proposed  **Date**: 2023-11-8\n", "proposed", "2023-11-08", (), ()),
    (
        "# T\n\n- **Status:** [Accepted](https://x.y/pull/3)\n- **Date:** 2018-08-30; Last update date: 2019-04-09\n",
        "accepted",
        "2018-08-30",
        (),
        (),
    ),
    ("# T\n\n- Status: [proposed | accepted]\n", "unknown", None, (), ()),
    ("# T\n\nStatus: Draft/Final\n", "unknown", None, (), ()),
    ("# T\n\nStatus: Accepted/Implemented\n", "accepted", None, (), ()),
    ("# T\n\n## Status\n\nAccepted\n\nSuperseded by [4. x](0004-x.md)\n", "superseded", None, ("4",), ()),
    ("# T\n\n## Status\n\nAccepted\nSuperseded by ADR-4 and ADR-5a\n", "superseded", None, ("4", "5a"), ()),
    ("# T\n\n## Status\n\naccepted\nsuperseded by 4\n", "superseded", None, ("4",), ()),
    ("# T\n\nStatus: Accepted, partially superseded by [5](0005-x.md)\n", "accepted", None, (), ()),
    ("# T\n\nStatus: Partially accepted\n", "unknown", None, (), ()),
    ("# T\n\nStatus: Partly superseded by 5\n", "unknown", None, (), ()),
    ("# T\n\nStatus: ~~Proposed~~ Accepted\n", "accepted", None, (), ()),
    ("# T\n\nStatus: `Accepted`.\n", "accepted", None, (), ()),
    ("# T\n\nStatus: {Accepted}\n", "accepted", None, (), ()),
    ("# T\n\nStatus: (approved)\n", "accepted", None, (), ()),
    ("# T\n\nStatus: on hold\n", "unknown", None, (), ()),
    ("# T\n\nStatus: Superseded\nSuperseded by: 0010-foo.md\n", "superseded", None, ("10",), ()),
    ("# T\n\n* Status: accepted\n* Supersedes: [ADR-0002](0002-x.md), ADR-0003\n", "accepted", None, (), ("2", "3")),
    ("# T\n\n* Status: accepted\n* Superseded by: None\n* Supersedes: --\n", "accepted", None, (), ()),
    (
        "---\nstatus: accepted\nsuperseded-by: 0010\nsupersedes: [3, ADR-0004, 0005-x]\n---\n# T\n",
        "accepted",
        None,
        ("10",),
        ("3", "4", "5"),
    ),
    (
        "---\nstatus: accepted\nsupersededBy: gqa_implementation\nreplaces:\n  - ADR-001\n  - 40a\n---\n# T\n",
        "accepted",
        None,
        ("gqa_implementation",),
        ("1", "40a"),
    ),
    (
        '---\nstatus: "Accepted" # really\ncreated: 2020-1-2\n---\n# T\n\nStatus: rejected\n',
        "accepted",
        "2020-01-02",
        (),
        (),
    ),
    ("---\ntitle: ADR-0003: Foo\nstatus: accepted\n---\n\nbody\n", "accepted", None, (), ()),
    ("---\nstatus: accepted\n# T\n\nStatus: Accepted", "accepted", None, (), ()),
    ("# T\n\n```\nStatus: Accepted\n```\n", "unknown", None, (), ()),
    ("# T\n\n<!--\nStatus: Accepted\n-->\nStatus: Proposed", "proposed", None, (), ()),
    ("# T\n\n- [Status](#status)\n- [Context](#c)\n\n## Context\n\n## Status\n\nDeclined\n", "rejected", None, (), ()),
    ("T\n=\n\nStatus\n------\n\nAccepted\n\nContext\n-------\n\nx\n", "accepted", None, (), ()),
    ("# T\n\nStatus: Accepted\n---\n", "accepted", None, (), ()),
    ("# T\n\n## Status\n\nAccepted\n\n---\n\n## Context", "accepted", None, (), ()),
    ("# T\n\n## Status\n\n- [ ] Proposed\n- [x] Accepted\n", "accepted", None, (), ()),
    ("# T\n\nStatus: Reverted by ADR-5\n", "unknown", None, (), ()),
    ("# T\n\nStatus: In review\n", "proposed", None, (), ()),
    ("# T\n\nStatus: Decision proposed\n", "proposed", None, (), ()),
    ("# T\n\nStatus: accepted and applied in v7\n", "accepted", None, (), ()),
    ("# T\n\nStatus: Superceded by 12. Foo bar\n", "superseded", None, ("12",), ()),
    ("# T\n\nStatus: superseded by [0005-example](0005-example.md)\n", "superseded", None, ("5",), ()),
    (
        "# T\n\nStatus: Superseded by [new](https://github.com/a/b/blob/main/docs/adr/0012-new.md)\n",
        "superseded",
        None,
        ("12",),
        (),
    ),
    ("# T\n\nStatus: Superseded by [#12](https://github.com/a/b/issues/12)\n", "superseded", None, (), ()),
    (
        "Architecture Decision Record: X\n\nDate: 2025-11-15\nStatus: Approved\nAuthors: A\n\nContext:\n- foo\n",
        "accepted",
        "2025-11-15",
        (),
        (),
    ),
    (
        'import os\n\nclass A:\n    """Architecture Decision Record: X\n\n    Date: 2025-11-15\n    Status: Approved\n    """\n    Status: int\n',
        "accepted",
        "2025-11-15",
        (),
        (),
    ),
    ("# T\n\n**Status**\n\nAccepted\n", "accepted", None, (), ()),
    ("# T\n\n## Status\n\nAccepted (supersedes [ADR-2](0002-b.md))\n", "accepted", None, (), ("2",)),
    ("# T\n\n## Status\n\nAccepted.\nThe lower half is superseded by [ADR-2](0002-b.md).\n", "accepted", None, (), ()),
    ("# T\n\n## Status\n\n2020-02-03 accepted\n", "accepted", None, (), ()),
    ("# T\n\n## Supersedes\n\n- ADR-0003\n\n## Superseded by\n\nN/A\n", "unknown", None, (), ("3",)),
    ("# T\n\n## Links\n\n* Supersedes [x](0002-x.md)\n* Replaced by [y](0003-y.md)\n", "unknown", None, ("3",), ("2",)),
    ("# T\n\nprose that\nsupersedes ADR-0003 for good\n", "unknown", None, (), ()),
    ("# T\n\nSupersedes ADR-0003\n", "unknown", None, (), ("3",)),
    ("# T\n\nSupersedes some aspects of ADR-0003\n", "unknown", None, (), ()),
    ("# T\n\nReplaces ADR-0003 in part\n", "unknown", None, (), ()),
    ("# T\n\n> Status: Accepted\n", "accepted", None, (), ()),
    ("# T\n\nStatus: Accepted<br>\nDate: 03/04/2020\n", "accepted", None, (), ()),
    ("# T\n\nStatus:\n", "unknown", None, (), ()),
    ("# T\n\nStatus:\nDate: 2020-02-30\n", "unknown", None, (), ()),
    ("\ufeff# T\r\n\r\n* Status: accepted\r\n", "accepted", None, (), ()),
    ("# T\n\n__Status:__ _accepted_\n", "accepted", None, (), ()),
    ("# T\n\n### Status\n\n> Deprecated\n", "deprecated", None, (), ()),
    ("# T\n\n## Status\n\n![status](https://x/accepted.svg)\n", "unknown", None, (), ()),
    ("# T\n\n## Status\n\nSuperseded in part by ADR-4\n", "unknown", None, (), ()),
    ("# T\n\n## Status\n\nAccepted\n\nAmends [3](0003-x.md), [4](0004-y.md)\n", "accepted", None, (), ()),
    ("# T\n\nStatus: ✅ Accepted\n", "accepted", None, (), ()),
    ("# T\n\n* Status: superseded by [ADR-0005](<0005-a b.md>) (2020-02-03)\n", "superseded", None, ("5",), ()),
    ("# T\n\nStatus: superseded by adr-0005-foo.md\n", "superseded", None, ("5",), ()),
    ("# T\n\nStatus: obsolete\n", "deprecated", None, (), ()),
    ("# T\n\nStatus: Implemented in #34\n", "accepted", None, (), ()),
    ("# T\n\nDate: 2024-12\n\n## Status\n\nnot accepted yet\n", "unknown", None, (), ()),
    ("# T\n\n| Status | Accepted |\n| Date | 2020-02-03 |\n", "accepted", "2020-02-03", (), ()),
    (
        "# T\n\nDate: YYYY-MM-DD\nStatus: proposed, accepted, rejected, deprecated, superseded by [ADR-5](0005-x.md)\n",
        "unknown",
        None,
        (),
        (),
    ),
    (
        "---\nstatus: {proposed | accepted}\ndate: {YYYY-MM-DD when the decision was last updated}\n---\n# T\n",
        "unknown",
        None,
        (),
        (),
    ),
    ("---\nstatus: superseded by [ADR-0005](0005-x.md)\n---\n# T\n", "superseded", None, ("5",), ()),
    ("---\nstatus: [accepted]\n---\n# T\n", "accepted", None, (), ()),
    ("---\nadr: 5\nstatus: null\n---\n# T\n\nStatus: Accepted\n", "accepted", None, (), ()),
    ("---\nstatus: >\n  accepted\n---\n# T\n", "accepted", None, (), ()),
    ("# T\n\n- Status:\n  - Accepted\n", "accepted", None, (), ()),
    (
        "# T\n\nStatus: Accepted. Supersedes [ADR-2](0002-b.md). Superseded by [ADR-9](0009-c.md)\n",
        "superseded",
        None,
        ("9",),
        ("2",),
    ),
    ("# T\n\nStatus: Superseded by ADR-12, ADR-13; see also ADR-14\n", "superseded", None, ("12", "13"), ()),
    ("# T\n\n## Date\n\n2020-05-06\n\n## Status\n\nAccepted\n", "accepted", "2020-05-06", (), ()),
]


@pytest.mark.parametrize(("text", "status", "date", "superseded_by", "supersedes"), CASES)
def test_what_a_record_says(text, status, date, superseded_by, supersedes):
    record = parse(text, "x.md")
    found = (record.status, record.date, record.superseded_by, record.supersedes)
    assert found == (status, date, superseded_by, supersedes)
    if "# T\n" in text:
        assert record.title == "T"


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
def test_the_example_of_a_dialect_is_read_as_that_dialect(dialect):
    record = parse(dialect.example, "0001-title.md")
    assert record.dialect == dialect.name
    assert record.title == "Title"
    assert record.status == ("unknown" if dialect.name == "none" else "accepted")
    if record.status_where != (0, 0):
        line, column = record.status_where
        assert record.text.split("\n")[line - 1][column - 1 :].lower().startswith(("accepted", "approved"))


def test_names_of_dialects_are_distinct():
    assert len({d.name for d in DIALECTS}) == len(DIALECTS) == 11


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("# T\n\n## Status\n\nParked\n", (5, 1)),
        ("---\nstatus: aproved\n---\n# T\n", (2, 9)),
        ('---\ntags: x\nstatus:   "on hold"\n---\n# T\n', (3, 11)),
        ("# T\n\n* **Status:** parked\n", (3, 15)),
        ("# T\n\n| Status | Parked |\n", (3, 12)),
        ("# T\r\n\r\n- Status: parked\r\n", (3, 11)),
        ("\ufeff# T\n\n## Status - Parked\n", (3, 13)),
        ("# T\n", (0, 0)),
    ],
)
def test_an_unknown_status_has_its_place_and_a_remedy(text, where):
    record = parse(text, "x.md")
    assert record.status == "unknown"
    assert record.status_where == where
    problem = status_problem(record)
    assert problem is not None
    assert problem.remedy
    assert (problem.where.line, problem.where.column) == where


def test_the_nearest_status_word_is_offered_and_no_far_one():
    near = status_problem(parse("---\nstatus: aproved\n---\n# T\n"))
    assert near is not None
    assert near.remedy == "did you mean approved?"
    far = status_problem(parse("# T\n\nStatus: Parked\n"))
    assert far is not None
    assert "did you mean" not in far.remedy
    choice = status_problem(parse("# T\n\nStatus: [proposed | accepted]\n"))
    assert choice is not None
    assert "choices" in choice.rule
    assert status_problem(parse("# T\n\nStatus: Accepted\n")) is None


def test_status_raw_is_the_value_as_written():
    assert parse('---\nstatus: "accepted"\n---\n# T\n').status_raw == '"accepted"'
    assert parse("# T\n\n## Status\n\nAccepted\n\nAmended by [2. X](0002-x.md)\n").status_raw == (
        "Accepted / Amended by [2. X](0002-x.md)"
    )


def test_amended_changes_no_status_and_is_a_link_of_its_own():
    record = parse("# T\n\n## Status\n\nAccepted. Amended by [ADR-0002](0002-x.md).\n\nAmends ADR-7\n")
    assert (record.status, record.amended_by, record.amends) == ("accepted", ("2",), ("7",))
    assert record.superseded_by == record.supersedes == ()


def test_the_plain_text_form_in_a_docstring_of_python_source():
    text = '''# Why, not what.

"""
Architecture Decision Record: Fewer heads

Date: 2025-11-15
Status: Approved
Authors: Team A, Team B

Context:
- Status: this is prose of the context
"""

Status: int = 3
'''
    record = parse(text, "model.py")
    assert (record.title, record.status, record.date) == ("Fewer heads", "accepted", "2025-11-15")
    assert record.authors == ("Team A", "Team B")
    assert record.dialect == "plain-text"
    assert record.status_where == (7, 9)


def test_front_matter_wins_over_the_text():
    record = parse("---\nstatus: proposed\ndate: 2025-01-02\n---\n# T\n\nStatus: Accepted\nDate: 2020-01-01\n")
    assert (record.status, record.date) == ("proposed", "2025-01-02")


@pytest.mark.parametrize(
    ("heading", "title"),
    [
        ("# ADR-0012: Foo", "Foo"),
        ("# 12. Foo", "Foo"),
        ("# 0012 - Foo", "Foo"),
        ("# ADR 12 Foo", "Foo"),
        ("# [ADR-0012] Foo", "Foo"),
        ("# Architecture Decision Record: ADR-003: Foo", "Foo"),
        ("# Decision Record 3: Foo", "Foo"),
        ("# 40a. Foo", "Foo"),
        ("# ADR-0001 – Foo", "Foo"),
        ("# Foo {#foo}", "Foo"),
        ("# Foo #", "Foo"),
        ("Foo\n===", "Foo"),
        ("# ADR for OCR", "ADR for OCR"),
        ("# 8 KV heads", "8 KV heads"),
        ("# 8-bit cache", "8-bit cache"),
        ("# Use C#", "Use C#"),
        ("# Use `x` for *y*", "Use `x` for *y*"),
        ("## Only level 2", ""),
        ("```\n# In code\n```", ""),
        ("<!-- # In a comment -->", ""),
        ("---\ntitle: 'ADR-7: Foo'\n---\n\nno heading", "Foo"),
    ],
)
def test_titles(heading, title):
    assert parse(heading + "\n", "0099-x.md").title == title


def test_a_bare_number_is_cut_from_a_title_only_where_it_is_the_records_own():
    assert parse("# 8 Cache\n", "0008-cache.md").title == "Cache"
    assert parse("# 8 KV heads\n", "0008-8-kv-heads.md").title == "8 KV heads"
