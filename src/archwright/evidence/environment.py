"""Where a run took place: time, host, versions, and the git revision of the project; the standard library alone."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

VERSIONS = ("torch", "triton", "flash_attn", "transformers", "numpy", "lm_eval")
"""Packages whose versions are kept with a run, where they are installed."""


def now() -> str:
    """The time in UTC to the second, as records carry it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def environment(root: Path | None = None) -> dict[str, Any]:
    """Host, processor, versions and git state, as records carry them."""
    from .. import __version__
    from .staleness import present_versions

    made: dict[str, Any] = {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": processor(),
        "cpus": cpus(),
        "versions": {"archwright": __version__, "python": platform.python_version(), **present_versions(VERSIONS)},
    }
    if root is not None:
        made["git"] = git_state(root)
    return made


def cpus() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The processor's name as the system gives it; empty where it gives none."""
    if sys.platform == "linux":
        try:
            with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    if line.startswith("model name"):
                        return line.partition(":")[2].strip()
        except OSError:
            return platform.processor()
    return platform.processor()


def git_state(root: Path) -> dict[str, Any]:
    """The commit of the project and whether files differ from it; empty outside a repository."""
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return {}
    return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no"))}


def _git(root: Path, *words: str) -> str:
    # A repository's own configuration can name programs to run; none of them is needed here.
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", *words]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
