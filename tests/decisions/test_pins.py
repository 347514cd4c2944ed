"""Pins: what was decided on is kept, read for ever, and told apart from what holds today."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from archwright.arch.files import load
from archwright.costs import hardware
from archwright.decisions.pins import Pins, content_name
from archwright.errors import InvalidValue, Problem, UsageError

from .over_time import Project

DATA = Path(__file__).resolve().parents[1] / "data" / "pins-v1"

FRONT = "decision: {n_kv_heads: 8}\nalternatives:\n  mha: {n_kv_heads: 32}\nsettings: {context: 32768, dtype: bf16}"
BODY = "The cache is [4.00 GiB][kv_cache], [4x smaller][kv_cache.mha->decision]; there are [5.93 B][parameters]."


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


# Accepting ------------------------------------------------------------------------------------------------------


def test_accept_keeps_what_was_decided_on(project: Project) -> None:
    path = project.record(1, FRONT, BODY)
    said = project.accept(path)
    (pin,) = project.pins()
    assert said == f"ADR-0001 is accepted (was proposed), decided on {pin.stem}"
    assert re.fullmatch(r"v1-[0-9a-f]{16}", pin.stem)
    text = path.read_text(encoding="utf-8")
    assert f"decided_on: {pin.stem}\n---\n" in text and "status: accepted" in text
    assert f'[kv_cache]: bases/{pin.name} "computed: 4.00 GiB, holds"' in text
    report = project.check()
    assert not report.findings and [c.verdict for c in report.claims] == ["holds"] * 3
    data = load(pin).data
    assert data["base"]["architecture"]["n_kv_heads"] == 8
    assert data["values"]["kv_cache"] == "4294967296 B"
    assert data["values"]["kv_cache.mha->decision"] == ["17179869184 B", "4294967296 B"]
    assert content_name(data) == pin.stem


def test_accept_twice_changes_nothing(project: Project) -> None:
    path = project.record(1, FRONT, BODY)
    project.accept(path)
    before = {p: p.read_bytes() for p in project.root.rglob("*") if p.is_file()}
    assert "already accepted, decided on v1-" in project.accept(path)
    assert {p: p.read_bytes() for p in project.root.rglob("*") if p.is_file()} == before


def test_an_accepted_record_without_a_pin_says_so_and_is_pinned_as_it_is(project: Project) -> None:
    path = project.record(1, FRONT, BODY, status="accepted")
    (said,) = project.said("not-pinned")
    assert "archwright adr accept 1" in said
    assert "pinned as it is" in project.accept(path)
    assert project.codes() == []


def test_every_other_byte_of_the_record_stays(project: Project) -> None:
    path = project.record(1, FRONT, BODY)
    data = "\ufeff".encode() + path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(data)
    project.accept(path)
    after = path.read_bytes()
    assert after.startswith("\ufeff---\r\n".encode()) and b"\n" not in after.replace(b"\r\n", b"")
    head, _, rest = after.partition(b"decided_on: ")
    assert (
        head.replace(b"accepted", b"proposed") + rest.partition(b"\r\n")[2].partition(b"\r\n\r\n[kv_cache]")[0] in data
    )
    assert project.codes() == []


def test_records_that_speak_of_no_architecture_need_no_pin(project: Project) -> None:
    path = project.write("docs/decisions/0001-words.md", "# Words\n\n## Status\n\nProposed\n\n## Context\n\nNone.\n")
    assert project.accept(path) == "ADR-0001 is accepted (was proposed)"
    assert project.pins() == [] and project.codes() == []


def test_what_cannot_be_computed_cannot_be_kept(project: Project) -> None:
    path = project.record(1, "decision: {n_kv_heads: 7}", BODY)
    before = path.read_bytes()
    with pytest.raises(InvalidValue, match="cannot be computed"):
        project.accept(path)
    assert path.read_bytes() == before and project.pins() == []


def test_a_status_that_cannot_be_accepted_leaves_nothing(project: Project) -> None:
    path = project.record(1, FRONT, BODY, status="rejected")
    with pytest.raises(UsageError):
        project.accept(path)
    assert project.pins() == []


def test_presets_devices_bases_of_alternatives_and_requirements_are_kept(project: Project) -> None:
    project.write("other.yaml", "architecture: {d_model: 2048, n_heads: 16, n_kv_heads: 4}\n")
    with (project.root / "architecture.yaml").open("a") as file:
        file.write("requirements:\n  - {name: room, metric: fits, device: a100-80gb, context: 4096}\n")
    front = """
    alternatives:
      other: {base: other.yaml}
      llama: {base: "preset:llama-3.1-8b"}
    settings: {device: h100-sxm, context: 4096}
    """
    path = project.record(1, front, "[8.03 B][parameters.llama], [4.2 ms][decode_time], [1.9 B][parameters.other].")
    project.accept(path)
    data = load(project.pins()[0]).data
    assert set(data["others"]) == {"other.yaml", "preset:llama-3.1-8b"}
    assert set(data["devices"]) == {"h100-sxm", "a100-80gb"}
    assert data["base"]["requirements"][0]["name"] == "room"
    pin = Pins().find(project.pins()[0].stem, str(project.root / "docs/decisions"))
    assert not isinstance(pin, Problem) and not pin.edited
    assert pin.devices["h100-sxm"] == hardware.device("h100-sxm")


# As decided and today -------------------------------------------------------------------------------------------


def test_a_change_of_the_base_is_drift_and_no_error(project: Project) -> None:
    path = project.record(1, FRONT, BODY)
    project.accept(path)
    project.set("d_ff: 11008", "d_ff: 8192")
    report = project.check()
    assert report.ok and all(c.verdict == "holds" for c in report.claims)
    (note,) = [f for f in report.findings if f.code == "drifted"]
    assert (note.severity, note.message) == ("note", "parameters drifted: 5.93 B to 4.83 B since it was accepted")


def test_the_own_decision_is_no_drift(project: Project) -> None:
    """A record is decided on a base without it; that the file then has what was decided must not count as drift."""
    path = project.record(
        1, "decision: {n_kv_heads: 4}", "[2x smaller][kv_cache.base->decision]: [2.00 GiB][kv_cache]."
    )
    project.accept(path)
    assert project.codes() == ["decision-upheld"], "the file does not have it yet"
    project.set("n_kv_heads: 8", "n_kv_heads: 4")
    assert project.codes() == []


def test_a_false_figure_fails_whatever_the_file_says_today(project: Project) -> None:
    path = project.record(1, FRONT, BODY.replace("4.00 GiB", "2.00 GiB"))
    project.accept(path)
    project.set("max_seq_len: 32768", "max_seq_len: 16384")
    assert "claim-fails" in project.codes()
    assert project.check().exit_code() == 1


def test_accelerators_are_as_they_were(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project.record(1, "settings: {context: 4096, device: h100-sxm}", "[3.7 ms][decode_time].")
    found = project.check().claims[0].right
    project.set("3.7 ms", found, "docs/decisions/0001-record-1.md")
    project.accept(path)
    assert project.codes() == []
    was = hardware.device("h100-sxm")
    facts = tuple((n, hardware.Fact(f.value / 2, f.source, f.read_on)) for n, f in was.facts)
    slow = hardware.Device(was.slug, was.name, was.vendor, facts)
    monkeypatch.setitem(hardware.devices._items, "h100-sxm", slow)
    report = project.check()
    assert report.ok and report.claims[0].verdict == "holds"
    assert [f.code for f in report.findings] == ["drifted"]


# Another release ------------------------------------------------------------------------------------------------


def recomputed(project: Project, old: str, new: str) -> None:
    """The pin as another release of ours would have written it: other values, and so another name."""
    (pin,) = project.pins()
    text = pin.read_text(encoding="utf-8").replace(old, new).replace('release: "0.1.0"', 'release: "0.0.7"')
    from archwright.arch.files import parse_yaml

    name = content_name(parse_yaml(text).data)
    pin.unlink()
    (pin.parent / f"{name}.yaml").write_text(text, encoding="utf-8")
    for path in (project.root / "docs/decisions").glob("*.md"):
        path.write_text(path.read_text(encoding="utf-8").replace(pin.stem, name), encoding="utf-8")


def test_a_value_that_is_computed_differently_since_is_a_note(project: Project) -> None:
    path = project.record(1, FRONT, BODY)
    project.accept(path)
    project.set("4.00 GiB][kv_cache]", "5.00 GiB][kv_cache]", "docs/decisions/0001-record-1.md")
    recomputed(project, 'kv_cache: "4294967296 B"', 'kv_cache: "5368709120 B"')
    report = project.check()
    assert report.ok and [c.verdict for c in report.claims] == ["holds"] * 3
    (note,) = [f for f in report.findings if f.code == "computed-differently"]
    assert note.severity == "note"
    assert "since 0.0.7: 5.00 GiB then, 4.00 GiB now" in note.message


def test_values_of_the_time_do_not_excuse_other_settings(project: Project) -> None:
    path = project.record(1, FRONT, BODY)
    project.accept(path)
    project.set("context: 32768", "context: 65536", "docs/decisions/0001-record-1.md")
    assert "claim-fails" in project.codes()


# Bad pins -------------------------------------------------------------------------------------------------------


def test_an_edited_pin_is_an_error(project: Project) -> None:
    project.accept(project.record(1, FRONT, BODY))
    (pin,) = project.pins()
    project.set("n_kv_heads: 8", "n_kv_heads: 4", str(pin.relative_to(project.root)))
    assert "edited-pin" in project.codes()
    assert project.check().exit_code() == 1
    (said,) = project.said("edited-pin")
    assert f"git checkout HEAD -- docs/decisions/bases/{pin.name}" in said


def test_comments_layout_and_line_ends_of_a_pin_do_not_matter(project: Project) -> None:
    project.accept(project.record(1, FRONT, BODY))
    (pin,) = project.pins()
    text = pin.read_text(encoding="utf-8").replace("decision:\n  n_kv_heads: 8", "decision: {n_kv_heads: 8}")
    pin.write_bytes(("# moved\n" + text).replace("\n", "\r\n").encode())
    assert project.codes() == []


@pytest.mark.parametrize("content", [None, "", "[1, 2]", 'format: 2\nrelease: "9"\n', "a: [", "format: 1\nbase: {}\n"])
def test_a_pin_that_is_gone_or_unreadable_is_an_error(project: Project, content: str | None) -> None:
    path = project.record(1, FRONT, BODY)
    project.accept(path)
    (pin,) = project.pins()
    if content is None:
        pin.unlink()
    else:
        pin.write_text(content)
    report = project.check()
    assert [f.code for f in report.findings if f.severity == "error"] == ["missing-pin"]
    assert report.exit_code() == 3
    assert project.said("missing-pin")[0].strip().count(". ") >= 1
    if content is None:
        assert "written again" in project.accept(path)
        assert project.codes() == []
    else:
        with pytest.raises(UsageError, match="lost or edited"):
            project.accept(path)


def test_a_pin_that_cannot_be_made_again_is_not_made_up(project: Project) -> None:
    path = project.record(1, FRONT, BODY)
    project.accept(path)
    project.pins()[0].unlink()
    project.set("d_ff: 11008", "d_ff: 8192")
    with pytest.raises(UsageError, match="git log"):
        project.accept(path)


@pytest.mark.parametrize("name", ["../../architecture", "v1-XYZ", "yes", "v1-0123456789abcdef"])
def test_a_name_that_is_none_never_leaves_the_folder(project: Project, name: str) -> None:
    project.record(1, f"{FRONT}\ndecided_on: {name}", BODY, status="accepted")
    assert "missing-pin" in project.codes()


def test_a_changed_decision_of_an_accepted_record_is_an_error(project: Project) -> None:
    project.accept(project.record(1, FRONT, "No figures."))
    project.set("decision: {n_kv_heads: 8}", "decision: {n_kv_heads: 4}", "docs/decisions/0001-record-1.md")
    (said,) = project.said("changed-decision")
    assert "{n_kv_heads: 4}, but {n_kv_heads: 8} was accepted" in said and "supersedes" in said


def test_a_base_that_was_moved_or_deleted(project: Project) -> None:
    project.accept(project.record(1, FRONT, BODY))
    (project.root / "models").mkdir()
    shutil.move(project.root / "architecture.yaml", project.root / "models" / "architecture.yaml")
    report = project.check()
    assert all(c.verdict == "holds" for c in report.claims), "as decided, everything still holds"
    (said,) = project.said("broken-base")
    assert "does not exist" in said and "write base: models/architecture.yaml" in said
    project.set("base: architecture.yaml", "base: models/architecture.yaml", "docs/decisions/0001-record-1.md")
    assert project.codes() == []
    (project.root / "models" / "architecture.yaml").unlink()
    (said,) = project.said("broken-base")
    assert "Name the file that took its place" in said


# Yesterday's format ---------------------------------------------------------------------------------------------


def test_pins_of_format_1_are_read_byte_for_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records and pins as the first release wrote them: nothing of them may ever need to change."""
    shutil.copytree(DATA, tmp_path / "v1")
    monkeypatch.chdir(tmp_path / "v1")
    from archwright.decisions.check import check

    report = check()
    assert {f.status for f in report.files if f.kind == "record"} == {"accepted", "superseded"}
    assert [f for f in report.findings if f.code not in ("computed-differently", "drifted")] == []
    assert {c.verdict for c in report.claims} == {"holds"}
    assert len(report.claims) > 10
    pins = sorted((DATA / "docs" / "decisions" / "bases").glob("*.yaml"))
    assert len(pins) >= 3
    for pin in pins:
        assert content_name(load(pin).data) == pin.stem
    before = {p.name: p.read_bytes() for p in DATA.rglob("*") if p.is_file()}
    check(fix=True)
    assert {p.name: p.read_bytes() for p in (tmp_path / "v1").rglob("*") if p.is_file()} == before


