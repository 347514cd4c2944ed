"""Write, bind, list and decide records.

A record is named by its number (12, 0012, ADR-12, 40a) or by its path.
Records lie in docs/decisions unless --dir or the project's settings say otherwise.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import Help, add_json, colour, pairs, print_json, settings_of, width

if TYPE_CHECKING:
    from ..decisions.record import Record

Run = Callable[[argparse.Namespace], int]


def configure(parser: argparse.ArgumentParser) -> None:
    """Subcommands of the group."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=type(parser))

    def command(name: str, text: str, run: Run, json: bool = False) -> argparse.ArgumentParser:
        said = text[:1].upper() + text[1:] + "."
        sub = commands.add_parser(name, help=text, description=said, formatter_class=Help, allow_abbrev=False)
        sub.add_argument("--dir", metavar="FOLDER", help="the folder of the records (docs/decisions)")
        if json:
            add_json(sub)
        sub.set_defaults(run=run)
        return sub

    sub = command("new", "write a new record, half filled in", run_new, json=True)
    sub.add_argument("title", nargs="?", metavar="TITLE", help="what is decided, in a few words")
    sub.add_argument("--base", metavar="X", help="the architecture that is changed (the project's own); - for none")
    sub.add_argument(
        "--change", action="append", default=[], metavar="FIELD=VALUE", help="a field that is decided; repeatable"
    )
    sub.add_argument(
        "--alternative",
        action="append",
        default=[],
        metavar="NAME:FIELD=VALUE",
        help="another choice, compared; repeatable",
    )
    sub.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of all figures: context=32768"
    )
    sub.add_argument(
        "--author", action="append", default=[], metavar="NAME", help="who decides; repeatable (git's user.name)"
    )

    sub = command(
        "import", "make a record from the plain-text form, a docstring or another dialect", run_import, json=True
    )
    sub.add_argument("file", metavar="FILE", help="a text file, a Markdown record or a Python file")
    sub.add_argument("--base", metavar="X", help="the architecture that the record speaks about")

    sub = command("bind", "propose a label for each figure that is bound to nothing", run_bind, json=True)
    sub.add_argument("record", metavar="RECORD", help="number or path")
    sub.add_argument("--apply", action="store_true", help="write those with one candidate, or one that agrees")

    sub = command("fill", "replace [?] by figures", run_fill, json=True)
    sub.add_argument("records", nargs="*", default=[], metavar="RECORD", help="numbers or paths (all records)")
    sub.add_argument("--wrong", action="store_true", help="also replace figures that fail, in proposed records")

    sub = command("table", "print a Markdown table of bound figures: metrics by alternatives", run_table)
    sub.add_argument("metrics", nargs="+", metavar="METRIC", help="metrics, one a row")
    sub.add_argument("--record", metavar="RECORD", help="the record that the table is for (the last proposed one)")
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of all figures")

    command("list", "all records with number, status and title", run_list, json=True)
    sub = command("show", "one record: status, links and its claims with verdicts", run_show, json=True)
    sub.add_argument("record", metavar="RECORD", help="number or path")

    for name, text in (
        ("accept", "make a proposed record accepted"),
        ("reject", "make a proposed record rejected"),
        ("deprecate", "make an accepted record deprecated"),
    ):
        sub = command(name, text, run_status)
        sub.add_argument("record", metavar="RECORD", help="number or path")
    sub = command("supersede", "let one record take the place of another; both files say so", run_supersede)
    sub.add_argument("record", metavar="RECORD", help="number or path of the old record")
    sub.add_argument("--by", required=True, metavar="RECORD", help="number or path of the new record")
    sub = command("renumber", "mend numbers that two records have, with all links to them", run_renumber, json=True)
    sub.add_argument("record", nargs="?", metavar="RECORD", help="one record that gets another number")
    sub.add_argument("--to", type=int, metavar="N", help="its new number (the next free one)")


# Which record ---------------------------------------------------------------------------------------------------


def folder_of(args: argparse.Namespace) -> Path:
    """The folder of the records."""
    from ..project import find

    if args.dir:
        return Path(args.dir)
    project = find()
    folder = project.root / str(project.settings.get("decisions", "docs/decisions"))
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def records_of(args: argparse.Namespace) -> list[Record]:
    """Every record that can be read; those that cannot are named on stderr."""
    from ..decisions.record import find_records, read
    from ..errors import NOTHING, ArchwrightError, Problem, Unreadable

    folder = folder_of(args)
    if not folder.is_dir():
        raise Unreadable(Problem(str(folder), NOTHING, "is no folder", 'Start with archwright adr new "Title"'))
    found = []
    for path in find_records(folder):
        try:
            record = read(path)
        except ArchwrightError as error:
            print(error, file=sys.stderr)
            continue
        if record.is_record:
            found.append(record)
    return found


