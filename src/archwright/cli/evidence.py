"""What was observed: list, show and verify evidence, import results of other tools.

Evidence lies in evidence/ unless --dir or the project's settings say otherwise.
A record is named by its file name, or the first letters of it or of its hash.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .common import Help, add_json, pairs, print_json, width

if TYPE_CHECKING:
    from ..arch.config import ArchitectureConfig
    from ..decisions.frame import Frame
    from ..evidence.store import Store, Stored

Run = Callable[[argparse.Namespace], int]


def configure(parser: argparse.ArgumentParser) -> None:
    """Subcommands of the group."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=type(parser))

    def command(name: str, text: str, run: Run) -> argparse.ArgumentParser:
        said = text[:1].upper() + text[1:] + "."
        sub = commands.add_parser(name, help=text, description=said, formatter_class=Help, allow_abbrev=False)
        add_dir(sub)
        add_json(sub)
        sub.set_defaults(run=run)
        return sub

    command("list", "every record with its results", run_list)
    sub = command("show", "one record: what ran, where, and every result with its interval", run_show)
    sub.add_argument("name", metavar="NAME", help="its file name, or the first letters of it or of its hash")
    sub = command("verify", "hold files against their hashes and summaries against their samples", run_verify)
    sub.add_argument("names", nargs="*", default=[], metavar="NAME", help="file names (all)")
    sub = command("import", "make evidence of results of another tool", run_import)
    sub.add_argument("file", metavar="FILE", help="results_*.json of lm-eval, or a training curve as CSV or JSONL")
    sub.add_argument("--for", dest="alternative", metavar="ALTERNATIVE", help="decision, base, or an alternative")
    sub.add_argument("--record", metavar="RECORD", help="the record that names it: number or path")
    sub.add_argument("--on-proxy", action="store_true", help="the results are of the same change of the record's proxy")
    sub.add_argument("--as", dest="importer", metavar="FORMAT", help="lm-eval, csv or jsonl (by the file)")
    sub.add_argument(
        "--metric", action="append", default=[], metavar="NAME=COLUMN", help="a column of a curve: val_loss=eval/loss"
    )
    sub.add_argument("--x", metavar="COLUMN", help="the column of a curve that counts progress (step, tokens)")
    sub.add_argument("--chance", type=float, metavar="SHARE", help="the accuracy of guessing: 0.25")
    sub.add_argument("--better", choices=("lower", "higher"), help="which direction is better")
    sub.add_argument("--unit", metavar="UNIT", help="the unit of a curve's measure")
    sub.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="how it was run: tokens=600000000; repeatable"
    )


def add_dir(parser: argparse.ArgumentParser) -> None:
    """--dir: where evidence lies."""
    parser.add_argument("--dir", metavar="FOLDER", help="the folder of evidence (evidence)")


def store_of(args: argparse.Namespace) -> Store:
    """The store that was named, or the project's."""
    from ..evidence.store import FOLDER, Store
    from ..project import find

    project = find()
    if args.dir:
        return Store(Path(args.dir), project.root)
    folder = project.root / str(project.settings.get("evidence", FOLDER))
    here = Path.cwd()
    return Store(folder.relative_to(here) if folder.is_relative_to(here) else folder, project.root)


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines: columns as wide as they need, those that are empty left out."""
    kept = [n for n in range(len(head)) if any(row[n] for row in rows)]
    lines = [[head[n] for n in kept], *([row[n] for n in kept] for row in rows)]
    sizes = [max(len(line[n]) for line in lines) for n in range(len(kept))]
    return ["  ".join(f"{cell:<{size}}" for cell, size in zip(line, sizes, strict=True)).rstrip() for line in lines]


def report_on(stored: Stored) -> list[str]:
    """A record on a screen."""
    from ..evidence.listing import lines, table

    head, rows = table(stored.evidence)
    return [*lines(stored), "", *("  " + line for line in grid(head, rows))]


# Reading --------------------------------------------------------------------------------------------------------


def run_list(args: argparse.Namespace) -> int:
    """Print a paragraph a record."""
    from ..evidence.listing import results, to_json

    store = store_of(args)
    for problem in store.problems:
        print(problem, file=sys.stderr)
    code = 1 if store.problems else 0
    if args.json:
        print_json(to_json(store.records))
        return code
    if not store.records and not store.problems:
        print(f"No evidence in {store.folder}. Next: archwright prove --dry-run")
        return 0
    for stored in store.records:
        evidence = stored.evidence
        settings = ", ".join(f"{name} {value}" for name, value in evidence.settings.items())
        parts = [stored.name, evidence.target, evidence.device or "", settings]
        print(" · ".join(part for part in parts if part)[: width(160)])
        for result in results(evidence):
            print(f"  {result}")
    count = len(store.records)
    print(f"\n{count:,} record{'s' * (count != 1)}. One of them: archwright evidence show NAME")
    return code


def run_show(args: argparse.Namespace) -> int:
    """Print one record."""
    stored = store_of(args).get(args.name)
    if args.json:
        print_json(stored.evidence.to_dict())
        return 0
    print("\n".join(report_on(stored)))
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Print what is wrong with files."""
    count, problems = store_of(args).verify(args.names)
    if args.json:
        found = [{"path": p.where.path if p.where else None, "field": p.field, "message": p.message} for p in problems]
        print_json({"schema": "archwright/evidence-verify/1", "files": count, "problems": found})
        return 1 if problems else 0
    for problem in problems:
        print(problem)
    files = f"{count:,} file{'s' * (count != 1)}"
    spoilt = len({p.where.path for p in problems if p.where})
    print(f"{files}: {f'{spoilt} not as written' if problems else 'as written'}")
    return 1 if problems else 0


