"""Start a project, empty or from a published model's config.json.

Writes architecture.yaml, the folder docs/decisions, [tool.archwright] in
pyproject.toml, and the schema with which editors check architecture files
(.archwright, .vscode). What exists is kept: a second run changes nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import NOTHING, Problem, UsageError, WriteFailed
from .common import ARCHITECTURE_HELP, add_json, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="where (the current folder)")
    parser.add_argument("--from", dest="source", metavar="X", help=ARCHITECTURE_HELP)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write what is missing and say so."""
    from ..arch.config import ArchitectureConfig
    from ..arch.loading import load
    from ..arch.writing import commented
    from ..atomic import create_exclusive
    from ..textio import read_text, write_text
    from ..units import Quantity
    from .editor import COMMENT, wire

    folder = Path(args.folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(Problem(str(folder), NOTHING, "is a file, not a folder"))
    config = load(args.source) if args.source else ArchitectureConfig()
    file, project = folder / "architecture.yaml", folder / "pyproject.toml"
    written, kept = [], []
    try:
        (folder / "docs" / "decisions").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteFailed(Problem(str(folder), NOTHING, f"cannot be written: {error.strerror}")) from None
    try:
        create_exclusive(file, COMMENT + commented(config))
        written.append(str(file))
    except FileExistsError:
        kept.append(str(file))
        if args.source:
            rule = "exists already and is kept"
            raise UsageError(Problem(str(file), NOTHING, rule, "Move it away, or choose another folder")) from None
    if not project.exists():
        create_exclusive(project, "[tool.archwright]\n")
        written.append(str(project))
    else:
        source = read_text(project)
        if "[tool.archwright" in source.text:
            kept.append(str(project))
        else:
            write_text(project, source.text.rstrip("\n") + "\n\n[tool.archwright]\n", like=source)
            written.append(f"{project} ([tool.archwright] added)")
    more, there = wire(folder)
    written += more
    kept += there
    if args.json:
        data = {"schema": "archwright/init/1", "written": written, "kept": kept, "fingerprint": config.fingerprint}
        print_json(data)
        return 0
    for path in written:
        print(f"wrote {path}")
    for path in kept:
        print(f"kept  {path}")
    name = f"{config.name}: " if config.name else ""
    print(f"{name}{Quantity(int(config.estimate_params()), 'params')} parameters, {config.n_layers} layers")
    for note in config.source.notes:
        print(f"note: {note}")
    heads = max(1, config.n_kv_heads // 2)
    print(f'Next: archwright adr new "Fewer KV heads" --change n_kv_heads={heads}')
    return 0
