"""The command run as people run it: another process, with limits on its time and memory."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ARCHWRIGHT = [sys.executable, "-m", "archwright"]
PROCESSOR_SECONDS = 2
"""Where the kernel ends a run. A run of these tests takes a fifth of a second; one that hangs or explodes ends here."""
RESIDENT = 300 * 2**20
"""Bytes that a run may hold."""
WALL_SECONDS = 120


@dataclass(frozen=True)
class Done:
    """How a run ended."""

    code: int
    out: str
    err: str
    resident: int

    @property
    def text(self) -> str:
        """Everything that was printed."""
        return self.out + self.err


def environment(**more: str) -> dict[str, str]:
    """The environment of a run: no colour, no home, 80 columns unless said otherwise."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "PYTHONWARNINGS")}
    return {**kept, "COLUMNS": "80", "PYTHONDONTWRITEBYTECODE": "1", **more}


def limited(more: Callable[[], None] | None = None) -> Callable[[], None]:
    """What the child does before it becomes the command: its limits, and what a test adds."""

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if more is not None:
            more()

    return prepare


def without_powers() -> None:
    """For a child of root: permissions hold for it as for everybody else, once it has become the command."""
    if os.geteuid() == 0:
        drop_from_bounding_set, dac_override, dac_read_search = 24, 1, 2  # of linux/prctl.h and linux/capability.h
        for capability in (dac_override, dac_read_search):
            ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0)


MEASURED = """
import os, resource, signal, sys
child = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
signal.signal(signal.SIGINT, signal.SIG_IGN)
_, status, usage = os.wait4(child, 0)
os.write(int(sys.argv[1]), str(usage.ru_maxrss).encode())
code = os.waitstatus_to_exitcode(status)
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
"""Runs a command and reports its resident memory. A child of the test process itself would be charged with the
memory of that process, which it shared before it became the command."""


def run(
    *words: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    prepare: Callable[[], None] | None = None,
    check: bool = True,
) -> Done:
    """Run a command to its end. With `check`, whatever it was asked: no traceback, no signal, a code that is ours."""
    report, into = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", MEASURED, str(into), *ARCHWRIGHT, *map(str, words)],
        cwd=cwd,
        env=dict(env or environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(into,),
        preexec_fn=limited(prepare),  # the child has one thread, and nothing else runs beside it here
    )
    os.close(into)
    out, err = process.communicate(timeout=WALL_SECONDS)
    with os.fdopen(report) as said:
        used = int(said.read() or 0) * 1024
    done = Done(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), used)
    if check:
        assert "Traceback" not in done.text, done.text
        assert done.code in (0, 1, 2, 3, 130), (done.code, done.text)
    return done
