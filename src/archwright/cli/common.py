"""What commands share: parsers, settings on the command line, error reports, colour and width."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from types import ModuleType
from typing import Any

from ..errors import NOTHING, ArchwrightError, Problem, UsageError, did_you_mean, show


class Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal, at most 100 columns, each command or option with its words on one line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=width() - 2)

    def add_argument(self, action: argparse.Action) -> None:
        """As usual, but with room for the indent of subcommands, which argparse forgets."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += self._indent_increment


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors name the nearest option and the help to read; exit code 2."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As usual, but what is left over is reported by the subcommand that was chosen, which knows its options."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            chosen = self._subcommand(getattr(found, "command", None)) or self
            chosen.error(f"unrecognized arguments: {' '.join(rest)}")
        return found

    def _subcommand(self, name: str | None) -> argparse.ArgumentParser | None:
        groups = (a.choices for a in self._actions if isinstance(a, argparse._SubParsersAction))
        return next((group[name] for group in groups if name in group), None)

    def error(self, message: str) -> Any:
        """Say what is wrong with the nearest that is right, and stop with exit code 2."""
        word, known = "", list[str]()
        if "unrecognized arguments:" in message:
            word = message.split("unrecognized arguments:")[1].split()[0].partition("=")[0]
            known = [o for action in self._actions for o in action.option_strings if o.startswith("--")]
        elif found := _CHOICE.search(message):
            word, known = found[1], [w.strip(" '") for w in found[2].split(",")]
        hint = did_you_mean(word, known) if word.strip("-") else ""
        hint = " " + hint if hint.startswith("Did") else ""
        print(f"{self.prog}: {message}.{hint}\nSee {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from ([^)]*)\)")


def parser_of(name: str, text: str, command: ModuleType) -> argparse.ArgumentParser:
    """The parser of one command; its module fills it in `configure(parser)` and sets `run`."""
    parser = Parser(
        prog=f"archwright {name}",
        description=(command.__doc__ or text).strip(),
        formatter_class=Help,
        allow_abbrev=False,
    )
    command.configure(parser)
    return parser


ARCHITECTURE_HELP = "an architecture file, a config.json, a folder with one, or a preset's name"


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json: the same as data, with a schema of its own (archwright schema)."""
    parser.add_argument("--json", action="store_true", help="print JSON (archwright schema shows its schema)")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """--set KEY=VALUE, repeatable."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting: context=32768, dtype=fp8, device=h100-sxm",
    )


def scalar(text: str) -> Any:
    """A value as YAML 1.2 reads it: a number, true, null, a list, a map or a text."""
    from ..arch.files import parse_yaml

    return parse_yaml(text, "<command line>").data


def pairs(words: list[str], option: str) -> dict[str, Any]:
    """KEY=VALUE words as a map; values are read as YAML."""
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if word.startswith("layers[") and "]" in word:
            # a selector may hold an equals sign itself: layers[type=sliding].attention.window_size=64
            head, _, rest = word.partition("]")
            field, equals, value = rest.partition("=")
            key = f"{head}]{field}"
        if not equals or not key:
            raise UsageError(Problem(option, word, "is not KEY=VALUE", f"Write {option} n_kv_heads=4"))
        found[key.strip()] = scalar(value)
    return found


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """The --set words as settings; token counts may be written 32Ki."""
    found = pairs(args.set, "--set")
    for key in ("context", "new_tokens", "tokens"):
        if isinstance(found.get(key), str):
            from ..arch.files import parse_tokens

            found[key] = parse_tokens(found[key])
    return found


def report(error: ArchwrightError, as_json: bool = False, done: str = "computed") -> int:
    """Print an error for people (stderr) or programs (stdout); returns the exit code. `done` is what was not."""
    if as_json:
        print(
            json.dumps(
                {
                    "schema": "archwright/error/1",
                    "code": error.code,
                    "problems": [
                        {
                            "path": p.where.path if p.where else None,
                            "line": p.where.line if p.where else None,
                            "column": p.where.column if p.where else None,
                            "field": p.field,
                            "found": _found(p.found),
                            "message": p.message,
                        }
                        for p in error.problems
                    ],
                },
                indent=2,
            )
        )
        return error.exit_code
    for problem in error.problems:
        print(problem, file=sys.stderr)
    files = list(dict.fromkeys(p.where.path for p in error.problems if p.where))
    if files and error.exit_code == 3 and error.code != "write-failed":
        count = len(error.problems)
        print(f"{count} problem{'s' * (count > 1)} in {', '.join(files)}; nothing was {done}.", file=sys.stderr)
    return error.exit_code


def _found(value: object) -> str | None:
    """A found value as the user's file has it."""
    if value is NOTHING:
        return None
    return value if isinstance(value, str) else show(value)


def width(limit: int = 100) -> int:
    """Columns to fill: the terminal's, at most `limit`."""
    try:
        columns = int(os.environ.get("COLUMNS", "")) or os.get_terminal_size(sys.stdout.fileno()).columns
    except (ValueError, OSError, AttributeError):
        columns = 80
    return max(40, min(limit, columns))


def colour(stream: Any = None) -> bool:
    """Whether to colour: a terminal, and no NO_COLOR."""
    stream = stream or sys.stdout
    return "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb" and bool(stream.isatty())


def paint(text: str, style: str, on: bool) -> str:
    """Text in a style (red, yellow, green, bold, dim) where colour is on."""
    codes = {"red": "31", "yellow": "33", "green": "32", "bold": "1", "dim": "2"}
    return f"\x1b[{codes[style]}m{text}\x1b[0m" if on else text


def print_json(data: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(data, indent=2, ensure_ascii=False))
