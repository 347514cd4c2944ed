"""The settings of metrics: one table of names, accepted values and defaults, and how they are resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..errors import NOTHING, InvalidValue, Problem, UnknownName, did_you_mean
from .dtypes import DTYPES, dtype, published
from .tally import PART_NAMES

if TYPE_CHECKING:
    from ..arch.config import ArchitectureConfig

REQUIRED: Any = NOTHING
"""The default of a setting that must be given."""
MOST = 2**60
"""No count of tokens, sequences or devices comes near it, except training tokens, which stay below too."""


class Rejected(Exception):
    """A value that a setting does not accept: the rule and the remedy."""

    def __init__(self, rule: str, remedy: str = "") -> None:
        self.rule = rule
        self.remedy = remedy
        super().__init__(rule)


Read = Callable[[Any, "ArchitectureConfig"], Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: what it means, what it accepts, and what it is when not given."""

    name: str
    doc: str
    accepts: str
    read: Read
    default: Any = REQUIRED
    default_text: str = ""
    """The default in words, where it depends on the architecture or another setting."""

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is REQUIRED and not self.default_text


def _whole(least: int, most: int = MOST) -> Read:
    def read(value: Any, config: ArchitectureConfig) -> int:
        number = value
        if isinstance(value, str):
            from ..arch.literals import parse_tokens

            try:
                number = parse_tokens(value)
            except InvalidValue as error:
                problem = error.problems[0]
                raise Rejected(problem.rule, problem.remedy) from None
        if isinstance(number, float | Fraction) and not isinstance(number, bool) and _is_whole(number):
            number = int(number)
        if not isinstance(number, int) or isinstance(number, bool):
            raise Rejected("must be a whole number")
        if number < least:
            raise Rejected(f"must be at least {least}")
        if number > most:
            raise Rejected(f"must be at most {most:,}")
        return number

    return read


def _is_whole(number: float | Fraction) -> bool:
    return number.is_integer() if isinstance(number, float) else number.denominator == 1


def exact(value: Any) -> Fraction:
    """A number (or `40 %`) exactly as written; Rejected where it is none."""
    if isinstance(value, str):
        text = value.strip().replace("_", "")
        percent = text.endswith("%")
        try:
            number = Fraction(text.removesuffix("%").strip())
        except (ValueError, ZeroDivisionError):
            raise Rejected("must be a number") from None
        return number / 100 if percent else number
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise Rejected("must be a number")
    if isinstance(value, float):
        try:
            return Fraction(repr(value))
        except ValueError:
            raise Rejected("must be a finite number") from None
    return Fraction(value)


def _share(value: Any, config: ArchitectureConfig) -> Fraction:
    number = exact(value)
    if not 0 < number <= 1:
        hint = f"Write {float(number / 100):g}, or {float(number):g} %" if 1 < number <= 100 else ""
        raise Rejected("must be over 0 and at most 1", hint)
    return number


def _positive(value: Any, config: ArchitectureConfig) -> Fraction:
    number = exact(value)
    if number <= 0:
        raise Rejected("must be positive")
    return number


def _rate(unit: str) -> Read:
    def read(value: Any, config: ArchitectureConfig) -> Fraction:
        if isinstance(value, str):
            from ..units import factor

            number, _, suffix = value.strip().partition(" ")
            size = factor(suffix.strip(), unit) if suffix else Fraction(1)
            if size is None:
                raise Rejected(f"must be a number of {unit}", f"Write 400e12 or 400 T{unit}")
            return _positive(number, config) * size
        return _positive(value, config)

    return read


def choice(*accepted: str) -> Read:
    """One of a few words."""

    def read(value: Any, config: ArchitectureConfig) -> str:
        text = value if isinstance(value, str) else str(value)
        if text not in accepted:
            hint = did_you_mean(text, accepted)
            known = f"Use one of {', '.join(accepted)}"
            raise Rejected("is not accepted", f"{hint} {known}" if hint.startswith("Did") else known)
        return text

    return read


def _cache(value: Any, config: ArchitectureConfig) -> str:
    text = str(value)
    number = text.removeprefix("paged-")
    if number != text:
        if not number.isdigit() or not 0 < int(number) <= 65536:
            raise Rejected("must have a page of 1 to 65,536 tokens", "Write paged-16")
        return f"paged-{int(number)}"
    kinds = ("needed", "full", "hybrid-unified", "transformers", "materialised")
    if text not in kinds:
        raise Rejected("is not a kind of cache", f"Use one of {', '.join(kinds)} or paged-16")
    return text


def _flag(value: Any, config: ArchitectureConfig) -> bool:
    if isinstance(value, str) and value in ("true", "false"):
        return value == "true"
    if not isinstance(value, bool):
        raise Rejected("must be true or false")
    return value


def _dtype(value: Any, config: ArchitectureConfig) -> Any:
    try:
        return dtype(value)
    except InvalidValue as error:
        raise Rejected(error.problems[0].rule, error.problems[0].remedy) from None


