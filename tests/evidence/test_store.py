"""The store: only ever added to, whole after any kill, and every flipped byte found."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from archwright.errors import InvalidValue, Location, Unreadable, UsageError, WriteFailed
from archwright.evidence.store import Store, read

from .helpers import bench, noisy

GOOD = bench({"mha": noisy(2.0), "decision": noisy(1.0, seed=2)})
OTHER = bench({"mha": noisy(2.0, seed=3), "decision": noisy(1.0, seed=4)})


def test_add_read_and_find(tmp_path: Path) -> None:
    store = Store.of(tmp_path)
    assert store.records == () and store.paths() == []
    path = store.add(GOOD)
    assert path == tmp_path / "evidence" / GOOD.file_name
    assert [s.evidence for s in Store.of(tmp_path).records] == [GOOD]
    store.add(OTHER)
    assert len(store.records) == 2
    assert store.get(GOOD.short_hash).evidence == GOOD
    assert store.get(str(path)).evidence == GOOD
    assert store.get(GOOD.file_name).name == GOOD.file_name
    with pytest.raises(UsageError, match="means several files"):
        store.get("bench-2026")
    with pytest.raises(UsageError, match=r"not in .*There are: bench-"):
        store.get("nothing")
    assert [s.name for s in store.of_kind("bench", "decode")] == [s.name for s in store.records]
    assert not list(store.of_kind("eval"))


def test_the_same_record_twice_is_one_file(tmp_path: Path) -> None:
    store = Store.of(tmp_path)
    assert store.add(GOOD) == store.add(GOOD)
    assert len(store.paths()) == 1


def test_a_name_taken_by_something_else_is_not_overwritten(tmp_path: Path) -> None:
    store = Store.of(tmp_path)
    path = store.add(GOOD)
    path.write_text("mine\n")
    with pytest.raises(InvalidValue, match="is taken by another record"):
        store.add(GOOD)
    assert path.read_text() == "mine\n"


def test_there_is_no_delete() -> None:
    assert not [name for name in dir(Store) if any(word in name for word in ("delete", "remove", "edit", "update"))]


def test_where_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file")
    with pytest.raises(WriteFailed, match="evidence"):
        Store.of(tmp_path).add(GOOD)


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    store = Store.of(tmp_path)
    path = store.add(GOOD)
    whole = path.read_bytes()
    draw = random.Random(5)
    for at in [0, 1, len(whole) - 2, len(whole) - 1, *draw.sample(range(len(whole)), 300)]:
        byte = whole[at] ^ (1 << draw.randrange(8))
        path.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
        _, problems = Store.of(tmp_path).verify()
        assert problems, f"byte {at}: {whole[at]:#x} became {byte:#x}"
        assert all(p.where is not None and p.where.path.endswith(path.name) for p in problems)
    path.write_bytes(whole)
    assert store.verify() == (1, [])


def test_every_truncation_is_found(tmp_path: Path) -> None:
    path = Store.of(tmp_path).add(GOOD)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(Unreadable):
            read(path)
    assert len(Store.of(tmp_path).problems) == 1


def test_a_reformatted_file_is_intact_but_found(tmp_path: Path) -> None:
    path = Store.of(tmp_path).add(GOOD)
    path.write_text(path.read_text().replace("\n", "\n "))
    assert read(path) == GOOD
    count, problems = Store.of(tmp_path).verify()
    assert count == 1 and "was reformatted" in str(problems[0])


def test_a_renamed_file_is_found(tmp_path: Path) -> None:
    path = Store.of(tmp_path).add(GOOD)
    path.rename(path.with_name("bench-2030-01-01-00000000.json"))
    assert "is not the name of this record" in str(Store.of(tmp_path).problems[0])


def test_a_deleted_file_is_found_by_who_refers_to_it(tmp_path: Path) -> None:
    store = Store.of(tmp_path)
    path = store.add(GOOD)
    place = Location("docs/decisions/0001-x.md", 30, 1)
    reference = f"evidence/{path.name}"
    assert store.missing([(reference, place)]) == []
    path.unlink()
    (problem,) = store.missing([(reference, place)])
    assert problem.where == place and "evidence is never deleted" in str(problem) and "git" in problem.remedy


def test_broken_files_leave_the_others_readable(tmp_path: Path) -> None:
    store = Store.of(tmp_path)
    store.add(GOOD)
    (tmp_path / "evidence" / "bench-2026-11-21-ffffffff.json").write_text('{"schema": 1,')
    (tmp_path / "evidence" / "notes.txt").write_text("not evidence")
    again = Store.of(tmp_path)
    assert [s.evidence for s in again.records] == [GOOD]
    assert len(again.problems) == 1 and again.problems[0].where is not None


@pytest.mark.parametrize("text", ["", "[" * 5000, '{"a": NaN}', "\0", '{"schema": "archwright/evidence/1"}', "[]", "1"])
def test_hostile_files_are_refused_with_a_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "evidence" / "bench-2026-11-21-ffffffff.json"
    path.parent.mkdir()
    path.write_text(text)
    problems = Store.of(tmp_path).problems
    assert problems and all(p.where is not None for p in problems)


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from tests.evidence.helpers import bench, noisy
from archwright.evidence.store import Store

root = Path({root!r})
draw = random.Random(11)
for moment in range(100):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        store = Store.of(root)
        for number in range(10_000):
            path = store.add(bench({{"mha": noisy(2.0, seed=1000 * moment + number)}}))
            os.write(writer, path.name.encode() + b"\\n")
        os._exit(0)
    os.close(writer)
    time.sleep(draw.uniform(0.0, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reader) as told:
        sys.stdout.write("".join(line for line in told.read().splitlines(keepends=True) if line.endswith("\\n")))
"""


def test_kill_at_a_hundred_random_moments(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    script = KILLED.format(tests=str(root), root=str(tmp_path))
    env = {**os.environ, "PYTHONPATH": str(root / "src")}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = set(done.stdout.split())
    store = Store.of(tmp_path)
    names = {p.name for p in store.paths()}
    assert told, "no write ever completed: the test killed too early"
    assert told <= names, "a record that was complete is lost"
    assert store.problems == () and len(store.records) == len(names)
    assert store.verify()[1] == []
