"""An architecture's fields as YAML text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # one of two base classes
    """Block maps at the top, flow style inside, nulls and numbers as YAML 1.2 reads them."""


def _text(dumper: Any, value: str) -> Any:
    # a text that any YAML version could take for something else is quoted
    plain = (
        value and value.replace("_", "").replace("-", "").replace(" ", "").replace("/", "").replace(".", "").isalnum()
    )
    looks_like_other = value[:1].isdigit() or value.lower() in (
        "null",
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
    )
    style = None if plain and not looks_like_other else '"'
    if value and value[:1].isdigit() and "-" in value[1:] and value.replace("-", "").replace(",", "").isdigit():
        style = None if "," not in value else '"'  # a layer range: 0-15
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _number(dumper: Any, value: float) -> Any:
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")  # what every YAML version reads as a number
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _number)


def flow(value: Any) -> str:
    """A value on one line: `{type: sliding, window_size: 512}`."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return str(text).removesuffix("...\n").strip()


def to_yaml(fields: Mapping[str, Any]) -> str:
    """Flat keys, one a line; a list of maps one item a line."""
    lines = []
    for name, value in fields.items():
        if isinstance(value, list) and value and any(isinstance(v, Mapping) for v in value):
            lines.append(f"{name}:")
            lines.extend(f"  - {flow(item)}" for item in value)
        else:
            lines.append(f"{name}: {flow(value)}")
    return "\n".join(lines) + "\n"
