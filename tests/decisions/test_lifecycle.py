"""Accept, reject, deprecate, supersede: in every dialect, in place, every other byte kept."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.atomic import write_bytes
from archwright.decisions import edits, lifecycle
from archwright.decisions.lifecycle import accept, deprecate, reject, set_status, supersede
from archwright.decisions.links import check_links
from archwright.decisions.record import find_records, parse, read
from archwright.errors import NotSupported, UsageError, WriteFailed
from archwright.textio import Text

BODY = "\n## Context\n\nProse with `Status: accepted` in it.\n\n```\nStatus: accepted\n```\n"
# name, record with @ for the status
TEXTS = {
    "archwright": "---\nstatus: @\ndate: 2025-11-15\ndecision: {n_kv_heads: 8}\n---\n# T\n" + BODY,
    "front-matter": "---\ntitle: x\nstatus: @ # a comment\n---\n# T\n" + BODY,
    "front-matter quoted": '---\nstatus: "@"\n---\n# T\n' + BODY,
    "section": "# 3. T\n\nDate: 2025-11-15\n\n## Status\n\n@\n" + BODY,
    "section with a date": "# 3. T\n\n## Status\n\n@ (2025-11-15)\n" + BODY,
    "section in bold": "# T\n\n## Status\n\n**@**\n" + BODY,
    "section at the end": "# T\n" + BODY + "\n## Status\n\n@\n",
    "section without a last line end": "# T\n" + BODY + "\n## Status\n\n@",
    "section as a list": "# T\n\n## Status\n\n* @\n* Date: 2025-11-15\n" + BODY,
    "section quoted": "# T\n\n## Status\n\n> @\n" + BODY,
    "section with an amendment": "# T\n\n## Status\n\n@. Amended by [ADR-0009](0009-z.md).\n" + BODY,
    "section underlined": "T\n=\n\nStatus\n------\n\n@\n" + BODY,
    "heading": "# T\n\n## Status - @\n" + BODY,
    "heading with a colon": "# T\n\n## Status: @\n" + BODY,
    "bullet": "# T\n\n* Status: @\n* Date: 2025-11-15\n" + BODY,
    "bullet in bold": "# T\n\n- **Status:** @\n- **Date:** 2025-11-15\n" + BODY,
    "bold": "# T\n\n**Status**: @  \n**Date**: 2025-11-15\n" + BODY,
    "bold and a date on the line": "# T\n\n**Status:** @ | **Date:** 2025-11-15\n" + BODY,
    "bold with a link": "# T\n\n**Status:** [@](https://example.org/pull/3)\n" + BODY,
    "line": "# T\n\nStatus: @\n" + BODY,
    "table": "# T\n\n| Field | Value |\n|---|---|\n| **Status** | @ |\n| Date | 2025-11-15 |\n" + BODY,
    "table with the status as header": "# T\n\n| Status | @ |\n|---|---|\n| Date | 2025-11-15 |\n" + BODY,
    "column": "# T\n\n| Status | Date |\n|---|---|\n| @ | 2025-11-15 |\n" + BODY,
    "plain-text": "Architecture Decision Record: T\n\nDate: 2025-11-15\nStatus: @\n\nContext:\n- prose\n",
}
NEW = "---\nstatus: accepted\n---\n# New\n"
MARKS = [(b"", "\n"), (b"\xef\xbb\xbf", "\n"), (b"", "\r\n"), (b"\xef\xbb\xbf", "\r\n")]


def write(folder, name, text, mark=b"", newline="\n"):
    path = folder / name
    path.write_bytes(mark + text.replace("\n", newline).encode())
    return path


def changed(before, after):
    """The lines taken away and the lines added, as bytes."""
    moves = list(difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)))
    return [m[2:] for m in moves if m[:1] == "-"], [m[2:] for m in moves if m[:1] == "+"]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(("old", "new"), [("Proposed", "accepted"), ("draft", "rejected"), ("accepted", "deprecated")])
def test_a_new_status_replaces_the_word_and_nothing_else(tmp_path, name, old, new):
    for mark, newline in MARKS:
        path = write(tmp_path, "0003-t.md", TEXTS[name].replace("@", old), mark, newline)
        outcome = set_status(path, new)
        word = new.capitalize() if old[0].isupper() else new
        assert path.read_bytes() == mark + TEXTS[name].replace("@", word).replace("\n", newline).encode()
        assert outcome.changed == (str(path),)
        assert new in outcome.messages[0]
        again = set_status(path, new)
        assert again.changed == ()
        assert again.messages == (f"ADR-0003 is already {new}",)


@pytest.mark.parametrize("name", TEXTS)
def test_every_dialect_can_be_superseded(tmp_path, name):
    for mark, newline in MARKS:
        text = TEXTS[name].replace("@", "Accepted")
        old = write(tmp_path, "0003-t.md", text, mark, newline)
        new = write(tmp_path, "0004-new.md", NEW)
        before = read(old)
        outcome = supersede(old, by=new)
        assert len(outcome.changed) == 2
        after = read(old)
        assert (after.status, after.superseded_by, after.dialect) == ("superseded", ("4",), before.dialect)
        assert (after.date, after.title, after.amended_by) == (before.date, before.title, before.amended_by)
        assert read(new).supersedes == ("3",)
        gone, added = changed((mark + text.replace("\n", newline).encode()).decode(), old.read_bytes().decode())
        assert len(gone) == len(added) == 1, (gone, added)
        ending = "\r\n" if newline == "\r\n" else "\n"
        assert added[0].endswith(ending) or name == "section without a last line end"
        done = (old.read_bytes(), new.read_bytes())
        assert supersede(old, by=new).changed == ()
        assert (old.read_bytes(), new.read_bytes()) == done
        assert [i for i in check_links([read(old), read(new)]) if i.code != "broken-link"] == []


@pytest.mark.parametrize("name", TEXTS)
def test_every_dialect_can_supersede(tmp_path, name):
    for mark, newline in MARKS:
        text = TEXTS[name].replace("@", "Accepted")
        new = write(tmp_path, "0003-t.md", text, mark, newline)
        olds = [write(tmp_path, f"000{n}-old.md", "# T\n\n* Status: accepted\n") for n in (1, 2)]
        for old in olds:
            supersede(old, by=new)
        after = read(new)
        assert (after.status, after.supersedes) == ("accepted", ("1", "2"))
        gone, added = changed((mark + text.replace("\n", newline).encode()).decode(), new.read_bytes().decode())
        assert len(gone) <= 1, (gone, added)
        assert any("upersedes" in line for line in added)
        assert [i for i in check_links([after, *map(read, olds)]) if i.code != "broken-link"] == []


def test_a_second_successor_is_added_to_the_first(tmp_path):
    for name, text in TEXTS.items():
        old = write(tmp_path, "0003-t.md", text.replace("@", "accepted"))
        news = [write(tmp_path, f"000{n}-new.md", NEW) for n in (4, 5)]
        for new in news:
            supersede(old, by=new)
        assert read(old).superseded_by == ("4", "5"), name


def test_a_wrapped_status_is_extended(tmp_path):
    text = "# 1. T\n\n## Status\n\nSuperseded by\n[ADR-0004](0004-new.md)\n\n## Context\n"
    old = write(tmp_path, "0001-t.md", text)
    write(tmp_path, "0004-new.md", NEW.replace("status", "supersedes: 1\nstatus"))
    new = write(tmp_path, "0005-newer.md", NEW)
    supersede(old, by=new)
    assert old.read_text() == text.replace("new.md)", "new.md), [ADR-0005](0005-newer.md)")


def test_the_field_case_of_three_dialects(shared, tmp_path):
    source = shared / "data/field-cases/fc-16-supersede-every-dialect"
    before = {p.name: p.read_bytes() for p in source.iterdir()}
    for name, data in before.items():
        (tmp_path / name).write_bytes(data)
    olds = sorted(before)[:3]
    for name in olds:
        supersede(tmp_path / name, by=tmp_path / "0004-new.md")
    after = {name: (tmp_path / name).read_bytes() for name in before}
    assert after[olds[0]] == before[olds[0]].replace(
        b"Status: accepted", b"Status: superseded by [ADR-0004](0004-new.md)"
    )
    assert after[olds[1]] == before[olds[1]].replace(b"status: accepted", b"status: superseded by ADR-0004")
    assert after[olds[2]] == before[olds[2]].replace(b"\nAccepted\n", b"\nSuperseded by [ADR-0004](0004-new.md)\n")
    assert after["0004-new.md"] == before["0004-new.md"].replace(
        b"status: accepted\n", b"status: accepted\nsupersedes: [ADR-0001, ADR-0002, ADR-0003]\n"
    )
    assert check_links(map(read, find_records(tmp_path))) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(before)


def test_an_interrupted_run_is_finished_by_the_next(tmp_path):
    old = write(tmp_path, "0001-t.md", "# T\n\nStatus: accepted\n")
    new = write(tmp_path, "0002-n.md", NEW)
    supersede(old, by=new)
    whole = (old.read_bytes(), new.read_bytes())
    old.write_text("# T\n\nStatus: accepted\n")
    outcome = supersede(old, by=new)
    assert outcome.changed == (str(old),)
    assert "already says" in outcome.messages[0]
    new.write_text(NEW)
    assert supersede(old, by=new).changed == (str(new),)
    assert (old.read_bytes(), new.read_bytes()) == whole


def test_a_link_on_a_line_of_its_own_only_lacks_the_word(tmp_path):
    old = write(tmp_path, "0001-t.md", "# T\n\n* Status: accepted\n* Superseded by: [ADR-0002](0002-n.md)\n")
    new = write(tmp_path, "0002-n.md", NEW)
    supersede(old, by=new)
    assert old.read_text() == "# T\n\n* Status: superseded\n* Superseded by: [ADR-0002](0002-n.md)\n"


@pytest.mark.parametrize(
    ("text", "command", "words"),
    [
        ("Status: rejected", accept, "cannot be accepted"),
        ("Status: superseded by 2", accept, "superseded by ADR-2 and cannot be accepted"),
        ("Status: deprecated", accept, "cannot be accepted"),
        ("Status: accepted", reject, "cannot be rejected"),
        ("Status: proposed", deprecate, "cannot be deprecated"),
    ],
)
def test_changes_that_make_no_sense(tmp_path, text, command, words):
    path = write(tmp_path, "0001-t.md", f"# T\n\n{text}\n")
    with pytest.raises(UsageError, match=words) as caught:
        command(path)
    assert caught.value.problems[0].remedy
    assert path.read_text() == f"# T\n\n{text}\n"


@pytest.mark.parametrize("status", ["proposed", "rejected", "deprecated", "superseded"])
def test_only_a_record_in_force_supersedes(tmp_path, status):
    old = write(tmp_path, "0001-t.md", "# T\n\nStatus: accepted\n")
    new = write(tmp_path, "0002-n.md", f"# T\n\nStatus: {status}\n")
    with pytest.raises(UsageError, match="cannot supersede ADR-0001"):
        supersede(old, by=new)
    assert "accepted" in old.read_text()


def test_no_record_supersedes_itself_or_in_a_circle(tmp_path):
    paths = [write(tmp_path, f"000{n}-t.md", "# T\n\nStatus: accepted\n") for n in (1, 2, 3)]
    with pytest.raises(UsageError, match="itself"):
        supersede(paths[0], by=paths[0])
    supersede(paths[0], by=paths[1])
    supersede(paths[1], by=paths[2])
    before = [p.read_bytes() for p in paths]
    with pytest.raises(UsageError):
        supersede(paths[2], by=paths[0])
    assert [p.read_bytes() for p in paths] == before


def test_a_repeated_run_after_the_successor_was_itself_superseded(tmp_path):
    paths = [write(tmp_path, f"000{n}-t.md", "# T\n\nStatus: accepted\n") for n in (1, 2, 3)]
    supersede(paths[0], by=paths[1])
    supersede(paths[1], by=paths[2])
    assert supersede(paths[0], by=paths[1]).changed == ()


@pytest.mark.parametrize(
    "text",
    [
        "# T\n\n## Context\n\nNo status anywhere.\n",
        "# T\n\nStatus: we are still waiting for the numbers of the long benchmark, see the notes of the meeting\n",
        "---\nstatus: proposed\n# never closed\n",
        "# T\n\nStatus: proposed, ADR-7 follows\n",
    ],
)
def test_what_a_dialect_cannot_hold_is_refused_and_nothing_changes(tmp_path, text):
    path = write(tmp_path, "0001-t.md", text)
    new = write(tmp_path, "0002-n.md", NEW)
    with pytest.raises(NotSupported) as caught:
        supersede(path, by=new)
    assert caught.value.problems[0].remedy
    assert (path.read_text(), new.read_text()) == (text, NEW)


def test_a_docstring_is_not_edited(tmp_path):
    path = write(tmp_path, "model.py", '"""\nArchitecture Decision Record: T\n\nStatus: Proposed\n"""\n')
    with pytest.raises(NotSupported, match="docstring"):
        accept(path)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("---\nparent: x\n---\n# T\n", "---\nstatus: accepted\nparent: x\n---\n# T\n"),
        ("---\nstatus:\nparent: x\n---\n# T\n", "---\nstatus: accepted\nparent: x\n---\n# T\n"),
        ("# T\n\n## Status\n\n## Context\n", "# T\n\n## Status\n\nAccepted\n\n## Context\n"),
        ("# T\n\nStatus:\n", "# T\n\nStatus: Accepted\n"),
        ("# T\n\nStatus: Parked\n", "# T\n\nStatus: Accepted\n"),
        ("# T\n\n* Status: [proposed | accepted | rejected]\n", "# T\n\n* Status: accepted\n"),
        ('---\nstatus: "on hold"\n---\n# T\n', '---\nstatus: "accepted"\n---\n# T\n'),
        ("# T\n\nStatus: PROPOSED\n", "# T\n\nStatus: ACCEPTED\n"),
        ("# T\n\nStatus: Decision proposed for v7\n", "# T\n\nStatus: Accepted for v7\n"),
    ],
)
def test_unknown_and_odd_statuses_are_accepted_in_place(tmp_path, text, after):
    path = write(tmp_path, "0001-t.md", text)
    accept(path)
    assert path.read_text() == after


def test_names_with_spaces_signs_and_other_scripts_are_linked(tmp_path):
    old = write(tmp_path, "0001-старое.md", "# T\n\n* Status: accepted\n")
    new = write(tmp_path, "0002-50% (new) #1.md", "# T\n\n| Status | accepted |\n")
    supersede(old, by=new)
    assert "(0002-50%25%20%28new%29%20%231.md)" in old.read_text()
    assert check_links(map(read, find_records(tmp_path))) == []


def test_a_number_that_two_files_carry_is_linked_by_file(tmp_path):
    old = write(tmp_path, "0001-t.md", "---\nstatus: accepted\n---\n# T\n")
    write(tmp_path, "0002-a.md", NEW)
    new = write(tmp_path, "0002-b.md", NEW)
    supersede(old, by=new)
    assert "superseded by 0002-b.md" in old.read_text()
    assert {i.code for i in check_links(map(read, find_records(tmp_path)))} == {"duplicate-number"}


def test_records_without_numbers(tmp_path):
    old = write(tmp_path, "gqa_implementation.md", "---\nstatus: accepted\n---\n# T\n")
    new = write(tmp_path, "mla.md", "# T\n\n* Status: accepted\n")
    supersede(old, by=new)
    assert (read(old).superseded_by, read(new).supersedes) == (("mla",), ("gqa_implementation",))
    assert check_links(map(read, find_records(tmp_path))) == []


def test_two_folders(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    old = write(tmp_path / "a", "0001-t.md", "# T\n\n* Status: accepted\n")
    new = write(tmp_path / "b", "0007-n.md", "# T\n\n* Status: accepted\n")
    supersede(old, by=new)
    assert "[ADR-0007](../b/0007-n.md)" in old.read_text()
    assert "[ADR-0001](../a/0001-t.md)" in new.read_text()


def test_if_the_second_file_cannot_be_written_the_first_is_as_before(tmp_path, monkeypatch):
    old = write(tmp_path, "0001-t.md", "# T\n\nStatus: accepted\n")
    new = write(tmp_path, "0002-n.md", NEW)

    def fail_on_old(path, data):
        if os.fspath(path) == str(old):
            raise WriteFailed("no space left")
        write_bytes(path, data)

    monkeypatch.setattr(lifecycle, "write_bytes", fail_on_old)
    with pytest.raises(WriteFailed):
        supersede(old, by=new)
    assert (old.read_text(), new.read_text()) == ("# T\n\nStatus: accepted\n", NEW)


def test_a_disk_that_fills_up(tmp_path):
    text = "# T\n\nStatus: proposed\n\n" + "prose\n" * 25_000
    path = write(tmp_path, "0001-t.md", text)
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384));"
        "from archwright.decisions import accept; from archwright.errors import WriteFailed\n"
        "try: accept(sys.argv[1])\nexcept WriteFailed as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "0001-t.md" in done.stdout
    assert path.read_text() == text
    assert os.listdir(tmp_path) == ["0001-t.md"]


def test_accept_is_also_refused_a_status_that_is_none(tmp_path):
    path = write(tmp_path, "0001-t.md", "# T\n\nStatus: proposed\n")
    with pytest.raises(UsageError):
        set_status(path, "unknown")
    with pytest.raises(UsageError, match="--by"):
        set_status(path, "superseded")


# fmt: off
PIECES = st.sampled_from([
    "---\n", "status: accepted\n", "status:", "supersedes: [", "ADR-1", "]\n", "# T\n", "Status\n---\n", "## Status\n",
    "\n", "* Status: ", "**Status** - ", "| Status | ", "Superseded by ", "[ADR-1](0001-x.md)", "accepted", " | ",
    "Parked", "```\n", "> ", "<!-- x -->", "  ", "Date: 2020-01-02\n", '"""', "- a\n", "[proposed]", "*", '"', "\ufeff",
])
# fmt: on


