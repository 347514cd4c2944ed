"""Every attention and feed-forward variant with its fields."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from ..arch.attention import attention_types
from ..arch.docs import field_docs
from ..arch.feed_forward import feed_forward_types
from ..arch.spec import field_types, type_name
from .common import add_json, print_json


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
        if not variants:
            continue
        print(room.replace("_", "-").capitalize())
        for variant in variants:
            alias = f" (same as {variant['same_as']})" if variant["same_as"] else ""
            print(f"  {variant['name']}{alias}: {variant['title']}")
            if variant["same_as"] and not args.name:
                continue
            size = max((len(field["name"]) for field in variant["fields"]), default=0)
            for field in variant["fields"]:
                default = "required" if field["required"] else f"default {_shown(field['default'])}"
                print(f"    {field['name']:<{size}}  {default:<16}  {field['meaning']}")
    if not args.name:
        print("\nIn a file: attention: {type: sliding, window_size: 512}")
    return 0


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value in (None, [], "") else str(value)