def path_of(args: argparse.Namespace, name: str) -> str:
    """The path of a record named by number or path."""
    if name.endswith((".md", ".markdown")) or os.sep in name:
        from ..errors import NOTHING, Problem, Unreadable

        if not os.path.lexists(name):
            raise Unreadable(Problem(name, NOTHING, "does not exist", "See archwright adr list"))
        return name
    from ..decisions.links import Graph

    return Graph(records_of(args)).one(name).path


# Reading --------------------------------------------------------------------------------------------------------


def as_data(record: Record) -> dict[str, Any]:
    """A record as in the JSON outputs."""
    return {
        "path": record.path,
        "number": record.number,
        "title": record.title,
        "status": record.status,
        "status_raw": record.status_raw,
        "date": record.date,
        "superseded_by": list(record.superseded_by),
        "supersedes": list(record.supersedes),
    }


def run_list(args: argparse.Namespace) -> int:
    """Print one line a record."""
    records = records_of(args)
    if args.json:
        print_json({"schema": "archwright/records/1", "records": [as_data(r) for r in records]})
        return 0
    if not records:
        print(f'No records in {folder_of(args)}. Next: archwright adr new "Title"')
        return 0
    rows = []
    for record in records:
        status: str = record.status
        if record.superseded_by:
            status = f"superseded by {', '.join(record.superseded_by)}"
        rows.append((record.number or "-", record.date or "-", status, record.title or Path(record.path).stem))
    sizes = [max(len(row[i]) for row in rows) for i in range(3)]
    for number, date, status, title in rows:
        line = f"{number:>{sizes[0]}}  {date:<{sizes[1]}}  {status:<{sizes[2]}}  {title}"
        print(line if len(line) <= width(200) else line[: width(200) - 1] + "…")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print one record's facts and its claims."""
    from ..decisions.check import check
    from ..decisions.output import claim_lines
    from ..decisions.record import read
    from ..decisions.template import flow

    path = path_of(args, args.record)
    record = read(path)
    report = check(path)
    if args.json:
        print_json({"schema": "archwright/record/1", **as_data(record), "check": report.to_dict()})
        return 0
    name = f"ADR-{record.number}" if record.number else Path(path).stem
    print(f"{name}  {record.title}")
    print(f"{path} · {record.status}" + (f" · {record.date}" if record.date else ""))
    for word, references in (("superseded by", record.superseded_by), ("supersedes", record.supersedes)):
        if references:
            print(f"{word} {', '.join(references)}")
    if record.base:
        print(f"base {record.base}" + (f" · decision {flow(record.decision)}" if record.decision else ""))
    for claim in report.claims:
        print("\n".join(claim_lines(claim, width(120), colour())))
    return 0


# Status ---------------------------------------------------------------------------------------------------------


def run_status(args: argparse.Namespace) -> int:
    """accept, reject, deprecate."""
    from ..decisions import lifecycle

    path = path_of(args, args.record)
    action = {"accept": lifecycle.accept, "reject": lifecycle.reject, "deprecate": lifecycle.deprecate}[args.command]
    print("\n".join(action(path).messages))
    return 0


def run_supersede(args: argparse.Namespace) -> int:
    """supersede N --by M."""
    from ..decisions.lifecycle import supersede

    print("\n".join(supersede(path_of(args, args.record), path_of(args, args.by)).messages))
    return 0


def run_renumber(args: argparse.Namespace) -> int:
    """renumber, or renumber RECORD --to N."""
    from ..decisions.renumber import renumber

    path = None
    if args.record is not None:
        named = args.record.endswith((".md", ".markdown")) or os.sep in args.record
        path = args.record if named else path_of(args, args.record)
    done = renumber(str(folder_of(args)), path, args.to)
    if args.json:
        changed = [str(p) for p in done.changed]
        print_json(
            {"schema": "archwright/renumber/1", "messages": done.messages, "changed": changed, "left": done.left}
        )
        return 0
    print("\n".join(done.messages))
    for line in done.left:
        print(f"  decide by hand  {line}")
    if done.changed:
        print("Next: archwright check")
    return 0


# Writing --------------------------------------------------------------------------------------------------------


