"""Data types by their bits per element, scales included."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from ..errors import InvalidValue, Problem, did_you_mean


@dataclass(frozen=True, slots=True)
class Dtype:
    """A storage type: its name and the exact bits that one element takes, its share of scales included."""

    name: str
    bits: Fraction
    computes: bool = True
    """Whether matrix units multiply in it; a grouped type is only stored."""
    kept: tuple[str, ...] = ()
    """Of a model published in this type: the parts whose matrices keep another."""
    other: Dtype | None = None
    """That other type; vectors (norms, biases) always have it. None: everything is stored in this type."""

    def stores(self, part: str, role: str) -> Dtype:
        """The type of a tensor of a part, where tensors are stored in this type."""
        return self.other if self.other is not None and (role == "vector" or part in self.kept) else self

    @property
    def bytes(self) -> Fraction:
        """Bytes of one element."""
        return self.bits / 8

    def __str__(self) -> str:
        return self.name


_TABLE: tuple[tuple[str, Fraction | int, bool], ...] = (
    ("fp64", 64, True),
    ("fp32", 32, True),
    ("tf32", 32, True),
    ("bf16", 16, True),
    ("fp16", 16, True),
    ("fp8", 8, True),
    ("int8", 8, True),
    ("6bit", 6, False),
    ("int4", 4, False),
    ("fp4", 4, True),
    ("int4-g128", Fraction(33, 8), False),
    ("mxfp4", Fraction(17, 4), True),
    ("nvfp4", Fraction(9, 2), True),
)
DTYPES: dict[str, Dtype] = {name: Dtype(name, Fraction(bits), computes) for name, bits, computes in _TABLE}
"""Every known type. int4-g128 has a 16-bit scale for 128 elements, mxfp4 an 8-bit one for 32, nvfp4 one for 16."""

ALIASES = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32", "float8": "fp8"}
"""Other spellings that mean the same type."""


def dtype(name: object, field: str = "dtype") -> Dtype:
    """The type of that name; InvalidValue lists the known ones."""
    if isinstance(name, Dtype):
        return name
    found = DTYPES.get(ALIASES.get(name, name)) if isinstance(name, str) else None
    if found is None:
        hint = did_you_mean(name, DTYPES) if isinstance(name, str) else ""
        known = f"Known: {', '.join(DTYPES)}"
        remedy = f"{hint} {known}" if hint.startswith("Did") else known
        raise InvalidValue(Problem(field, name, "is not a known data type", remedy))
    return found


def published(name: str, kept: Iterable[str], other: Dtype) -> Dtype:
    """The type of a model that was published quantised: its matrices, without those of the kept parts.

    A model's `weights_dtype` and `kept_parts` say so; what is not quantised is of the type `other`.
    """
    return replace(dtype(name, "weights_dtype"), kept=tuple(kept), other=other)


def bits(name: str) -> Fraction:
    """Bits per element, scales included.

    >>> bits("bf16"), bits("int4-g128")
    (Fraction(16, 1), Fraction(33, 8))
    """
    return dtype(name).bits
