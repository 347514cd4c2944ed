"""ArchitectureConfig: the whole of a model in one frozen value, as authored and as derived layer by layer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import InvalidValue, Problem
from .derive import Deriver
from .ends import Embedding, Head
from .fields import FIELDS, USER_FIELDS, flat_problems, unknown_field
from .layer import Layer
from .norm import NormSpec
from .selectors import plain
from .spec import Spec, Where, nowhere
from .weights import Weight

if TYPE_CHECKING:
    from .loading import Requirement


@dataclass(frozen=True, slots=True)
class Source:
    """Where an architecture came from; takes no part in equality."""

    name: str = ""
    path: str | None = None
    requirements: tuple[Requirement, ...] = ()
    notes: tuple[str, ...] = ()
    weights_dtype: str | None = None
    ignored: tuple[str, ...] = ()
    """Keys of a published config that cannot change the model."""
    kept_parts: tuple[str, ...] = ()
    """Parts whose published weights are not of `weights_dtype`."""


class ParameterCount(int):
    """A parameter count that knows its parts: `count.parts["attention.qkv"]`."""

    parts: dict[str, int]

    def __new__(cls, parts: Mapping[str, int]) -> ParameterCount:
        made = super().__new__(cls, sum(parts.values()))
        made.parts = dict(parts)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return ParameterCount, (self.parts,)


class ArchitectureConfig:
    """One decoder-only model. A config that exists is valid; every problem is reported at once.

    The fourteen fields of `USER_FIELDS` come first, in that order; the keyword-only ones refine them.
    `layers` and `pattern` are authored overrides when given; the attribute `layers` is the derived list.
    """

    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_ff: int
    vocab_size: int
    max_seq_len: int
    rope_theta: float
    attention_dropout: float
    ffn_dropout: float
    use_gated_geglu: bool
    use_rms_norm: bool
    custom_attention: str | None
    init_method: str
    tie_embeddings: bool
    norm_eps: float
    rope_scaling: dict[str, Any] | None
    attention: dict[str, Any] | None
    feed_forward: dict[str, Any] | None
    position: dict[str, Any] | None
    norm: dict[str, Any] | None
    norm_placement: str
    residual_multiplier: float
    embedding: dict[str, Any] | None
    head: dict[str, Any] | None
    pattern: list[Any] | None
    token_embedding: Embedding
    """The end before the layers."""
    output_head: Head
    """The end after the layers."""
    norm_spec: NormSpec
    """The norm that the model uses, over d_model."""
    layers: tuple[Layer, ...]
    source: Source

    def __init__(
        self,
        d_model: int = 4096,
        n_layers: int = 32,
        n_heads: int = 32,
        n_kv_heads: int = 8,
        d_ff: int = 11008,
        vocab_size: int = 32000,
        max_seq_len: int = 32768,
        rope_theta: float = 10000.0,
        attention_dropout: float = 0.0,
        ffn_dropout: float = 0.0,
        use_gated_geglu: bool = True,
        use_rms_norm: bool = True,
        custom_attention: str | None = None,
        init_method: str = "kaiming",
        **extra: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in USER_FIELDS}
        self._set(given | extra)

    def _set(
        self,
        given: Mapping[str, Any],
        prefix: str = "",
        where: Where = nowhere,
        top: tuple[str, ...] = (),
        source: Source | None = None,
    ) -> None:
        problems: list[Problem] = []
        for key in given:
            if key not in FIELDS:
                problems.append(unknown_field(str(key), prefix, given).at(where((*top, key), True)))
        values = {name: given.get(name, field.default) for name, field in FIELDS.items()}
        for name, value in values.items():
            if value is None and FIELDS[name].default is not None:
                values[name] = FIELDS[name].default  # null means "back to the default"
            elif isinstance(value, str) and name in ("attention", "feed_forward", "position"):
                values[name] = {"type": value}
        flat = [p.at(where((*top, p.field.removeprefix(prefix)), False)) for p in flat_problems(values, prefix)]
        bad = {p.field.removeprefix(prefix).partition(".")[0] for p in flat}
        deriver = Deriver(values, bad, prefix, where, top)
        layers = deriver.layers()
        ends = deriver.ends()
        problems = _in_order([*problems, *flat, *deriver.problems])
        if problems or layers is None or ends is None:
            raise InvalidValue(problems)
        store = self.__dict__
        for name, value in values.items():
            if name not in ("layers", "head_dim"):
                store[name] = float(value) if FIELDS[name].kind is float else plain(value)
        store["_layers"] = plain(values["layers"])
        store["_head_dim"] = values["head_dim"]
        store["layers"] = layers
        store["token_embedding"], store["output_head"], store["norm_spec"] = ends
        store["source"] = source or Source()

    @property
    def head_dim(self) -> int:
        """Width of one head: as given, else d_model / n_heads."""
        given: int | None = self.__dict__["_head_dim"]
        return self.d_model // self.n_heads if given is None else given

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an architecture is frozen: use change({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("an architecture is frozen")

    # Making one from something --------------------------------------------------------------------------

    @classmethod
    def from_fields(
        cls,
        fields: Mapping[str, Any],
        prefix: str = "",
        where: Where = nowhere,
        top: tuple[str, ...] = (),
        source: Source | None = None,
    ) -> ArchitectureConfig:
        """An architecture from a map of authored fields, with problems placed by `where`."""
        made = cls.__new__(cls)
        made._set(fields, prefix, where, top, source)
        return made

    @classmethod
    def from_yaml(cls, text: str) -> ArchitectureConfig:
        """From YAML text, flat or under a top key `architecture`."""
        from .loading import from_text

        return from_text(text, "yaml")

    @classmethod
    def from_json(cls, text: str) -> ArchitectureConfig:
        """From JSON text, flat or under a top key `architecture`."""
        from .loading import from_text

        return from_text(text, "json")

    # Writing it -------------------------------------------------------------------------------------------

    def authored(self) -> dict[str, Any]:
        """Every field as written, defaults included."""
        stored = {"layers": "_layers", "head_dim": "_head_dim"}
        return {name: plain(self.__dict__[stored.get(name, name)]) for name in FIELDS}

    def to_dict(self) -> dict[str, Any]:
        """The fourteen fields, and those others that are not at their default."""
        values = self.authored()
        return {n: v for n, v in values.items() if n in USER_FIELDS or v != FIELDS[n].default}

    def to_yaml(self) -> str:
        """Flat YAML that `from_yaml` reads back."""
        from .writing import to_yaml

        return to_yaml(self.to_dict())

    def to_json(self) -> str:
        """JSON that `from_json` reads back."""
        return json.dumps(self.to_dict(), indent=2)

    def change(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> ArchitectureConfig:
        """The same architecture with other authored fields: flat names, or paths such as `layers[0-15].attention`.

        Derived values are derived again; null goes back to the default.
        """
        from .change import changed

        return changed(self, {**(changes or {}), **fields})

    def __replace__(self, /, **fields: Any) -> ArchitectureConfig:
        return self.change(fields)

    def sourced(self, source: Source) -> ArchitectureConfig:
        """The same architecture with another source."""
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.__dict__["source"] = source
        return made

    @property
    def name(self) -> str:
        """How people call it: the file's `name`, its file name, or empty."""
        return self.source.name

    # The derived tree ---------------------------------------------------------------------------------------

    @property
    def final_norm(self) -> NormSpec | None:
        """The norm before the output head."""
        return self.norm_spec if self.output_head.norm else None

    @cached_property
    def groups(self) -> tuple[tuple[Layer, tuple[int, ...]], ...]:
        """Distinct layers, each with the numbers of the layers that are it."""
        found: dict[int, tuple[Layer, list[int]]] = {}
        for number, layer in enumerate(self.layers):
            found.setdefault(id(layer), (layer, []))[1].append(number)
        return tuple((layer, tuple(numbers)) for layer, numbers in found.values())

    def outer_weights(self) -> Iterator[Weight]:
        """The tensors outside the layers: embedding, final norm, output head."""
        parts: list[tuple[str, Spec]] = [("embedding", self.token_embedding)]
        if self.token_embedding.norm:
            parts.append(("embedding.norm", self.norm_spec))
        if self.final_norm is not None:
            parts.append(("final_norm", self.final_norm))
        for name, part in (*parts, ("head", self.output_head)):
            for weight in part.weights():
                yield replace(weight, name=f"{name}.{weight.name}")

    def weights(self) -> Iterator[tuple[int, Weight]]:
        """Every distinct tensor with how many layers have it (1 outside the layers)."""
        for weight in self.outer_weights():
            yield 1, weight
        for layer, numbers in self.groups:
            for weight in layer.weights():
                yield len(numbers), weight

    def estimate_params(self) -> ParameterCount:
        """Exact number of distinct scalars, a tied matrix once; `.parts` splits it by part."""
        parts: dict[str, int] = {}
        for times, weight in self.weights():
            parts[weight.part] = parts.get(weight.part, 0) + times * weight.parameters
        return ParameterCount(parts)

    def canonical(self) -> dict[str, Any]:
        """The derived tree without neutral fields: what equality and the fingerprint compare."""
        runs: list[list[Any]] = []
        for layer in self.layers:
            if runs and runs[-1][0] is layer:
                runs[-1][1] += 1
            else:
                runs.append([layer, 1])
        tree: dict[str, Any] = {
            "d_model": self.d_model,
            "vocab_size": self.vocab_size,
            "max_seq_len": self.max_seq_len,
            "init_method": self.init_method,
            "layers": [[layer.canonical(), times] for layer, times in runs],
        }
        if self.final_norm is not None:
            tree["final_norm"] = self.final_norm.canonical()
        if self.tie_embeddings:
            tree["tie_embeddings"] = True
        for name, end in (("embedding", self.token_embedding), ("head", self.output_head)):
            own = {k: v for k, v in end.own().items() if (name, k) != ("head", "norm")}  # final_norm says that
            if own:
                tree[name] = own
        return tree

    @cached_property
    def fingerprint(self) -> str:
        """`v1-` and 16 hex digits over the derived tree."""
        return fingerprint(self.canonical())

    def _key(self) -> tuple[Any, ...]:
        return (
            self.d_model,
            self.vocab_size,
            self.max_seq_len,
            self.init_method,
            self.token_embedding,
            self.output_head,
            self.final_norm,
            self.layers,
        )

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, ArchitectureConfig) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.to_dict(), self.source)

    def __repr__(self) -> str:
        shown = {n: v for n, v in self.to_dict().items() if v != FIELDS[n].default}
        return f"ArchitectureConfig({', '.join(f'{n}={v!r}' for n, v in shown.items())})"


def _rebuild(fields: dict[str, Any], source: Source) -> ArchitectureConfig:
    return ArchitectureConfig.from_fields(fields, source=source)


def fingerprint(tree: Any) -> str:
    """`v1-` and 16 hex digits of the SHA-256 of a tree in canonical JSON."""
    import hashlib  # loads OpenSSL, which most runs do not need

    text = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    return "v1-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _in_order(problems: list[Problem]) -> list[Problem]:
    """By place where they have one; each once."""
    unique = list({str(p): p for p in problems}.values())
    return sorted(unique, key=lambda p: (p.where.line, p.where.column) if p.where else (0, 0))


__all__ = ["ArchitectureConfig", "ParameterCount", "Source", "fingerprint"]
