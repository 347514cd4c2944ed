"""The set of values a text stands for, in base units: what a computed value or an interval is held against."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from .texts import Figure, Written
from .vocabulary import NOUNS, UNITS, Unit

Bound = Fraction | float
"""An exact end of an interval; floats are used for plus and minus infinity alone."""
Statistic = Literal["value", "ratio", "difference"]
Better = Literal["lower", "higher"]

EXACT_UNITS = frozenset({"heads", "layers", "devices", "experts"})
"""Base units of counts that are never rounded."""
PLAIN_VALUES = frozenset({"", *NOUNS})
"""Base units whose figures may stand without a unit."""


class Interval(NamedTuple):
    """From `low` to `high`, each end closed or open, with the code of the note (`rounds-to`, ...) it is held with."""

    low: Bound
    high: Bound
    low_closed: bool = True
    high_closed: bool = True
    code: str = ""

    def __contains__(self, x: object) -> bool:
        assert isinstance(x, int | Fraction)
        above = x >= self.low if self.low_closed else x > self.low
        return above and (x <= self.high if self.high_closed else x < self.high)

    def scaled(self, k: Fraction, c: Fraction = Fraction(0)) -> Interval:
        """The image under x -> k x + c, with k not zero."""
        ends = _affine(self.low, k, c), _affine(self.high, k, c)
        if k > 0:
            return Interval(*ends, self.low_closed, self.high_closed, self.code)
        return Interval(ends[1], ends[0], self.high_closed, self.low_closed, self.code)

    def inverted(self) -> Interval:
        """The image under x -> 1/x of the part above zero."""
        zero_low, zero_closed = (self.low, self.low_closed) if self.low > 0 else (Fraction(0), False)
        low = Fraction(0) if self.high == math.inf else 1 / Fraction(self.high)
        high: Bound = math.inf if zero_low == 0 else 1 / Fraction(zero_low)
        return Interval(low, high, self.high_closed and self.high != math.inf, zero_closed, self.code)


def _affine(x: Bound, k: Fraction, c: Fraction) -> Bound:
    if isinstance(x, float):
        return x if k > 0 else -x
    return x * k + c


@dataclass(frozen=True, slots=True)
class WrittenSet:
    """What a text stands for: a union of intervals of one statistic.

    `value` is the value itself; `ratio` is to over from and `difference` to minus from, of a comparison.
    The intervals are in order of preference: the first that holds a value decides which finding goes with it.
    """

    statistic: Statistic
    intervals: tuple[Interval, ...]

    def find(self, x: Fraction) -> Interval | None:
        """The first interval that holds `x`."""
        return next((i for i in self.intervals if x in i), None)

    def covers(self, low: Fraction, high: Fraction) -> bool:
        """Whether all of the closed interval from `low` to `high` is inside."""
        return any(low in i and high in i for i in self.merged())

    def disjoint(self, low: Fraction, high: Fraction) -> bool:
        """Whether nothing of the closed interval from `low` to `high` is inside."""
        for i in self.intervals:
            starts = i.low <= high if i.low_closed else i.low < high
            ends = i.high >= low if i.high_closed else i.high > low
            if starts and ends:
                return False
        return True

    def merged(self) -> tuple[Interval, ...]:
        """The same set as intervals that neither overlap nor touch, ascending, without findings."""
        merged: list[Interval] = []
        for i in sorted(self.intervals, key=lambda i: (i.low, not i.low_closed)):
            last = merged[-1] if merged else None
            if last and (i.low < last.high or (i.low == last.high and (i.low_closed or last.high_closed))):
                if i.high > last.high or (i.high == last.high and i.high_closed):
                    merged[-1] = last._replace(high=i.high, high_closed=i.high_closed)
            else:
                merged.append(i._replace(code=""))
        return tuple(merged)


class Mismatch(NamedTuple):
    """Why a text cannot be held against a value of some unit: the rule and the remedy (which may use `{right}`)."""

    rule: str
    remedy: str


def written_set(
    written: Written, unit: str = "", *, compares: bool = False, better: Better | None = None
) -> WrittenSet | Mismatch:
    """The values that a text allows, in the base unit `unit` of the value (or of the two values compared).

    >>> from archwright.claims.texts import parse_text
    >>> s = written_set(parse_text("75 % less"), "B", compares=True)
    >>> s.statistic, [(str(i.low), str(i.high), i.code) for i in s.intervals]
    ('ratio', [('49/200', '51/200', ''), ('6/25', '1/4', 'rounds-to')])
    """
    if written.kind == "word" and written.word == "unchanged" and compares:
        return WrittenSet("ratio", (Interval(Fraction(1), Fraction(1)),))
    if written.kind not in ("amount", "range") or written.figure is None:
        return Mismatch("holds no figure", "Write {right}")
    return _comparison_set(written, unit, better) if compares else _value_set(written, unit)


def _value_set(written: Written, unit: str) -> WrittenSet | Mismatch:
    name = written.unit.base if written.unit else ""
    if written.direction or name in ("pp", "% relative") or (name == "x" and unit != ""):
        shown = written.direction_word or name
        return Mismatch(
            f"compares ({shown}), and the label names one value", "Name both sides, as in kv_cache.mha->decision"
        )
    if name == "%" and unit not in ("%", ""):
        return Mismatch("is a share, which the value is not", "Write {right}, or name both sides of a comparison")
    factors = unit_factors(written, unit)
    if isinstance(factors, Mismatch):
        return factors
    sign = Fraction(-1)
    intervals = magnitudes(written, factors, unit in EXACT_UNITS)
    return WrittenSet("value", tuple(i.scaled(sign) for i in intervals) if written.sign < 0 else intervals)


def plainly_rounds(written: Written, size: Fraction | int, unit: str) -> bool:
    """Whether a size rounds to the figure in the first reading of its unit: the common case, decided in integers.

    False says nothing: `written_set` decides then. `unit` is the base unit of the size, `x` or `%` for a factor or
    a share.
    """
    figure, said = written.figure, written.unit
    if figure is None or written.kind != "amount" or written.hedge not in ("", "about") or size < 0:
        return False
    if said is None:
        if unit not in PLAIN_VALUES or unit in EXACT_UNITS or figure.suffix in ("K", "k"):
            return False
        place = figure.place
    elif said.base == unit and unit not in EXACT_UNITS:
        place = figure.place * said.factor
    else:
        return False
    top, bottom = size.numerator * place.denominator, size.denominator * place.numerator * figure.multiplier
    return (2 * top + bottom) // (2 * bottom) * figure.place.numerator * figure.number.denominator == (
        figure.number.numerator * figure.place.denominator
    )


def _comparison_set(written: Written, unit: str, better: Better | None) -> WrittenSet | Mismatch:
    less = says_less(written, unit, better)
    if isinstance(less, Mismatch):
        return less
    name = written.unit.base if written.unit else ""
    one = Fraction(1)
    if name == "x":
        if written.sign:
            return Mismatch("is a factor with a sign", "Write 4x smaller or 4x larger")
        return _sides(magnitudes(written, ((one, ""),)), less, "ratio", lambda i: i, Interval.inverted, Fraction(1))
    if name == "% relative" or (name == "%" and unit != "%"):
        percent = magnitudes(written, ((Fraction(1, 100), ""),))
        more, fewer = (lambda i: i.scaled(one, one)), (lambda i: i.scaled(-one, one))
        shares = _sides(percent, less, "ratio", more, fewer, Fraction(0))
        if written.direction == "faster" and less:  # 25 % faster is 20 % less time; people write either
            faster = tuple(i.scaled(one, one).inverted() for i in percent)
            other = tuple(i._replace(code="ambiguous-percent") for i in shares.intervals)
            return WrittenSet("ratio", faster + other)
        return shares
    factors = ((Fraction(1), ""),) if name in ("pp", "%") else unit_factors(written, unit)
    if name == "pp" and unit == "":
        factors = ((Fraction(1, 100), ""),)
    elif name == "pp" and unit != "%":
        return Mismatch("is in points, and the values are no percentages", "Write {right}")
    if isinstance(factors, Mismatch):
        return factors
    exact = unit in EXACT_UNITS
    return _sides(
        magnitudes(written, factors, exact), less, "difference", lambda i: i, lambda i: i.scaled(-one), Fraction(0)
    )


def _sides(
    pieces: tuple[Interval, ...],
    less: bool | None,
    statistic: Statistic,
    more: Callable[[Interval], Interval],
    fewer: Callable[[Interval], Interval],
    neutral: Fraction,
) -> WrittenSet:
    """Magnitudes as a statistic: upwards, downwards, or (without a direction) both, from the neutral point on."""
    if less is not None:
        return WrittenSet(statistic, tuple((fewer if less else more)(i) for i in pieces))
    if statistic == "ratio" and neutral == 1 and pieces[0].high < 1:
        return WrittenSet(statistic, tuple(more(i) for i in pieces))  # 0.25x: to over from
    outer = [i._replace(low=max(i.low, neutral), low_closed=i.low_closed or i.low < neutral) for i in pieces]
    return WrittenSet(statistic, tuple(f(i) for i in outer for f in (more, fewer)))


def says_less(written: Written, unit: str, better: Better | None) -> bool | Mismatch | None:
    """Whether the second value is said to be the smaller one; None without a direction."""
    if written.direction in ("less", "more"):
        return written.direction == "less"
    if written.direction in ("faster", "slower"):
        direction = speed_direction(unit, better)
        if direction is None:
            return Mismatch(
                f"says {written.direction_word!r} of a value that is neither a time nor a rate",
                "Write smaller or larger",
            )
        return (written.direction == "faster") == (direction == "lower")
    return written.sign < 0 if written.sign else None


def speed_direction(unit: str, better: Better | None) -> Better | None:
    """Which direction is faster: less of a time, more of a rate; otherwise what the metric of a plain number says."""
    if unit == "s" or unit.startswith("s/"):
        return "lower"
    if unit.endswith("/s"):
        return "higher"
    return better if unit == "" else None


def magnitudes(
    written: Written, factors: tuple[tuple[Fraction, str], ...], exact: bool = False
) -> tuple[Interval, ...]:
    """The intervals that a figure and its hedge stand for, unsigned, times each factor (a reading of its unit)."""
    figure = written.figure
    assert figure is not None
    if written.kind == "range":
        second = written.second
        assert second is not None
        (one, two) = sorted((figure, second), key=lambda f: f.number * f.multiplier)
        a, b = one.number * one.multiplier, two.number * two.multiplier
        half_a, half_b = one.place * one.multiplier / 2, two.place * two.multiplier / 2
        slack = Fraction(1, 10) if written.hedge == "about" else Fraction(0)
        low, high = min(a - half_a, a - a * slack), max(b + half_b, b + b * slack)
        return tuple(Interval(low * k, high * k, True, True, code) for k, code in factors if code != "binary-unit")
    exact = exact and not (figure.decimals or figure.suffix or figure.scientific)  # 2.25 heads are a mean
    rounded: list[Interval] = []
    truncated: list[Interval] = []
    for k, code in factors:
        for multiplier in _multipliers(figure):
            n, place = figure.number * multiplier * k, figure.place * multiplier * k
            core = _core(n, place, written.hedge, exact)
            if code and (written.hedge not in ("", "exactly")):
                continue  # a bound that is broken is not mended by reading its unit differently
            rounded.append(core._replace(code=code))
            if not written.hedge and not exact:
                truncated.append(Interval(n, n + place, True, False, code or "rounds-to"))
    if not truncated:
        return tuple(rounded)
    plain = [i for i in truncated if i.code == "rounds-to"]
    return (*rounded, *plain, *(i for i in truncated if i.code != "rounds-to"))


def _core(n: Fraction, place: Fraction, hedge: str, exact: bool) -> Interval:
    if hedge == "at least":
        return Interval(n, math.inf, True, False)
    if hedge == "over":
        return Interval(n, math.inf, False, False)
    if hedge == "at most":
        return Interval(-math.inf, n, False, True)
    if hedge == "under":
        return Interval(-math.inf, n, False, False)
    if hedge == "exactly" or (exact and not hedge):
        return Interval(n, n)
    if hedge == "about":
        half = max(abs(n) / 10, place / 2)
        return Interval(n - half, n + half)
    return Interval(n - place / 2, n + place / 2, True, False)


def _multipliers(figure: Figure) -> tuple[int, ...]:
    return (1000, 1024) if figure.suffix in ("K", "k") else (figure.multiplier,)


def unit_factors(written: Written, unit: str) -> tuple[tuple[Fraction, str], ...] | Mismatch:
    """How many base units the written unit is, in each of its readings, or why the two are of different kinds."""
    said, figure = written.unit, written.figure
    assert figure is not None
    if said is None:
        return _bare(written, figure, unit)
    if said.base == "B" and unit == "B":
        return _bytes(said)
    if said.base == unit or {said.base, unit} == {"tokens", "keys"} or said.name == unit:
        return ((said.factor, ""),)
    if unit == "":
        if said.base in NOUNS or said.base == "x":
            return ((said.factor, ""),)
        if said.base == "%":
            return ((Fraction(1, 100), ""),)
    if said.base in ("FLOP", "FLOP/s") and unit in ("FLOP", "FLOP/s"):
        meant = "a rate, not a count of operations" if unit == "FLOP" else "a count of operations, not a rate"
        return Mismatch(f"is in {written.unit_text}, {meant}", "Write {right}")
    return Mismatch(f"is in {written.unit_text or said.name}, not {describe(unit)}", "Write {right}")


def _bare(written: Written, figure: Figure, unit: str) -> tuple[tuple[Fraction, str], ...] | Mismatch:
    if unit == "B":
        if figure.suffix == "B":  # 512 B: the letter is the byte, not a billion
            return ((Fraction(1, 10**9), ""),)
        if figure.suffix:
            return Mismatch(f"has {figure.suffix!r}, which is no unit of bytes", "Write {right}")
    if unit in PLAIN_VALUES:
        return ((Fraction(1), ""),)
    return Mismatch("has no unit", "Write {right}")


def _bytes(said: Unit) -> tuple[tuple[Fraction, str], ...]:
    if said.name in ("kB", "MB", "GB", "TB", "PB"):
        return ((said.factor, ""), (UNITS[binary_unit(said.name)].factor, "binary-unit"))
    return ((said.factor, ""),)


def binary_unit(name: str) -> str:
    """`GB` to `GiB`."""
    return name[0].upper() + "iB"


_DESCRIPTIONS = {
    "B": "a number of bytes", "s": "a time", "FLOP": "a number of FLOP", "FLOP/s": "a rate in FLOP/s",
    "B/s": "a bandwidth", "": "a plain number", "%": "a percentage", "params": "a number of parameters",
    "FLOP/B": "an intensity in FLOP/B", "$": "a price", "tokens/s": "a rate in tokens/s",
}  # fmt: skip


def describe(unit: str) -> str:
    """What a value of that base unit is, in words."""
    return _DESCRIPTIONS.get(unit, f"a number of {unit}" if unit in NOUNS else f"in {unit}")
