"""Makes the git history that the README tells: three decisions, one superseded, the architecture changed three times.

Usage: python make_history.py FOLDER (which must not exist yet). Each step is a commit with a tag, step-1 to step-4.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from archwright.cli import main

ARCHITECTURE = """\
name: chat-model
architecture:
  d_model: 4096
  n_layers: 32
  n_heads: 32
  n_kv_heads: 32
  d_ff: 11008
  vocab_size: 32000
  max_seq_len: 32768
requirements:
  - {name: one-card, metric: inference_memory, context: 32768, batch: 4, at_most: 40 GB}
"""

HEADS = """\
---
status: proposed
date: 2026-02-03
authors: [Model team]
base: architecture.yaml
decision: {n_kv_heads: 8}
settings: {context: 32768, dtype: bf16}
---
# Eight KV heads

## Context

Four users share one card, which [does not fit][requirement(name=one-card).base] with a KV head for every query head.

## Decision

Use `n_kv_heads: 8` instead of 32.

## Consequences

- A user's cache is [?][kv_cache] instead of [?][kv_cache.base], [?][kv_cache.base->decision].
- Four users then need [?][inference_memory(batch=4)], which [fits][requirement(name=one-card)].
"""

WINDOW = """\
---
status: proposed
date: 2026-03-10
authors: [Model team]
base: architecture.yaml
decision:
  "layers[0-15].attention": {type: sliding, window_size: 512}
settings: {context: 32768, dtype: bf16}
---
# A sliding window in the lower half

## Context

Prompts grow, and most of what the lower layers look at is near.

## Decision

Layers 0-15 see 512 earlier tokens; the upper half sees everything.

## Consequences

- A user's cache shrinks from [?][kv_cache.base] to [?][kv_cache].
"""

FEWER = """\
---
status: proposed
date: 2026-05-20
authors: [Model team]
base: architecture.yaml
decision: {n_kv_heads: 4}
settings: {context: 32768, dtype: bf16}
---
# Four KV heads

## Context

The upper half's cache is all that is left to save.

## Decision

Use `n_kv_heads: 4`.

## Consequences

- A user's cache is [?][kv_cache], [?][kv_cache.base->decision].
"""

Step = tuple[str, str, Callable[[Path], None]]


def archwright(*words: str) -> None:
    """One command that must do what it says."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main(list(words))
    if code:
        raise SystemExit(f"archwright {' '.join(words)} ended with {code}\n{said.getvalue()}")


def write(path: Path, text: str) -> None:
    """A file with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text of a file by hand."""
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new), encoding="utf-8")


def eight_heads(folder: Path) -> None:
    """The first decision: written, filled in, accepted, and then done in the architecture."""
    write(folder / "pyproject.toml", "[tool.archwright]\n")
    write(folder / "architecture.yaml", ARCHITECTURE)
    write(folder / "docs/decisions/0001-eight-kv-heads.md", HEADS)
    archwright("adr", "fill", "1")
    archwright("adr", "accept", "1")
    edit(folder / "architecture.yaml", "n_kv_heads: 32", "n_kv_heads: 8")


def window(folder: Path) -> None:
    """The second decision changes the same file."""
    write(folder / "docs/decisions/0002-sliding-window.md", WINDOW)
    archwright("adr", "fill", "2")
    archwright("adr", "accept", "2")
    layers = "  layers:\n    - {layers: 0-15, attention: {type: sliding, window_size: 512}}\n"
    edit(folder / "architecture.yaml", "requirements:", f"{layers}requirements:")


def by_hand(folder: Path) -> None:
    """Somebody tries something, and does not tell."""
    edit(folder / "architecture.yaml", "n_kv_heads: 8", "n_kv_heads: 4")


def fewer_heads(folder: Path) -> None:
    """The third decision says why, and takes the place of the first."""
    edit(folder / "architecture.yaml", "n_kv_heads: 4", "n_kv_heads: 8")
    write(folder / "docs/decisions/0003-four-kv-heads.md", FEWER)
    archwright("adr", "fill", "3")
    archwright("adr", "accept", "3")
    archwright("adr", "supersede", "1", "--by", "3")
    edit(folder / "architecture.yaml", "n_kv_heads: 8", "n_kv_heads: 4")


STEPS: tuple[Step, ...] = (
    ("step-1", "Eight KV heads", eight_heads),
    ("step-2", "A sliding window in the lower half", window),
    ("step-3", "Try fewer KV heads", by_hand),
    ("step-4", "Four KV heads, decided", fewer_heads),
)


def git(folder: Path, *words: str, day: str = "2026-02-03") -> None:
    """One git command that must succeed, by an author and at a time that are always the same."""
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _IDENTITY.items()}
    dates = {f"GIT_{role}_DATE": f"{day}T12:00:00+0000" for role in ("AUTHOR", "COMMITTER")}
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *words], cwd=folder, check=True, env={**os.environ, **who, **dates, **quiet})


_IDENTITY = {"NAME": "Model team", "EMAIL": "team@example.org"}


def make(folder: Path) -> None:
    """The whole history in a new folder."""
    folder.mkdir(parents=True)
    back = Path.cwd()
    os.chdir(folder)
    try:
        git(folder, "init", "--quiet", "--initial-branch=main")
        for (tag, message, step), day in zip(
            STEPS, ("2026-02-03", "2026-03-10", "2026-05-18", "2026-05-20"), strict=True
        ):
            step(folder)
            git(folder, "add", "--all")
            git(folder, "commit", "--quiet", "--message", message, day=day)
            git(folder, "tag", tag)
    finally:
        os.chdir(back)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    make(Path(sys.argv[1]).resolve())
