"""Broken records with what `check` must say of them: the file format of `corpus/*.case`.

A case is one text file. First what it is about (lines with `#`), then the exit code, what is checked where it is not
the project's records (`check path ...`), and one line for each finding (`code severity file line:column`); then the
files of the project, each behind a line `=== path` with its content as it stands. `=== path (crlf)` has CRLF line
ends, `(bom)` a byte order mark, `(escaped)` Python's escapes. Every project has the architecture below unless the case
brings its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
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
_FILE = re.compile(r"^=== (?P<path>\S+)(?: \((?P<how>[a-z, ]+)\))?\n", re.M)


@dataclass
class Case:
    """One project and what is expected of it."""

    name: str
    about: str
    exit_code: int
    expected: list[tuple[str, str, str, int, int]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    """What `check` is given; by default nothing, so that it takes the project's records."""

    def write(self, folder: Path) -> None:
        """The project's files."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def cases() -> list[Case]:
    """All cases, by name."""
    return [parse(path.stem, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.case"))]


def parse(name: str, text: str) -> Case:
    """A case from its text."""
    parts = _FILE.split(text)
    case = Case(name, "", 0)
    for line in parts[0].splitlines():
        words = line.split()
        if line.startswith("#"):
            case.about += line[1:]
        elif words[:1] == ["exit"]:
            case.exit_code = int(words[1])
        elif words[:1] == ["check"]:
            case.paths = words[1:]
        elif words:
            code, severity, path, place = words
            line_number, column = place.split(":")
            case.expected.append((code, severity, path, int(line_number), int(column)))
    case.files = {"pyproject.toml": b"[tool.archwright]\n", "architecture.yaml": ARCHITECTURE.encode()}
    for path, how, content in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        case.files[path] = _encoded(content, how or "")
    return case


def _encoded(content: str, how: str) -> bytes:
    if "escaped" in how:
        return content.rstrip("\n").encode("latin-1").decode("unicode_escape").encode("latin-1")
    if "crlf" in how:
        content = content.replace("\n", "\r\n")
    return (b"\xef\xbb\xbf" if "bom" in how else b"") + content.encode()
