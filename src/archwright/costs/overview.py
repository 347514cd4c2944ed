"""The overview: one screen that answers what a model is, what it costs, and where it fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from ..arch.attention.base import AttentionSpec
from ..arch.config import ArchitectureConfig
from ..arch.selectors import as_ranges
from ..errors import InvalidValue
from ..units import Quantity, to_fixed
from .estimate import Estimate
from .formulas.parameters import by_part
from .hardware import Device, all_devices
from .metric import evaluate, metrics
from .results import Result, as_data, check_settings, published_type, result
from .settings import SETTINGS

CONTEXTS = (1, 4096, 32768)
"""Shown where the model is made for them, and its max_seq_len with them."""
METRICS = ("parameters", "weights", "kv_cache", "inference_memory", "decode_flops", "fits", "decode_time")
SHOWN_ON = "h100-sxm"
"""The device whose decode bound is shown, where the model fits it."""
BAR = 35
"""Columns of the longest bar."""
MOST_KINDS = 4
"""Kinds of attention that the title names."""
NAMES = (
    ("feed-forward", ("feed_forward",)),
    ("experts", ("experts", "router")),
    ("attention", ("attention.qkv", "attention.scores", "attention.output")),
    ("embedding", ("embedding",)),
    ("output head", ("head",)),
    ("norms", ("norms",)),
)
"""Parts as the screen groups them."""


def contexts(config: ArchitectureConfig, given: Mapping[str, Any]) -> list[int]:
    """The context lengths of the columns, ascending."""
    found = {c for c in CONTEXTS if c <= config.max_seq_len} | {config.max_seq_len}
    if "context" in given:
        found.add(metrics.get("kv_cache").resolved(config, {"context": given["context"]})["context"])
    return sorted(found)


def overview_estimate(config: ArchitectureConfig, settings: Mapping[str, Any], width: int = 80) -> Estimate:
    """The overview as data, with the screen as its text."""
    check_settings(list(METRICS), settings)
    columns = contexts(config, settings)
    own = {k: v for k, v in settings.items() if k not in ("context", "device")}
    results = [result("parameters", config, own)]
    results += [result("parameters", config, {**own, "part": part}) for part in by_part(config)]
    results.append(result("weights", config, own))
    at: dict[str, list[Result]] = {}
    for name in ("kv_cache", "inference_memory", "decode_flops"):
        at[name] = [result(name, config, {**own, "context": context}) for context in columns]
        results += at[name]
    fitting: list[list[tuple[Device, Result]]] = []
    for context in columns:
        every = [(d, result("fits", config, {**own, "context": context, "device": d})) for d in _devices()]
        fitting.append(every)
        results += [found for _, found in every]
    shown_at = _shown_at(columns, settings)
    bound = _bound(config, own, shown_at, settings, fitting[columns.index(shown_at)])
    results += [bound] if bound else []
    screen = _screen(config, own, columns, at, fitting, bound, shown_at, width)
    return Estimate(config, tuple(results), tuple(settings.items()), screen)


def overview(config: ArchitectureConfig, width: int = 80, reference: str = "", **settings: Any) -> str:
    """The overview as text of at most `width` columns. `reference` is how the next command names the model."""
    text = overview_estimate(config, settings, width).screen
    head, _, _ = text.rpartition("\nNext: ")
    return f"{head}\n{_next(config, reference)}" if reference else text


def _shown_at(columns: Sequence[int], settings: Mapping[str, Any]) -> int:
    """The context of the decode bound: the one asked for, else 32,768, else the longest."""
    if "context" in settings:
        asked = [c for c in columns if c == settings["context"]]
        return asked[0] if asked else columns[-1]
    return CONTEXTS[-1] if CONTEXTS[-1] in columns else columns[-1]


def _bound(
    config: ArchitectureConfig,
    own: Mapping[str, Any],
    context: int,
    settings: Mapping[str, Any],
    fitting: Sequence[tuple[Device, Result]],
) -> Result | None:
    """The decode bound on the device asked for, else on the usual one, else on the smallest that holds the model."""
    where = [d for d, found in fitting if found.quantity]
    chosen = settings.get("device") or next((d for d in where if d.slug == SHOWN_ON), where[0] if where else None)
    if chosen is None:
        return None
    given = {**own, "context": context, "device": chosen}
    kind = str(as_data(given.get("activation_dtype", given.get("dtype", SETTINGS["dtype"].default))))
    device = metrics.get("fits").resolved(config, given)["device"]
    if kind not in device.peaks:
        given["activation_dtype"] = "bf16"  # stored smaller than the device multiplies
    return result("decode_time", config, given)


def _screen(
    config: ArchitectureConfig,
    own: Mapping[str, Any],
    columns: Sequence[int],
    at: Mapping[str, Sequence[Result]],
    fitting: Sequence[Sequence[tuple[Device, Result]]],
    bound: Result | None,
    shown_at: int,
    width: int,
) -> str:
    lines = [*_wrapped(_title(config), width), "", *_parameters(config, width), ""]
    batch = own.get("batch", 1)
    types = [str(as_data(own.get("dtype", SETTINGS["dtype"].default)))]
    types += [f"{key} {as_data(value)}" for key, value in own.items() if key.endswith("_dtype")]
    kind = published_type(config, own)
    types += [f"weights {kind}"] if kind else []
    heading = f"Context, {', '.join(types)}, batch {batch}"
    rows = [
        [heading, *(f"{c:,}" for c in columns)],
        *(_row(name, [r.quantity for r in at[name]], _unit_of_work(own)) for name in at),
        [f"fits, {_usable(config, own)} of memory", *(_fits(found) for found in fitting)],
    ]
    lines += _table(rows, width)
    lines += ["", _bound_line(config, own, bound, shown_at)]
    lines += [f"note: {note}" for note in config.source.notes]
    lines.append(_next(config, ""))
    return "\n".join(lines)


def _usable(config: ArchitectureConfig, own: Mapping[str, Any]) -> str:
    """The usable share of memory in words: `90 %`."""
    usable: Fraction = metrics.get("fits").resolved(config, {"device": SHOWN_ON, **_only("fits", own)})["usable"]
    return f"{float(100 * usable):g} %"


def _only(name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in own.items() if k in metrics.get(name).settings}


def _unit_of_work(own: Mapping[str, Any]) -> str:
    """What decoding is counted by: a token, or a step that gives every sequence of the batch one."""
    return "token" if str(own.get("batch", 1)) == "1" else "step"


def _row(name: str, quantities: list[Quantity], work: str) -> list[str]:
    """A metric at every context. FLOP share the unit of the first, which its name then carries."""
    if name != "decode_flops":
        return [metrics.get(name).label, *map(str, quantities)]
    unit = quantities[0].best_unit()
    return [f"decode, {unit} a {work}", *(q.in_unit(unit).removesuffix(f" {unit}") for q in quantities)]


def _title(config: ArchitectureConfig) -> str:
    name = config.name or "architecture"
    spec = config.layers[0].attention
    widths = sorted({layer.feed_forward.d_ff for layer in config.layers})
    d_ff = f"{widths[0]:,}" if len(widths) == 1 else f"{widths[0]:,} to {widths[-1]:,}"
    heads = f"{spec.n_heads} heads of {spec.head_dim}"
    if spec.n_kv_heads != spec.n_heads:
        heads = f"{spec.n_heads} query / {spec.n_kv_heads} KV heads of {spec.head_dim}"
    text = f"{name} · {config.n_layers} layers · d_model {config.d_model:,} · {heads} · d_ff {d_ff} · "
    text += f"vocabulary {config.vocab_size:,}"
    kinds: dict[str, list[int]] = {}
    for layer, numbers in config.groups:
        kinds.setdefault(_kind(layer.attention), []).extend(numbers)
    experts = {(w.copies, w.active) for layer, _ in config.groups for w in layer.weights() if w.part == "experts"}
    text += "".join(f" · {copies} experts, {active} a token" for copies, active in sorted(experts))
    if len(kinds) == 1 and "full" not in kinds:
        text += f" · attention: {next(iter(kinds))}"
    elif len(kinds) > 1:
        shown = [f"{kind} in {_layers(numbers)}" for kind, numbers in list(kinds.items())[:MOST_KINDS]]
        more = [f"{len(kinds) - MOST_KINDS} more kinds"] if len(kinds) > MOST_KINDS else []
        text += " · attention: " + " · ".join(shown + more)
    return text


def _kind(spec: AttentionSpec) -> str:
    window = getattr(spec, "window_size", None)
    dilation = getattr(spec, "dilation", 1)
    text = spec.type if window is None else f"{spec.type} {window:,}"
    return text if dilation == 1 else f"{text} x {dilation}"


def _layers(numbers: Sequence[int]) -> str:
    text = as_ranges(sorted(numbers))
    if len(text) > 24:
        return f"{len(numbers)} layers"
    return f"layer {text}" if len(numbers) == 1 else f"layers {text}"


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width`, broken at the dots."""
    lines = [""]
    for piece in text.split(" · "):
        joined = f"{lines[-1]} · {piece}" if lines[-1] else piece
        if len(joined) > width and lines[-1]:
            lines.append(f"  {piece}")
        else:
            lines[-1] = joined
    return lines


