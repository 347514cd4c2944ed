"""import: records of ours from the plain-text form, docstrings and other dialects; the prose stays as it is."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from archwright.decisions.check import check
from archwright.decisions.importing import Imported, guess, import_file
from archwright.decisions.record import find_records, read
from archwright.errors import ArchwrightError, Unreadable, UsageError

FOLDER = Path("docs/decisions")


def imported(name: str, content: str, base: str | None = None) -> list[Imported]:
    """What is imported from a file of that name."""
    Path(name).write_text(textwrap.dedent(content), encoding="utf-8")
    return import_file(name, base, FOLDER)


def text_of(one: Imported) -> str:
    """The text of a new record."""
    return Path(one.path).read_text(encoding="utf-8")


PLAIN = """\
Architecture Decision Record: Fewer heads

Date: 2025-11-15
Status: Approved
Authors: Ada, Grace

Context:
- The window is 32K tokens
  wrapped here

Decision:
We take 8 KV heads instead of 32.

    code   stays   as it is

Alternatives Considered:
1. One KV head
   - loses quality
"""


def test_the_plain_text_form(project: Path) -> None:
    (one,) = imported("record.txt", PLAIN)
    assert text_of(one) == (
        "---\nstatus: accepted\ndate: 2025-11-15\nauthors: [Ada, Grace]\nbase: architecture.yaml\n"
        "decision: {n_kv_heads: 8}\nalternatives:\n  mha: {n_kv_heads: 32}\n  mqa: {n_kv_heads: 1}\n"
        "settings: {context: 32768}\n---\n# Fewer heads\n\n## Context\n\n- The window is 32K tokens\n  wrapped here\n\n"
        "## Decision\n\nWe take 8 KV heads instead of 32.\n\n    code   stays   as it is\n\n"
        "## Alternatives Considered\n\n1. One KV head\n   - loses quality\n"
    )
    assert [g.partition("  (from")[0] for g in one.guesses] == [
        "decision: n_kv_heads: 8",
        "alternatives: mha: n_kv_heads: 32",
        "alternatives: mqa: n_kv_heads: 1",
        "settings: context: 32,768",
    ]


def test_several_records_in_one_file_and_around_them_other_text(project: Path) -> None:
    first, second = imported(
        "notes.md",
        "# Our notes\n\nSome words.\n\n```text\n"
        "Architecture Decision Record: One\n\nStatus: Proposed\n\nContext:\nA.\n```\n\n"
        "More words.\n\nArchitecture Decision Record: Two\n\nStatus: Rejected\n\nContext:\nB.\n\n```\nC:\n```\n\nD.\n",
    )
    assert (read(first.path).title, read(first.path).status) == ("One", "proposed")
    assert (read(second.path).title, read(second.path).status) == ("Two", "rejected")
    assert text_of(first).endswith("## Context\n\nA.\n")
    assert text_of(second).endswith("## Context\n\nB.\n\n```\nC:\n```\n\nD.\n")


def test_a_docstring_with_sections_and_figures(project: Path) -> None:
    (one,) = imported(
        "module.py",
        '''\
        r"""A module \\d without sections."""

        class Grouped:
            """Attention in groups.

            Memory Analysis:
                - With 8 KV heads rather than 32 the cache takes 4.0 GB.

                  A second paragraph.

            Quality Impact:
            - Falls by 0.3%.
            """

            def small(self):
                """Adds 1.

                Args:
                    none at all
                """
                return "\\d"
        ''',
    )
    assert one.title == "Grouped"
    record = read(one.path)
    assert record.status == "unknown" and record.decision == {"n_kv_heads": 8}
    assert text_of(one).endswith(
        "# Grouped\n\nAttention in groups.\n\n## Memory Analysis\n\n"
        "- With 8 KV heads rather than 32 the cache takes 4.0 GB.\n\n  A second paragraph.\n\n"
        "## Quality Impact\n\n- Falls by 0.3%.\n"
    )


def test_a_plain_record_in_a_docstring(project: Path) -> None:
    (one,) = imported(
        "module.py",
        'X = 1\n\n"""\nArchitecture Decision Record: Inside\n\nStatus: Proposed\n\nContext:\nA.\n"""\n\nprint("Y:")\n',
    )
    assert text_of(one).endswith("# Inside\n\n## Context\n\nA.\n")


def test_nygard(project: Path) -> None:
    (one,) = imported(
        "0003-old.md",
        "# 3. Use it\n\nDate: 2020-01-02\n\n## Status\n\nSuperseded by [5. Other](0005-other.md)\n\n"
        "## Context\n\nWords.  \nMore.\n",
    )
    record = read(one.path)
    assert (record.title, record.status, record.date) == ("Use it", "superseded", "2020-01-02")
    assert record.superseded_by == ("5",) and record.ours
    assert text_of(one).endswith("# Use it\n\nDate: 2020-01-02\n\n## Context\n\nWords.  \nMore.\n")
    assert "## Status" not in text_of(one)


def test_a_status_section_of_several_lines_stays(project: Path) -> None:
    (one,) = imported("a.md", "# A\n\n## Status\n\nAccepted\n\nAmended by ADR-0009\n\n## Context\n\nC.\n")
    assert "## Status\n\nAccepted\n\nAmended by ADR-0009" in text_of(one)
    assert read(one.path).status == "accepted"


def test_madr(project: Path) -> None:
    (one,) = imported(
        "0001-x.md",
        '---\nstatus: "accepted"\ndate: 2024-01-01\ndeciders: Ada, Grace\nparent: Decisions\n---\n'
        "# Use MADR\n\n## Considered Options\n\n* A\n",
    )
    record = read(one.path)
    assert (record.status, record.date, record.authors) == ("accepted", "2024-01-01", ("Ada", "Grace"))
    assert text_of(one).endswith("---\n# Use MADR\n\n## Considered Options\n\n* A\n")


def test_every_imported_record_can_be_checked(project: Path) -> None:
    imported("record.txt", PLAIN)
    imported("0003-old.md", "# 3. Use it\n\n## Status\n\nAccepted\n\n## Context\n\nWords.\n")
    report = check()
    assert {f.code for f in report.findings} <= {"not-pinned", "unbound-number"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("none.txt", "Just words.\n"),
        ("none.py", "x = 1\n"),
        ("none.md", ""),
        ("README.md", "# About\n\nWords.\n"),
        ("bad.py", "def (\n"),
        ("deep.py", "(" * 5000),
        ("template.md", "# [short title]\n\n## Status\n\n[proposed | accepted]\n"),
    ],
)
def test_nothing_that_reads_as_a_record(name: str, content: str, project: Path) -> None:
    with pytest.raises(Unreadable) as raised:
        imported(name, content)
    assert all(p.where is not None and p.where.path == name and p.remedy for p in raised.value.problems)
    assert list(FOLDER.iterdir()) == []


def test_our_own_records_are_not_imported_again(project: Path) -> None:
    (one,) = imported("record.txt", PLAIN)
    with pytest.raises(UsageError, match="already"):
        import_file(one.path, None, FOLDER)


def test_a_bad_base_writes_nothing(project: Path) -> None:
    for base in ("nowhere.yaml", "preset:nothing"):
        with pytest.raises(ArchwrightError):
            imported("record.txt", PLAIN, base)
    assert list(FOLDER.iterdir()) == []


def test_without_a_base_what_is_plain_is_guessed_all_the_same(project: Path) -> None:
    (project / "architecture.yaml").unlink()
    (one,) = imported("record.txt", PLAIN)
    assert "base:" not in text_of(one) and "decision: {n_kv_heads: 8}" in text_of(one)


@pytest.mark.parametrize(
    ("text", "decision", "alternatives"),
    [
        ("We use 8 KV heads instead of 32.", {"n_kv_heads": 8}, {"mha": 32}),
        ("4 key-value heads rather than 8 of them", {"n_kv_heads": 4}, {"kv8": 8}),
        ("n_kv_heads: 8 (4x fewer than the usual 32)", {"n_kv_heads": 8}, {"mha": 32}),
        ("A single KV head was too few.", {}, {"mqa": 1}),
        ("7 KV heads instead of 32", {}, {}),
        ("8 of 32 layers", {}, {}),
        ("Multi-query attention has 1 KV heads", {}, {}),
        ("", {}, {}),
    ],
)
def test_only_what_sentences_say_plainly_is_guessed(
    text: str, decision: dict[str, int], alternatives: dict[str, int]
) -> None:
    from archwright.arch.config import ArchitectureConfig

    found, others, _, said = guess(text, ArchitectureConfig())
    assert found == decision
    assert {name: change["n_kv_heads"] for name, change in others.items()} == alternatives
    assert len(said) >= len(found) + len(others)


def test_records_of_real_projects_keep_status_date_and_words(shared: Path, project: Path) -> None:
    count = 0
    for path in find_records(shared / "data" / "records"):
        before = read(path)
        if not before.is_record or not before.text.strip():
            continue
        try:
            (one,) = import_file(path, "architecture.yaml", FOLDER)
        except Unreadable:
            assert not before.title
            continue
        after = read(one.path)
        count += 1
        assert (after.status, after.date, after.title) == (before.status, before.date, before.title or after.title), (
            path
        )
        assert after.superseded_by == before.superseded_by and after.supersedes == before.supersedes, path
        lines = [line for line in before.text.split("\n") if re.match(r"[*-] |[A-Z]", line) and len(line) > 40]
        assert all(line in after.text for line in lines if not line.startswith(("Supersede", "Status"))), path
    assert count > 80
    assert check().exit_code() in (0, 1)
