"""CustomAttentionFactory: from a configuration to a running attention module, also of anybody's own variant."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

import torch
from torch import nn

from ..arch.attention import AttentionSpec, attention_types
from ..arch.attention.config import AttentionConfig
from ..arch.attention.full import Full
from ..arch.position import PositionSpec
from ..errors import NOTHING, InvalidValue, NotSupported, Problem
from ..registry import Registry, owner
from .attention import (
    AttentionModule,
    FullAttention,
    GroupedQueryAttention,
    LatentAttention,
    MultiQueryAttention,
    PatternAttention,
    SlidingWindowAttention,
)
from .probed import config_of, probed_spec
from .saying import Said, type_of
from .supported import attention_problems


def _load_builtin() -> None:
    for name, cls in (
        ("full", FullAttention),
        ("gqa", GroupedQueryAttention),
        ("mqa", MultiQueryAttention),
        ("sliding", SlidingWindowAttention),
        ("dilated", SlidingWindowAttention),
        ("mla", LatentAttention),
    ):
        variants.register(name, cls)


variants: Registry[type[nn.Module]] = Registry("attention module", None, _load_builtin)
"""The module class of each attention type that has one of its own; the others run by their pattern."""


class CustomAttentionFactory:
    """Makes attention modules. All methods are static: the registry is one for the process."""

    @staticmethod
    def create(
        config: AttentionConfig | AttentionSpec | Mapping[str, Any],
        *,
        position: PositionSpec | None = None,
        backend: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> nn.Module:
        """A module with `forward(x, kv_cache=None)` for a configuration (a map is read as its fields).

        InvalidValue or UnknownName (both ValueError): the configuration is wrong, all problems at once.
        NotSupported (NotImplementedError): a known type whose module is not installed here.

        >>> attn = CustomAttentionFactory.create(AttentionConfig(type="gqa", n_heads=4, n_kv_heads=2, head_dim=8))
        >>> attn(torch.zeros(1, 3, 32), kv_cache=None).shape
        torch.Size([1, 3, 32])
        """
        if isinstance(config, Mapping):
            config = AttentionConfig(**config)
        given: object = config
        if not isinstance(given, AttentionConfig | AttentionSpec):
            rule = "must be an AttentionConfig, an attention spec or a map"
            raise InvalidValue(Problem("config", type_of(given), rule))
        spec = config.spec if isinstance(config, AttentionConfig) else config
        if unsupported := list(attention_problems(spec)):
            raise NotSupported(unsupported)
        name = config.type if isinstance(config, AttentionConfig) else natural_name(spec)
        cls = module_class(spec, name)
        wanted = {"position": position, "backend": backend, "device": device, "dtype": dtype}
        if issubclass(cls, AttentionModule):
            return _own(cls, spec, wanted)
        return _foreign(cls, config if isinstance(config, AttentionConfig) else config_of(spec, name), wanted)

    @staticmethod
    def register_variant(name: str, cls: type[nn.Module]) -> None:
        """Make a module class known as an attention type.

        It is called as `cls(config)`; a class with plain keyword arguments gets those it names. A spec of the same
        name, registered before, states what it sees and costs; without one, its costs are probed.
        InvalidValue: not a module class, or a name that somebody else has.
        """
        given: object = cls
        if not (isinstance(given, type) and issubclass(given, nn.Module)):
            found = Said(str(getattr(given, "__name__", given)))
            raise InvalidValue(Problem("cls", found, "must be a class of torch modules"))
        variants.register(name, cls)
        if name not in attention_types:
            attention_types.register(name, probed_spec(name, cls))

    @staticmethod
    def list_variants() -> list[str]:
        """The names of all attention types that can be created here, sorted."""
        return sorted(n for n in {*attention_types.names(), *variants.names()} if _runs(n))


def natural_name(spec: AttentionSpec) -> str:
    """The name under which people know a spec: full attention is named by its key/value heads."""
    if type(spec) is Full and spec.n_kv_heads < spec.n_heads:
        return "mqa" if spec.n_kv_heads == 1 else "gqa"
    return spec.type


def module_class(spec: AttentionSpec, name: str) -> type[nn.Module]:
    """The module class of a type: registered, named by the spec's `module`, or the one that runs any pattern."""
    found = variants.find(name)
    return _class_of(type(spec), name) if found is None else found


def _runs(name: str) -> bool:
    if name in variants:
        return True
    try:
        _class_of(attention_types.get(name), name)
    except NotSupported:
        return False
    return True


def _class_of(spec: type[AttentionSpec], name: str) -> type[nn.Module]:
    """The class that a spec names, or the one that runs any pattern. NotSupported: neither can run it."""
    named = getattr(spec, "module", None)
    if named is None:
        if spec.weights is not AttentionSpec.weights:
            rule = "has tensors of its own, and no module here computes with them"
            raise NotSupported(Problem(f"attention type {name}", NOTHING, rule, "Register one with register_variant"))
        return PatternAttention
    path, _, attribute = str(named).partition(":")
    try:
        cls = getattr(import_module(path), attribute)
    except (ImportError, AttributeError) as error:
        rule = f"its module {named} is not installed here ({error})"
        raise NotSupported(
            Problem(f"attention type {name}", NOTHING, rule, f"Install {path.partition('.')[0]}")
        ) from None
    return cast(type[nn.Module], cls)


def _accepts(cls: type[nn.Module]) -> tuple[dict[str, inspect.Parameter], bool]:
    """The parameters of a class's constructor, and whether it takes any keyword."""
    parameters = dict(list(inspect.signature(cls.__init__).parameters.items())[1:])
    anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    return parameters, anything


def _own(cls: type[AttentionModule], spec: AttentionSpec, wanted: dict[str, Any]) -> nn.Module:
    parameters, anything = _accepts(cls)
    return cls(spec, **{k: v for k, v in wanted.items() if anything or k in parameters})


def _foreign(cls: type[nn.Module], config: AttentionConfig, wanted: dict[str, Any]) -> nn.Module:
    """A class that knows nothing of this project: `cls(config)`, or its keyword arguments from the config's fields."""
    parameters, anything = _accepts(cls)
    fields = {
        "d_model": config.d_model,
        "n_heads": config.n_heads,
        "n_kv_heads": config.n_kv_heads,
        "head_dim": config.head_dim,
        "dropout": config.dropout,
        "causal": config.causal,
        **config.options,
    }
    known = {**fields, **wanted, "config": config}
    positional = [p for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [
        n for n, p in parameters.items() if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    device = wanted["device"] if wanted["device"] is not None else torch.get_default_device()
    with torch.device(device):
        if len(required) == 1 and positional and required[0] == positional[0].name and required[0] not in fields:
            extra = {k: v for k, v in wanted.items() if k in parameters}
            made = cls(config, **extra)
        else:
            missing = [n for n in required if n not in known]
            if missing:
                rule = f"{owner(cls)} needs {', '.join(missing)}, which the configuration does not give"
                raise InvalidValue(Problem("options", NOTHING, rule, f"Give {missing[0]}= to AttentionConfig"))
            made = cls(**{k: v for k, v in known.items() if k in parameters or (anything and k in config.options)})
    return made if wanted["dtype"] is None else made.to(wanted["dtype"])
