"""The words of a claim's text: units with their factors, what a figure is per, hedges and directions."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from ..units import BINARY, SI


class Unit(NamedTuple):
    """A unit of the vocabulary: its spelling, how many of `base` it is, and what it is per (`token`, `layer`, ...)."""

    name: str
    factor: Fraction
    base: str
    per: str = ""


SUFFIXES = {
    "K": 10**3, "k": 10**3, "M": 10**6, "B": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20,
    "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "mn": 10**6, "bn": 10**9,
}  # fmt: skip
"""Multipliers of a count. `B` alone is also the byte; the value decides."""

NOUNS = {
    "tokens": ("token", "tok", "toks", "positions", "position"),
    "params": ("param", "parameters", "parameter"),
    "elements": ("element", "scalars", "scalar"),
    "layers": ("layer",),
    "heads": ("head", "kv heads", "kv head", "query heads", "query head", "key/value heads"),
    "devices": ("device", "gpus", "gpu", "accelerators", "accelerator"),
    "experts": ("expert",),
    "keys": ("key", "keys/query"),
    "pairs": ("pair",),
    "sequences": ("sequence", "seqs", "requests", "request"),
    "steps": ("step",),
    "samples": ("sample",),
}
"""Nouns that are units of a count, each with its other spellings."""

PER = {
    "token": ("tokens", "tok"),
    "layer": ("layers",),
    "device": ("gpu", "devices", "accelerator", "chip"),
    "sequence": ("request", "sequences", "seq"),
    "model": ("replica",),
    "head": ("kv head",),
    "parameter": ("param", "weight"),
    "step": (),
    "query": (),
    "million tokens": ("m tokens", "1m tokens", "1 m tokens", "1 million tokens", "mtok"),
}
"""What an amount may be per, each with its other spellings."""

FACTOR_WORDS = ("x", "X", "times", "fold", "-fold")
POINT_WORDS = ("pp", "pp.", "percentage points", "percentage point", "% points", "%-points", "points", "point")

HEDGES = {
    "about": ("~", "≈", "approximately", "approx.", "approx", "roughly", "around", "circa", "ca.", "some"),
    "exactly": ("precisely",),
    "at least": (">=", "≥", "no less than", "not less than", "no fewer than"),
    "over": (">", "more than", "above"),
    "at most": ("<=", "≤", "up to", "within", "no more than", "not more than"),
    "under": ("<", "less than", "fewer than", "below"),
}
"""Canonical hedges with their spellings."""

LESS = ("smaller", "less", "fewer", "lower", "shorter", "cheaper", "reduction", "saving", "savings", "decrease")
MORE = ("larger", "more", "higher", "longer", "bigger", "greater", "dearer", "increase")
DIRECTIONS = (
    dict.fromkeys(LESS, "less")
    | dict.fromkeys(MORE, "more")
    | {"faster": "faster", "speedup": "faster", "speed-up": "faster", "slower": "slower"}
)
OPPOSITE = {
    "smaller": "larger", "less": "more", "fewer": "more", "lower": "higher", "shorter": "longer",
    "cheaper": "dearer", "reduction": "increase", "saving": "increase", "savings": "increase",
    "decrease": "increase", "faster": "slower", "speedup": "slower", "speed-up": "slower", "larger": "smaller",
    "more": "less", "higher": "lower", "longer": "shorter", "bigger": "smaller", "greater": "less",
    "dearer": "cheaper", "increase": "reduction", "slower": "faster",
}  # fmt: skip

COMPARED_NOUNS = ("memory", "time", "throughput", "compute", "cache", "latency", "traffic", "work", "flops", "bytes")
"""Nouns that may follow a direction without being a unit: `4x less memory`."""


def _table() -> dict[str, Unit]:
    table: dict[str, Unit] = {}
    one = Fraction(1)

    def add(name: str, factor: Fraction | int, base: str, *spellings: str) -> None:
        for spelling in (name, *spellings):
            table[spelling] = Unit(name, Fraction(factor), base)

    for prefix, size in (*SI.items(), *BINARY.items()):
        if prefix + "B" not in table:
            add(prefix + "B", size, "B")
            add(prefix + "B/s", size, "B/s", prefix + "B/sec", prefix + "B/second")
    add("kB", 1000, "B", "KB")
    add("kB/s", 1000, "B/s", "KB/s")
    add("B", one, "B", "bytes", "byte", "Bytes", "Byte")
    for prefix, size in (*SI.items(), ("Z", 10**21), ("Y", 10**24)):
        add(prefix + "FLOP", size, "FLOP", prefix + "FLOPs", prefix + "flop", prefix + "flops")
        rate = prefix + "FLOP/s"
        add(rate, size, "FLOP/s", prefix + "FLOPS", prefix + "FLOPs/s", prefix + "FLOP/sec", prefix + "FLOP/second")
    add("FLOP/B", one, "FLOP/B", "FLOPs/B", "FLOP/byte", "FLOPs/byte", "flop/byte", "flops/byte")
    times = (
        ("ns", Fraction(1, 10**9), ("nanoseconds", "nanosecond")),
        ("us", Fraction(1, 10**6), ("microseconds", "microsecond")),
        ("ms", Fraction(1, 1000), ("milliseconds", "millisecond", "msec")),
        ("s", one, ("seconds", "second", "sec", "secs")),
        ("min", Fraction(60), ("minutes", "minute", "mins")),
        ("h", Fraction(3600), ("hours", "hour", "hrs", "hr")),
        ("days", Fraction(86400), ("day", "d")),
    )
    for name, seconds, spellings in times:
        add(name, seconds, "s", *spellings)
    for prefix in ("", "k", "M", "G"):
        add(prefix + "Wh", SI[prefix] * 3600, "J")
        add(prefix + "J", SI[prefix], "J")
    for noun, others in NOUNS.items():
        add(noun, one, noun, *others)
    add("tokens/s", one, "tokens/s", "token/s", "tok/s", "toks/s", "tokens/sec", "tokens/second", "token/second")
    add("sequences/s", one, "sequences/s", "requests/s", "samples/s")
    add("%", one, "%", "percent", "per cent")
    add("% relative", one, "% relative", "percent relative", "% rel.", "relative %")
    add("pp", one, "pp", *POINT_WORDS)
    add("x", one, "x", *FACTOR_WORDS)
    add("$", one, "$", "USD", "dollars", "dollar", "US$")
    return table


UNITS = _table()
"""Every spelling of a unit that stands without a `per`."""

_FOLDED: dict[str, set[str]] = {}
for _spelling, _unit in UNITS.items():
    _FOLDED.setdefault(_spelling.lower(), set()).add(_unit.name)
_PER = {spelling: name for name, others in PER.items() for spelling in (name, *others)}
_PER_SPLIT = re.compile(r"\s*/\s*|\s+per\s+|\s+an?\s+(?=[a-zA-Z])|\s+each\s+")
_DEVICE_HOURS = re.compile(r"(?:GPU|device|[A-Z]{1,3}\d{2,4}|TPU|accelerator)[ -]?(hours|hour|h|days|day)\Z")


@lru_cache(maxsize=4096)
def find_unit(text: str) -> Unit | None:
    """The unit that `text` spells, with what it is per, or None.

    >>> find_unit("GiB per layer"), find_unit("tokens/s/GPU").per, find_unit("Gb")
    (Unit(name='GiB', factor=Fraction(1073741824, 1), base='B', per='layer'), 'device', None)
    """
    known = UNITS.get(text) or _noun(text)
    if known:
        return known
    hours = _DEVICE_HOURS.match(text)
    if hours:
        return UNITS[hours[1]]
    parts = _PER_SPLIT.split(text)
    for taken in range(len(parts), 0, -1):
        head = "/".join(_RATES.get(p, p) for p in parts[:taken])
        known = UNITS.get(head) or _noun(head)
        pers = [_PER.get(p.lower()) for p in parts[taken:]]
        if known and taken > 1 and not pers:
            return known
        if known and len(pers) == 1 and pers[0]:
            return known._replace(per=pers[0])
    return None


_RATES = {"second": "s", "sec": "s", "byte": "B"}


def _noun(text: str) -> Unit | None:
    known = UNITS.get(text.lower())
    return known if known and known.base in NOUNS else None


def similar_units(text: str) -> list[str]:
    """Units that `text` may have meant: the same letters in another case, and both readings of `b`."""
    folded = text.lower()
    found = set(_FOLDED.get(folded, ()))
    if re.fullmatch(r"[kmgt]i?b", folded):
        prefix = text[0].upper()
        found = {("k" if prefix == "K" else prefix) + "B", prefix + "iB"}
    return sorted(found)
