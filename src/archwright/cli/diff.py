"""What a change costs, and which decisions, requirements and claims it touches.

A and B are two architectures (files, folders, presets) or two git revisions of
the project. One revision alone is compared with the files as they are now;
main... means where this branch left main.
"""

from __future__ import annotations

import argparse

from .common import add_json, print_json, width


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("before", metavar="A", help="an architecture, or a git revision")
    parser.add_argument("after", nargs="?", metavar="B", help="another one (the files as they are now)")
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="how to print (text)")
    parser.add_argument("--links", default="", metavar="URL", help="what to put before paths in the Markdown")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare and print."""
    from ..decisions import diff_output
    from ..decisions.diff import diff

    found = diff(args.before, args.after)
    kind = "json" if args.json else args.format
    if kind == "json":
        print_json(diff_output.as_data(found))
    elif kind == "markdown":
        print(diff_output.markdown(found, args.links), end="")
    else:
        print(diff_output.text(found, width(120)))
    return 0
