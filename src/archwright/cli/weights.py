"""Weights of published models: into a checkpoint, and back into their own files."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import NOTHING, NotSupported, Problem
from .common import Help

DTYPES = ("float32", "bfloat16", "float16")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=type(parser))

    def command(name: str, text: str, run: Any) -> argparse.ArgumentParser:
        said = text[:1].upper() + text[1:] + "."
        sub = commands.add_parser(name, help=text, description=said, formatter_class=Help, allow_abbrev=False)
        sub.add_argument("--dtype", choices=DTYPES, metavar="TYPE", help=f"convert to: {', '.join(DTYPES)}")
        sub.set_defaults(run=run)
        return sub

    sub = command("import", "read a published model's safetensors into a checkpoint", run_import)
    sub.add_argument("source", metavar="FOLDER", help="config.json and model.safetensors, or its shards and index")
    sub.add_argument("--to", required=True, metavar="CHECKPOINT", help="the folder of the checkpoint")
    sub = command("export", "write a checkpoint as the config.json and safetensors of a model type", run_export)
    sub.add_argument("source", metavar="CHECKPOINT", help="the folder of the checkpoint")
    sub.add_argument("--to", required=True, metavar="FOLDER", help="a new or an empty folder")
    sub.add_argument("--type", required=True, metavar="TYPE", help="the model type: llama, qwen3, mixtral ...")
    sub.add_argument("--shard-bytes", type=int, default=5 * 10**9, metavar="N", help="largest file (5000000000)")


def run_import(args: argparse.Namespace) -> int:
    """Read config.json and weights, write a checkpoint."""
    _require_torch()
    from ..arch.files import load as read
    from ..arch.huggingface import import_config
    from ..arch.huggingface.wrapper import inner_key
    from ..export import import_weights
    from ..nn import checkpoint

    document = read(Path(args.source) / "config.json")
    config = import_config(document)
    key = inner_key(document.data) if "model_type" not in document.data else None
    kind = (document.data[key] if key else document.data)["model_type"]
    model = import_weights(args.source, config, kind, dtype=_dtype(args.dtype), progress=_progress())
    made = checkpoint.save(model, args.to)
    count = sum(p.numel() for p in model.parameters())
    print(f"{made}: {count:,} parameters of {kind} in {str(model.embedding.weight.dtype).removeprefix('torch.')}")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Read a checkpoint, write the files of a model type."""
    _require_torch()
    from ..export import export_weights
    from ..nn import checkpoint

    model = checkpoint.load(args.source)
    options: dict[str, Any] = {"dtype": _dtype(args.dtype), "shard_bytes": args.shard_bytes, "progress": _progress()}
    made = export_weights(model, args.to, args.type, **options)
    print(f"{made}: config.json and weights of {args.type}")
    return 0


def _require_torch() -> None:
    missing = [name for name in ("torch", "safetensors") if find_spec(name) is None]
    if missing:
        rule = f"needs {' and '.join(missing)}, which is not installed here"
        raise NotSupported(Problem("weights", NOTHING, rule, "pip install 'archwright[torch]'"))


def _dtype(name: str | None) -> Any:
    import torch

    return None if name is None else getattr(torch, name)


def _progress() -> Any:
    """A line that is written over while a terminal looks on; nothing elsewhere."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int, name: str) -> None:
        share = 100 * done // max(1, total)
        end = "\n" if done >= total else ""
        print(f"\r\x1b[K{share:3d} %  {done / 1e9:.1f} of {total / 1e9:.1f} GB  {name}", end=end, file=sys.stderr)

    return show
