"""A small project that tests change step by step: architecture, records, checks."""

from __future__ import annotations

import textwrap
from pathlib import Path

from archwright.decisions.check import check
from archwright.decisions.lifecycle import accept, supersede
from archwright.decisions.report import Report

ARCHITECTURE = """\
architecture:
  d_model: 4096
  n_layers: 32
  n_heads: 32
  n_kv_heads: 8
  d_ff: 11008
  vocab_size: 32000
  max_seq_len: 32768
"""


class Project:
    """Files below a folder, and what `check` says of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("pyproject.toml", "[tool.archwright]\n")
        self.write("architecture.yaml", ARCHITECTURE)

    def write(self, name: str, text: str) -> Path:
        """A file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def record(self, number: int, front: str = "", body: str = "", status: str = "proposed", name: str = "") -> Path:
        """A record; `front` holds more lines of its front matter."""
        head = f"---\nstatus: {status}\ndate: 2026-01-{number:02d}\nbase: architecture.yaml\n"
        middle = textwrap.dedent(front).strip("\n")
        text = head + (middle + "\n" if middle else "") + f"---\n# Record {number}\n\n## Decision\n\n"
        return self.write(
            f"docs/decisions/{number:04d}-{name or f'record-{number}'}.md", text + textwrap.dedent(body).strip() + "\n"
        )

    def set(self, old: str, new: str, name: str = "architecture.yaml") -> None:
        """Replace a text of a file, which must have it."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert old in text, (old, text)
        path.write_text(text.replace(old, new), encoding="utf-8")

    def accept(self, path: Path) -> str:
        """Accept a record; what was said."""
        return "\n".join(accept(str(path)).messages)

    def supersede(self, old: Path, new: Path) -> None:
        """Let one record take the place of another."""
        supersede(str(old), str(new))

    def check(self, *paths: str) -> Report:
        """What check says."""
        return check([str(self.root / p) for p in paths] or None)

    def codes(self, *paths: str) -> list[str]:
        """The codes of all findings, without outdated definitions."""
        return sorted(f.code for f in self.check(*paths).findings if f.code != "outdated-definition")

    def said(self, code: str) -> list[str]:
        """The messages of a code, with their remedies."""
        return [f"{f.message}. {f.remedy}" for f in self.check().findings if f.code == code]

    def pins(self) -> list[Path]:
        """The pins, sorted."""
        return sorted((self.root / "docs/decisions/bases").glob("*.yaml"))
