"""Every published model that is known by name."""

from __future__ import annotations

import argparse

from ..arch.presets import names, preset, provenance
from ..units import Quantity
from .common import add_json, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("filter", nargs="?", default="", metavar="TEXT", help="only names that contain this text")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one line a preset."""
    rows = []
    for name in names():
        if args.filter.lower() not in name:
            continue
        config = preset(name)
        found = (getattr(layer.attention, "window_size", None) for layer, _ in config.groups)
        windows = [window for window in found if window is not None]
        rows.append(
            {
                "name": name,
                "parameters": int(config.estimate_params()),
                "n_layers": config.n_layers,
                "n_heads": config.n_heads,
                "n_kv_heads": config.n_kv_heads,
                "window_size": min(windows) if windows else None,
                "max_seq_len": config.max_seq_len,
                **provenance(name),
            }
        )
    if args.json:
        print_json({"schema": "archwright/presets/1", "presets": rows})
        return 0
    if not rows:
        print(f"No preset's name contains {args.filter!r}. See archwright presets")
        return 1
    size = max(len(str(r["name"])) for r in rows)
    print(f"{'name':<{size}}  parameters  layers  heads/KV  window  context")
    for r in rows:
        heads = f"{r['n_heads']}/{r['n_kv_heads']}"
        window = f"{r['window_size']:,}" if r["window_size"] is not None else "-"
        count = str(Quantity(int(str(r["parameters"])), "params"))
        print(f"{r['name']:<{size}}  {count:>10}  {r['n_layers']:>6}  {heads:>8}  {window:>6}  {r['max_seq_len']:>9,}")
    print(f"\n{len(rows)} presets. Next: archwright estimate {rows[0]['name']}")
    return 0
