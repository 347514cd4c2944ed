"""Re-check every number in the decision records.

Without PATH: the records under docs/decisions of the project. A folder stands for
the records in it; a record or an architecture file may be named alone.
Nothing is written without --fix, which writes link definitions and binary unit
prefixes (GB to GiB where the figure is right) and never a figure.
"""

from __future__ import annotations

import argparse
import sys
import time

from .common import colour, width


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "paths", nargs="*", default=[], metavar="PATH", help="a folder of records, a record, an architecture file"
    )
    parser.add_argument("--fix", action="store_true", help="write link definitions and binary unit prefixes")
    parser.add_argument("--strict", action="store_true", help="warnings count as errors")
    parser.add_argument("--coverage", action="store_true", help="show how many figures are bound")
    parser.add_argument(
        "--self-test", action="store_true", help="make each computed number false in memory: is exactly that reported?"
    )
    parser.add_argument("--at", metavar="REV", help="check the project as it was at a git revision")
    parser.add_argument(
        "--changed-since", metavar="REV", help="check only what the changes since a git revision can touch"
    )
    parser.add_argument(
        "--format", choices=("text", "json", "sarif", "github"), default="text", help="how to print (text)"
    )
    parser.add_argument(
        "--root", metavar="FOLDER", help="what paths are relative to in the formats sarif and github (here)"
    )
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check and print."""
    from ..decisions import output
    from ..decisions.check import check

    started = time.perf_counter()
    report = check(
        args.paths or None,
        fix=args.fix,
        coverage=args.coverage,
        at=args.at,
        changed_since=args.changed_since,
        self_test=args.self_test,
    )
    seconds = time.perf_counter() - started
    kind = "json" if args.json else args.format
    if kind == "json":
        print(output.as_json(report))
    elif kind in ("sarif", "github"):
        seen = report.seen_from(args.root) if args.root else report
        print(output.sarif(seen) if kind == "sarif" else output.github(seen))
    else:
        print(output.text(report, seconds=seconds, coverage=args.coverage, width=width(120), colour=colour(sys.stdout)))
    return report.exit_code(args.strict)
