"""What a model is, what it costs, where it fits.

Without METRIC one screen: parameters by part, memory and decoding at several
contexts, and which accelerators it fits. With METRIC those alone.
"""

from __future__ import annotations

import argparse

from .common import ARCHITECTURE_HELP, add_json, add_settings, print_json, settings_of, width


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("architecture", metavar="X", help=ARCHITECTURE_HELP)
    parser.add_argument(
        "metrics", nargs="*", default=[], metavar="METRIC", help="metrics or fields (archwright metrics lists them)"
    )
    add_settings(parser)
    parser.add_argument(
        "--format", choices=("text", "markdown", "csv", "json"), default="text", help="how to print (text)"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the estimate."""
    from ..arch.loading import load
    from ..costs.estimate import estimate
    from ..costs.overview import overview, overview_estimate

    config = load(args.architecture)
    settings = settings_of(args)
    kind = "json" if args.json else args.format
    if not args.metrics and kind == "text":
        print(overview(config, width(100), args.architecture, **settings))
        return 0
    table = estimate(config, *args.metrics, **settings) if args.metrics else overview_estimate(config, settings)
    if kind == "json":
        print_json(table.to_dict())
    elif kind == "markdown":
        print(table.to_markdown())
    elif kind == "csv":
        print(table.to_csv(), end="")
    else:
        print(table)
    return 0