# Importing ------------------------------------------------------------------------------------------------------


def run_import(args: argparse.Namespace) -> int:
    """Add evidence from a file of results."""
    from ..evidence.importers import import_file
    from ..evidence.listing import to_json
    from ..evidence.store import Stored

    store = store_of(args)
    side = _side(args)
    given = {name: getattr(args, name) for name in ("metric", "x", "chance", "better", "unit")}
    made = import_file(
        Path(args.file),
        alternative=side[0],
        architecture=side[1],
        alternatives=side[2],
        importer=args.importer,
        options={name: value for name, value in given.items() if value},
        settings=pairs(args.set, "--set"),
        root=store.root,
        command=("archwright", *sys.argv[1:]),
    )
    stored = Stored(store.add(made), made)
    if args.json:
        print_json(to_json([stored]))
        return 0
    print("\n".join(report_on(stored)))
    print(f"\nadded {stored.path}. Next: archwright check --fix")
    return 0


def _side(args: argparse.Namespace) -> tuple[str | None, ArchitectureConfig | None, list[str]]:
    """The architecture that results are of, as the user names it; nothing is guessed."""
    from ..decisions.frame import Frames, shown
    from ..errors import NOTHING, Problem, UsageError
    from ..textio import read_text
    from .adr import path_of, records_of

    args.dir = None  # from here on the folder of records
    path = path_of(args, args.record) if args.record else None
    if path is None:
        records = [r for r in records_of(args) if args.alternative in ("base", "decision", *r.alternatives)]
        candidates = [r for r in records if any(isinstance(e, dict) for e in r.claims_entries.values())] or records
        if not args.alternative:
            path = None
        elif len(candidates) != 1:
            labels = ", ".join(record.label for record in candidates) or "no record"
            rule = f"is missing, and {args.alternative} is named by {labels}"
            raise UsageError(Problem("--record", NOTHING, rule, "Add --record with the number of one"))
        else:
            path = candidates[0].path
    if path is None:
        return None, None, []
    frames = Frames()
    frames.proving = True
    frame = frames.of(read_text(path).text, path, shown(path))
    sides = list(frame.context.sides)
    name = args.alternative or _ask(sides)
    if not name:
        return None, None, sides
    if name not in frame.context.sides:
        rule = f"is no side of {frame.record.label}"
        raise UsageError(Problem("--for", name, rule, f"Sides: {', '.join(sides)}"))
    side = frame.context.sides[name]
    if args.on_proxy:
        return name, _proxy(frame, name), sides
    if side.config is None:
        raise UsageError(Problem("--for", name, f"cannot be computed: {side.problem}"))
    return name, side.config, sides


def _proxy(frame: Frame, name: str) -> ArchitectureConfig:
    """The proxy of a record with the change of a side."""
    from ..errors import NOTHING, Problem, UsageError

    observer = frame.context.observer
    if observer is None:
        rule = f"has no meaning: {frame.record.label} has no claim that needs evidence"
        raise UsageError(Problem("--on-proxy", NOTHING, rule, "Add one under claims:"))
    made: ArchitectureConfig = observer.proxy(name)
    return made


def _ask(sides: list[str]) -> str:
    """Which side, asked at a terminal; empty where nobody can answer."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return ""
    try:
        return input(f"Of which architecture are these results ({', '.join(sides)})? ").strip()
    except EOFError:
        return ""