def _device(value: Any, config: ArchitectureConfig) -> Any:
    from .hardware import Device, device

    if isinstance(value, Device):
        return value
    try:
        return device(value)
    except InvalidValue as error:
        raise Rejected(error.problems[0].rule, error.problems[0].remedy) from None


def _where(value: Any, config: ArchitectureConfig) -> frozenset[int]:
    from ..arch.selectors import indices

    selector = value
    if isinstance(value, str):
        text = value.strip()
        selector = text[7:-1] if text.startswith("layers[") and text.endswith("]") else text
    try:
        return frozenset(indices(selector, config.n_layers, config.layers, allow_none=True))
    except (InvalidValue, UnknownName) as error:
        raise Rejected(error.problems[0].rule, error.problems[0].remedy) from None


def _part(value: Any, config: ArchitectureConfig) -> str:
    return str(choice(*PART_NAMES)(value, config))


def _price(value: Any, config: ArchitectureConfig) -> Any:
    from .price import read_price

    return read_price(value)


def _optional(read: Read) -> Read:
    def optional(value: Any, config: ArchitectureConfig) -> Any:
        return None if value is None or value == "none" else read(value, config)

    return optional


def _anything(value: Any, config: ArchitectureConfig) -> Any:
    return value


PRICE = "a map {amount: 2, date: 2024-12-27, source: ...}, or '2 / 2024-12-27 / where it is from'"
_TOKENS = "a count of tokens: 32768, 32_768 or 32Ki"
_TYPES = f"a data type: {', '.join(DTYPES)}"


def _count(name: str, doc: str, least: int = 1, default: Any = 1, accepts: str = "") -> Setting:
    return Setting(name, doc, accepts or f"a whole number of at least {least}", _whole(least), default)


def _words(name: str, doc: str, *words: str, default: Any = REQUIRED) -> Setting:
    return Setting(name, doc, f"one of {', '.join(words)}", choice(*words), default)


_ALL = (
    Setting("context", "Tokens of one sequence.", _TOKENS, _whole(1), REQUIRED, "the architecture's max_seq_len"),
    _count("batch", "Sequences at once."),
    _count("new_tokens", "Tokens generated after the prompt.", accepts=_TOKENS),
    _words("phase", "What runs.", "prefill", "decode", "train", default="prefill"),
    Setting("dtype", "Sets weights_dtype, kv_dtype and activation_dtype at once.", _TYPES, _dtype, "bf16"),
    Setting(
        "weights_dtype",
        "Type of the stored weights; a model published quantised has its own where no type is given.",
        _TYPES,
        _dtype,
        REQUIRED,
        "dtype",
    ),
    Setting("kv_dtype", "Type of cached keys and values.", _TYPES, _dtype, REQUIRED, "dtype"),
    Setting("activation_dtype", "Type that matrix products compute in.", _TYPES, _dtype, REQUIRED, "dtype"),
    Setting("moe_dtype", "Type of the routed experts' matrices.", _TYPES, _dtype, REQUIRED, "weights_dtype"),
    Setting("grad_dtype", "Type of gradients.", _TYPES, _dtype, "bf16"),
    Setting("master_dtype", "Type of master weights.", _TYPES, _dtype, "fp32"),
    Setting("optimizer_dtype", "Type of optimizer state.", _TYPES, _dtype, "fp32"),
    _count("tp", "Devices that split heads and columns; KV heads are replicated beyond their number."),
    _count("pp", "Devices that split the layers into stages."),
    _count("dp", "Replicas that split the batch."),
    _count("ep", "Devices that split the routed experts."),
    _count("cp", "Devices that split the context."),
    _count("fsdp", "Devices that split every tensor in training."),
    _words(
        "zero",
        "What the dp replicas share in training: 1 optimizer state, 2 gradients too, 3 weights too (ZeRO stages).",
        "0",
        "1",
        "2",
        "3",
        default="0",
    ),
    Setting("device", "The accelerator, by its name in `archwright hardware`.", "an accelerator", _device),
    _count("n_devices", "Devices in all."),
    Setting(
        "cache",
        "What is held: needed (rolling windows, latents), full, paged-N, hybrid-unified, transformers or materialised.",
        "one of needed, full, hybrid-unified, transformers, materialised, paged-N",
        _cache,
        "needed",
    ),
    _words("checkpointing", "Activations recomputed in training.", "none", "selective", "full", default="none"),
    Setting("backend", "The implementation that runs.", "a backend's name", _anything, None),
    Setting("where", "Which layers: layers[0-15], layers[::2], layers[type=sliding].", "a layer path", _where, None),
    Setting("part", "Which part of the model.", f"one of {', '.join(PART_NAMES)}", _part, None),
    _words("per", "What the amount is for.", "model", "layer", "device", "token", "sequence", default="model"),
    Setting("efficiency", "Share of the device's peaks that is reached.", "over 0, at most 1, or 40 %", _share, 1),
    Setting("usable", "Share of a device's memory that can be used.", "over 0, at most 1, or 90 %", _share, "0.9"),
    Setting("tokens", "Tokens trained on (or in a batch).", _TOKENS, _whole(1, 2**63)),
    _words("optimizer", "The optimizer.", "adamw", "adamw8bit", "muon", "sgd", default="adamw"),
    _words("loss", "How the loss is computed.", "fused", "full", default="full"),
    Setting(
        "approximation",
        "A published rule of thumb in place of the exact count.",
        "6N or none",
        _optional(choice("6N")),
        None,
    ),
    Setting("hardware", "Whether recomputed work counts too.", "true or false", _flag, False),
    Setting("price", "Price of one device hour in $, with its date and source.", PRICE, _price),
    Setting("hours", "Device hours as published, in place of a rate.", "a positive number", _positive, None),
    _words(
        "embedding",
        "Which vocabulary matrices count: both, the output head alone, or none.",
        "all",
        "output",
        "none",
        default="all",
    ),
    _words(
        "flops_convention",
        "visible counts the pairs that causality and windows leave; dense counts T x T.",
        "visible",
        "dense",
        default="visible",
    ),
    Setting("throughput", "Measured tokens a second of one device.", "a positive number", _positive, None),
    Setting("achieved", "Measured FLOP/s of one device.", "a positive number, or 400 TFLOP/s", _rate("FLOP/s"), None),
)
SETTINGS: dict[str, Setting] = {s.name: s for s in _ALL}
"""Every setting that a metric of ours can take, by name. Third-party metrics may bring their own."""

