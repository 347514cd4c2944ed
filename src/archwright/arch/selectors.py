"""Layer selectors and field paths: `0-15`, `::2`, `type=sliding`; `layers[0-15].attention.window_size`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import NOTHING, InvalidValue, Problem

if TYPE_CHECKING:
    from .layer import Layer

_RANGE = re.compile(r"(\d+)(?:\s*-\s*(\d+))?\Z")
_SLICE = re.compile(r"(-?\d+)?:(-?\d+)?(?::(\d+))?\Z")
_PATH = re.compile(r"(?:layers\[(?P<select>[^\]]*)\]\.)?(?P<field>[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*)\Z")


def indices(
    selector: object, n_layers: int, layers: Sequence[Layer] | None = None, allow_none: bool = False
) -> list[int]:
    """The layer numbers a selector means: ranges are inclusive, slices are Python's, `type=` asks the attention.

    A selector of no layer is an error unless `allow_none`: a count of sliding layers may be 0.

    >>> indices("0-2,5", 8), indices("::3", 8), indices([1, "4-5"], 8), indices(-1, 8)
    ([0, 1, 2, 5], [0, 3, 6], [1, 4, 5], [7])
    """
    if isinstance(selector, bool) or not isinstance(selector, int | str | list | tuple):
        raise InvalidValue(_bad(selector))
    if isinstance(selector, int):
        if not -n_layers <= selector < n_layers:
            raise InvalidValue(_outside(selector, n_layers))
        return [selector % n_layers]
    parts: Iterable[object] = selector.split(",") if isinstance(selector, str) else selector
    found: list[int] = []
    for part in parts:
        found.extend(_one(part, n_layers, layers))
    if not found and not allow_none:
        raise InvalidValue(Problem("layers", selector, "selects no layer"))
    return sorted(set(found))


def _one(part: object, n_layers: int, layers: Sequence[Layer] | None) -> list[int]:
    if isinstance(part, int) and not isinstance(part, bool):
        return indices(part, n_layers)
    text = str(part).strip()
    if match := _RANGE.match(text):
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if last < first:
            raise InvalidValue(Problem("layers", text, "ends before it starts", f"Write {last}-{first}"))
        if last >= n_layers:
            raise InvalidValue(_outside(text, n_layers))
        return list(range(first, last + 1))
    if match := _SLICE.match(text):
        start, stop, step = (int(g) if g else None for g in match.groups())
        if step == 0:
            raise InvalidValue(Problem("layers", text, "has a step of 0"))
        return list(range(n_layers))[start:stop:step]
    if re.fullmatch(r"-\d+", text):
        return indices(int(text), n_layers)
    if text.startswith("type=") and layers is not None:
        from .attention import attention_types

        wanted = attention_types.get(text[5:].strip(), "layers[type=]").type
        return [i for i, layer in enumerate(layers) if layer.attention.type == wanted]
    raise InvalidValue(_bad(part))


def _bad(selector: object) -> Problem:
    return Problem("layers", selector, "is not a selection of layers", "Write 3, 0-15, 0-3,8, ::2 or type=sliding")


def _outside(selector: object, n_layers: int) -> Problem:
    return Problem("layers", selector, f"is outside the model: its {n_layers} layers are 0 to {n_layers - 1}")


def as_ranges(numbers: Sequence[int]) -> str:
    """Layer numbers in the inclusive form that files use.

    >>> as_ranges([0, 1, 2, 5])
    '0-2,5'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


@dataclass(frozen=True, slots=True)
class Path:
    """A field of the architecture, or of selected layers."""

    field: str
    select: str | None = None

    def __str__(self) -> str:
        return self.field if self.select is None else f"layers[{self.select}].{self.field}"


def parse_path(text: str) -> Path:
    """A path of the one path language; InvalidValue when it is not one.

    >>> parse_path("layers[0-15].attention.window_size")
    Path(field='attention.window_size', select='0-15')
    """
    match = _PATH.match(text.strip())
    if not match:
        raise InvalidValue(
            Problem("path", text, "is not a field path", "Write n_kv_heads or layers[0-15].attention.window_size")
        )
    return Path(match["field"], match["select"])


def no_field(path: Path | str, what: str, remedy: str = "") -> InvalidValue:
    """The error for a path that leads nowhere."""
    return InvalidValue(Problem(str(path), NOTHING, what, remedy))


def plain(value: Any) -> Any:
    """A value as files hold it: tuples as lists, maps as dicts."""
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value
