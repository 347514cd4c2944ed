"""Real records of public repositories against their labels, where the external data set is at hand."""

from __future__ import annotations

import csv

import pytest

from archwright.decisions.links import check_links
from archwright.decisions.record import find_records, read

EXACT = ("title", "status_raw")


@pytest.fixture(scope="module")
def labels(shared):
    folder = shared / "data" / "records"
    with open(folder / "labels.csv", encoding="utf-8", newline="") as stream:
        return folder, list(csv.DictReader(stream))


def test_every_labelled_file_is_read_as_labelled(labels):
    folder, rows = labels
    wrong = []
    for row in rows:
        record = read(folder / row["path"])
        if record.is_record != (row["is_record"] == "yes"):
            wrong.append((row["path"], "is_record", record.is_record))
        if row["is_record"] != "yes":
            continue
        found = {
            "number": record.number or "",
            "title": record.title,
            "status": record.status,
            "status_raw": record.status_raw,
            "date": record.date or "",
            "superseded_by": ";".join(record.superseded_by),
            "supersedes": ";".join(record.supersedes),
        }
        for column, value in found.items():
            allowed = [row[column]] if column in EXACT else row[column].split(" | ")
            if value not in ["" if a == "none" else a for a in allowed]:
                wrong.append((row["path"], column, value, row[column]))
    assert len(rows) == 120
    assert wrong == []


def test_the_files_found_are_the_labelled_records(labels):
    folder, rows = labels
    wanted = {str(folder / row["path"]) for row in rows if row["is_record"] == "yes"}
    found = set(find_records(folder))
    assert wanted <= found
    assert not found & {str(folder / row["path"]) for row in rows if row["is_record"] == "no"}


def test_links_of_the_real_records_break_nowhere_but_in_the_excerpt(labels):
    folder, _ = labels
    issues = check_links(read(path) for path in find_records(folder))
    assert [i.code for i in issues] == ["one-sided-link"]


def test_field_case_status_with_prose(shared):
    records = [read(p) for p in find_records(shared / "data/field-cases/fc-15-status-with-prose")]
    assert [r.status for r in records] == ["accepted", "accepted"]
    assert [r.superseded_by + r.supersedes for r in records] == [(), ()]
    assert [r.amended_by for r in records] == [("2",), ("1",)]


def test_field_case_status_spellings(shared):
    records = [read(p) for p in find_records(shared / "data/field-cases/fc-17-status-spellings")]
    assert [r.status for r in records] == ["superseded", "accepted", "accepted", "accepted", "rejected", "unknown"]
    assert records[0].superseded_by == ("3",)


def test_field_case_numbers_shared_and_suffixed(shared):
    folder = shared / "data/field-cases/fc-18-numbers-shared-and-suffixed"
    records = [read(p) for p in find_records(folder)]
    assert [r.number for r in records] == ["27", "27", "40", "40a", "40b", "41"]
    issues = check_links(records)
    assert sorted(i.code for i in issues) == ["ambiguous-link", "duplicate-number", "duplicate-number"]
    ambiguous = next(i for i in issues if i.code == "ambiguous-link")
    assert "0027-licence-gate.md" in ambiguous.message
    assert "0027-trace-colours.md" in ambiguous.message


def test_the_users_own_document_is_read(shared):
    found = [p for p in (shared / "seed").glob("*.txt") if "Architecture Decision Record:" in p.read_text("utf-8")]
    assert found
    record = read(found[0])
    assert (record.title, record.status, record.date) == ("Grouped Query Attention", "accepted", "2025-11-15")
    assert record.authors == ("Architecture Team",)