DTYPE_SETTINGS = ("weights_dtype", "kv_dtype", "activation_dtype")
"""What `dtype` sets."""


def is_known(name: str) -> bool:
    """Whether some metric takes a setting of that name."""
    return name in SETTINGS


def plan(names: Mapping[str, Any], own: Mapping[str, Setting], choices: Mapping[str, tuple[str, ...]]) -> list[Setting]:
    """The settings of a metric from its signature (name to default, `...` for none there), each as it applies there."""
    made: list[Setting] = []
    for name, default in names.items():
        found = own.get(name) or SETTINGS.get(name)
        setting = found or Setting(name, "", "any value", _anything)
        if name in choices:
            accepted, read = choices[name], choice(*choices[name])
            if setting.default is None:
                accepted, read = (*accepted, "none"), _optional(read)
            setting = replace(setting, accepts=f"one of {', '.join(accepted)}", read=read)
        if default is not ...:
            setting = replace(setting, default=default, default_text="")
        made.append(setting)
    return made


def resolve(
    metric: str, settings: Mapping[str, Setting], given: Mapping[str, Any], config: ArchitectureConfig
) -> dict[str, Any]:
    """Every setting of a metric as a checked value; InvalidValue with all problems at once."""
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name in given:
        if name not in settings:
            hint = did_you_mean(name, settings)
            takes = f"{metric} takes {', '.join(settings)}" if settings else f"{metric} takes no settings"
            remedy = f"{hint} {takes}" if hint.startswith("Did") else takes
            problems.append(Problem(name, NOTHING, f"is not a setting of {metric}", remedy))
    for name, setting in settings.items():
        value, follows = given.get(name, setting.default), False
        if name not in given and setting.default_text:
            if name == "context":
                values[name] = config.max_seq_len
                continue
            value, follows = _followed(setting, given, config), True
        elif value is REQUIRED:
            problems.append(Problem(name, NOTHING, f"is required by {metric}", f"Give it: {_accepted(setting)}"))
            continue
        if value is None and setting.default is None:
            values[name] = None
            continue
        try:
            values[name] = setting.read(value, config)
        except Rejected as reason:
            if not follows:  # what it follows has the same problem, and says so
                remedy = reason.remedy or f"Accepted: {_accepted(setting)}"
                problems.append(Problem(name, value, reason.rule, remedy))
    if problems:
        raise InvalidValue(problems)
    return values


def _followed(setting: Setting, given: Mapping[str, Any], config: ArchitectureConfig) -> Any:
    """What a type is when not given: what it follows, in the end `dtype`.

    Weights of a model that was published quantised are of the type it was published in, if nothing is given.
    """
    passed = [setting.name]
    while passed[-1] not in given:
        if passed[-1] == "dtype":
            plain = SETTINGS["dtype"].default
            kind = config.source.weights_dtype
            if kind is None or "weights_dtype" not in passed:
                return plain
            return published(kind, config.source.kept_parts, dtype(plain))
        passed.append(SETTINGS[passed[-1]].default_text)
    return given[passed[-1]]


def _accepted(setting: Setting) -> str:
    """What a setting accepts, with every device named where a device is meant."""
    if setting.name == "device":
        from .hardware import names

        return f"one of {', '.join(names())}"
    return setting.accepts
