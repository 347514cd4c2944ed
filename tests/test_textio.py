"""textio: reading with every refusal, edits that leave other bytes alone, writes that are whole or nothing."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright import atomic, textio
from archwright.errors import Unreadable, WriteFailed
from archwright.textio import (
    Edit,
    Text,
    apply_edits,
    create_exclusive,
    line_column,
    read_text,
    shown,
    sweep,
    write_bytes,
    write_text,
)


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def refusal(path: str | Path, limit: int = textio.LIMIT) -> str:
    with pytest.raises(Unreadable) as caught:
        read_text(path, limit)
    return str(caught.value)


# ---------------------------------------------------------------- reading


def test_plain_file(tmp_path: Path) -> None:
    t = read_text(put(tmp_path / "a.md", b"one\ntwo\n"))
    assert (t.text, t.bom, t.newline, t.raw, t.encoding) == ("one\ntwo\n", False, "\n", b"one\ntwo\n", "utf-8")
    assert t.path == str(tmp_path / "a.md")


def test_windows_file(tmp_path: Path) -> None:
    t = read_text(put(tmp_path / "a.md", b"\xef\xbb\xbfone\r\ntwo\r\n"))
    assert (t.text, t.bom, t.newline) == ("one\ntwo\n", True, "\r\n")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_other_unicode_encodings_are_known_by_their_mark(tmp_path: Path, codec: str) -> None:
    raw = ("\ufeff" + "d: 4096\r\ns: é😀\r\n").encode(codec)
    t = read_text(put(tmp_path / "a.yaml", raw))
    assert t.text == "d: 4096\ns: é😀\n"
    assert t.encoding == codec
    assert t.edit([(3, 7, "64\nx: 1")]) == ("\ufeff" + "d: 64\r\nx: 1\r\ns: é😀\r\n").encode(codec)


@pytest.mark.parametrize(
    ("data", "newline"),
    [(b"", "\n"), (b"a", "\n"), (b"a\r\nb\r\nc\n", "\r\n"), (b"a\r\nb\nc\n", "\n"), (b"a\rb", "\n")],
)
def test_dominant_newline(tmp_path: Path, data: bytes, newline: str) -> None:
    t = read_text(put(tmp_path / "a", data))
    assert t.newline == newline
    assert "\r" not in t.text


def test_control_characters_are_left_alone(tmp_path: Path) -> None:
    assert read_text(put(tmp_path / "a", b"a\x01\x0c\x85".replace(b"\x85", "\x85".encode()))).text == "a\x01\x0c\x85"


def test_missing_names_a_neighbour(tmp_path: Path) -> None:
    put(tmp_path / "architecture.yaml", b"")
    assert "does not exist" in refusal(tmp_path / "architectur.yaml")
    assert "architecture.yaml?" in refusal(tmp_path / "architectur.yaml")
    assert "Check the path" in refusal(tmp_path / "no" / "such")


def test_dangling_link_names_its_target(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("gone.yaml")
    assert "link to gone.yaml, which does not exist" in refusal(tmp_path / "a")


def test_folder(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_pipe_nobody_writes_to_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "pipe.yaml  is a named pipe" in refusal(tmp_path / "pipe.yaml")
    (tmp_path / "link").symlink_to("pipe.yaml")
    assert "is a named pipe" in refusal(tmp_path / "link")


def test_pipe_that_appears_between_looking_and_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = put(tmp_path / "plain", b"x")
    os.mkfifo(tmp_path / "pipe")
    status = os.stat(plain)
    monkeypatch.setattr(textio.os, "stat", lambda name: status)
    assert "is a named pipe" in refusal(tmp_path / "pipe")


def test_device() -> None:
    assert "is a device" in refusal("/dev/zero")


def test_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert "loop of symbolic links" in refusal(tmp_path / "a")
    with pytest.raises(WriteFailed, match="loop of symbolic links"):
        write_text(tmp_path / "a", "x")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "secret", b"x")
    path.chmod(0)
    if os.geteuid() == 0:  # an administrator reads everything: let the system answer as it does to others

        def deny(name: str, *args: object, **kwargs: object) -> int:
            raise PermissionError(errno.EACCES, "Permission denied", name)

        monkeypatch.setattr(textio.os, "open", deny)
    assert "secret  cannot be read: no permission" in refusal(path)


def test_too_large_is_refused_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as f:
        f.truncate(200 * 2**20)
    monkeypatch.setattr(textio.os, "read", lambda *a: pytest.fail("it was read"))
    message = refusal(path)
    assert "has 209,715,200 bytes, more than the limit of 16,777,216" in message


def test_limit_holds_where_the_size_is_not_known(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc on this system")
    assert "more than the limit of 10" in refusal("/proc/self/status", limit=10)
    assert read_text(put(tmp_path / "a", b"x" * 10), limit=10).text == "x" * 10


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        (b"a: 1\nb: caf\xe9 x\n", ":2:7", "is not UTF-8: found the byte 0xE9"),
        (b"a\r\nb\r\n\xff\xfe", ":3:1", "0xFF"),
        (b"a\r\nb\r\n\xe4\xb8", ":3:1", "0xE4 0xB8"),
        (b"\xff\xfea\x00\x00\xd8", ":1:2", "is not UTF-16"),
        (b"n: 1\r\n\r\n\r\n\r\nx: \x00\r\n", ":5:4", "NUL character (U+0000)"),
        ("a: 1\n".encode("utf-16-le"), ":1:2", "looks like UTF-16"),
    ],
)
def test_not_text(tmp_path: Path, data: bytes, place: str, words: str) -> None:
    message = refusal(put(tmp_path / "a.yaml", data))
    assert f"a.yaml{place}  " in message
    assert words in message
    assert "UTF-8" in message or "remove" in message.lower()


def test_names_no_file_can_have() -> None:
    assert "is not a file name" in refusal("a\0b")
    assert "is not a file name" in refusal("a\ud800b")
    assert "too long" in refusal("x" * 5000)
    with pytest.raises(WriteFailed, match="is not a file name"):
        write_text("a\0b", "x")


def test_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "docs" / "a.md") == "docs/a.md"
    assert shown("./a.md") == "a.md"
    assert shown("../a.md") == "../a.md"
    assert shown("/x") == "/x"
    assert shown(tmp_path / "docs" / "a.md", tmp_path / "docs") == "a.md"
    assert shown("a\nb\udcff\x1b") == "a\\nb\\udcff\\x1b"
    assert shown("é 模型.yaml") == "é 模型.yaml"


def test_shown_in_a_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert shown("/etc/x") == "/etc/x"


def test_line_column_and_location(tmp_path: Path) -> None:
    assert [line_column("ab\nc", n) for n in range(5)] == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]
    t = read_text(put(tmp_path / "a", b"\xef\xbb\xbfa\r\nbc\r\n"))
    assert str(t.location(3)).endswith("a:2:2")


# ---------------------------------------------------------------- edits


def test_apply_edits() -> None:
    assert apply_edits("hello world", [(6, 11, "there"), (0, 5, "oh")]) == "oh there"
    assert apply_edits("ab", [(1, 1, "x"), (1, 1, "y"), (1, 2, "B")]) == "axyB"
    assert apply_edits("ab", []) == "ab"
    assert apply_edits("ab", [Edit(0, 0, ">"), Edit(2, 2, "<")]) == ">ab<"


@pytest.mark.parametrize(
    "edits", [[(0, 2, ""), (1, 3, "")], [(0, 5, ""), (4, 4, "x")], [(2, 9, "")], [(-1, 0, "")], [(2, 1, "")]]
)
def test_bad_edits(edits: list[tuple[int, int, str]]) -> None:
    with pytest.raises(ValueError, match=r"overlaps|outside"):
        apply_edits("hello", edits)


def test_edits_keep_every_other_byte_of_mixed_line_ends(tmp_path: Path) -> None:
    raw = b"\xef\xbb\xbfone\r\ntwo\nthree\r\nfour\rfive\r\n"
    t = read_text(put(tmp_path / "a", raw))
    at = t.text.index("three")
    assert t.edit([(at, at + 5, "3\n3")]) == raw.replace(b"three", b"3\r\n3")
    assert t.edit([(at - 1, at, "")]) == raw.replace(b"two\nthree", b"twothree")
    at = t.text.index("two")
    assert t.edit([(at - 1, at, "")]) == raw.replace(b"one\r\n", b"one")
    assert t.edit([(3, 3, "!")]) == raw.replace(b"one", b"one!")


pieces = st.lists(st.sampled_from(["a", "é", "😀", "\n", "\r\n", "\r", " x"]), max_size=12).map("".join)


@given(pieces, st.booleans(), st.data())
def test_edits_land_where_the_text_says(original: str, bom: bool, data: st.DataObject) -> None:
    text = original.replace("\r\n", "\n").replace("\r", "\n")
    raw = (b"\xef\xbb\xbf" if bom else b"") + original.encode()
    t = Text(text, bom, "\n", raw, "a")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    new = t.edit([(start, end, "NEW")])
    back = new.decode("utf-8-sig" if bom else "utf-8").replace("\r\n", "\n").replace("\r", "\n")
    assert back == text[:start] + "NEW" + text[end:]
    assert t.edit([]) == raw


# ---------------------------------------------------------------- writing


def leftovers(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if "archwright-tmp" in p.name]


def test_write_and_mode(tmp_path: Path) -> None:
    path = put(tmp_path / "a", b"old")
    path.chmod(0o640)
    write_text(path, "new é\n")
    assert path.read_bytes() == "new é\n".encode()
    assert path.stat().st_mode & 0o7777 == 0o640
    umask = os.umask(0o027)
    try:
        write_bytes(tmp_path / "b", b"x")
        create_exclusive(tmp_path / "c", "x")
    finally:
        os.umask(umask)
    assert (tmp_path / "b").stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / "c").stat().st_mode & 0o7777 == 0o640
    assert leftovers(tmp_path) == []


def test_write_like_keeps_the_line_ends_of_unchanged_lines(tmp_path: Path) -> None:
    raw = b"\xef\xbb\xbfa\r\nb\nc\r\nd\ne\r\nf\r\n"
    like = read_text(put(tmp_path / "a", raw))
    write_text(tmp_path / "a", like.text, like)
    assert (tmp_path / "a").read_bytes() == raw
    write_text(tmp_path / "a", "a\nb\nC\nnew\nd\nf\n", like)
    assert (tmp_path / "a").read_bytes() == b"\xef\xbb\xbfa\r\nb\nC\r\nnew\r\nd\nf\r\n"
    write_text(tmp_path / "a", "", like)
    assert (tmp_path / "a").read_bytes() == b"\xef\xbb\xbf"


@given(pieces, pieces)
def test_write_like_reads_back_as_written(old: str, new: str) -> None:
    text = old.replace("\r\n", "\n").replace("\r", "\n")
    new = new.replace("\r\n", "\n").replace("\r", "\n")
    like = Text(text, False, "\r\n", old.encode(), "a")
    written = like.edit(textio._line_edits(text, new)).decode()
    assert written.replace("\r\n", "\n").replace("\r", "\n") == new


def test_long_files_are_compared_in_linear_time(tmp_path: Path) -> None:
    raw = b"".join(b"%d\r\n" % n for n in range(20000))
    like = read_text(put(tmp_path / "a", b"x\n" + raw))
    write_text(tmp_path / "a", "y\n" + "".join(f"{n + 1}\n" for n in range(20000)), like)
    assert (tmp_path / "a").read_bytes().startswith(b"y\r\n1\r\n")


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = put(tmp_path / "real" / "a", b"old")
    (tmp_path / "link").symlink_to("real/a")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert target.read_text() == "new"
    (tmp_path / "dangling").symlink_to("real/b")
    write_text(tmp_path / "dangling", "b")
    assert (tmp_path / "real" / "b").read_text() == "b"


def test_longest_possible_name(tmp_path: Path) -> None:
    name = "é" * 127
    create_exclusive(tmp_path / name, "x")
    write_text(tmp_path / name, "y")
    assert (tmp_path / name).read_text() == "y"
    assert leftovers(tmp_path) == []


def test_relative_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    create_exclusive("a", b"1")
    write_text("a", "2")
    assert Path("a").read_text() == "2"


def test_write_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("file").write_text("x")
    for name, words in [
        (".", "is a folder"),
        ("pipe", "a pipe"),
        ("no/a", "folder does not exist. Make the folder no first"),
        ("file/a", "Not a directory"),
    ]:
        with pytest.raises(WriteFailed, match=words):
            write_text(name, "x")
    with pytest.raises(WriteFailed, match="no character"):
        write_text("file", "a\ud800")
    with pytest.raises(WriteFailed, match="no character"):
        create_exclusive("other", "a\ud800")
    assert sorted(os.listdir()) == ["file", "pipe"]
    assert Path("file").read_text() == "x"


def test_write_protection_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "a", b"old")
    path.chmod(0o444)
    if os.geteuid() == 0:
        monkeypatch.setattr(textio.os, "access", lambda *a: False)
    with pytest.raises(WriteFailed, match="no permission"):
        write_text(path, "new")
    assert path.read_bytes() == b"old"


def test_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    folder.chmod(0o555)
    if os.geteuid() == 0:

        def deny(name: str, *args: object, **kwargs: object) -> int:
            raise PermissionError(errno.EACCES, "Permission denied", name)

        monkeypatch.setattr(textio.os, "open", deny)
    with pytest.raises(WriteFailed, match=r"f/a.*cannot be created: no permission"):
        create_exclusive(folder / "a", "x")
    monkeypatch.undo()
    assert os.listdir(folder) == []


@pytest.mark.parametrize("fails", ["write", "fsync", "rename", "fchmod"])
@pytest.mark.parametrize("kind", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_nothing_stays_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, kind: BaseException
) -> None:
    path = put(tmp_path / "a", b"old")

    def fail(*args: object) -> None:
        raise kind

    monkeypatch.setattr(textio.os, fails, fail)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(WriteFailed if isinstance(kind, OSError) else KeyboardInterrupt):
        write_text(path, "new")
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == []
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_partial_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(textio.os, "write", lambda fd, data: real(fd, data[:3]))
    write_text(tmp_path / "a", "0123456789")
    assert (tmp_path / "a").read_text() == "0123456789"


def run(code: str, *args: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", textwrap.dedent(code), *args], capture_output=True, text=True, timeout=60, **kwargs
    )


def test_a_full_disk(tmp_path: Path) -> None:
    path = put(tmp_path / "a", b"old")
    done = run(
        """
        import sys
        from archwright.errors import WriteFailed
        from archwright.textio import create_exclusive, write_text
        for write, name in ((write_text, "a"), (create_exclusive, "b")):
            try:
                write(name, "x" * 150_000)
            except WriteFailed as problem:
                print(problem)
        """,
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384)),
    )
    assert done.returncode == 0, done.stderr
    assert "a  cannot be written: File too large." in done.stdout
    assert "b  cannot be created: File too large." in done.stdout
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_ctrl_c_during_a_write_waits_for_it(tmp_path: Path) -> None:
    path = put(tmp_path / "a", b"old")
    real = os.fsync
    hits = []

    def interrupt(fd: int) -> None:
        if not hits:
            os.kill(os.getpid(), signal.SIGINT)
        hits.append(fd)
        real(fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(textio.os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_text(path, "new")
    assert path.read_bytes() == b"new"
    assert leftovers(tmp_path) == []


def test_ctrl_c_that_another_thread_receives_waits_too(tmp_path: Path) -> None:
    path = put(tmp_path / "a", b"old")
    done = run(
        """
        import os, signal, threading, time
        from archwright import textio
        other = threading.Thread(target=time.sleep, args=(30,), daemon=True)
        other.start()
        real = os.fsync
        def interrupt(fd):
            signal.pthread_kill(other.ident, signal.SIGINT)
            time.sleep(0.05)
            real(fd)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        textio.os.fsync = interrupt
        try:
            textio.write_text("a", "new")
        except KeyboardInterrupt:
            print("interrupted")
        """,
        cwd=tmp_path,
    )
    assert "interrupted" in str(done.stdout)
    assert path.read_bytes() == b"new"
    assert leftovers(tmp_path) == []


def test_kill_in_the_middle_leaves_the_old_file_and_sweep_tidies(tmp_path: Path) -> None:
    path = put(tmp_path / "a", b"old")
    done = run(
        """
        import os, signal
        from archwright import textio
        textio.os.rename = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
        textio.write_text("a", "new")
        """,
        cwd=tmp_path,
    )
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    left = leftovers(tmp_path)
    assert len(left) == 1
    assert left[0].startswith(".a.archwright-tmp-")
    assert sweep(tmp_path) == left
    assert os.listdir(tmp_path) == ["a"]


def test_sweep_spares_the_living(tmp_path: Path) -> None:
    put(tmp_path / ".a.archwright-tmp-x-00000000", b"")
    put(tmp_path / ".b.archwright-tmp-99-short", b"")
    fresh = put(tmp_path / f".c.archwright-tmp-{os.getpid()}-00000000", b"")
    with atomic._temporary(str(tmp_path / "d"), b"x", None) as held:
        os.utime(held, (0, 0))
        assert sweep(tmp_path) == []
        assert os.path.exists(held)
    os.utime(fresh, (0, 0))  # old, not locked: a run of long ago had the same number
    assert sweep(tmp_path) == [fresh.name]
    assert sweep(tmp_path / "none") == []
    assert len(leftovers(tmp_path)) == 2


def test_create_exclusive(tmp_path: Path) -> None:
    create_exclusive(tmp_path / "a", "one\n")
    with pytest.raises(FileExistsError):
        create_exclusive(tmp_path / "a", "two\n")
    (tmp_path / "l").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        create_exclusive(tmp_path / "l", "two\n")
    assert (tmp_path / "a").read_text() == "one\n"
    assert sorted(os.listdir(tmp_path)) == ["a", "l"]


def test_create_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(textio.os, "link", refuse)
    create_exclusive(tmp_path / "a", "one")
    with pytest.raises(FileExistsError):
        create_exclusive(tmp_path / "a", "two")
    real = os.write

    def full(fd: int, data: bytes) -> int:
        if "archwright-tmp" in os.readlink(f"/proc/self/fd/{fd}"):
            return real(fd, data)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(textio.os, "write", full)
    with pytest.raises(WriteFailed, match="No space left on device"):
        create_exclusive(tmp_path / "b", "two")
    assert os.listdir(tmp_path) == ["a"]


def test_of_many_creators_one_wins(tmp_path: Path) -> None:
    code = """
    import sys
    from archwright.textio import create_exclusive
    n = 1
    while True:
        try:
            create_exclusive(f"{n:04d}.md", sys.argv[1] * 10_000)
            break
        except FileExistsError:
            n += 1
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    running = [subprocess.Popen([*command, letter], cwd=tmp_path) for letter in "abcdef"]
    assert [p.wait(60) for p in running] == [0] * 6
    texts = sorted(p.read_text() for p in tmp_path.iterdir())
    assert texts == [letter * 10_000 for letter in "abcdef"]
