"""The page of what the conformance suite covers, generated from the suite: `python -m archwright.testing.page`."""

from __future__ import annotations

import inspect

from .build import GROUPS


def covers() -> dict[str, dict[str, str]]:
    """For each part of the suite, its tests by name with what each holds."""
    found: dict[str, dict[str, str]] = {}
    for group in GROUPS:
        tests = {n: inspect.getdoc(f) or "" for n, f in vars(group).items() if n.startswith("test_")}
        found[group.__name__] = tests
    return found


def coverage_page() -> str:
    """The page in Markdown: every part with its tests, in the order in which they run."""
    parts = covers()
    count = sum(map(len, parts.values()))
    lines = [
        "# What the conformance suite covers",
        "",
        "This page is generated from `archwright.testing`; a test compares the two.",
        "",
        f"`conformance(variant, cases=[...])` makes a class of {count} tests, each run for every case:",
        "options of `AttentionConfig` under which the variant is built. Of a module without a spec nobody knows what",
        "it sees; the tests marked with * need the pattern and are then left out. Those marked with ** compute the",
        "module again from its four projections, and are left out for one that has other weights.",
    ]
    for group in GROUPS:
        summary = (inspect.getdoc(inspect.getmodule(group)) or "").splitlines()[0]
        lines += ["", f"## {summary}", ""]
        for name, text in parts[group.__name__].items():
            test = vars(group)[name]
            mark = "*" * (getattr(test, "needs_pattern", False) + getattr(test, "needs_projections", False))
            lines.append(f"- `{name}`{mark}: {' '.join(text.split())}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(coverage_page(), end="")
