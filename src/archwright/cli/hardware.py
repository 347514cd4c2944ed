"""Every known accelerator with its peaks and memory, each figure with its source."""

from __future__ import annotations

import argparse

from .common import add_json, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="one accelerator, with the source of each figure")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table, or one accelerator in full."""
    from ..costs.hardware import all_devices, device
    from ..units import Quantity

    found = [device(args.name)] if args.name else all_devices()
    if args.json:
        print_json({"schema": "archwright/hardware/1", "hardware": [d.to_dict() for d in found]})
        return 0
    if args.name:
        one = found[0]
        print(f"{one.name} ({one.slug}), {one.vendor}")
        units = {"memory": "B", "bandwidth": "B/s"}
        for name, fact in one.facts:
            print(f"  {name:<12}{Quantity(fact.value, units.get(name, 'FLOP/s'))!s:>16}   read on {fact.read_on}")
            print(f"              {fact.source}")
        return 0
    size = max(len(d.slug) for d in found)
    print(f"{'name':<{size}}    memory   bandwidth    bf16, dense     ridge")
    for one in found:
        peak = one.peaks.get("bf16")
        ridge = f"{float(peak / one.bandwidth):>5.0f} FLOP/B" if peak else "-"
        memory, speed = str(one.memory_quantity), str(Quantity(one.bandwidth, "B/s"))
        print(
            f"{one.slug:<{size}}  {memory:>8}  {speed:>10}  {Quantity(peak, 'FLOP/s')!s:>13}  {ridge:>12}"
            if peak
            else f"{one.slug}"
        )
    print("\nPeaks are dense; memory is what the driver reports. Sources: archwright hardware NAME")
    return 0
