"""Files written whole or not at all, whatever happens: a full disk, Ctrl-C, kill -9, fifty at once."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from archwright.errors import NOTHING, Location, Problem, WriteFailed
from archwright.filenames import StrPath, shown, why_not


def write_bytes(path: StrPath, data: bytes) -> None:
    """Write a file whole or not at all, keeping its mode; a link is followed, not replaced.

    WriteFailed: the reason, with the path; the old file is then untouched.
    """
    name = os.fspath(path)
    try:
        target = os.path.realpath(name)
        old = _status(target)
        if old is not None:
            _refuse_target(name, target, old)
        with _interrupts_held(), _temporary(target, data, old) as temp:
            os.rename(temp, target)
            _sync_folder(os.path.dirname(target))
    except OSError as problem:
        raise WriteFailed(why_not(name, problem, "written")) from None
    except ValueError:
        raise WriteFailed(Problem("", NOTHING, "is not a file name", where=Location(shown(name)))) from None


def create_exclusive(path: StrPath, text: str | bytes) -> None:
    """Create a file whole or not at all; FileExistsError if the name is taken, also by a process at the same moment.

    WriteFailed: any other reason; the name is then still free.
    """
    name = os.fspath(path)
    try:
        data = text.encode() if isinstance(text, str) else text
        with _interrupts_held(), _temporary(os.path.abspath(name), data, None) as temp:
            try:
                os.link(temp, name)
            except FileExistsError:
                raise
            except OSError as problem:
                if problem.errno not in _NO_LINKS:
                    raise
                _create_directly(name, data)
            _sync_folder(os.path.dirname(os.path.abspath(name)))
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name) from None
    except OSError as problem:
        raise WriteFailed(why_not(name, problem, "created")) from None
    except UnicodeEncodeError as problem:
        raise WriteFailed(unencodable(path, problem)) from None


_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV, errno.EMLINK)
"""What a file system without hard links answers."""

_MARK = ".archwright-tmp-"


def sweep(folder: StrPath) -> list[str]:
    """Remove the temporary files that killed runs left in a folder; returns their names.

    A file counts as left behind when nobody holds its lock and its process is gone or it is older than a minute
    (process numbers come again, in containers always the same ones).
    """
    import fcntl
    import time

    removed: list[str] = []
    try:
        names = os.listdir(folder)
    except OSError:
        return removed
    for name in names:
        if not name.startswith(".") or _MARK not in name:
            continue
        pid, _, token = name.rpartition(_MARK)[2].partition("-")
        if not (pid.isdecimal() and len(token) == 8):
            continue
        path = os.path.join(folder, name)
        with suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _alive(int(pid)) or time.time() - os.fstat(fd).st_mtime > 60:
                    os.unlink(path)
                    removed.append(name)
            finally:
                os.close(fd)
    return removed


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _temporary(target: str, data: bytes, like: os.stat_result | None) -> Iterator[str]:
    """A synced file beside `target` with the data; whatever happens, it is gone afterwards."""
    import fcntl

    folder, name = os.path.split(target)
    short = os.fsdecode(os.fsencode(name)[:200])  # the whole must fit the 255 bytes of a name
    temp = os.path.join(folder, f".{short}{_MARK}{os.getpid()}-{os.urandom(4).hex()}")
    fd = -1
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(temp, flags, 0o666 if like is None else 0o600)
        with suppress(OSError):  # a file system without locks: `sweep` then has the process number alone
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        if like is not None:
            with suppress(OSError):  # only an administrator may give a file away
                if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(fd, like.st_uid, like.st_gid)
            os.fchmod(fd, stat.S_IMODE(like.st_mode))
        os.fsync(fd)
        yield temp
    finally:
        if fd >= 0:
            os.close(fd)
        with suppress(OSError):
            os.unlink(temp)


def _create_directly(name: str, data: bytes) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    whole = False
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
        whole = True
    finally:
        os.close(fd)
        if not whole:
            os.unlink(name)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C and polite kills wait for the few milliseconds of one write, so that it is done or not begun.

    Handlers are exchanged rather than signals blocked: a mask holds for one thread, and the process may have more.
    """
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield  # interrupts are raised in the main thread alone
        return
    held = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    came: list[int] = []
    before: dict[signal.Signals, Any] = {}
    try:
        for number in held:
            if signal.getsignal(number) not in (None, signal.SIG_IGN):
                before[number] = signal.signal(number, lambda n, frame: came.append(n))
        yield
    finally:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, held)
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for late in dict.fromkeys(came):
            signal.raise_signal(late)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _refuse_target(name: str, target: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, device or socket"
        raise WriteFailed(
            Problem("", NOTHING, f"cannot be written: it is {kind}", "name a file", Location(shown(name)))
        )
    if not os.access(target, os.W_OK):  # renaming over it would get round a write protection that somebody set
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)


def _sync_folder(folder: str) -> None:
    with suppress(OSError):  # some file systems cannot sync a folder; the file itself is synced
        fd = os.open(folder or ".", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def unencodable(path: StrPath, problem: UnicodeEncodeError) -> Problem:
    """The problem of a text that no encoding can write."""
    rule = f"cannot be written: the text holds {problem.object[problem.start]!a}, which is no character"
    return Problem("", NOTHING, rule, "remove it", Location(shown(path)))
