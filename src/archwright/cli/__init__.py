"""The command line: one file a command, imported only when it is the one that was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init", "start a project, empty or from a published model's config.json"),
    "estimate": ("estimate", "what a model is, what it costs, where it fits"),
    "compare": ("compare", "models or changes of one, side by side"),
    "check": ("check", "re-check every number in the decision records"),
    "adr": ("adr", "write, bind, list and decide records"),
    "diff": ("diff", "what a change costs, and which decisions it touches"),
    "why": ("why", "who decided a field, when, and in which sentence"),
    "evidence": ("evidence", "what was observed: list, show, verify, import"),
    "bench": ("bench", "time architectures side by side on this machine"),
    "prove": ("prove", "get the evidence that claims lack"),
    "weights": ("weights", "read a published model's weights, or write them"),
    "generate": ("generate", "continue a prompt with the model of a checkpoint"),
    "schema": ("schema", "JSON Schema of files and outputs"),
    "metrics": ("metrics", "every metric with its unit, formula and settings"),
    "hardware": ("hardware", "every known accelerator with its peaks and memory"),
    "variants": ("variants", "every attention and feed-forward variant with its fields"),
    "presets": ("presets", "every published model that is known by name"),
}
"""Command name to (module in this package, one line of help)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 ok, 1 findings, 2 usage, 3 could not, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if sys.stdout is None:  # started with a closed output
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # open until the process ends
        code = _run(words)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _drop_output()  # the reader went away (`| head`), which is not an error of ours
        return 0
    except OSError as error:
        _drop_output()
        print(f"archwright: {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
        return 3


def _drop_output() -> None:
    """Let what is left in the buffer go nowhere, so that the interpreter does not complain at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        if words[:1] == ["help"] and len(words) > 1:
            return _run([words[1], "--help"])
        print(overview())
        return 0
    if words[0] in ("-V", "--version", "version"):
        from archwright import __version__

        print(f"archwright {__version__}")
        return 0
    if words[0] == "--print-completion":
        from .completion import print_completion

        return print_completion(words[1:])
    name = words[0]
    if name not in COMMANDS:
        from archwright.errors import nearest

        hint = nearest(name, COMMANDS)
        meant = f" Did you mean {hint}?" if hint else ""
        print(f"archwright: {name!r} is not a command.{meant}\nSee archwright --help", file=sys.stderr)
        return 2
    from archwright.errors import ArchwrightError

    from .common import parser_of, report

    command = import_module(f"archwright.cli.{COMMANDS[name][0]}")
    parser = parser_of(name, COMMANDS[name][1], command)
    args = parser.parse_args(words[1:])
    try:
        code: int = args.run(args)
        return code
    except ArchwrightError as error:
        as_json = getattr(args, "json", False) or getattr(args, "format", "") == "json"
        return report(error, as_json, done="written" if name in ("adr", "init", "weights") else "computed")


def overview() -> str:
    """The screen of `archwright --help`."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: archwright COMMAND ...",
            "",
            "Decision records for LLM architectures whose every number is checked.",
            "",
            *lines,
            "",
            "An architecture is a YAML file, a config.json, a folder with one, or a preset.",
            "Options of a command: archwright COMMAND --help",
            "Completion: archwright --print-completion bash (or zsh, fish)",
            "Exit codes: 0 all holds, 1 findings, 2 usage, 3 could not check, 130 interrupted",
            "",
            "Next: archwright estimate llama-3.1-8b",
        ]
    )