def test_a_decision_taken_out_of_an_accepted_record_is_an_error(project: Project) -> None:
    project.accept(project.record(1, FRONT, "No figures."))
    project.set("decision: {n_kv_heads: 8}\n", "", "docs/decisions/0001-record-1.md")
    assert project.codes() == ["changed-decision"]
    (said,) = project.said("changed-decision")
    assert "{n_kv_heads: 8} was accepted" in said


@pytest.mark.parametrize("place", ["front", "prose", "definitions"])
def test_a_record_with_a_merge_conflict_is_not_accepted(project: Project, place: str) -> None:
    path = project.record(1, FRONT, BODY)
    conflict = "<<<<<<< ours\n{a}\n=======\n{b}\n>>>>>>> theirs\n"
    text = path.read_text(encoding="utf-8")
    if place == "front":
        text = text.replace(
            "decision: {n_kv_heads: 8}\n",
            conflict.format(a="decision: {n_kv_heads: 8}", b="decision: {n_kv_heads: 4}"),
        )
    elif place == "prose":
        text = text.replace("# Record 1\n", "# Record 1\n\n" + conflict.format(a="One.", b="Two."))
    else:
        a, b = ('[kv_cache]: x.yaml "computed: 4.00 GiB, holds"', '[kv_cache]: x.yaml "computed: 2.00 GiB, holds"')
        text += "\n" + conflict.format(a=a, b=b)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="merge conflict"):
        project.accept(path)
    assert path.read_text(encoding="utf-8") == text and project.pins() == []
    if place == "definitions":
        from archwright.decisions.check import check

        check(fix=True)
        assert "decided on" in project.accept(path)


def test_a_field_that_no_longer_exists(project: Project) -> None:
    """A record decided about a field that a later release, or the file, does not have: said, and never a traceback."""
    project.accept(project.record(1, FRONT, "No figures."))
    (pin,) = project.pins()
    for file in (pin, project.root / "docs/decisions/0001-record-1.md"):
        file.write_text(file.read_text().replace("n_kv_heads: 8}", "n_bygone_heads: 8}"))
    pin.write_text(pin.read_text().replace("decision:\n  n_kv_heads: 8", "decision:\n  n_bygone_heads: 8"))
    report = project.check()
    assert {"broken-base"} <= {f.code for f in report.findings}
    assert any("n_bygone_heads is not a field" in f.message for f in report.findings)