def _parameters(config: ArchitectureConfig, width: int) -> list[str]:
    parts = by_part(config)
    total = sum(parts.values())
    shares = [(name, sum(parts.get(p, 0) for p in inside)) for name, inside in NAMES]
    shares = sorted((s for s in shares if s[1]), key=lambda s: -s[1])
    active = int(evaluate("active_parameters", config))
    lines = [f"Parameters     {Quantity(total, 'params')!s:>8}   ({total:,})"]
    if active != total:
        lines.append(f"  in one token {Quantity(active, 'params')!s:>8}   ({active:,})")
    full = max(1, min(BAR, width - 39) * 100 // max(1, round(100 * shares[0][1] / total)))
    for name, amount in shares:
        share = Fraction(100 * amount, total)
        bar = "█" * int(share * full / 100 + Fraction(1, 2))
        lines.append(f"  {name:<13}{Quantity(amount, 'params')!s:>8}   {to_fixed(share, 1):>4} %  {bar}".rstrip())
    if config.tie_embeddings:
        lines.append("  (the output head is the embedding table)")
    return lines


def _fits(found: Sequence[tuple[Device, Result]]) -> str:
    """Which devices hold the model, the smallest named: memory alone decides."""
    holding = [d for d, r in found if r.quantity]
    if not holding:
        return "none"
    if len(holding) == len(found):
        return "all"
    return f"{holding[0].name} and larger" if len(holding) > 1 else f"{holding[0].name} alone"


def _table(rows: list[list[str]], width: int) -> list[str]:
    """Columns aligned to the right; names of devices are shortened, then moved below, where they do not fit."""
    last = rows[-1]
    if _total(rows) > width:
        rows[-1] = [last[0], *(c.replace(" and larger", "+").replace(" alone", "") for c in last[1:])]
    moved = []
    if _total(rows) > width:
        for i, cell in enumerate(rows[-1][1:], 1):
            if cell not in ("all", "none"):
                moved.append(f"  at {rows[0][i]}: {last[i]}")
                rows[-1][i] = "some"
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "   ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    return lines + moved


def _total(rows: list[list[str]]) -> int:
    return sum(max(len(row[i]) for row in rows) for i in range(len(rows[0]))) + 3 * (len(rows[0]) - 1)


def _bound_line(config: ArchitectureConfig, own: Mapping[str, Any], bound: Result | None, shown_at: int) -> str:
    if bound is None:
        needed = [(d, _needed(config, own, shown_at, d)) for d in _devices() if d.slug == SHOWN_ON or d == _largest()]
        several = " or ".join(f"{count} x {device.name}" for device, count in needed if count)
        return f"No single accelerator holds it at {shown_at:,} tokens" + (f"; {several} do." if several else ".")
    given = dict(bound.settings)
    device = metrics.get("fits").resolved(config, {"device": given["device"]})["device"]
    article = "an" if device.name[0] in "AHLMR" else "a"
    notes = bound.quantity.notes
    tail = f"; {notes[1]}" if len(notes) > 1 and "do not fit" in notes[1] else ""
    each = f"{bound.quantity} a {_unit_of_work(own)}"
    return f"Decode bound on {article} {device.name} at {shown_at:,}: {each} ({notes[0]}){tail}."


def _devices() -> list[Device]:
    """The accelerators that people use one of, the one with the least memory first."""
    return [device for device in all_devices() if device.single]


def _largest() -> Device:
    return _devices()[-1]


def _needed(config: ArchitectureConfig, own: Mapping[str, Any], context: int, device: Device) -> int:
    """How many of a device hold the model; 0 where none do."""
    given = {**_only("devices_needed", own), "context": context, "device": device}
    try:
        return int(evaluate("devices_needed", config, given))
    except InvalidValue:
        return 0


def _next(config: ArchitectureConfig, reference: str) -> str:
    """The command to run next: half the KV heads where there is more than one, else a window."""
    name = reference or config.source.path or config.name or "architecture.yaml"
    latents = [getattr(layer.attention, "kv_lora_rank", 0) for layer in config.layers]
    if min(latents) > 1:
        return f"Next: archwright compare {name} --change attention.kv_lora_rank={min(latents) // 2}"
    if config.n_kv_heads % 2 == 0:
        return f"Next: archwright compare {name} --change n_kv_heads={config.n_kv_heads // 2}"
    return f"Next: archwright compare {name} --change attention.type=sliding"
