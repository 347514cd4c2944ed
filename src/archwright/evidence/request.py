"""Request: an observation that a claim needs: what claims produce, lab answers and the store is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import NOTHING, InvalidValue, Problem, UnknownName, did_you_mean, nearest
from .schema import TARGETS

if TYPE_CHECKING:
    from ..arch.config import ArchitectureConfig

Settings = tuple[tuple[str, Any], ...]

BENCH_MEASURES: dict[str, tuple[str, str]] = {
    "time": ("s", "lower"),
    "throughput": ("tokens/s", "higher"),
    "peak_memory": ("B", "lower"),
    "flops_share": ("%", "higher"),
    "bandwidth_share": ("%", "higher"),
}
"""What a bench observes: unit and direction of better."""

BENCH_SETTINGS = ("batch", "context", "dtype", "passes", "where", "backend", "compile", "n_heads", "threads", "target")
"""Settings that a bench has; others of a record do not concern it."""

BENCH_DEFAULTS: dict[str, Any] = {"batch": 1, "passes": "forward"}
"""Settings that a bench takes when nobody says otherwise."""

ABLATION_MEASURES: dict[str, tuple[str, str]] = {
    "train_loss": ("nats", "lower"),
    "val_loss": ("nats", "lower"),
    "val_perplexity": ("", "lower"),
    "grad_norm_max": ("", "lower"),
    "loss_spikes": ("", "lower"),
    "diverged": ("", "lower"),
    "step_time": ("s", "lower"),
    "token_efficiency": ("", "higher"),
}
"""What a training run observes."""


def bench_measures() -> tuple[str, ...]:
    """Every name that `bench:` accepts: `decode_throughput`, `attention_time`, ..."""
    return tuple(f"{target}_{name}" for target in TARGETS for name in BENCH_MEASURES)


@dataclass(frozen=True, slots=True)
class Side:
    """One architecture of a request, under the name that the record gives it, with settings of its own."""

    name: str
    architecture: ArchitectureConfig
    settings: Settings = ()


@dataclass(frozen=True, slots=True)
class Request:
    """An observation: of one side, or of two compared (from the first to the second).

    `target` and `measure` are what `bench: decode_throughput` says; an evaluation's measure is `task/metric` and its
    target is empty, as is an ablation's. `settings` are the workload with defaults filled in. `at` is how a verdict
    names a proxy (empty: the architecture itself). `label` and `record` say who asks.
    """

    kind: str
    target: str
    measure: str
    sides: tuple[Side, ...]
    settings: Settings = ()
    device: str | None = None
    at: str = ""
    label: str = field(default="", compare=False)
    record: str = field(default="", compare=False)

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes two requests the same: architectures count by their fingerprint."""
        sides = tuple((s.name, s.architecture.name, s.architecture.fingerprint, s.settings) for s in self.sides)
        return self.kind, self.target, self.measure, self.settings, self.device, sides

    @property
    def name(self) -> str:
        """What is observed, in words: `decode_throughput, batch 8, on h100-sxm`."""
        head = f"{self.target}_{self.measure}" if self.kind == "bench" else self.measure
        said = [f"{name} {value}" for name, value in self.settings if BENCH_DEFAULTS.get(name) != value]
        return ", ".join([head, *said, *([f"on {self.device}"] if self.device else [])])

    def settings_of(self, side: Side) -> dict[str, Any]:
        """The workload with a side's own settings."""
        return {**dict(self.settings), **dict(side.settings)}


def bench_request(
    name: str,
    sides: tuple[Side, ...],
    settings: Mapping[str, Any],
    device: str | None,
    *,
    strict: frozenset[str] = frozenset(),
    at: str = "",
    label: str = "",
    record: str = "",
) -> Request:
    """A request for `bench: name`. `strict` names the settings that the claim itself gives: unknown ones are errors.

    InvalidValue: all problems; UnknownName: the nearest and all known names.
    """
    given = dict(settings)
    target = str(given.pop("target", "")) or next((t for t in TARGETS if name.startswith(f"{t}_")), "")
    measure = name.removeprefix(f"{target}_")
    if target not in TARGETS or measure not in BENCH_MEASURES:
        known = bench_measures()
        hit = nearest(name, known)
        hint = f"Did you mean {hit}? " if hit else ""
        raise UnknownName(Problem("bench", name, "is not observed by a bench", f"{hint}Known: {', '.join(known)}"))
    problems = [
        Problem(setting, NOTHING, "is not a setting of a bench", did_you_mean(setting, BENCH_SETTINGS, "Its settings"))
        for setting in given
        if setting in strict and setting not in BENCH_SETTINGS
    ]
    if device is None:
        problems.append(Problem("device", NOTHING, "is missing: a time holds for one device", "Add device: h100-sxm"))
    kept = {n: v for n, v in (BENCH_DEFAULTS | given).items() if n in BENCH_SETTINGS and v is not None}
    if target in ("prefill", "decode"):
        kept.pop("passes", None)
        kept.pop("where", None)
    if "context" not in kept:
        problems.append(Problem("context", NOTHING, "is missing: a time holds for one length", "Add context: 4096"))
    if problems:
        raise InvalidValue(problems)
    own = tuple(
        Side(s.name, s.architecture, tuple((n, v) for n, v in s.settings if n in BENCH_SETTINGS)) for s in sides
    )
    return Request("bench", target, measure, own, tuple(sorted(kept.items())), device, at, label, record)


def evaluation_request(name: str, sides: tuple[Side, ...], settings: Mapping[str, Any], **said: str) -> Request:
    """A request for `eval: task/metric`; InvalidValue where the name is not of that form."""
    if name.count("/") != 1 or not all(name.split("/")):
        raise InvalidValue(Problem("eval", name, "is not task/metric", "Write mmlu/acc"))
    return Request("eval", "", name, sides, tuple(sorted(settings.items())), None, **said)


def ablation_request(name: str, sides: tuple[Side, ...], settings: Mapping[str, Any], **said: str) -> Request:
    """A request for `ablation: name`; UnknownName lists the known ones."""
    if name not in ABLATION_MEASURES:
        hint = did_you_mean(name, ABLATION_MEASURES)
        known = f"Known: {', '.join(ABLATION_MEASURES)}"
        remedy = f"{hint} {known}" if hint.startswith("Did") else known
        raise UnknownName(Problem("ablation", name, "is not observed by a training run", remedy))
    return Request("ablation", "", name, sides, tuple(sorted(settings.items())), None, **said)


def command(request: Request) -> str:
    """The command that answers a request on the device it names."""
    if request.kind == "eval":
        names = " and ".join(side.name for side in request.sides)
        task = request.measure.partition("/")[0]
        return f"archwright evidence import RESULTS --for ALTERNATIVE   (results of {task} for {names})"
    if request.record:
        return f"archwright prove {request.record}" + (f" --only {request.label}" if request.label else "")
    return "archwright prove"
