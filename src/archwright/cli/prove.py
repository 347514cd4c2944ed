"""Get the evidence that claims lack: run what this machine can, say what else to run.

Without RECORD: all records. Missing and stale evidence is listed with an estimate
of the time; benches of this machine then run, each kept as soon as it is done.
Nothing but evidence is written: no record changes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .bench import done, need_torch, progress
from .common import add_json, print_json
from .evidence import report_on, store_of

if TYPE_CHECKING:
    from ..decisions.proving import Need, Run
    from ..evidence.store import Store

BUILDING = 5.0
"""Seconds that an arm takes to build and warm up, as an estimate says it."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("records", nargs="*", default=[], metavar="RECORD", help="numbers or paths (all records)")
    parser.add_argument("--dry-run", action="store_true", help="list, and run nothing")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORD",
        help="a claim's name, a kind (bench, eval), a target (decode) or a device; repeatable",
    )
    parser.add_argument("--time-limit", type=float, default=60.0, metavar="SECONDS", help="of each bench (60)")
    parser.add_argument("--until", type=float, default=0.02, metavar="SHARE", help="stop at this half-width (0.02)")
    parser.add_argument("--dir", metavar="FOLDER", help="the folder of evidence (evidence)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List, run and say what is left."""
    from ..decisions.proving import chosen, elsewhere, imports_of, needs_of, runs_of
    from .adr import path_of, records_of

    store = store_of(args)
    args.dir = None  # of records, from here on
    paths = [path_of(args, name) for name in args.records] or [record.path for record in records_of(args)]
    needs = chosen(needs_of(paths), args.only)
    runs = runs_of(needs)
    here = _here() if runs else {}
    able = [r for r in runs if r.request.device in here]
    orders = elsewhere(runs, here, args.records)
    imports = imports_of(needs)
    if not args.json:
        _say(needs, runs, able, here, orders, imports, args)
    made: list[str] = []
    failed = 0
    if able and not args.dry_run:
        need_torch()
        try:
            failed = _run(able, here, store, args, made)
        except KeyboardInterrupt:
            done()
            kept = f"{len(made)} of {len(able)} benches are done and kept"
            print(f"interrupted: {kept}. Go on: {_again(args)}", file=sys.stderr)
            return 130
    left = [n for n in needs if args.dry_run or not any(n in r.needs for r in able)]
    if args.json:
        print_json(_document(needs, runs, here, orders, imports, made, args))
    elif made:
        print("Next: archwright check --fix")
    return 3 if failed else 1 if left else 0


def _again(args: argparse.Namespace) -> str:
    words = ["archwright", "prove", *args.records, *(w for only in args.only for w in ("--only", only))]
    return " ".join(words)


def _here() -> dict[str, str]:
    """The devices of this machine as claims name them, each with torch's name; none without torch."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        return {}
    from ..errors import ArchwrightError
    from ..lab.devices import open_device

    found: dict[str, str] = {}
    for kind in ("cpu", "cuda", "mps", "xpu"):
        try:
            found.setdefault(open_device(kind).slug, kind)
        except ArchwrightError:
            continue
    return found


def _seconds(run: Run, args: argparse.Namespace) -> float:
    return float(args.time_limit) + BUILDING * len(run.request.sides)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _say(
    needs: list[Need],
    runs: list[Run],
    able: list[Run],
    here: dict[str, str],
    orders: dict[str, str],
    imports: list[str],
    args: argparse.Namespace,
) -> None:
    if not needs:
        print("Every claim that was asked for has evidence that counts. Next: archwright check")
        return
    path = ""
    for need in needs:
        if need.path != path:
            path = need.path
            print(path)
        place = f"{need.line}:{need.column}"
        wanted = need.request.name if need.request is not None else need.message
        print(f"  {place:<7}{need.verdict:<10}{need.text} · {wanted}")
    if able:
        total = _duration(sum(_seconds(run, args) for run in able))
        verb = "would run" if args.dry_run else "running"
        benches = f"{len(able)} bench{'es' * (len(able) > 1)}"
        print(f"\nHere, on {', '.join(dict.fromkeys(str(r.request.device) for r in able))}: {verb} {benches}, ", end="")
        print(f"at most about {total}")
        for each in able:
            print(f"  {each.name}")
    if orders or imports:
        print("\nElsewhere")
        for device, command in orders.items():
            print(f"  on a machine with {device}: {command}")
        for line in imports:
            print(f"  {line}")
    if not able and runs and not here:
        print("\nNothing runs here: torch is not installed (pip install 'archwright[torch]')")


def _run(able: list[Run], here: dict[str, str], store: Store, args: argparse.Namespace, made: list[str]) -> int:
    """Run and keep each bench; how many could not be run."""
    from ..errors import ArchwrightError
    from ..evidence.store import Stored
    from ..lab.benches import run as answer
    from .ceiling import cost, peaks

    failed = 0
    for number, each in enumerate(able, 1):
        request = each.request
        if not args.json:
            print(f"\n{number} of {len(able)}  {each.name}", flush=True)
        try:
            evidence = answer(
                request,
                device=here[str(request.device)],
                until=args.until,
                time_limit=args.time_limit,
                cost=cost,
                peaks=peaks(str(request.device), str(dict(request.settings).get("dtype", "bf16")), store),
                command=("archwright", *sys.argv[1:]),
                root=store.root,
                progress=progress,
            )
            path = store.add(evidence)
        except ArchwrightError as error:
            done()
            failed += 1
            print(error, file=sys.stderr)
            continue
        done()
        made.append(str(path))
        if not args.json:
            print("\n".join(report_on(Stored(Path(path), evidence))))
            print(f"  kept in {path}")
    return failed


def _document(
    needs: list[Need],
    runs: list[Run],
    here: dict[str, str],
    orders: dict[str, str],
    imports: list[str],
    made: list[str],
    args: argparse.Namespace,
) -> dict[str, Any]:
    return {
        "schema": "archwright/prove/1",
        "claims": [
            {
                "path": n.path,
                "line": n.line,
                "column": n.column,
                "label": n.label,
                "text": n.text,
                "verdict": n.verdict,
                "message": n.message,
                "kind": n.kind,
                "device": n.request.device if n.request is not None else None,
            }
            for n in needs
        ],
        "runs": [
            {
                "target": r.request.target,
                "device": r.request.device,
                "settings": dict(r.request.settings),
                "sides": [side.name for side in r.request.sides],
                "here": r.request.device in here,
                "seconds": _seconds(r, args),
            }
            for r in runs
        ],
        "elsewhere": [*orders.values(), *imports],
        "made": made,
    }
