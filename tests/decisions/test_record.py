"""Reading records: front matter and its shape, positions, broken input, and the files that are records."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archwright.decisions.dialects import DIALECTS
from archwright.decisions.record import find_records, parse, read
from archwright.errors import Unreadable

OURS = """---
status: accepted
date: 2025-11-15
authors: [Architecture Team, "B, C"]
base: architecture.yaml
decision: {n_kv_heads: 8}
alternatives:
  mha:   {n_kv_heads: 32}
  flash: {settings: {backend: flash}, note: no change of shape}
settings: {context: 32768, dtype: bf16}
claims:
  w: weights
  mmlu: {eval: mmlu/acc, on: proxy}
proxy: architectures/small.yaml
decided_on: v1-abc
---
# Fewer heads
"""


def test_our_front_matter():
    record = parse(OURS, "docs/decisions/0007-fewer-heads.md")
    assert record.ours
    assert record.dialect == "archwright"
    assert record.problems == ()
    assert record.authors == ("Architecture Team", "B, C")
    assert (record.base, record.proxy, record.decided_on) == ("architecture.yaml", "architectures/small.yaml", "v1-abc")
    assert record.decision == {"n_kv_heads": 8}
    assert record.alternatives["mha"] == {"n_kv_heads": 32}
    assert record.alternatives["flash"] == {"settings": {"backend": "flash"}, "note": "no change of shape"}
    assert record.settings == {"context": 32768, "dtype": "bf16"}
    assert record.claims_entries == {"w": "weights", "mmlu": {"eval": "mmlu/acc", "on": "proxy"}}
    assert record.body_line == 17
    assert record.text.split("\n")[record.body_line - 1] == "# Fewer heads"
    assert record.label == "ADR-0007"
    place = record.place("alternatives", "flash")
    assert (place.path, place.line) == ("docs/decisions/0007-fewer-heads.md", 9)


@pytest.mark.parametrize(
    ("lines", "field", "line", "words"),
    [
        ("decision: 8", "decision", 3, "must be a map"),
        ("decision: [a]", "decision", 3, "must be a map"),
        ("base: 3", "base", 3, "must be a text"),
        ("settings: bf16", "settings", 3, "must be a map"),
        ("settings:\n  context: {a: 1}", "settings.context", 4, "must be one value"),
        ("alternatives: [a]", "alternatives", 3, "from names to changes"),
        ("alternatives:\n  MHA: {n_kv_heads: 32}", "alternatives", 4, "lower case"),
        ("alternatives:\n  a-: {n_kv_heads: 32}", "alternatives", 4, "does not end in -"),
        ("alternatives:\n  base: {n_kv_heads: 32}", "alternatives", 4, "reserved"),
        ("alternatives:\n  a: 4", "alternatives.a", 4, "must be a map"),
        ("alternatives:\n  a: {change: {n: 1}, n_kv_heads: 2}", "alternatives.a.n_kv_heads", 4, "under change"),
        ("alternatives:\n  a: {change: 1}", "alternatives.a.change", 4, "must be a map"),
        ("claims: x", "claims", 3, "from names to entries"),
        ("claims:\n  settings: weights", "claims", 4, "reserved"),
        ("claims:\n  a: 4", "claims.a", 4, "a metric's name or a map"),
        ("claims:\n  4: weights", "claims.4", 4, ""),
        ("alternativs: {}", "alternativs", 3, "no key"),
        ("setings: {}", "setings", 3, "no key"),
    ],
)
def test_the_shape_of_our_front_matter_is_checked_with_places(lines, field, line, words):
    extra = "" if lines.startswith("base") else "base: a.yaml\n"
    shift = 1 if extra else 0
    record = parse(f"---\nstatus: proposed\n{extra}{lines}\n---\n# T\n", "0001-t.md")
    (problem,) = record.problems
    assert problem.field == field
    assert words in problem.rule
    assert problem.remedy
    assert problem.where.path == "0001-t.md"
    assert problem.where.line == line + shift
    assert record.status == "proposed"


def test_all_problems_at_once_and_the_sound_parts_are_kept():
    text = "---\nbase: 1\ndecision: {a: 1}\nalternatives:\n  X: {a: 2}\n  y: {a: 3}\nsettings: {c: [1]}\n---\n"
    record = parse(text)
    assert len(record.problems) == 3
    assert record.decision == {"a": 1}
    assert list(record.alternatives) == ["y"]


def test_other_peoples_front_matter_is_not_checked():
    record = parse("---\nstatus: accepted\nalternativs: x\nparent: y\n---\n# T\n")
    assert record.problems == ()
    assert record.dialect == "front-matter"


def test_a_front_matter_that_is_never_closed():
    record = parse("---\nstatus: accepted\ndate: 2025-01-01\n# T\n\n## Context\n", "0003-x.md")
    assert record.status == "unknown"
    assert record.title == "T"
    (problem,) = record.problems
    assert "never closed" in problem.rule
    assert "before line 4" in problem.remedy
    assert str(problem.where) == "0003-x.md:1:1"


def test_a_rule_on_the_first_line_is_no_front_matter():
    record = parse("---\n\n# T\n\nStatus: Accepted\n")
    assert record.front_matter is None
    assert (record.title, record.status, record.problems) == ("T", "accepted", ())


def test_invalid_yaml_is_a_problem_with_a_line_and_the_status_is_still_read():
    record = parse('---\nstatus: accepted\ndecision: {a: 1\nbase: "x\n---\n# T\n', "0001-x.md")
    assert record.status == "accepted"
    assert record.problems
    assert all(p.where is not None and p.where.line > 1 for p in record.problems)


def test_a_duplicate_key_is_a_problem():
    record = parse("---\nstatus: accepted\nstatus: rejected\n---\n# T\n")
    assert record.problems
    assert record.status == "accepted"


def test_numbers_in_front_matter_are_read_as_people_write_them():
    assert parse("---\nsuperseded-by: 0010\n---\n").superseded_by == ("10",)
    assert parse("---\nsupersedes: [0008, ADR-009,\n  0010-x.md]\n---\n").supersedes == ("8", "9", "10")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_and_line_ends_change_nothing(newline, mark):
    plain = parse(OURS, "a/0001-x.md")
    other = parse(mark + OURS.replace("\n", newline), "a/0001-x.md")
    assert other.text == plain.text
    assert other.status_where == plain.status_where
    assert other.decision == plain.decision
    assert repr(other) == repr(plain)


def test_the_place_of_a_link():
    record = parse("# T\n\n## Status\n\nAccepted\n\nSupersedes [ADR-0002](0002-b.md)\n", "0003-c.md")
    (link,) = record.links
    assert (link.kind, link.ref, link.stem, link.line, link.column) == ("supersedes", "2", "0002-b", 7, 12)


def test_a_placeholder_title_makes_no_record():
    for title in ("{short title, solved problem}", "[short title of problem]", "[Number]. [Title]", "ADR-NNNN: Title"):
        assert not parse(f"# {title}\n", "0001-x.md").is_record, title
    assert parse("# Titles of pages\n", "0001-x.md").is_record
    assert parse("# [Draft] page titles\n", "0001-x.md").is_record


def test_find_records(tmp_path):
    for name in ("0002-b.md", "0001-a.md", "README.md", "adr-template.md", "x.txt", "sub/0003-c.md", ".git/0004-d.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# T\n")
    found = find_records(tmp_path)
    assert [f.removeprefix(f"{tmp_path}/") for f in found] == ["0001-a.md", "0002-b.md", "sub/0003-c.md"]
    assert find_records([tmp_path / "README.md", tmp_path / "sub"])[0].endswith("README.md")
    with pytest.raises(Unreadable) as caught:
        find_records([tmp_path / "gone.md", tmp_path / "lost"])
    assert len(caught.value.problems) == 2


def test_a_loop_of_links_below_a_folder_ends(tmp_path):
    (tmp_path / "0001-a.md").write_text("# T\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert len(find_records(tmp_path)) == 1


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(Unreadable):
        read(tmp_path / "missing.md")
    (tmp_path / "0001-x.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Unreadable):
        read(tmp_path / "0001-x.md")


PIECES = st.sampled_from(
    [
        "---\n",
        "status: accepted\n",
        "status: [a | b\n",
        "superseded-by: [1,\n",
        "# T\n",
        "T\n===\n",
        "## Status\n",
        "\n",
        "* Status: ",
        "**Status** ",
        "| Status | Date |\n|--|--|\n| a |\n",
        "Superseded by ",
        "[ADR-1](",
        "0001-x.md)",
        "accepted",
        "```\n",
        "> ",
        "<!--",
        "-->",
        "\t",
        "    ",
        '"""\nArchitecture Decision Record: x\n',
        "Date: ",
        "2020-02-30",
        "Links\n-----\n",
        "alternatives: {}\n",
        "claims: {a: 1}\n",
        "\ufeff",
        "\r",
        "\x00",
        "é",
        "٣",
    ]
)


