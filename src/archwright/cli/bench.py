"""Time architectures side by side on this machine, as evidence.

Each architecture and each --change is one arm; the first is the one compared with.
Arms take turns until the interval of their ratio is narrow, or the time is up.
`calibrate` measures what this machine really reaches: FLOP/s and bytes/s.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .common import ARCHITECTURE_HELP, Help, add_json, print_json
from .evidence import add_dir, report_on, store_of

if TYPE_CHECKING:
    from ..evidence.record import Evidence

TARGETS = {
    "attention": "one attention module",
    "layer": "one layer: attention, feed-forward network and norms",
    "prefill": "reading whole prompts",
    "decode": "one decoding step of every sequence",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Subcommands: what to time."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="TARGET", parser_class=type(parser))

    def command(name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        said = text[:1].upper() + text[1:] + "."
        sub = commands.add_parser(name, help=text, description=said, formatter_class=Help, allow_abbrev=False)
        sub.set_defaults(run=run, target=name)
        return sub

    for name, text in TARGETS.items():
        sub = command(name, text, run_bench)
        sub.add_argument("architectures", nargs="+", metavar="X", help=ARCHITECTURE_HELP)
        sub.add_argument(
            "--change", action="append", default=[], metavar="FIELD=VALUE", help="an arm with a change; repeatable"
        )
        sub.add_argument("--context", required=True, metavar="TOKENS", help="tokens of one sequence: 4096 or 32Ki")
        sub.add_argument("--batch", type=int, default=1, metavar="N", help="sequences at once (1)")
        if name in ("attention", "layer"):
            sub.add_argument("--passes", choices=("forward", "both"), default="forward", help="also backward (forward)")
            sub.add_argument("--where", default="", metavar="LAYERS", help="which layer, where they differ: layers[3]")
        sub.add_argument("--backend", metavar="NAME", help="the attention backend (the best that fits)")
        if name != "decode":
            sub.add_argument("--compile", action="store_true", help="compile the modules first")
        sub.add_argument("--threads", type=int, metavar="N", help="threads of a CPU (torch's own choice)")
        sub.add_argument("--until", type=float, default=0.02, metavar="SHARE", help="stop at this half-width (0.02)")
        _common(sub)
    _common(command("calibrate", "the real peak and bandwidth of this machine", run_calibrate))


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu, cuda, cuda:1, mps or xpu (cpu)")
    parser.add_argument("--dtype", default="bf16", metavar="TYPE", help="bf16, fp16 or fp32 (bf16)")
    parser.add_argument("--time-limit", type=float, default=60.0, metavar="SECONDS", help="stop after that (60)")
    add_dir(parser)
    add_json(parser)


def need_torch() -> None:
    """NotSupported where torch is not installed, with the command that installs it."""
    from ..errors import NOTHING, NotSupported, Problem

    if find_spec("torch") is None:
        remedy = "Install it: pip install 'archwright[torch]'"
        raise NotSupported(Problem("torch", NOTHING, "is not installed, and a bench runs on it", remedy))


def progress(share: float, text: str) -> None:
    """How far a run is, on one line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r{share:4.0%}  {text}\x1b[K", end="", file=sys.stderr, flush=True)


def done() -> None:
    """Clear the line of progress."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def run_bench(args: argparse.Namespace) -> int:
    """Measure, keep and print."""
    need_torch()
    from ..arch.files import parse_tokens
    from ..lab.benches import bench
    from ..lab.devices import open_device
    from .ceiling import cost, peaks
    from .compare import columns

    store = store_of(args)
    arms = columns(args)
    opened = open_device(args.device)
    optional = {name: getattr(args, name, None) for name in ("passes", "where", "backend", "threads")}
    given: dict[str, Any] = {name: value for name, value in optional.items() if value}
    if getattr(args, "compile", False):
        given["compile"] = True
    made = bench(
        args.target,
        arms,
        context=parse_tokens(args.context),
        batch=args.batch,
        dtype=args.dtype,
        device=opened,
        until=args.until,
        time_limit=args.time_limit,
        cost=cost,
        peaks=peaks(opened.slug, args.dtype, store),
        command=("archwright", *sys.argv[1:]),
        root=store.root,
        progress=progress,
        **given,
    )
    return _keep(args, made)


def run_calibrate(args: argparse.Namespace) -> int:
    """Measure the machine, keep and print."""
    need_torch()
    from ..lab.calibration import calibrate

    made = calibrate(
        device=args.device,
        dtype=args.dtype,
        time_limit=args.time_limit,
        command=("archwright", *sys.argv[1:]),
        root=store_of(args).root,
        progress=progress,
    )
    return _keep(args, made)


def _keep(args: argparse.Namespace, made: Evidence) -> int:
    from ..evidence.listing import to_json
    from ..evidence.store import Stored

    done()
    stored = Stored(store_of(args).add(made), made)
    if args.json:
        print_json(to_json([stored]))
        return 0
    print("\n".join(report_on(stored)))
    print(f"\nadded {stored.path}. Next: archwright evidence list")
    return 0
