"""The suite itself: it catches what it should, counts what it says, and serves other packages."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path

import pytest
import torch

import archwright
from archwright.testing import assert_accurate, conformance, coverage_page, covers, oracle
from archwright.testing.accuracy import bound
from archwright.testing.build import GROUPS
from archwright.testing.variants import parse

SOURCE = str(Path(archwright.__file__).parents[1])


def test_there_are_at_least_sixty_named_tests_each_with_its_sentence():
    suite = conformance("full")
    tests = {n: f for n, f in vars(suite).items() if n.startswith("test_")}
    assert len(tests) >= 60
    for name, function in tests.items():
        text = inspect.getdoc(function)
        assert text and text.endswith("."), f"{name} has no sentence"
    assert sum(map(len, covers().values())) == len(tests)


def test_no_group_hides_a_test_of_another():
    names = [n for group in GROUPS for n in vars(group) if not n.startswith("__")]
    assert len(names) == len(set(names))


def test_the_page_names_every_test():
    page = coverage_page()
    for tests in covers().values():
        for name in tests:
            assert f"`{name}`" in page


def test_the_written_page_is_the_generated_one():
    """`python -m archwright.testing.page > docs/conformance-suite.md` writes it."""
    page = Path(__file__).parents[2] / "docs" / "conformance-suite.md"
    assert page.read_text(encoding="utf-8") == coverage_page()


def test_the_accuracy_rule_is_twice_the_largest_error_and_the_mean():
    exact = torch.tensor([1.0, 2.0], dtype=torch.float64)
    low = torch.tensor([1.25, 2.0])
    assert bound(exact, low) == pytest.approx(2 * 0.25 + 1.1 * 0.125)
    assert_accurate(torch.tensor([1.6, 2.0]), exact, low)
    with pytest.raises(AssertionError, match="off by"):
        assert_accurate(torch.tensor([1.7, 2.0]), exact, low)
    with pytest.raises(AssertionError, match="not finite"):
        assert_accurate(torch.tensor([float("nan"), 2.0]), exact, low)
    with pytest.raises(AssertionError, match="shape"):
        assert_accurate(torch.zeros(3), exact, low)
    # an exact reference still leaves the rounding of the type
    assert bound(torch.tensor([0.1], dtype=torch.float64), torch.tensor([0.1])) > 0


def test_the_oracle_agrees_with_a_softmax_by_hand():
    q, k, v = (torch.randn(1, 1, 3, 4, dtype=torch.float64) for _ in range(3))
    out = oracle.attention(q, k, v, [[0], [0, 1], []])
    second = torch.softmax(q[0, 0, 1] @ k[0, 0, :2].T / 2, -1) @ v[0, 0, :2]
    assert torch.allclose(out[0, 0, 0], v[0, 0, 0]) and torch.allclose(out[0, 0, 1], second)
    assert (out[0, 0, 2] == 0).all()


def test_the_oracles_gradients_agree_with_autograd():
    q, k, v = (torch.randn(2, n, 5, 4, dtype=torch.float64, requires_grad=True) for n in (4, 2, 2))
    keys = [[0], [0, 1], [], [1, 3], [0, 2, 4]]
    upstream = torch.randn(2, 4, 5, 4, dtype=torch.float64)
    wanted = torch.autograd.grad(oracle.attention(q, k, v, keys), (q, k, v), upstream)
    for one, two in zip(oracle.gradients(q.detach(), k.detach(), v.detach(), keys, upstream), wanted, strict=True):
        assert torch.allclose(one, two)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("full", ("full", {})),
        ("sliding:window_size=7", ("sliding", {"window_size": 7})),
        ("x:a=1.5,b=true,c=word", ("x", {"a": 1.5, "b": True, "c": "word"})),
    ],
)
def test_variants_are_read_from_the_command_line(text, expected):
    assert parse(text) == expected


def test_a_variant_without_a_value_is_refused():
    with pytest.raises(ValueError, match="FIELD=VALUE"):
        parse("sliding:window_size")


PACKAGE = textwrap.dedent(
    '''
    import archwright as aw

    @aw.attention("third_party_window")
    class Window(aw.AttentionSpec):
        """A window of somebody else's package."""

        size: int = 5

        def visible(self, q, k):
            return abs(q - k) <= self.size

        def ranges(self, q):
            yield range(q - self.size, q + self.size + 1)
    '''
)


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    loaded = any(e.value == "archwright.testing.plugin" for e in metadata.entry_points(group="pytest11"))
    plugin = [] if loaded else ["-p", "archwright.testing.plugin"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, *arguments],
        cwd=folder,
        env={"PYTHONPATH": f"{SOURCE}:{folder}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(folder)},
        capture_output=True,
        text=True,
    )


def test_the_plug_in_runs_the_suite_over_a_variant_of_another_installed_package(tmp_path):
    """A package with an entry point, no test file: one command, about sixty tests, with the option's case."""
    (tmp_path / "their_package.py").write_text(PACKAGE)
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[archwright.attention]\nthird_party_window = their_package:Window\n")
    done = pytest_in(
        tmp_path, "--pyargs", "archwright.testing.variants", "--attention-variant", "third_party_window:size=4"
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(done.stdout.split()[-4]) >= 60 and "passed" in done.stdout


def test_a_broken_variant_of_another_package_fails_with_a_sentence(tmp_path):
    """Intervals that contradict the predicate are found, and the report says in which test."""
    broken = PACKAGE.replace("q + self.size + 1", "q + self.size + 2").replace("third_party", "broken")
    suite = (
        "from archwright.testing import conformance\nTestWindow = conformance('broken_window', cases=[{'size': 4}])\n"
    )
    (tmp_path / "test_theirs.py").write_text(broken + suite)
    done = pytest_in(tmp_path, "test_theirs.py", "-k", "intervals or oracle_in_float32")
    assert done.returncode == 1
    assert "test_intervals_agree_with_the_predicate[size=4]" in done.stdout and "1 failed, 2 passed" in done.stdout


def test_the_plug_in_imports_no_torch():
    """pytest loads it in every project, so it must be quick."""
    code = "import sys; import archwright.testing.plugin; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": SOURCE}, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