@given(st.lists(PIECES, max_size=15).map("".join), st.sampled_from(["accepted", "rejected", "superseded", "link"]))
def test_an_edit_of_any_text_says_what_it_should_or_is_refused(text, status):
    text = text.lstrip("\ufeff")
    raw = text.replace("\n", "\r\n").encode()
    source = Text(text, False, "\r\n", raw, "0009-x.md")
    record = parse(text, "0009-x.md")
    other = parse("# Other\n\nStatus: accepted\n", "0010-y.md")
    try:
        if status == "link":
            edit = edits.supersedes_edits(record, "ADR-0010")
            data = lifecycle.revised(source, record, edit, record.status, "supersedes", other)
        elif status == "superseded":
            edit = edits.status_edits(record, status, "ADR-0010")
            data = lifecycle.revised(source, record, edit, status, "superseded_by", other)
        else:
            edit = edits.status_edits(record, status)
            data = lifecycle.revised(source, record, edit, status)
    except NotSupported as refusal:
        assert refusal.problems[0].remedy
        return
    (only,) = edit
    assert data.startswith(text[: only.start].replace("\n", "\r\n").encode())
    assert data.endswith(text[only.end :].replace("\n", "\r\n").encode())
    after = parse(data.decode(), "0009-x.md")
    assert after.status == (record.status if status == "link" else status)
