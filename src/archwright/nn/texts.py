"""Texts in, texts out: prompts through a tokenizer, a model and back, as a stream; what `archwright generate` runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import NOTHING, InvalidValue, Location, NotSupported, Problem, Unreadable
from .generation import Finish, Stop, stream
from .sampling import Sampler
from .transformer import Transformer


class Tokenizer(Protocol):
    """Texts to token numbers and back."""

    size: int
    """One more than the largest token number."""

    def encode(self, text: str) -> list[int]:
        """The tokens of a text."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; what is not a whole character yet ends in U+FFFD."""


class Bytes:
    """Every byte of UTF-8 is a token."""

    size = 256

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, tokens: Sequence[int]) -> str:
        return bytes(t for t in tokens if t < 256).decode(errors="replace")


class Numbers:
    """Token numbers written out, with spaces between."""

    size = 0

    def encode(self, text: str) -> list[int]:
        found = text.replace(",", " ").split()
        wrong = [word for word in found if not word.isdecimal()]
        if wrong:
            raise InvalidValue(Problem("prompt", wrong[0], "must be token numbers with spaces between"))
        return [int(word) for word in found]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(f"{token} " for token in tokens)


class FromFile:
    """A `tokenizer.json` of the Hugging Face tokenizers library."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            import tokenizers
        except ImportError:
            rule = "needs the package tokenizers"
            raise NotSupported(Problem("tokenizer", str(path), rule, "pip install archwright[torch]")) from None
        file = Path(path)
        if not file.is_file():
            place = Location(str(path))
            raise Unreadable(Problem("", NOTHING, "is not a file", "Name a tokenizer.json, or bytes", place))
        try:
            self._made = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # noqa: BLE001  # the library raises nothing narrower for a file it cannot read
            place = Location(str(path))
            raise Unreadable(Problem("", NOTHING, f"is not a tokenizer: {error}", where=place)) from None
        self.size: int = self._made.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        tokens: list[int] = self._made.encode(text).ids
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        text: str = self._made.decode(list(tokens), skip_special_tokens=True)
        return text


def tokenizer(name: str | os.PathLike[str]) -> Tokenizer:
    """`bytes`, `numbers`, or the path of a tokenizer.json."""
    if name == "bytes":
        return Bytes()
    return Numbers() if name == "numbers" else FromFile(name)


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that a row has gained, or its end: then `finish` says why."""

    row: int
    text: str = ""
    finish: Finish | None = None


def continue_texts(
    model: Transformer,
    prompts: Sequence[str],
    codec: Tokenizer,
    *,
    max_new_tokens: int,
    sampler: Sampler | None = None,
    stop: Sequence[str] = (),
    chunk: int = 512,
) -> Iterator[Piece]:
    """The continuation of each prompt in pieces of whole characters, as they come; stop texts are left out.

    InvalidValue: the tokenizer has more tokens than the model, a prompt is empty, too many tokens.
    """
    if codec.size > model.config.vocab_size:
        rule = f"is smaller than the tokenizer's {codec.size} tokens"
        raise InvalidValue(Problem("vocab_size", model.config.vocab_size, rule, "Use the model's own tokenizer"))
    rows = [codec.encode(prompt) for prompt in prompts]
    stops: list[Stop] = [codec.encode(text) for text in stop]
    events = stream(model, rows, max_new_tokens=max_new_tokens, sampler=sampler, stop=stops, chunk=chunk)
    return _pieces(events, codec, len(rows))


def _pieces(events: Iterator[object], codec: Tokenizer, rows: int) -> Iterator[Piece]:
    from .generation import Event

    said: list[list[int]] = [[] for _ in range(rows)]
    shown = [0] * rows
    for event in events:
        assert isinstance(event, Event)
        if event.token is not None:
            said[event.row].append(event.token)
        text = codec.decode(said[event.row])
        whole = len(text) if event.finish or not text.endswith("\N{REPLACEMENT CHARACTER}") else shown[event.row]
        if whole > shown[event.row]:
            yield Piece(event.row, text[shown[event.row] : whole])
            shown[event.row] = whole
        if event.finish:
            yield Piece(event.row, finish=event.finish)
