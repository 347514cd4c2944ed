"""Quantity: an exact number with a unit; parsing and printing."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

Number = int | Fraction
Rounding = Literal["half-up", "down"]

SI = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
BINARY = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
COUNT = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
TIME = {"ns": Fraction(1, 10**9), "us": Fraction(1, 10**6), "ms": Fraction(1, 1000), "s": Fraction(1)}
ENERGY = {p + "Wh": 3600 * f for p, f in (("", 1), ("k", 10**3), ("M", 10**6), ("G", 10**9))}
LONG_TIME = {"min": Fraction(60), "h": Fraction(3600), "days": Fraction(86400)}

SI_UNITS = ("FLOP", "FLOP/s", "B/s")
"""Base units printed with SI prefixes: GFLOP, TB/s."""
COUNT_UNITS = ("params", "elements")
"""Base units printed as counts: 8.03 B."""
PLAIN_UNITS = ("", "tokens", "layers", "devices", "heads", "experts", "keys", "pairs", "sequences")
"""Base units printed as whole numbers where they are whole: 4,096 tokens."""


def decimal_places(value: Number, digits: int = 3) -> int:
    """How many decimals show `digits` significant digits of a value (0 for a large one)."""
    top, bottom = abs(value.numerator), value.denominator
    if not top:
        return 0
    exponent = len(str(top)) - len(str(bottom))  # of ten; one too large where the leading digits are the smaller ones
    below: bool = top < bottom * 10**exponent if exponent >= 0 else top * 10**-exponent < bottom
    return max(0, digits - 1 - exponent + below)


def _rounded(value: Number, decimals: int) -> int:
    """The size of a value times 10^decimals, rounded half up."""
    scale: int = 10**decimals
    return (2 * abs(value.numerator) * scale + value.denominator) // (2 * value.denominator)


def to_fixed(value: Number, decimals: int, rounding: Rounding = "half-up") -> str:
    """An exact number with that many decimals and thousands separators.

    >>> to_fixed(Fraction(12345, 10), 1), to_fixed(Fraction(-1, 3), 2), to_fixed(Fraction(5, 2), 0)
    ('1,234.5', '-0.33', '3')
    """
    if rounding == "half-up":
        whole = _rounded(value, decimals)
    else:
        whole = abs(value.numerator) * 10**decimals // value.denominator
    sign = "-" if value < 0 and whole else ""
    if not decimals:
        return f"{sign}{whole:,}"
    return f"{sign}{whole // 10**decimals:,}.{whole % 10**decimals:0{decimals}d}"


def significant(value: Number, digits: int = 3) -> str:
    """An exact number with that many significant digits; never fewer digits than its whole part has.

    >>> significant(Fraction(405849, 1000)), significant(Fraction(1, 2)), significant(Fraction(9999, 1000))
    ('406', '0.500', '10.0')
    """
    decimals = decimal_places(value, digits)
    if decimals and _rounded(value, decimals) >= 10**digits:  # 9.999 is 10.0, not 10.00
        decimals -= 1
    return to_fixed(value, decimals)


@lru_cache(maxsize=256)
def scales(unit: str) -> dict[str, Fraction]:
    """The units a base unit may be shown in, smallest first, each with its factor.

    >>> list(scales("B"))[:4], list(scales("params"))[-2:]
    (['B', 'KiB', 'MiB', 'GiB'], ['B', 'T'])
    """
    if unit == "B":
        return {p + "B": Fraction(f) for p, f in BINARY.items()}
    if unit == "s":
        return dict(TIME)
    if unit == "J":
        return {name: Fraction(f) for name, f in (("J", 1), *ENERGY.items())}
    for base in SI_UNITS:
        if unit == base:
            return {p + base: Fraction(f) for p, f in SI.items()}
    if unit in COUNT_UNITS:
        return {p: Fraction(f) for p, f in COUNT.items()}
    return {unit: Fraction(1)}


@lru_cache(maxsize=2048)
def factor(unit: str, base: str) -> Fraction | None:
    """How many `base` units one `unit` is, or None when they are of different kinds.

    Bytes know both prefixes (GB = 10^9, GiB = 2^30); `KB` is read as kB.

    >>> factor("GB", "B"), factor("GiB", "B"), factor("days", "s"), factor("GB", "s")
    (Fraction(1000000000, 1), Fraction(1073741824, 1), Fraction(86400, 1), None)
    """
    if unit == base:
        return Fraction(1)
    if base == "B":
        table = {p + "B": f for p, f in (*SI.items(), *BINARY.items())} | {"KB": 1000}
        return Fraction(table[unit]) if unit in table else None
    if base == "s":
        return (TIME | LONG_TIME | {"µs": TIME["us"], "μs": TIME["us"], "day": Fraction(86400)}).get(unit)
    if base == "J":
        table = {p + "J": f for p, f in SI.items()} | ENERGY
        return Fraction(table[unit]) if unit in table else None
    if base in SI_UNITS:
        table = {p + base: f for p, f in SI.items()} | {"K" + base: 1000, "Z" + base: 10**21, "Y" + base: 10**24}
        return Fraction(table[unit]) if unit in table else None
    if base in COUNT_UNITS and unit in COUNT:
        return Fraction(COUNT[unit])
    if base == "%" and unit == "":
        return Fraction(100)
    return None


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact number in a base unit (`B`, `FLOP`, `params`, `s`, `tokens`, ... or '' for a ratio).

    `int(q)` is the number where it is whole; `q.to("GiB")` shows it in another unit of the same kind;
    `str(q)` has three significant digits in the largest unit of at least one. Arithmetic stays exact.

    >>> q = Quantity(4294967296, "B"); int(q), str(q), str(q.to("GB")), f"{q.to('MiB'):.0f}"
    (4294967296, '4.00 GiB', '4.29 GB', '4,096 MiB')
    """

    value: Number
    unit: str = ""
    shown_in: str | None = None
    notes: tuple[str, ...] = ()

    def __int__(self) -> int:
        if isinstance(self.value, Fraction) and self.value.denominator != 1:
            raise ValueError(f"{self} is not a whole number")
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Quantity):
            return self.unit == other.unit and self.value == other.value
        return self.value == other if isinstance(other, int | float | Fraction) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.value, self.unit))

    def to(self, unit: str) -> Quantity:
        """The same quantity, shown in another unit of the same kind; ValueError for a unit of another kind."""
        if factor(unit, self.unit) is None:
            from .errors import InvalidValue, Problem

            raise InvalidValue(
                Problem(
                    "unit",
                    unit,
                    f"does not measure what {self.unit or 'a plain number'} measures",
                    f"Use one of {', '.join(scales(self.unit))}",
                )
            )
        return Quantity(self.value, self.unit, unit, self.notes)

    def amount(self, unit: str) -> Fraction:
        """The exact number of `unit`s."""
        one = factor(unit, self.unit)
        if one is None:
            raise ValueError(f"{unit} does not measure {self.unit}")
        return Fraction(self.value) / one

    def best_unit(self) -> str:
        """The largest unit in which the quantity is at least one (the smallest unit for less)."""
        if self.shown_in is not None:
            return self.shown_in
        table = list(scales(self.unit).items())
        top, bottom = abs(self.value.numerator), self.value.denominator
        index = 0
        for i, (_, size) in enumerate(table):
            if top * size.denominator >= size.numerator * bottom:
                index = i
        if index + 1 < len(table):
            # 1023.9 MiB prints as 1,024 MiB, which is 1.00 GiB: go up where rounding reaches the next unit
            best, larger = table[index][1], table[index + 1][1]
            if 100 * top * larger.denominator >= 99 * larger.numerator * bottom:
                shown = significant(Fraction(self.value) / best).replace(",", "")
                if abs(Fraction(shown)) * best >= larger:
                    index += 1
        return table[index][0]

    def in_unit(self, unit: str, digits: int = 3) -> str:
        """The quantity in `unit` with that many significant digits, unit included."""
        amount = self.amount(unit)
        exact = self.unit in PLAIN_UNITS and amount.denominator == 1
        number = (
            to_fixed(amount, 0)
            if exact or (amount.denominator == 1 and unit == "B" and self.unit == "B")
            else significant(amount, digits)
        )
        if self.unit == "%":
            return f"{number} %"
        if exact and amount == 1 and unit.endswith("s"):
            unit = unit[:-1]
        return f"{number} {unit}".rstrip()

    def __str__(self) -> str:
        return self.in_unit(self.best_unit())

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        unit = self.best_unit()
        if spec.startswith(".") and spec.endswith("f") and spec[1:-1].isdigit():
            return f"{to_fixed(self.amount(unit), int(spec[1:-1]))} {unit}".rstrip()
        raise ValueError(f"{spec!r} is not a format of a quantity: use '.2f' or nothing")

    def __repr__(self) -> str:
        return f"Quantity({self.value!r}, {self.unit!r})"

    def _repr_html_(self) -> str:
        return f"<span title='{self.value} {self.unit}'>{self}</span>"

    def _same(self, other: Quantity) -> None:
        if self.unit != other.unit:
            raise ValueError(f"{self!r} and {other!r} have different units")

    def __add__(self, other: Quantity) -> Quantity:
        self._same(other)
        return Quantity(self.value + other.value, self.unit)

    def __sub__(self, other: Quantity) -> Quantity:
        self._same(other)
        return Quantity(self.value - other.value, self.unit)

    def __mul__(self, by: int | Fraction) -> Quantity:
        return Quantity(self.value * by, self.unit)

    __rmul__ = __mul__

    def __truediv__(self, other: Quantity | int | Fraction) -> Quantity:
        if isinstance(other, Quantity):
            self._same(other)
            return Quantity(Fraction(self.value) / other.value)
        return Quantity(Fraction(self.value) / other, self.unit)

    def _ordered(self, other: Quantity | int | float | Fraction) -> Number | float:
        """What an order compares with: a quantity of the same unit, or a plain number, as in equality."""
        if not isinstance(other, Quantity):
            return other
        self._same(other)
        return other.value

    def __lt__(self, other: Quantity | int | float | Fraction) -> bool:
        return self.value < self._ordered(other)

    def __le__(self, other: Quantity | int | float | Fraction) -> bool:
        return self.value <= self._ordered(other)

    def __gt__(self, other: Quantity | int | float | Fraction) -> bool:
        return self.value > self._ordered(other)

    def __ge__(self, other: Quantity | int | float | Fraction) -> bool:
        return self.value >= self._ordered(other)
