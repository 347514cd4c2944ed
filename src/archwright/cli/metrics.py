"""Every metric with its unit, formula and settings."""

from __future__ import annotations

import argparse

from .common import add_json, print_json, width


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="one metric, with its page")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one line a metric, or one metric's page."""
    from ..costs.metric import metrics

    if args.name:
        metrics.get(args.name, "metric")
    shown = [(n, m) for n, m in metrics.items() if not args.name or n == args.name]
    if args.json:
        rows = [
            {"name": n, "unit": m.unit, "better": m.better, "settings": sorted(m.settings), "page": m.doc}
            for n, m in shown
        ]
        print_json({"schema": "archwright/metrics/1", "metrics": rows})
        return 0
    if args.name:
        name, metric = shown[0]
        better = f" · better: {metric.better}" if metric.better else ""
        print(f"{name} · unit: {metric.unit or 'a plain number'}{better}\n")
        print(metric.doc)
        if metric.settings:
            print("\nSettings")
            for setting in metric.settings.values():
                default = "required" if setting.required else setting.default_text or f"default {setting.default}"
                print(f"  {setting.name:<18}{setting.doc} {setting.accepts}; {default}")
        print(f"\nIn a record: [...][{name}]. Next: archwright estimate llama-3.1-8b {name}")
        return 0
    size = max(len(n) for n, _ in shown)
    columns = width(160)
    for name, metric in shown:
        line = f"{name:<{size}}  {metric.unit or '-':<10}  {metric.doc.splitlines()[0]}"
        print(line if len(line) <= columns else line[: columns - 1] + "…")
    print("\nFormula, settings and source of one: archwright metrics NAME")
    return 0
