"""The main job on real input, told as a story: a record with wrong figures, and one made from a published model."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from archwright.cli import main

HERE = Path(__file__).resolve().parent


def say(text: str) -> None:
    """A paragraph of the story."""
    print(f"\n{text}\n", flush=True)


def run(*words: str) -> int:
    """One command, printed as a user would type it, with its output."""
    shown = " ".join(f'"{w}"' if " " in w else w for w in words)
    print(f"$ archwright {shown}", flush=True)
    code = main(list(words))
    print(flush=True)
    return code


def gqa(folder: Path) -> int:
    """Import, bind and check the record of grouped-query attention; returns the code of the check."""
    shutil.copytree(HERE / "gqa", folder, dirs_exist_ok=True)
    os.chdir(folder)
    say("1. A decision record as a team wrote it: plain text, with figures that nobody recomputed.")
    lines = (folder / "grouped_query_attention.txt").read_text(encoding="utf-8").splitlines()
    print("\n".join(f"    {line}" for line in lines[:22]))
    say("2. Import it. The prose stays as it is; what is guessed from its sentences is listed.")
    run("adr", "import", "grouped_query_attention.txt", "--base", "architecture.yaml")
    say("3. Bind its figures to what can be computed or measured.")
    run("adr", "bind", "1", "--apply")
    say("4. Check it. Two cache sizes, and the size of the model itself, are not what the architecture gives.")
    code = run("check")
    say("5. The same for the class docstring that documents the module.")
    run("adr", "import", "attention.py", "--base", "architecture.yaml")
    run("adr", "bind", "2", "--apply")
    run("check", "docs/decisions/0002-groupedqueryattention.md")
    return code


def five_minutes(folder: Path) -> int:
    """From a published config.json to a true, checked record; returns the code of the check."""
    folder.mkdir()
    os.chdir(folder)
    shutil.copy(HERE / "first-five-minutes" / "config.json", folder / "config.json")
    say("6. The first five minutes with a published model: its config.json, a project, a record, a check.")
    run("estimate", "config.json")
    run("init", "--from", "config.json")
    run("adr", "new", "Fewer KV heads", "--change", "n_kv_heads=4")
    print((folder / "docs" / "decisions" / "0001-fewer-kv-heads.md").read_text(encoding="utf-8"))
    return run("check")


def story() -> int:
    """Both halves in a scratch folder; 0 when the first check finds what it must and the second finds nothing."""
    start = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="archwright-demo-") as name:
        try:
            found = gqa(Path(name) / "gqa")
            clean = five_minutes(Path(name) / "llama")
        finally:
            os.chdir(start)
    say(
        "The first check ended with 1, because an accepted record has figures that do not hold; the second with 0.\n"
        "Next: archwright init --from your/config.json"
    )
    return 0 if (found, clean) == (1, 0) else 1


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(story())
