"""Completion for bash, zsh and fish: `archwright --print-completion bash`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from . import COMMANDS


def full_parser() -> argparse.ArgumentParser:
    """One parser with every command, as completion needs it."""
    parser = argparse.ArgumentParser(prog="archwright", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command")
    for name, (module, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, allow_abbrev=False)
        import_module(f"archwright.cli.{module}").configure(sub)
    return parser


def print_completion(words: list[str]) -> int:
    """Print the completion script of a shell."""
    import shtab

    if len(words) != 1 or words[0] not in shtab.SUPPORTED_SHELLS:
        print(f"archwright: --print-completion takes one of {', '.join(shtab.SUPPORTED_SHELLS)}", file=sys.stderr)
        return 2
    print(shtab.complete(full_parser(), shell=words[0]))
    return 0
