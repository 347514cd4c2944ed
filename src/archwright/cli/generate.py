"""Continue a prompt with the model of a checkpoint.

A prompt is token numbers (--tokens 1,15043), or a text where the checkpoint's
folder, or --tokenizer, has a tokenizer.json. Tokens are printed as they come.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NOTHING, NotSupported, Problem, Unreadable, UsageError
from .common import add_json, print_json

if TYPE_CHECKING:
    from ..nn.texts import Tokenizer


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", help="the folder of a checkpoint (archwright weights import writes one)"
    )
    parser.add_argument("--prompt", action="append", default=[], metavar="TEXT", help="a prompt as text; repeatable")
    parser.add_argument("--tokens", action="append", default=[], metavar="N,N", help="a prompt as tokens; repeatable")
    parser.add_argument("--tokenizer", metavar="FILE", help="a tokenizer.json (that of the checkpoint), or bytes")
    parser.add_argument("--max-new-tokens", type=int, default=64, metavar="N", help="how many tokens at most (64)")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="X", help="0 takes the likeliest token (0)")
    parser.add_argument("--top-k", type=int, metavar="K", help="draw from the K likeliest tokens")
    parser.add_argument("--top-p", type=float, metavar="P", help="draw from the fewest tokens that reach P")
    parser.add_argument("--seed", type=int, metavar="N", help="the same draw every time")
    parser.add_argument("--stop", action="append", default=[], metavar="N,N", help="tokens that end a row; repeatable")
    parser.add_argument("--chunk", type=int, default=512, metavar="N", help="tokens of a prompt read at once (512)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cpu)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Generate and print."""
    if find_spec("torch") is None:
        rule = "is not installed, and generation runs on it"
        raise NotSupported(Problem("torch", NOTHING, rule, "pip install 'archwright[torch]'"))
    from ..nn import checkpoint
    from ..nn.generation import stream
    from ..nn.sampling import Sampler

    tokenizer = _tokenizer(args)
    prompts = [_numbers(words, "--tokens") for words in args.tokens]
    prompts += [tokenizer.encode(text) for text in args.prompt if tokenizer]
    if not prompts:
        raise UsageError(Problem("prompt", NOTHING, "is missing", "Add --prompt TEXT or --tokens 1,2,3"))
    sampler = Sampler(args.temperature, args.top_k, args.top_p, args.seed)
    stop = [_numbers(words, "--stop") for words in args.stop]
    model = checkpoint.load(args.checkpoint, device=args.device)
    shown = _shown(tokenizer, live=len(prompts) == 1 and not args.json)
    rows: list[list[int]] = [[] for _ in prompts]
    ends = ["" for _ in prompts]
    for event in stream(
        model, prompts, max_new_tokens=args.max_new_tokens, sampler=sampler, stop=stop, chunk=args.chunk
    ):
        if event.token is None:
            ends[event.row] = str(event.finish)
        else:
            rows[event.row].append(event.token)
            shown(rows[event.row])
    if args.json:
        made = [
            {"tokens": row, "finish": end, "text": tokenizer.decode(row) if tokenizer else None}
            for row, end in zip(rows, ends, strict=True)
        ]
        print_json({"schema": "archwright/generate/1", "rows": made})
    elif len(prompts) == 1:
        print()
    else:
        for number, row in enumerate(rows):
            print(f"{number}: {tokenizer.decode(row) if tokenizer else ' '.join(map(str, row))}")
    return 0


def _shown(tokenizer: Tokenizer | None, live: bool) -> Callable[[list[int]], None]:
    """Prints what a row gained, as it comes; a text is decoded whole, because one token may be part of a letter."""
    printed = ""

    def show(row: list[int]) -> None:
        nonlocal printed
        if not live:
            return
        whole = tokenizer.decode(row) if tokenizer else " ".join(map(str, row))
        if whole.startswith(printed) and not whole.endswith("\ufffd"):
            sys.stdout.write(whole[len(printed) :])
            sys.stdout.flush()
            printed = whole

    return show


def _numbers(words: str, option: str) -> list[int]:
    try:
        return [int(word) for word in words.replace(" ", ",").split(",") if word]
    except ValueError:
        raise UsageError(Problem(option, words, "is not a list of token numbers", f"Write {option} 1,15043")) from None


def _tokenizer(args: argparse.Namespace) -> Tokenizer | None:
    """The tokenizer that a text prompt needs; None where there is none and none is needed."""
    from ..nn.texts import tokenizer

    beside = Path(args.checkpoint) / "tokenizer.json"
    if args.tokenizer:
        return tokenizer(args.tokenizer)
    if args.prompt and not beside.is_file():
        remedy = "Give --tokenizer FILE (or bytes), or --tokens 1,2,3"
        raise Unreadable(Problem(str(beside), NOTHING, "does not exist", remedy))
    return tokenizer(beside) if beside.is_file() else None
