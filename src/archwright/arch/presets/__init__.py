"""Published models by name: one YAML file each, with its source."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ..config import ArchitectureConfig, Source

FOLDER = Path(__file__).parent


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """All preset names, sorted."""
    return tuple(sorted(p.stem for p in FOLDER.glob("*.yaml")))


@lru_cache(maxsize=256)
def preset(name: str) -> ArchitectureConfig:
    """The published model of that name (one of `names()`)."""
    from ..files import load

    document = load(FOLDER / f"{name}.yaml")
    config = ArchitectureConfig.from_fields(
        document.data["architecture"], "architecture.", document.where, ("architecture",)
    )
    kept = tuple(document.data.get("kept_parts", ()))
    return config.sourced(Source(name=name, weights_dtype=document.data.get("weights_dtype"), kept_parts=kept))


def provenance(name: str) -> dict[str, str]:
    """`source` and `read_on` of a preset, and `copy` where the source was read through a public copy of it."""
    from ..files import load

    data = load(FOLDER / f"{name}.yaml").data
    return {key: str(data[key]) for key in ("source", "read_on", "copy") if key in data}
