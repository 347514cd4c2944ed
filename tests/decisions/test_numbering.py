"""Numbers of new records and slugs: habits of a folder, any script, fifty processes at once, failures."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.decisions.names import number_of
from archwright.decisions.numbering import create, file_name, next_number
from archwright.decisions.slugs import slug
from archwright.errors import UsageError, WriteFailed

TITLES = [
    "Fewer KV heads",
    "C++",
    "C#",
    "C",
    "用 GQA 代替 MHA",
    "使用滑动窗口",
    "スライディングウィンドウ",
    "注意力的窗口",
    "Скользящее окно",
    "Κεφαλές κλειδιών",
    "نافذة منزلقة",
    "חלון הזזה",
    "स्लाइडिंग विंडो",
    "หน้าต่างเลื่อน",
    "슬라이딩 윈도우",
    "Fenêtre glissante",
    "Größe",
    "🚀",
    "🎉",
    "???",
    "!!!",
    "…",
    "con",
    "NUL",
    "a/b\\c",
    "x < y",
    "x > y",
    "½ cache",
    "\u200bzero width",
    "..",
    "long " * 60 + "a",
    "long " * 60 + "b",
    "窓" * 300,
]


def test_slugs_of_any_script_are_distinct_and_never_empty():
    slugs = [slug(title) for title in TITLES]
    assert all(slugs)
    assert len(set(slugs)) == len(TITLES)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Fewer KV heads", "fewer-kv-heads"),
        ("  GQA-8: 4x smaller?  ", "gqa-8-4x-smaller"),
        ("Don't cache", "dont-cache"),
        ("C++ & C#", "c-plus-plus-and-c-sharp"),
        ("Größe", "größe"),
        ("Ｆｕｌｌ ｗｉｄｔｈ", "full-width"),
        ("用 GQA 代替 MHA", "用-gqa-代替-mha"),
        ("🚀", "rocket"),
        ("con", "con-record"),
        ("../../etc/passwd", "etc-passwd"),
    ],
)
def test_slugs(title, expected):
    assert slug(title) == expected


@given(st.text(max_size=300))
def test_a_slug_is_safe_as_a_file_name_on_every_system(title):
    name = slug(title)
    assert name
    assert len(name.encode()) <= 200
    assert not set(name) & set('<>:"/\\|?*\0 .')
    assert all(c.isprintable() for c in name)
    assert name == name.strip("-")
    assert slug(title) == name
    assert number_of(f"0007-{name}") == "7"


def test_the_field_case_of_shared_and_suffixed_numbers(shared):
    assert next_number(shared / "data/field-cases/fc-18-numbers-shared-and-suffixed") == 42


def test_the_next_number(tmp_path):
    assert next_number(tmp_path) == 1
    assert next_number(tmp_path / "absent") == 1
    for name in ("0040a-x.md", "20201016-dated.md", "gqa_implementation.md", "0099-notes.txt", "README.md"):
        (tmp_path / name).touch()
    assert next_number(tmp_path) == 41
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "0050-y.md").touch()
    assert next_number(tmp_path) == 51


@pytest.mark.parametrize(
    ("present", "name"),
    [
        ([], "0001-t.md"),
        (["001-a.md", "002-b.md"], "003-t.md"),
        (["adr-001-a.md", "adr-002-b.md"], "adr-003-t.md"),
        (["0001-a.md"], "0002-t.md"),
        (["00001-a.md"], "00002-t.md"),
        (["9999-a.md"], "10000-t.md"),
        (["12-factor.md"], "0013-t.md"),
    ],
)
def test_a_name_follows_the_habit_of_its_folder(tmp_path, present, name):
    for file in present:
        (tmp_path / file).touch()
    assert file_name(tmp_path, next_number(tmp_path), "T") == name


def test_create(tmp_path):
    folder = tmp_path / "docs" / "decisions"
    path = create(folder, "Fewer heads", lambda n: f"# {n}\n")
    assert path == str(folder / "0001-fewer-heads.md")
    assert create(folder, "Fewer heads", lambda n: f"# {n}\n") == str(folder / "0002-fewer-heads.md")
    assert (folder / "0002-fewer-heads.md").read_text() == "# 2\n"
    assert sorted(os.listdir(folder)) == ["0001-fewer-heads.md", "0002-fewer-heads.md"]


def test_a_name_taken_at_the_last_moment_is_passed_over(tmp_path):
    def text(number):
        if number == 1:
            (tmp_path / "0001-t.md").write_text("somebody else's\n")
        return f"# {number}\n"

    assert create(tmp_path, "T", text).endswith("0002-t.md")
    assert (tmp_path / "0001-t.md").read_text() == "somebody else's\n"


def test_failures_use_no_number_up(tmp_path):
    with pytest.raises(UsageError):
        create(tmp_path, "  ", lambda n: "x")
    with pytest.raises(ZeroDivisionError):
        create(tmp_path, "T", lambda n: str(1 // 0))
    (tmp_path / "file").touch()
    with pytest.raises(WriteFailed) as caught:
        create(tmp_path / "file" / "folder", "T", lambda n: "x")
    assert "file" in str(caught.value)
    assert os.listdir(tmp_path) == ["file"]
    assert create(tmp_path, "T", lambda n: "x").endswith("0001-t.md")


def test_a_full_disk_uses_no_number_up(tmp_path):
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024));"
        "from archwright.decisions import create; from archwright.errors import WriteFailed\n"
        "try: create(sys.argv[1], 'T', lambda n: 'x' * 5000)\nexcept WriteFailed as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "0001-t.md" in done.stdout
    assert os.listdir(tmp_path) == []


def test_fifty_processes_get_fifty_numbers(tmp_path):
    (tmp_path / "0001-sound.md").write_text("# Sound\n")
    code = (
        "import sys; from archwright.decisions.numbering import create\n"
        "create(sys.argv[1], sys.argv[2], lambda n: f'# {n}. {sys.argv[2]}\\n')"
    )
    processes = [
        subprocess.Popen([sys.executable, "-S", "-c", code, str(tmp_path), f"Title {n}"], env=_environment())
        for n in range(50)
    ]
    assert [p.wait() for p in processes] == [0] * 50
    names = sorted(os.listdir(tmp_path))
    assert len(names) == 51
    assert [number_of(n.removesuffix(".md")) for n in names] == [str(n) for n in range(1, 52)]
    for name in names[1:]:
        number, title = (tmp_path / name).read_text().removeprefix("# ").rstrip("\n").split(". ")
        assert name == f"{int(number):04}-{slug(title)}.md"
    assert (tmp_path / "0001-sound.md").read_text() == "# Sound\n"


def _environment():
    import archwright

    # Without site-packages the fifty starts are quick; the package itself is found by its own folder.
    return os.environ | {"PYTHONPATH": os.path.dirname(os.path.dirname(archwright.__file__))}
