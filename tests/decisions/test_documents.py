"""Claims beyond records: component pages and Python docstrings, by links or in a section `Claims:`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from archwright.decisions.check import check
from archwright.decisions.docstrings import docstrings_with_claims
from archwright.decisions.report import Report

from .over_time import Project

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    made = Project(tmp_path)
    made.record(1, "settings: {context: 32768}", "The cache is [4.00 GiB][kv_cache].")
    check(fix=True)
    return made


def found(report: Report, *leave_out: str) -> list[tuple[str, str, int, int]]:
    return [(f.code, f.path, f.line, f.column) for f in report.findings if f.code not in leave_out]


# Pages ------------------------------------------------------------------------------------------------------------

PAGE = """\
# Grouped-query attention

The example has [8 heads][n_kv_heads] and a cache of [{cache}][kv_cache(context=32768)].

| field | default |
|---|---|
| `n_kv_heads` | 8 |
"""


def test_a_page_is_checked_with_the_records(project: Project) -> None:
    project.write("docs/components/gqa.md", PAGE.format(cache="2.00 GiB"))
    project.write("docs/components/plain.md", "# Plain\n\nIt has 8 heads and takes 4 GB.\n")
    report = check()
    assert [(f.path, f.kind, len(f.claims)) for f in report.files] == [
        ("docs/decisions/0001-record-1.md", "record", 1),
        ("docs/components/gqa.md", "page", 2),
    ]
    assert found(report, "outdated-definition") == [("claim-fails", "docs/components/gqa.md", 3, 54)]
    assert report.findings[-1].severity == "error" or report.exit_code() == 1


def test_a_page_needs_no_status_and_speaks_of_its_own_base(project: Project) -> None:
    front = "---\nbase: preset:llama-3.1-8b\nsettings: {context: 8192}\n---\n"
    project.write("docs/components/llama.md", front + "# Llama\n\nA cache of [1.00 GiB][kv_cache].\n")
    assert found(check(), "outdated-definition") == []


def test_fix_writes_the_definitions_and_units_of_pages(project: Project) -> None:
    path = project.write("docs/components/gqa.md", PAGE.format(cache="4.00 GB"))
    report = check(fix=True)
    assert report.fixed == ["docs/components/gqa.md"]
    text = path.read_text()
    assert "[4.00 GiB][kv_cache(context=32768)]" in text
    assert text.endswith(
        '[n_kv_heads]: ../../architecture.yaml "computed: 8 heads, holds"\n'
        '[kv_cache(context=32768)]: ../../architecture.yaml "computed: 4.00 GiB, holds"\n'
    )
    assert found(check()) == [] and check(fix=True).fixed == []


def test_a_page_that_is_named_alone(project: Project) -> None:
    project.write("docs/components/plain.md", "# Plain\n")
    project.write("docs/components/gqa.md", PAGE.format(cache="4.00 GiB"))
    assert [f.kind for f in check("docs/components/gqa.md").files] == ["page"]
    assert [f.code for f in check("docs/components/plain.md").findings] == ["nothing-to-check"]
    assert [f.path for f in check("docs/components").files] == ["docs/components/gqa.md"]


def test_the_folder_of_pages_is_a_setting(project: Project) -> None:
    project.write("pyproject.toml", "[tool.archwright]\ncomponents = 'pages'\n")
    project.write("pages/gqa.md", PAGE.format(cache="2.00 GiB"))
    assert ("claim-fails", "pages/gqa.md", 3, 54) in found(check())


# Docstrings -------------------------------------------------------------------------------------------------------


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples" / "gqa", tmp_path / "gqa")
    monkeypatch.chdir(tmp_path / "gqa")
    report = check("grouped_query_attention.py")
    assert report.ok and {c.verdict for c in report.claims} == {"holds"} and not report.findings
    assert {c.text for c in report.claims} >= {"4 KiB", "16 KiB", "128 MiB", "512 MiB", "4.00 GiB", "4x fewer"}
    assert [f.path for f in check(".").files] == ["grouped_query_attention.py"]
    path = tmp_path / "gqa" / "grouped_query_attention.py"
    path.write_text(path.read_text().replace("512 MiB", "500 MiB"))
    (finding,) = check("grouped_query_attention.py").findings
    assert finding.code == "claim-fails" and "512 MiB" in finding.message
    assert path.read_text().split("\n")[finding.line - 1].strip() == "500 MiB: kv_cache(per=layer).mha"


def module(project: Project, *lines: str, name: str = "src/model.py") -> Path:
    return project.write(name, "\n".join(lines) + "\n")


def test_links_in_docstrings_with_exact_places(project: Project) -> None:
    module(
        project,
        '"""A module whose cache is [2.00 GiB][kv_cache(context=32768)]."""',
        "import nothing_that_exists",
        "",
        "class A:",
        "    '''",
        "    First line.",
        "",
        "    It has [8 heads][n_kv_heads] and",
        "        indented: [9 heads][n_kv_heads].",
        "    '''",
        "",
        "    async def f(self):",
        '        r"""Takes [4.00 GiB][kv_cache(context=32768)]."""',
        "",
        "    @property",
        "    def g(self): 'Has [7 layers][n_layers].'",
    )
    report = check("src")
    assert [(c.line, c.text, c.verdict) for c in report.claims] == [
        (1, "2.00 GiB", "fails"),
        (8, "8 heads", "holds"),
        (9, "9 heads", "fails"),
        (13, "4.00 GiB", "holds"),
        (16, "7 layers", "fails"),
    ]
    text = (project.root / "src/model.py").read_text().split("\n")
    for claim in report.claims:
        assert text[claim.line - 1][claim.column - 1 :].startswith(f"[{claim.text}]"), claim
    assert "nothing_that_exists" not in sys.modules, "read, never imported"


def test_python_files_are_never_written(project: Project) -> None:
    path = module(project, '"""It takes [4.00 GB][kv_cache(context=32768)]."""')
    before = path.read_bytes()
    report = check("src", fix=True)
    assert [f.code for f in report.findings] == ["binary-unit"] and path.read_bytes() == before


SECTION = [
    ("4 KiB: kv_cache(context=1, per=layer)", "It takes 4 KiB.", []),
    ("4 KiB: kv_cache(context=1, per=layer)", "It takes **4 KiB** a token.", []),
    ("8 KiB: kv_cache(context=1, per=layer)", "It takes 8 KiB.", ["claim-fails"]),
    ("4 KiB: kv_cache(context=1, per=layer)", "It takes 14 KiB.", ["claim-not-rendered"]),
    ("4 KiB: kv cache", "It takes 4 KiB.", ["bad-label"]),
    ("4 KiB: 3", "It takes 4 KiB.", ["bad-label"]),
    ("4 KiB: kv_cash(context=1)", "It takes 4 KiB.", ["unresolved-label"]),
    ("5_933_109_248: parameters", "It has 5_933_109_248 parameters.", []),
    ("8: n_kv_heads", "It has 8 heads.", []),
    ("just words", "It has 8 heads.", ["bad-label"]),
    ("a: [", "It has 8 heads.", ["bad-label"]),
    ("settings: {a: [", "It has 8 heads.", ["front-matter"]),
    ("settings:\n            context: 1\n        4 KiB: kv_cache(per=layer)", "It has 4 KiB.", []),
    ('"4 KiB": kv_cache(context=1, per=layer)', "It has 4 KiB.", []),
    ("base: nowhere.yaml\n        8: n_kv_heads", "It has 8 heads.", ["broken-base"]),
    ("settings: 3\n        8: n_kv_heads", "It has 8 heads.", ["front-matter"]),
    ("claims: {w: {source: 'Smith, p. 3'}}\n        8: w", "It has 8 heads.", []),
    ("claims: {w: {source: 'Smith, p. 3'}}", "It has 8 heads.", ["unused-claim"]),
    ("base: preset:llama-3.1-8b\n        128,256: vocab_size", "It has 128,256 tokens.", []),
]


@pytest.mark.parametrize(("section", "prose", "codes"), SECTION, ids=[str(n) for n in range(len(SECTION))])
def test_a_section_of_claims(project: Project, section: str, prose: str, codes: list[str]) -> None:
    module(
        project,
        "class A:",
        '    """',
        f"    {prose}",
        "",
        "    Claims:",
        f"        {section}",
        "",
        "    Notes:",
        "        Other words: nothing of ours.",
        '    """',
    )
    report = check("src")
    assert sorted({f.code for f in report.findings}) == codes, [f.message for f in report.findings]
    assert all(5 <= f.line <= 8 and f.path == "src/model.py" for f in report.findings)


