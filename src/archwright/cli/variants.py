"""Every attention and feed-forward variant with its fields."""

from __future__ import annotations

import argparse
import dataclasses
import textwrap
from typing import Any

from ..arch.attention import attention_types
from ..arch.docs import field_docs
from ..arch.feed_forward import feed_forward_types
from ..arch.spec import field_types, type_name
from .common import add_json, print_json, width


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="one variant alone")
    add_json(parser)
    parser.set_defaults(run=run)


def described(name: str, cls: type[Any]) -> dict[str, Any]:
    """A variant as data: its title and its fields with type, default and meaning."""
    docs = field_docs(cls)
    fields = []
    defaults = {f.name: f.default for f in dataclasses.fields(cls)}
    for field, kind in field_types(cls).items():
        default = defaults[field]
        required = default is dataclasses.MISSING
        fields.append(
            {
                "name": field,
                "type": type_name(kind),
                "required": required,
                "default": None if required else (list(default) if isinstance(default, tuple) else default),
                "meaning": docs.get(field, ""),
            }
        )
    title = (cls.__doc__ or "").strip().splitlines()[0]
    return {"name": name, "same_as": cls.type if cls.type != name else None, "title": title, "fields": fields}


def run(args: argparse.Namespace) -> int:
    """Print the variants."""
    rooms: dict[str, Any] = {"attention": attention_types.items(), "feed_forward": feed_forward_types.items()}
    if args.name:
        known = {n: (room, c) for room, items in rooms.items() for n, c in items}
        if args.name not in known:
            attention_types.get(args.name, "variant")  # raises with the nearest name
        rooms = {room: [(n, c) for n, c in items if n == args.name] for room, items in rooms.items()}
    data = {room: [described(n, c) for n, c in items] for room, items in rooms.items()}
    if args.json:
        print_json({"schema": "archwright/variants/1", **data})
        return 0
    for room, variants in data.items():
        if variants:
            _print_room(room.replace("_", "-"), variants, alone=bool(args.name))
    if not args.name:
        print("\nOne with all its fields: archwright variants NAME")
        print("In a file: attention: {type: sliding, window_size: 512}")
    return 0


def _print_room(room: str, variants: list[dict[str, Any]], alone: bool) -> None:
    """The variants of one kind; the fields that all of them have stand once."""
    whole = [v for v in variants if not v["same_as"]]
    shared = [] if alone else [f for f in whole[0]["fields"] if all(f in v["fields"] for v in whole)]
    size = max(len(f["name"]) for v in variants for f in v["fields"])
    print(room.capitalize())
    if shared:
        print(f"  every {room} variant has")
        for field in shared:
            _print_field(field, size)
    for variant in variants:
        alias = f" (same as {variant['same_as']})" if variant["same_as"] else ""
        _wrapped(f"  {variant['name']}{alias}: ", variant["title"], 4)
        if alone or not variant["same_as"]:
            for field in variant["fields"]:
                if field not in shared:
                    _print_field(field, size)


def _print_field(field: dict[str, Any], size: int) -> None:
    default = "required" if field["required"] else _shown(field["default"])
    _wrapped(f"    {field['name']:<{size}}  {default:<8}  ", field["meaning"])


def _wrapped(head: str, text: str, indent: int | None = None) -> None:
    """A text behind its head, on lines that fit the terminal."""
    following = " " * (len(head) if indent is None else indent)
    print(
        "\n".join(textwrap.wrap(text, width(120), initial_indent=head, subsequent_indent=following) or [head.rstrip()])
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value in (None, [], "") else str(value)
