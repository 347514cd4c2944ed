"""Published weights as files: safetensors in one or several shards, read by name without reading the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import NOTHING, Location, Problem, Unreadable

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
CONVERT = (
    "Convert them where you trust their source: load them with transformers there and call "
    "save_pretrained(folder), which writes safetensors"
)


def problem(path: Path, rule: str, remedy: str = "") -> Problem:
    """A problem whose place is a file."""
    return Problem("", NOTHING, rule, remedy, Location(str(path)))


@dataclass(frozen=True)
class Stored:
    """One tensor in a shard, as its header describes it."""

    shard: Path
    shape: tuple[int, ...]
    dtype: str


def find_shards(folder: Path) -> list[Path]:
    """The safetensors files of a folder. Unreadable: none, a missing one, or pickled weights alone."""
    if not folder.is_dir():
        raise Unreadable(problem(folder, "is not a folder" if folder.exists() else "does not exist"))
    index = folder / INDEX
    if index.exists():
        return _indexed(folder, index)
    if (folder / SINGLE).exists():
        return [folder / SINGLE]
    found = sorted(folder.glob("*.safetensors"))
    if found:
        return found
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLED)
    if pickled:
        rule = f"holds pickled weights ({', '.join(pickled[:3])}), which can run any code when they are read"
        raise Unreadable(problem(folder, rule, CONVERT))
    raise Unreadable(problem(folder, f"holds no weights: neither {SINGLE} nor {INDEX}"))


def _indexed(folder: Path, index: Path) -> list[Path]:
    try:
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        files = sorted({str(n) for n in names})
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise Unreadable(problem(index, f"is no index of shards: {error}", "Fetch it again")) from None
    missing = [n for n in files if not (folder / n).is_file()]
    strange = [n for n in files if "/" in n or n.startswith(".")]
    if strange:
        raise Unreadable(problem(index, f"names files outside its folder: {', '.join(strange[:3])}"))
    if missing:
        rule = f"lacks {len(missing)} of {len(files)} shards: {', '.join(missing)}"
        raise Unreadable(problem(folder, rule, "Fetch what is missing"))
    return [folder / n for n in files]


@contextmanager
def opened(shard: Path) -> Iterator[Any]:
    """A memory-mapped shard. Unreadable: it is cut off or no safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(shard, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        remedy = "Fetch it again: its length or its header is not what was written"
        raise Unreadable(problem(shard, f"cannot be read: {error}", remedy)) from None


def headers(shards: list[Path]) -> dict[str, Stored]:
    """Every tensor by name, from the headers alone. Unreadable: all shards that cannot be read, or a name twice."""
    found: dict[str, Stored] = {}
    problems: list[Problem] = []
    for shard in shards:
        try:
            with opened(shard) as file:
                for name in file.keys():  # noqa: SIM118  # not a map
                    if name in found:
                        rule = f"holds {name}, which {found[name].shard.name} holds too"
                        problems.append(problem(shard, rule))
                    part = file.get_slice(name)
                    found[name] = Stored(shard, tuple(part.get_shape()), str(part.get_dtype()))
        except Unreadable as error:
            problems += error.problems
    if problems:
        raise Unreadable(problems)
    return found


def read(shard: Path, names: list[str]) -> Iterator[tuple[str, Tensor]]:
    """Tensors of a shard one after the other; each is mapped, not copied."""
    with opened(shard) as file:
        for name in names:
            yield name, file.get_tensor(name)