def test_files_without_claims_are_not_parsed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    module(project, '"""Nothing here: items[0][1] is no claim."""')
    module(project, "def f(:", name="src/broken.py")
    assert [f.code for f in check("src").findings] == ["nothing-to-check"]


def test_python_that_cannot_be_read_is_an_error(project: Project) -> None:
    module(project, "def f(:", "    '''It has [8][n_kv_heads].'''", name="src/broken.py")
    report = check("src")
    assert found(report) == [("unreadable-record", "src/broken.py", 1, 7)] and report.exit_code() == 3
    assert "is not Python" in report.findings[0].message


def test_sources_of_the_settings_are_checked_with_the_records(project: Project) -> None:
    project.write("pyproject.toml", "[tool.archwright]\nsources = ['src', 'one.py']\n")
    module(project, '"""It has [9 heads][n_kv_heads]."""')
    module(project, '"""It has [8 heads][n_kv_heads]."""', name="one.py")
    module(project, '"""It has [7 heads][n_kv_heads]."""', name="src/site-packages/theirs.py")
    assert found(check()) == [("claim-fails", "src/model.py", 1, 11)]


def test_a_docstring_in_any_encoding_of_lines(project: Project) -> None:
    path = module(project, "class A:", '    """', "    It has [8 heads][n_kv_heads].", '    """')
    path.write_bytes("\ufeff".encode() + path.read_bytes().replace(b"\n", b"\r\n"))
    (claim,) = check("src").claims
    assert (claim.line, claim.verdict) == (3, "holds")


def test_nested_and_private_things_have_docstrings_too() -> None:
    text = "class _A:\n  class B:\n    def _c(self):\n      'Has [8][n_kv_heads].'\n"
    (one,) = docstrings_with_claims(text, "m.py")
    assert one.name == "_A.B._c"


def test_the_self_test_alters_pages_and_docstrings_too(project: Project) -> None:
    project.write("pyproject.toml", "[tool.archwright]\nsources = ['src']\n")
    project.write("docs/components/gqa.md", PAGE.format(cache="4.00 GiB"))
    shutil.copy(ROOT / "examples" / "gqa" / "grouped_query_attention.py", project.root)
    module(project, '"""It has [8 heads][n_kv_heads]."""')
    (project.root / "src/gqa.py").write_text((project.root / "grouped_query_attention.py").read_text())
    report = check(self_test=True)
    assert [f.message for f in report.findings if f.code == "self-test"] == []
    assert "self-test: 13 computed numbers made false" in report.about  # 1 record, 2 page, 1 + 9 docstrings
