"""Who decided a field, when, and in which sentence.

FIELD is a flat field or a path into layers: n_kv_heads,
layers[3].attention.window_size, layers[0-15].attention. A field that nobody
decided is answered with where it is written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import add_json, print_json, width


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("field", metavar="FIELD", help="a field: n_kv_heads, layers[3].attention.window_size")
    parser.add_argument("architecture", nargs="?", metavar="FILE", help="the architecture (the project's own)")
    parser.add_argument("--dir", metavar="FOLDER", help="the folder of the records (docs/decisions)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Answer."""
    from ..decisions.why import as_data, text, why

    answer = why(args.field, args.architecture, Path(args.dir) if args.dir else None)
    if args.json:
        print_json(as_data(answer))
    else:
        print(text(answer, width(100)))
    return 0
