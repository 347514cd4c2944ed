"""fill: question marks become figures; wrong figures only on request, and never in a decided record."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archwright.decisions.check import check
from archwright.decisions.filling import fill
from archwright.errors import UsageError

HEAD = (
    "---\nstatus: {status}\nbase: architecture.yaml\ndecision: {{n_kv_heads: 8}}\nalternatives:\n"
    "  mha: {{n_kv_heads: 32}}\nsettings: {{context: 32768, dtype: bf16}}\n"
    "---\n# Cache\n\n"
)


def write(project: Path, body: str, status: str = "proposed", newline: str = "\n") -> str:
    """A record in the project; its path."""
    path = project / "docs" / "decisions" / "0001-cache.md"
    path.write_bytes((HEAD.format(status=status) + body).replace("\n", newline).encode())
    return str(path)


def body_of(path: str) -> str:
    """The prose of a record, without front matter and definitions."""
    text = Path(path).read_bytes().decode()
    return re.split(r"\n\n\[[^\]]+\]: ", text.partition("# Cache")[2])[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[?][kv_cache]", "[4.00 GiB][kv_cache]"),
        ("**[?][kv_cache.mha]**", "**[16.0 GiB][kv_cache.mha]**"),
        ("[**?**][kv_cache]", "[4.00 GiB][kv_cache]"),
        ("[?][kv_cache.mha->decision]", "[4.00x smaller][kv_cache.mha->decision]"),
        ("[?][parameters]", "[5.93 B][parameters]"),
        ("[?][n_kv_heads]", "[8 heads][n_kv_heads]"),
        ("[?][tie_embeddings]", "[does not fit][tie_embeddings]"),
        ("| [?][weights] | [?][n_layers] |\n|---|---|", "| [11.1 GiB][weights] | [32 layers][n_layers] |\n|---|---|"),
        ("[?][fits(device=h100-sxm)]", "[fits][fits(device=h100-sxm)]"),
        ("> - [?][kv_cache(per=layer)]", "> - [128 MiB][kv_cache(per=layer)]"),
    ],
)
def test_a_question_mark_becomes_the_value(before: str, after: str, project: Path) -> None:
    if "tie_embeddings" in before:
        after = after.replace("does not fit", "false")
    path = write(project, before + "\n")
    done, left = fill(path)
    assert left == [] and len(done) == before.count("?")
    assert body_of(path).strip() == after
    report = check(fix=False)
    assert {c.verdict for c in report.claims} == {"holds"} and report.findings == []


def test_nothing_else_is_touched(project: Path) -> None:
    body = "Ä  [?][kv_cache]  \n\n*  [9 GiB][kv_cache]  is wrong, `[?][kv_cache]` is code, what? [a question?](x)\n"
    path = write(project, body, newline="\r\n")
    before = Path(path).read_bytes()
    done, left = fill(path)
    assert [(d.line, d.column, d.before, d.after) for d in done] == [(11, 4, "?", "4.00 GiB")] and left == []
    after = Path(path).read_bytes()
    assert after.startswith(before.replace(b"[?][kv_cache]", b"[4.00 GiB][kv_cache]", 1))
    assert after.count(b"\r\n") == after.count(b"\n")


def test_wrong_figures_of_a_proposed_record_on_request(project: Path) -> None:
    path = write(
        project, "[9 GiB][kv_cache], [4x larger][kv_cache.mha->decision], [about 20 GB][kv_cache.mha], [?][weights]\n"
    )
    done, _ = fill(path)
    assert [d.after for d in done] == ["11.1 GiB"]
    done, left = fill(path, wrong=True)
    assert [d.after for d in done] == ["4 GiB", "4x smaller", "about 16.0 GiB"] and left == []
    assert {c.verdict for c in check().claims} == {"holds"}
    assert fill(path, wrong=True) == ([], [])


@pytest.mark.parametrize("status", ["accepted", "rejected", "deprecated", "superseded by ADR-0002"])
def test_what_was_decided_keeps_its_figures(status: str, project: Path) -> None:
    path = write(project, "[9 GiB][kv_cache], [?][weights]\n", status)
    before = Path(path).read_bytes()
    with pytest.raises(UsageError, match="decided on"):
        fill(path, wrong=True)
    assert Path(path).read_bytes() == before
    done, left = fill(path)
    assert [d.after for d in done] == ["11.1 GiB"] and left == []


def test_what_cannot_be_filled_is_named_and_the_rest_is_filled(project: Path) -> None:
    path = write(project, "[?][speed], [?][kvv_cache], [?][kv_cache.mqa], [?][weights]\n")
    text = Path(path).read_text()
    Path(path).write_text(text.replace("---\n# Cache", "claims: {speed: {bench: decode_throughput}}\n---\n# Cache"))
    done, left = fill(path)
    assert [d.label for d in done] == ["weights"]
    assert [line.split()[0] for line in left] == ["12:1", "12:13", "12:29"]
    assert "kv_cache?" in left[1] and "mqa" in left[2]
    assert body_of(path).strip() == "[?][speed], [?][kvv_cache], [?][kv_cache.mqa], [11.1 GiB][weights]"


def test_a_record_with_nothing_to_fill_is_not_written(project: Path) -> None:
    path = write(project, "[4.00 GiB][kv_cache]\n")
    before = Path(path).stat().st_mtime_ns, Path(path).read_bytes()
    assert fill(path) == ([], [])
    assert (Path(path).stat().st_mtime_ns, Path(path).read_bytes()) == before
