"""From the authored form (flat fields, overrides, pattern) to one explicit list of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import NOTHING, InvalidValue, Problem, did_you_mean
from .attention import AttentionSpec, attention_types
from .canonical import canonical_attention, canonical_feed_forward, sharing_problems
from .ends import Embedding, Head
from .feed_forward import FeedForwardSpec, feed_forward_types
from .fields import FIELDS, flat_problems, known_names
from .layer import Layer, placed
from .norm import LayerNorm, NormSpec, RMSNorm
from .position import NoPosition, PositionSpec, Rope, position_types, read_scaling
from .selectors import as_ranges, indices
from .spec import Spec, Where, build, field_types

LAYER_KEYS = tuple(f.name for f in FIELDS.values() if f.per_layer)
"""What an entry of `layers:` may override."""


class Deriver:
    """Builds the layers of one architecture and collects every problem on the way."""

    def __init__(
        self, values: Mapping[str, Any], flat_bad: set[str], prefix: str, where: Where, top: tuple[str, ...]
    ) -> None:
        self.values = values
        self.flat_bad = flat_bad
        self.prefix = prefix
        self.where = where
        self.top = top
        self.problems: list[Problem] = []
        self._norm = self._flat_part("norm", RMSNorm if values["use_rms_norm"] else LayerNorm, "d_model", "norm_eps")

    def _flat_part(self, name: str, cls: type[Spec], *needs: str, **given: Any) -> Any:
        """A part that a flat map describes, or None and problems; `needs` are flat fields that it cannot do without."""
        if {name, *needs} & self.flat_bad:
            return None
        if issubclass(cls, NormSpec):
            given = {"width": self.values["d_model"], "eps": float(self.values["norm_eps"])}

        def place(keys: tuple[str | int, ...], key: bool) -> Any:
            return self.where((*self.top, *keys), key)

        written = self.values[name] or {}
        tied = [k for k in written if k in cls.TIED_TO_MODEL or k == "type"]
        for key in tied:
            self._report(Problem(f"{self.prefix}{name}.{key}", NOTHING, "is given by a flat field"), (name, key), True)
        own = {k: v for k, v in written.items() if k not in tied and v is not None}
        spec, problems = build(cls, own, given, f"{self.prefix}{name}.", (name,), place)
        self.problems.extend(problems)
        return spec

    def ends(self) -> tuple[Embedding, Head, NormSpec] | None:
        """The two ends and the model's norm; None where something is wrong."""
        values = self.values
        given = {name: values[name] for name in ("d_model", "vocab_size")}
        embedding = self._flat_part(
            "embedding", Embedding, "d_model", "vocab_size", "max_seq_len", max_seq_len=values["max_seq_len"], **given
        )
        width = embedding.width if isinstance(embedding, Embedding) else None
        head = self._flat_part(
            "head", Head, "d_model", "vocab_size", "tie_embeddings", width=width, tied=values["tie_embeddings"], **given
        )
        if embedding is None or head is None or self._norm is None:
            return None
        return embedding, head, self._norm

    def _report(self, problem: Problem, keys: Sequence[str | int] = (), key: bool = False) -> None:
        self.problems.append(problem.at(self.where((*self.top, *keys), key)))

    # Which entry each layer follows -----------------------------------------------------------------------

    def layers(self) -> tuple[Layer, ...] | None:
        """One layer each; equal layers are one object. None where something is wrong."""
        n_layers = self.values["n_layers"]
        entries: list[tuple[Mapping[str, Any], tuple[str | int, ...], str]] = [({}, (), "")]
        follows = [0] * (n_layers if isinstance(n_layers, int) and "n_layers" not in self.flat_bad else 1)
        if self.values.get("layers") is not None and "layers" not in self.flat_bad:
            self._overrides(follows, entries)
        elif self.values.get("pattern") is not None and "pattern" not in self.flat_bad:
            self._pattern(follows, entries)
        built: list[Layer | None] = []
        for number, (entry, keys, path) in enumerate(entries):
            used = number in follows or number == 0
            built.append(self._layer(entry, keys, path) if used else None)
        if self.problems or self.flat_bad or self._norm is None:
            return None
        unique: dict[Layer, Layer] = {}
        made = [unique.setdefault(layer, layer) if layer else None for layer in built]
        found = tuple(layer for i in follows if (layer := made[i]) is not None)
        for problem in sharing_problems(found):
            self._report(replace(problem, field=self.prefix + problem.field))
        return found

    def _overrides(self, follows: list[int], entries: list[Any]) -> None:
        taken: dict[int, int] = {}
        for number, entry in enumerate(self.values["layers"]):
            keys: tuple[str | int, ...] = ("layers", number)
            path = f"layers[{number}]."
            if not isinstance(entry, Mapping):
                self._report(
                    Problem(
                        f"{self.prefix}layers[{number}]",
                        entry,
                        "must be a map",
                        "Write {layers: 0-15, attention: {...}}",
                    ),
                    keys,
                )
                continue
            if "layers" not in entry:
                self._report(
                    Problem(
                        f"{self.prefix}{path}layers", NOTHING, "is missing: which layers are meant?", "Add layers: 0-15"
                    ),
                    keys,
                )
                continue
            for key in entry:
                if key != "layers" and key not in LAYER_KEYS:
                    hint = did_you_mean(str(key), (*LAYER_KEYS, "layers"), "A layer's fields")
                    self._report(
                        Problem(f"{self.prefix}{path}{key}", NOTHING, "is not a field of a layer", hint),
                        (*keys, key),
                        True,
                    )
            if "n_layers" in self.flat_bad:
                chosen: list[int] = []
            else:
                try:
                    chosen = indices(entry["layers"], len(follows))
                except InvalidValue as error:
                    for problem in error.problems:
                        self._report(replace(problem, field=f"{self.prefix}{path}layers"), (*keys, "layers"))
                    continue
            clash = [i for i in chosen if i in taken]
            if clash:
                first = taken[clash[0]]
                rule = f"overlaps layers[{first}] ({show_entry(self.values['layers'][first])}) in {as_ranges(clash)}"
                self._report(
                    Problem(f"{self.prefix}{path}layers", entry["layers"], rule, "Give each layer one entry"),
                    (*keys, "layers"),
                )
                continue
            label = f"layers[{as_ranges(chosen)}]." if chosen else path
            body = {k: v for k, v in entry.items() if k in LAYER_KEYS}
            entries.append((body, keys, label))
            for i in chosen:
                taken[i] = number
                follows[i] = len(entries) - 1
            if not chosen:
                follows.append(len(entries) - 1)

    def _pattern(self, follows: list[int], entries: list[Any]) -> None:
        cycle: list[int] = []
        for number, item in enumerate(self.values["pattern"]):
            keys: tuple[str | int, ...] = ("pattern", number)
            path = f"pattern[{number}]."
            times = 1
            if isinstance(item, str):
                body: dict[str, Any] = {"attention": {"type": item}}
            elif isinstance(item, Mapping):
                body = {k: v for k, v in item.items() if k != "times"}
                times = item.get("times", 1)
                if "type" in body:
                    body = {"attention": body}
            else:
                self._report(
                    Problem(
                        f"{self.prefix}pattern[{number}]",
                        item,
                        "must be a type or a map",
                        "Write full or {type: sliding, times: 5}",
                    ),
                    keys,
                )
                continue
            if not isinstance(times, int) or isinstance(times, bool) or not 1 <= times <= 10_000:
                self._report(
                    Problem(f"{self.prefix}{path}times", times, "must be a whole number from 1 to 10,000"),
                    (*keys, "times"),
                )
                continue
            for key in body:
                if key not in LAYER_KEYS:
                    hint = did_you_mean(str(key), (*LAYER_KEYS, "times"), "A layer's fields")
                    self._report(
                        Problem(f"{self.prefix}{path}{key}", NOTHING, "is not a field of a layer", hint),
                        (*keys, key),
                        True,
                    )
            entries.append(({k: v for k, v in body.items() if k in LAYER_KEYS}, keys, path))
            cycle += [len(entries) - 1] * times
        if not cycle:
            if not self.problems:
                self._report(
                    Problem(f"{self.prefix}pattern", self.values["pattern"], "is empty", "Leave it out"), ("pattern",)
                )
            return
        for i in range(len(follows)):
            follows[i] = cycle[i % len(cycle)]
        follows.extend(set(cycle) - set(follows))  # items cut off at n_layers are still validated

    # One layer ----------------------------------------------------------------------------------------------

    def _layer(self, entry: Mapping[str, Any], keys: tuple[str | int, ...], path: str) -> Layer | None:
        own = {name: value for name, value in entry.items() if name not in ("attention", "feed_forward", "position")}
        flat = {**self.values, **own}
        for name in own:
            self._check_own(name, own[name], keys, path)
        d_model, n_heads = flat["d_model"], flat["n_heads"]
        head_dim = flat["head_dim"]
        if head_dim is None and isinstance(d_model, int) and isinstance(n_heads, int) and n_heads > 0:
            head_dim = d_model // n_heads
            if "n_heads" in own and d_model % n_heads:
                rule = f"d_model ({d_model}) must be divisible by n_heads ({n_heads})"
                self._report(
                    Problem(f"{self.prefix}{path}n_heads", n_heads, rule, "Change one of them, or give head_dim"),
                    (*keys, "n_heads"),
                )
        attention = self._attention(entry, flat, head_dim, keys, path, own)
        feed_forward = self._feed_forward(entry, flat, keys, path)
        position = self._position(entry, flat, attention, own, keys, path)
        if attention is None or feed_forward is None or self.flat_bad or self.problems:
            return None
        norms = placed(flat["norm_placement"], self._norm)
        multiplier = float(flat["residual_multiplier"])
        return Layer(attention, feed_forward, **norms, position=position, residual_multiplier=multiplier)

    def _check_own(self, name: str, value: Any, keys: tuple[str | int, ...], path: str) -> None:
        neutral = {f.name: f.default for f in FIELDS.values()} | {"d_model": 2**20, "n_heads": 1, "n_kv_heads": 1}
        trial = {**neutral, name: value}
        if name == "n_kv_heads":
            trial["n_heads"] = value
        for problem in flat_problems(trial):
            if problem.field == name and "divisible" not in problem.rule:
                self._report(replace(problem, field=f"{self.prefix}{path}{name}"), (*keys, name))

    def _merged(
        self,
        name: str,
        start: dict[str, Any],
        entry: Mapping[str, Any],
        keys: tuple[str | int, ...],
        path: str,
        registry: Any,
    ) -> tuple[dict[str, Any], tuple[str | int, ...], str]:
        """The flat map of a part with a layer's own over it; a changed type drops what the new type lacks."""
        merged = dict(start)
        at: tuple[str | int, ...] = ()
        label = ""
        for source, source_keys, source_path in (
            (self.values.get(name), (name,), ""),
            (entry.get(name), (*keys, name), path),
        ):
            if source is None:
                continue
            if isinstance(source, str):
                source = {"type": source}
            if not isinstance(source, Mapping):
                if source is not self.values.get(name):
                    self._report(
                        Problem(f"{self.prefix}{source_path}{name}", source, "must be a map or a type"), source_keys
                    )
                continue
            kind = source.get("type", merged["type"])
            if kind != merged["type"] and isinstance(kind, str) and kind in registry:
                known = field_types(registry.get(kind))
                merged = {k: v for k, v in merged.items() if k in known}
            merged.update({k: v for k, v in source.items() if v is not None})
            for key in [k for k, v in source.items() if v is None]:
                merged.pop(key, None)
            merged["type"] = kind
            at, label = source_keys, source_path
        return merged, at, f"{label}{name}."

    def _build(
        self, registry: Any, merged: dict[str, Any], given: dict[str, Any], at: tuple[str | int, ...], label: str
    ) -> Spec | None:
        kind = merged["type"]
        cls = registry.find(kind) if isinstance(kind, str) else None
        if cls is None:
            if not (kind == self.values.get("custom_attention") and "custom_attention" in self.flat_bad):
                hint = known_names(kind, registry.names())
                self._report(
                    Problem(f"{self.prefix}{label}type", kind, f"is not a known {registry.kind}", hint), (*at, "type")
                )
            return None

        def place(keys: tuple[str | int, ...], key: bool) -> Any:
            return self.where((*self.top, *keys), key)

        spec, problems = build(cls, merged, given, f"{self.prefix}{label}", at, place)
        for problem in problems:
            name = problem.field.rpartition(".")[2]
            inherited = name in given and name not in merged
            if inherited and (self.flat_bad or (not label.count("[") and name in FIELDS)):
                continue
            self.problems.append(problem)
        return spec if isinstance(spec, Spec) else None

    def _attention(
        self,
        entry: Mapping[str, Any],
        flat: Mapping[str, Any],
        head_dim: Any,
        keys: tuple[str | int, ...],
        path: str,
        own: Mapping[str, Any],
    ) -> AttentionSpec | None:
        custom = self.values.get("custom_attention")
        start = {"type": custom or "full"}
        if custom and isinstance(self.values.get("attention"), Mapping):
            stated = self.values["attention"].get("type", custom)
            if stated != custom:
                self._report(
                    Problem(
                        f"{self.prefix}custom_attention",
                        custom,
                        f"contradicts attention.type ({stated})",
                        "Keep one of them",
                    ),
                    ("custom_attention",),
                )
        merged, at, label = self._merged("attention", start, entry, keys, path, attention_types)
        named = entry.get("attention")
        entry_type = named.get("type") if isinstance(named, Mapping) else named
        if custom and entry_type is not None and entry_type != custom:
            self._report(
                Problem(
                    f"{self.prefix}{path}attention.type",
                    entry_type,
                    f"contradicts custom_attention ({custom})",
                    "Keep one of them",
                ),
                (*keys, "attention"),
            )
        bias = merged.get("bias")
        if isinstance(bias, bool):
            merged["bias"] = ["q", "k", "v", "o"] if bias else []
        kind = merged["type"]
        kv_heads = flat["n_kv_heads"]
        if kind == "mqa":
            stated_kv = merged.get("n_kv_heads", kv_heads if entry_type != "mqa" or "n_kv_heads" in own else 1)
            if stated_kv != 1 and "n_kv_heads" not in self.flat_bad:
                self._report(
                    Problem(
                        f"{self.prefix}{path}n_kv_heads",
                        stated_kv,
                        "must be 1 for mqa",
                        "Set n_kv_heads: 1, or use type gqa",
                    ),
                    at or ("custom_attention",),
                )
            kv_heads = 1
        elif kv_heads and isinstance(flat["n_heads"], int) and "n_heads" in own and "n_kv_heads" not in own:
            pass  # the rule below reports heads that do not divide
        if kind == "sliding" and isinstance(merged.get("dilation"), int) and not isinstance(merged["dilation"], bool):
            merged["type"] = "dilated"
        given = {
            "d_model": flat["d_model"],
            "n_heads": flat["n_heads"],
            "n_kv_heads": kv_heads,
            "head_dim": head_dim,
            "dropout": flat["attention_dropout"],
        }
        eps = flat["norm_eps"]
        if kind == "mla":
            given["latent_eps"] = eps
        elif merged.get("qk_norm") is not None:
            given["qk_norm_eps"] = eps
        spec = self._build(attention_types, merged, given, at, label if at else path + "attention.")
        return canonical_attention(spec) if isinstance(spec, AttentionSpec) else None

    def _feed_forward(
        self, entry: Mapping[str, Any], flat: Mapping[str, Any], keys: tuple[str | int, ...], path: str
    ) -> FeedForwardSpec | None:
        start = {"type": "geglu" if flat["use_gated_geglu"] else "gelu"}
        merged, at, label = self._merged("feed_forward", start, entry, keys, path, feed_forward_types)
        given = {"d_model": flat["d_model"], "d_ff": flat["d_ff"], "dropout": flat["ffn_dropout"]}
        spec = self._build(feed_forward_types, merged, given, at, label if at else path + "feed_forward.")
        return canonical_feed_forward(spec) if isinstance(spec, FeedForwardSpec) else None

    def _position(
        self,
        entry: Mapping[str, Any],
        flat: Mapping[str, Any],
        attention: AttentionSpec | None,
        own: Mapping[str, Any],
        keys: tuple[str | int, ...],
        path: str,
    ) -> PositionSpec | None:
        merged, where, label_of = self._merged("position", {"type": "rope"}, entry, keys, path, position_types)
        for name in ("theta", "scaling"):
            if name in merged:
                rule = f"is given by rope_{name}"
                self._report(Problem(self.prefix + label_of + name, NOTHING, rule), (*where, name), True)
                merged.pop(name)
        if merged["type"] != "rope":
            spec = self._build(position_types, merged, {}, where, label_of)
            return spec if isinstance(spec, PositionSpec) and not isinstance(spec, NoPosition) else None
        scaling = None
        if isinstance(flat["rope_scaling"], Mapping):
            mine = "rope_scaling" in own
            at = (*keys, "rope_scaling") if mine else ("rope_scaling",)
            label = f"{self.prefix}{path if mine else ''}rope_scaling."

            def place(sub: tuple[str | int, ...], key: bool) -> Any:
                return self.where((*self.top, *sub), key)

            scaling, problems = read_scaling(flat["rope_scaling"], label, at, place, flat["max_seq_len"])
            self.problems.extend(p for p in problems if p not in self.problems)
        if attention is None or "rope_theta" in self.flat_bad:
            return None
        given = {"dims": attention.rotary_dim, "theta": float(flat["rope_theta"]), "scaling": scaling}
        before = len(self.problems)
        rope = self._build(position_types, merged, given, where, label_of)
        if "dims" in merged:
            if isinstance(rope, Rope) and rope.dims > attention.rotary_dim:
                rule = f"must be at most the width of a head ({attention.rotary_dim})"
                self._report(Problem(f"{self.prefix}{label_of}dims", rope.dims, rule), (*where, "dims"))
        else:
            for number, problem in enumerate(self.problems[before:], before):
                if problem.field.endswith(".dims"):
                    rule, remedy = "must be even for rotary positions", "Choose an even head_dim"
                    name = f"{self.prefix}{path}head_dim"
                    self.problems[number] = Problem(name, attention.rotary_dim, rule, remedy, problem.where)
        return rope if isinstance(rope, Rope) else None


def show_entry(entry: Any) -> str:
    """How an override names its layers."""
    return str(entry.get("layers")) if isinstance(entry, Mapping) else str(entry)
