"""check --self-test: each computed number made false alone is reported, and nothing else."""

from __future__ import annotations

import random
import re
import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from archwright.claims.texts import Written, parse_text
from archwright.cli import main
from archwright.decisions import claims_of
from archwright.decisions.check import check
from archwright.decisions.falsify import falsified
from archwright.decisions.rules import RULES
from archwright.decisions.selftest import self_test

from .over_time import ARCHITECTURE, Project

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ["docs/decisions", "examples/long-context", "examples/published", "tests/data/pins-v1"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.mark.parametrize("folder", EXAMPLES)
def test_every_number_of_our_examples_and_records(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / folder)
    report = check(None if (ROOT / folder / "docs").is_dir() else ".", self_test=True)
    assert [f.message for f in report.findings if f.code == "self-test"] == []
    assert report.exit_code() == 0
    count = re.search(r"self-test: ([\d,]+) computed numbers", report.about)
    assert count and int(count[1].replace(",", "")) >= 2


def test_the_gqa_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The opening example as it stands has false figures; those that are true are altered."""
    from archwright.decisions.binding import bind
    from archwright.decisions.importing import import_file

    shutil.copytree(ROOT / "examples" / "gqa", tmp_path / "gqa")
    monkeypatch.chdir(tmp_path / "gqa")
    (made,) = import_file("grouped_query_attention.txt", "architecture.yaml", Path("docs/decisions"))
    bind(made.path, apply=True)
    report = check("docs/decisions", self_test=True)
    assert "self-test" not in {f.code for f in report.findings}
    assert "3 computed numbers made false one at a time: each was reported" in report.about


TEXTS = [
    ("4.00 GiB", "12.00 GiB"),
    ("**4.00 GiB**", "**12.00 GiB**"),
    ("131,072 tokens", "393,216 tokens"),
    ("131_072", "393_216"),
    ("3.8e25 FLOP", "11.4e25 FLOP"),
    ("at least 1.5x faster", "at least 4.5x faster"),
    ("at most 5 ms", "at most 2 ms"),
    ("under 20 GB", "under 7 GB"),
    ("75 % less", "25 % less"),
    ("-75 %", "-25 %"),
    ("+3 %", "+9 %"),
    ("4x smaller", "12x smaller"),
    ("4 to 8 GiB", "12 to 24 GiB"),
    ("8 of 32 heads", "24 of 32 heads"),
    ("0 GiB", "2 GiB"),
    ("at most 0", None),
    ("fits", "does not fit"),
    ("does not fit", "fits"),
    ("unchanged", "3x larger"),
    ("sliding", "xsliding"),
    ("true", "false"),
    ("~2.5x", "~7.5x"),
    ("8 heads", "24 heads"),
    ("70B", "210B"),
    ("?", None),
]


@pytest.mark.parametrize(("text", "false"), TEXTS)
def test_a_number_made_false(text: str, false: str | None) -> None:
    assert falsified(text) == false


def test_requirements_are_altered_too(project: Project) -> None:
    project.write(
        "architecture.yaml",
        ARCHITECTURE + "requirements:\n"
        "  - {name: a, metric: parameters, at_least: 5B, at_most: 7B}\n"
        "  - {name: b, metric: n_layers, equals: 32}\n"
        "  - {name: c, metric: kv_cache, context: 32768, relative_to: {context: 4096}, at_most: 8x}\n",
    )
    report = check(self_test=True)
    assert report.ok and "4 computed numbers" in report.about


def test_nothing_to_alter_is_said(project: Project) -> None:
    project.record(1, "", "Words.")
    assert "no computed number to alter" in check(self_test=True).about


# It must be able to fail ------------------------------------------------------------------------------------------


def test_a_check_that_misses_a_number_is_caught(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.record(
        1, "settings: {context: 32768}", "[4.00 GiB][kv_cache] and [5.93 B][parameters] and [8][n_kv_heads]."
    )
    honest = claims_of.judgement

    def blind(written, resolved):  # type: ignore[no-untyped-def]  # stands in for the judge
        judged = honest(written, resolved)
        return honest(parse_text("5.93 B"), resolved) if resolved.name == "parameters" else judged

    monkeypatch.setattr(claims_of, "judgement", blind)
    report = check(self_test=True)
    messages = [f.message for f in report.findings if f.code == "self-test"]
    assert any("[5.93 B][parameters] was made [17.79 B], and its verdict is holds" in m for m in messages)
    assert report.exit_code() == 1 and not any("kv_cache" in m for m in messages)
    assert not RULES["self-test"].blocks


def test_a_check_that_reports_too_much_is_caught(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.record(1, "settings: {context: 32768}", "[4.00 GiB][kv_cache] and [5.93 B][parameters].")
    honest = claims_of.judgement
    seen: list[str] = []

    def nervous(written, resolved):  # type: ignore[no-untyped-def]  # stands in for the judge
        judged = honest(written, resolved)
        seen.append(judged.verdict)
        return honest(parse_text("1 GiB"), resolved) if resolved.name == "kv_cache" and "fails" in seen else judged

    monkeypatch.setattr(claims_of, "judgement", nervous)
    result = self_test(["docs/decisions/0001-record-1.md"])
    assert any("[4.00 GiB][kv_cache] fails instead of holds" in f.message for f in result.findings)


def test_the_command(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    path = project.record(1, "settings: {context: 32768}", "[4.00 GiB][kv_cache].")
    before = path.read_bytes()
    assert main(["check", "--self-test"]) == 0
    assert "self-test: 1 computed number made false one at a time: each was reported" in capsys.readouterr().out
    assert path.read_bytes() == before
    assert main(["check", "--self-test", "--at", "HEAD"]) == 2


# A thousand random numbers ----------------------------------------------------------------------------------------


def factor_for(text: str, chance: random.Random) -> Fraction | None:
    """A random factor that no tolerance of the grammar covers, against the direction of a bound."""
    written = parse_text(text)
    if not isinstance(written, Written) or written.figure is None or written.kind not in ("amount", "range", "of"):
        return None
    smaller, larger = Fraction(chance.randrange(150, 780), 1000), Fraction(chance.randrange(1300, 6000), 1000)
    if written.hedge in ("at most", "under"):
        return smaller
    if written.hedge in ("at least", "over"):
        return larger
    falling = written.direction in ("less", "faster") or written.sign < 0
    if written.unit is not None and written.unit.base in ("%", "pp") and falling:
        return smaller
    return chance.choice((smaller, larger))


def far_apart(text: str, other: str) -> bool:
    """Whether two figures differ by more than a rounded or hedged one may; by reading their digits alone."""

    def number(t: str) -> Fraction:
        found = re.search(r"\d[\d,_]*(?:\.\d+)?", t)
        assert found
        return Fraction(re.sub("[,_]", "", found[0]))

    a, b = number(text), number(other)
    return abs(a - b) > max(a, b) * Fraction(15, 100) and abs(a - b) >= 1 / Fraction(10) ** len(
        re.sub(r"^[^.]*\.?", "", re.search(r"\d[\d,_]*(?:\.\d+)?", text)[0])  # type: ignore[index]  # it was found above
    )


def test_a_thousand_random_perturbations_are_all_found(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(20261125)
    altered, rounds = 0, 0
    sources = [
        (ROOT / folder, [str(p.relative_to(ROOT / folder)) for p in sorted((ROOT / folder).rglob("0*.md"))])
        for folder in ("examples/published", "examples/long-context", "tests/data/pins-v1")
    ]

    def random_falsehood(text: str) -> str | None:
        factor = factor_for(text, chance)
        false = None if factor is None else falsified(text, factor)
        return false if false is not None and far_apart(text, false) else None

    while altered < 1000:
        rounds += 1
        assert rounds < 40, "too few numbers in the examples"
        for folder, paths in sources:
            monkeypatch.chdir(folder)
            result = self_test(chance.sample(paths, max(1, len(paths) // 2)), random_falsehood)
            assert [f.message for f in result.findings] == []
            altered += result.altered
