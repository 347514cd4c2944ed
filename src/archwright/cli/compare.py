"""Models, or changes of one, side by side.

Each --change is one more column: the first architecture with that change. Several
fields of one column are joined by commas: --change n_kv_heads=4,d_ff=8192.
"""

from __future__ import annotations

import argparse
from typing import Any

from .common import ARCHITECTURE_HELP, add_json, add_settings, pairs, print_json, settings_of


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("architectures", nargs="+", metavar="X", help=ARCHITECTURE_HELP)
    parser.add_argument(
        "--change", action="append", default=[], metavar="FIELD=VALUE", help="a column with a change; repeatable"
    )
    parser.add_argument(
        "--metric", action="append", default=[], metavar="METRIC", help="a row; repeatable (the usual ones)"
    )
    add_settings(parser)
    parser.add_argument(
        "--format", choices=("text", "markdown", "csv", "json"), default="text", help="how to print (text)"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def columns(args: argparse.Namespace) -> dict[str, Any]:
    """The compared architectures by the name of their column; the first is the baseline."""
    from ..arch.loading import load

    found: dict[str, Any] = {}
    for word in args.architectures:
        config = load(word)
        name = config.name or str(word)
        found[name if name not in found else str(word)] = config
    base = next(iter(found.values()))
    if args.change and len(found) == 1:
        found = {"base": base}
    for words in args.change:
        parts = _split(words)
        found[words] = base.change(pairs(parts, "--change"))
    return found


def _split(words: str) -> list[str]:
    """Changes of one column at commas outside brackets."""
    parts, depth = [""], 0
    for character in words:
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [p.strip() for p in parts if p.strip()]


def run(args: argparse.Namespace) -> int:
    """Print the comparison."""
    from ..costs.compare import compare

    table = compare(columns(args), *args.metric, **settings_of(args))
    kind = "json" if args.json else args.format
    if kind == "json":
        print_json(table.to_dict())
    elif kind == "markdown":
        print(table.to_markdown())
    elif kind == "csv":
        print(table.to_csv(), end="")
    else:
        print(table)
    return 0