@given(st.text(max_size=200))
@example("---\n")
@example("---\n---")
@example("---\n? [a]: b\n---\n")
@example("---\n&a [*a]\n---\nbase: x")
@example("---\nbase: !!python/object:os.system x\n---\n")
def test_any_text_is_read(text):
    record = parse(text, text[:20])
    assert record.status in ("proposed", "accepted", "rejected", "deprecated", "superseded", "unknown")


@given(st.lists(PIECES, max_size=25).map("".join))
def test_any_mixture_of_record_pieces_is_read(text):
    record = parse(text, "0001-x.md")
    line, column = record.status_where
    lines = record.text.split("\n")
    assert line <= len(lines)
    assert not line or column <= len(lines[line - 1]) + 1
    for link in record.links:
        assert 1 <= link.line <= len(lines)
        assert 1 <= link.column <= len(lines[link.line - 1]) + 1
    if record.spot is not None:
        assert 0 <= record.spot.start <= record.spot.end <= len(record.text)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
def test_every_prefix_of_every_dialect_is_read(dialect):
    for end in range(len(dialect.example)):
        parse(dialect.example[:end], "0001-x.md")


def test_the_room_is_light():
    import subprocess
    import sys

    code = (
        "import sys; import archwright.decisions as d; before = 'archwright.decisions.record' in sys.modules;"
        "d.read; print(before, any(m in sys.modules for m in ('torch', 'numpy', 'markdown_it', 'yaml')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
