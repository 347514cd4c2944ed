"""Metric: one number of an architecture under settings, from one function whose docstring is its page."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from ..errors import NOTHING, InvalidValue, Problem, UnknownName, did_you_mean
from ..registry import Registry
from ..units import Number, Quantity
from .settings import DTYPE_SETTINGS, Setting, is_known, plan, resolve

if TYPE_CHECKING:
    from ..arch.config import ArchitectureConfig

Better = Literal["less", "more"]
How = Callable[..., str]


class Metric:
    """A named number of an architecture. Calling it gives a `Quantity`; settings are keyword arguments.

    `settings` are those it takes, by name; `unit` and `better` hold for every value of it.
    """

    def __init__(
        self,
        function: Callable[..., Number | Quantity],
        unit: str,
        better: Better | None,
        label: str = "",
        shown_in: str | None = None,
        choices: Mapping[str, tuple[str, ...]] | None = None,
        settings: Iterable[Setting] = (),
        takes: type | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.name: str = function.__name__
        self.function = function
        self.unit = unit
        self.better = better
        self.label = label or self.name.replace("_", " ")
        self.shown_in = shown_in
        self._how: How | None = None
        names = _signature(function) | dict.fromkeys(takes.__annotations__ if takes else (), ...)
        if any(name in names for name in DTYPE_SETTINGS) and "dtype" not in names:
            names["dtype"] = ...
            self._adds_dtype = True
        else:
            self._adds_dtype = False
        own = {s.name: s for s in settings}
        self.settings: dict[str, Setting] = {s.name: s for s in plan(names, own, choices or {})}
        self.own_settings = frozenset(own) | {n for n in names if not is_known(n)}

    def __repr__(self) -> str:
        return f"<metric {self.name} in {self.unit or 'plain numbers'}>"

    @property
    def doc(self) -> str:
        """Its page: formula, unit, convention, source."""
        return (self.function.__doc__ or "").strip()

    def __call__(self, config: ArchitectureConfig, /, **settings: Any) -> Quantity:
        """The value for an architecture; InvalidValue for a setting that it does not have or accept."""
        return self.of(config, settings)

    def of(self, config: ArchitectureConfig, settings: Mapping[str, Any]) -> Quantity:
        """The value, settings as a map."""
        values = self.resolved(config, settings)
        notes: tuple[str, ...] = ()
        context = values.get("context")
        if isinstance(context, int) and context > config.max_seq_len:
            notes = (f"context {context:,} is beyond max_seq_len ({config.max_seq_len:,})",)
        found = self.function(config, **values)
        if isinstance(found, Quantity):
            return replace(found, notes=(*found.notes, *notes)) if notes else found
        if isinstance(found, Fraction) and found.denominator == 1:
            found = int(found)
        return Quantity(found, self.unit, self.shown_in, notes)

    def explain(self, function: How) -> How:
        """Decorator: the function that spells out a value, with the same settings."""
        self._how = function
        return function

    def how(self, config: ArchitectureConfig, settings: Mapping[str, Any]) -> str:
        """How the value comes about, in one line; empty where nothing was written for it."""
        if self._how is None:
            return ""
        return self._how(config, **self.resolved(config, settings))

    def resolved(self, config: ArchitectureConfig, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Every setting as the function takes it: checked, read, defaults filled in."""
        values = resolve(self.name, self.settings, settings, config)
        if self._adds_dtype:
            del values["dtype"]
        return values


def _signature(function: Callable[..., Any]) -> dict[str, Any]:
    """The keyword-only parameters of a function with their defaults, `...` where there is none."""
    code = function.__code__
    first = code.co_argcount
    names = code.co_varnames[first : first + code.co_kwonlyargcount]
    defaults = function.__kwdefaults__ or {}
    return {name: defaults.get(name, ...) for name in names}


def _load_builtin() -> None:
    # each module registers its own
    from .formulas import (  # noqa: F401
        activations,
        arithmetic,
        cache,
        capacity,
        communication,
        experts,
        memory,
        money,
        parameters,
        shape,
        time,
        traffic,
        training,
        training_memory,
    )


metrics: Registry[Metric] = Registry("metric", "archwright.metrics", _load_builtin)
"""Every metric by name."""


def metric(
    *,
    unit: str,
    better: Better | None,
    label: str = "",
    shown_in: str | None = None,
    choices: Mapping[str, tuple[str, ...]] | None = None,
    settings: Iterable[Setting] = (),
    takes: type | None = None,
) -> Callable[[Callable[..., Number | Quantity]], Metric]:
    """Decorator: makes `function(config, *, setting, ...)` a metric of its own name.

    The keyword-only parameters are the settings it takes, each a name of the table in `settings.py`, or one
    of its own, described in `settings`. A function with `**step: Unpack[Step]` takes those of the TypedDict given
    as `takes`. It returns an exact number in `unit`. `choices` narrows the words a setting accepts. The docstring
    is the metric's page.
    """
    if better not in ("less", "more", None):
        raise InvalidValue(Problem("better", better, "must be 'less', 'more' or None"))

    def register(function: Callable[..., Number | Quantity]) -> Metric:
        made = Metric(function, unit, better, label, shown_in, choices, settings, takes)
        metrics.register(made.name, made)
        return made

    return register


# One entry for everybody who has a name and settings ---------------------------------------------------------


def evaluate(
    name: str, config: ArchitectureConfig, settings: Mapping[str, Any] | None = None, strict: bool = True
) -> Quantity:
    """A metric's value, or a field's by its path. Not strict: settings that only other metrics have are ignored.

    UnknownName for a name that is neither; InvalidValue for settings, all problems at once.
    """
    given = settings or {}
    found = metrics.find(name)
    if found is None:
        from .fields import field_quantity, is_field

        if not is_field(name):
            raise unknown(name)
        if given and strict:
            raise InvalidValue(
                Problem(name, NOTHING, "is a field, which has no settings", f"Leave out {', '.join(given)}")
            )
        return field_quantity(config, name)
    return found.of(config, given if strict else own_settings(found, given))


def own_settings(found: Metric, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings that a metric has, and those that no metric has (which it will refuse)."""
    return {k: v for k, v in given.items() if k in found.settings or not known_setting(k)}


def known_setting(name: str) -> bool:
    """Whether any metric has a setting of that name."""
    return is_known(name) or any(name in m.own_settings for _, m in metrics.items())


def unknown(name: str) -> UnknownName:
    """The error for a name that is no metric and no field."""
    from ..arch.fields import FIELDS

    hint = did_you_mean(name, [*metrics.names(), *FIELDS])
    remedy = hint if hint.startswith("Did") else "See archwright metrics"
    return UnknownName(Problem("metric", name, "is neither a metric nor a field", remedy))


def settings_of(name: str) -> dict[str, Setting]:
    """The settings that a metric takes, by name."""
    return dict(metrics.get(name).settings)


def describe(name: str) -> str:
    """The page of a metric: its docstring."""
    return metrics.get(name).doc


def how(name: str, config: ArchitectureConfig, settings: Mapping[str, Any] | None = None) -> str:
    """How a value comes about, in one line; empty for fields and for metrics without such a line."""
    found = metrics.find(name)
    return found.how(config, own_settings(found, settings or {})) if found else ""