def run_new(args: argparse.Namespace) -> int:
    """Write a record; in a terminal without flags it asks."""
    from datetime import date

    from ..decisions.new import Draft, author, new
    from ..project import find_root
    from .asking import alternatives_of, ask_for

    root = find_root()
    alternatives = alternatives_of(args.alternative) if args.alternative else None
    draft = Draft(
        args.title or "",
        args.base,
        pairs(args.change, "--change"),
        alternatives,
        pairs(args.set, "--set"),
        args.author or [name for name in [author(root)] if name],
        date.today().isoformat(),
    )
    draft = ask_for(draft, root, asked=not (args.title and (args.change or args.base)))
    made = new(draft, folder_of(args), root)
    if args.json:
        print_json(
            {
                "schema": "archwright/new/1",
                "path": made.path,
                "figures": made.figures,
                "alternatives": made.alternatives,
                "changes": list(made.changes),
                "effects": [{"label": label, "change": change} for label, change in made.effects],
            }
        )
        return 0
    print(made.path)
    for change in made.changes:
        print(f"  {change}")
    size = max((len(label) for label, _ in made.effects), default=0)
    for label, effect in made.effects:
        print(f"    {label:<{size}}  {effect}")
    if made.figures:
        names = ", ".join(made.alternatives)
        count = len(made.alternatives)
        described = f", {count} alternative{'s' * (count != 1)} ({names}) with a table" if count else ""
        print(f"  written: front matter, {made.figures} figures{described}")
        print("  left to you: why (Context), what it costs in quality (Consequences), whom you asked")
    else:
        print("  written: front matter and headings")
        print("  left to you: every section")
    print("Next: edit it, then archwright check")
    return 0


def run_import(args: argparse.Namespace) -> int:
    """Make records of ours from a file."""
    from ..decisions.importing import import_file

    made = import_file(args.file, args.base, folder_of(args))
    if args.json:
        print_json({"schema": "archwright/import/1", "records": [m.to_dict() for m in made]})
        return 0
    for record in made:
        print(record.path)
        for guess in record.guesses:
            print(f"  guessed {guess}")
    target = made[0].path if len(made) == 1 else "N"
    confirm = "confirm what was guessed, then " if any(record.guesses for record in made) else ""
    print(f"Next: {confirm}archwright adr bind {target}")
    return 0


def run_bind(args: argparse.Namespace) -> int:
    """Propose labels, and write them with --apply."""
    from ..decisions.binding import bind, describe

    result = bind(path_of(args, args.record), apply=args.apply)
    if args.json:
        print_json({"schema": "archwright/bind/1", **result.to_dict()})
        return 0
    print(describe(result, width(100)))
    return 0


def run_fill(args: argparse.Namespace) -> int:
    """Fill question marks."""
    from ..decisions.filling import fill

    paths = [path_of(args, name) for name in args.records] or [r.path for r in records_of(args)]
    done, failed = [], 0
    for path in paths:
        figures, left = fill(path, wrong=args.wrong)
        done += [(path, figure) for figure in figures]
        failed += len(left)
        if not args.json:
            for figure in figures:
                print(f"{path}:{figure.line}:{figure.column}  {figure.before} -> {figure.after}  [{figure.label}]")
            for line in left:
                print(f"{path}:{line}")
    if args.json:
        filled = [
            {"path": p, "line": f.line, "column": f.column, "label": f.label, "before": f.before, "after": f.after}
            for p, f in done
        ]
        print_json({"schema": "archwright/fill/1", "filled": filled, "left": failed})
    elif not done and not failed:
        print("nothing to fill")
    return 1 if failed else 0


def run_table(args: argparse.Namespace) -> int:
    """Print a table to paste."""
    from ..decisions.frame import Frames
    from ..decisions.tables import table
    from ..textio import read_text

    path = path_of(args, args.record) if args.record else latest(args)
    frame = Frames().of(read_text(path).text, path)
    print(table(frame, args.metrics, settings=settings_of(args)))
    if not args.record:
        print(f"for {path}; another: --record N", file=sys.stderr)
    return 0


def latest(args: argparse.Namespace) -> str:
    """The path of the record that is being written: the last proposed one that has a base, else the last one."""
    from ..errors import NOTHING, Problem, Unreadable

    found = [record for record in records_of(args) if record.base]
    if not found:
        rule = "holds no record with a base"
        raise Unreadable(Problem(str(folder_of(args)), NOTHING, rule, 'Start with archwright adr new "Title"'))
    return ([record for record in found if record.status == "proposed"] or found)[-1].path
