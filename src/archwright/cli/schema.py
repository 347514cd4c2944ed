"""JSON Schema of files and outputs.

Without NAME: the architecture file's. `archwright schema --list` names all.
"""

from __future__ import annotations

import argparse

from .common import print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("name", nargs="?", default="architecture", metavar="NAME", help="which schema (architecture)")
    parser.add_argument("--list", action="store_true", help="the names of all schemas")
    parser.add_argument("--json", action="store_true", help="schemas are JSON anyway")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one schema."""
    from ..arch.fields import known_names
    from ..errors import Problem, UsageError
    from .schemas import names, schema

    if args.list:
        print("\n".join(names()))
        return 0
    if args.name not in names():
        raise UsageError(Problem("schema", args.name, "is not a known schema", known_names(args.name, list(names()))))
    print_json(schema(args.name))
    return 0
