"""The compiled library: built with the machine's compiler, kept in the user's cache, checked before its first use.

`ARCHWRIGHT_NATIVE=0` turns it off; `ARCHWRIGHT_CACHE` moves the cache (default: `$XDG_CACHE_HOME/archwright`).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

SOURCES = ("sliding.cpp", "decode.cpp")
HEADERS = ("vectors.h",)
COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-shared", "-fPIC", "-pthread")
TUNINGS = (("-march=native",), ("-mcpu=native",))
"""The first that a compiler accepts; the library then runs on processors like this one."""

_lock = threading.Lock()
_known: Status | None = None


@dataclass(frozen=True)
class Status:
    """Whether the native kernels can be used here, and if not, why."""

    library: ctypes.CDLL | None
    reason: str = ""

    @property
    def lanes(self) -> int:
        """float32 numbers in a vector: `head_dim` must be a multiple of it."""
        return int(self.library.archwright_lanes()) if self.library is not None else 0


def status() -> Status:
    """The library, built on the first call (about a second); later calls return the same answer."""
    global _known
    if _known is None:
        with _lock:
            if _known is None:
                _known = _make()
    return _known


def forget() -> None:
    """Look again at the next call, after the environment has changed."""
    global _known
    _known = None


def _make() -> Status:
    if os.environ.get("ARCHWRIGHT_NATIVE", "1") == "0":
        return Status(None, "ARCHWRIGHT_NATIVE=0 turns the native kernels off")
    if platform.system() not in ("Linux", "Darwin"):
        return Status(None, f"native kernels are not built on {platform.system()}")
    named = os.environ.get("CXX")
    compilers = [c for c in ((named,) if named else COMPILERS) if shutil.which(c)]
    if not compilers:
        return Status(None, f"there is no C++ compiler ({named or ', '.join(COMPILERS)})")
    try:
        folder = _cache()
        made, reason = None, ""
        for tuning in TUNINGS:
            made, reason = _built(folder, compilers[0], (*FLAGS, *tuning))
            if made is not None:
                break
        if made is None:
            return Status(None, reason)
        library = ctypes.CDLL(str(made))
    except (OSError, subprocess.SubprocessError) as error:
        return Status(None, f"the native kernels could not be built: {error}")
    from .calls import self_check

    wrong = self_check(library)
    return Status(None, wrong) if wrong else Status(library)


def _cache() -> Path:
    """A folder of our own that nobody else can write. OSError where there is none."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get("ARCHWRIGHT_CACHE") or Path(home) / "archwright") / "native"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    seen = folder.stat()
    if seen.st_uid != os.getuid() or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{folder} belongs to, or can be written by, somebody else")
    return folder


def _built(folder: Path, compiler: str, flags: tuple[str, ...]) -> tuple[Path | None, str]:
    """The library for this source, compiler and processor; from the cache where it was built before."""
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    here = Path(__file__).parent
    texts = [(here / name).read_text("utf-8") for name in (*SOURCES, *HEADERS)]
    key = "\0".join((*texts, version, *flags, _processor()))
    path = folder / f"kernels-{hashlib.sha256(key.encode()).hexdigest()[:24]}.so"
    if path.is_file():
        return path, ""
    handle, unfinished = tempfile.mkstemp(suffix=".so", dir=folder)
    os.close(handle)
    try:
        command = [compiler, *flags, *(str(here / name) for name in SOURCES), "-o", unfinished]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return None, f"{compiler} could not compile the native kernels: {last}"
        os.replace(unfinished, path)
        return path, ""
    finally:
        Path(unfinished).unlink(missing_ok=True)


def _processor() -> str:
    """What the compiler tunes for, so that a home directory shared by machines holds one library for each kind."""
    told = [platform.machine(), platform.processor()]
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return " ".join(told)
    for name in ("model name", "flags", "Features"):
        told += [line for line in lines if line.startswith(name)][:1]
    return " ".join(told)
