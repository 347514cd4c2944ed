"""The registry: unknown names, duplicates, plug-ins that are broken."""

from __future__ import annotations

from importlib import metadata

import pytest

from archwright import registry
from archwright.registry import Registry


class One:
    pass


class Two:
    pass


def test_names_and_owners():
    things: Registry[type] = Registry("thing")
    things.register("one", One)
    things.register("one", One)  # the same owner replaces: a notebook, a reload
    assert things.names() == ["one"]
    assert "one" in things and "two" not in things
    with pytest.raises(ValueError, match=r"already registered by .*One and cannot be taken by .*Two"):
        things.register("one", Two)
    with pytest.raises(ValueError, match="non-empty"):
        things.register("", One)


def test_an_unknown_name_lists_the_known_and_the_nearest():
    things: Registry[int] = Registry("metric")
    things.register("kv_cache", 1)
    things.register("weights", 2)
    with pytest.raises(ValueError, match=r"kv_cach.*Did you mean kv_cache\?.*kv_cache, weights"):
        things.get("kv_cach")


class Entry:
    def __init__(self, name, error=None):
        self.name, self.value, self.error = name, f"package:{name}", error

    def load(self):
        if self.error:
            raise self.error
        return One


def test_a_broken_plugin_is_kept_apart(monkeypatch):
    entries = [Entry("good"), Entry("bad", ImportError("no such module"))]
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries)
    monkeypatch.setattr(registry, "any_plugin", lambda folders: True)
    things: Registry[type] = Registry("thing", "archwright.things")
    assert things.get("good") is One
    assert things.names() == ["good"]
    assert "no such module" in things.broken["bad"]


def test_a_look_at_files_finds_a_plugin(tmp_path):
    plain, ours = tmp_path / "plain-1.0.dist-info", tmp_path / "ours-1.0.dist-info"
    plain.mkdir()
    (plain / "entry_points.txt").write_text("[console_scripts]\nx = y:z\n")
    assert not registry.any_plugin((str(tmp_path), str(tmp_path / "absent")))
    ours.mkdir()
    (ours / "entry_points.txt").write_text("[archwright.metrics]\nmine = pkg:metric\n")
    assert registry.any_plugin((str(tmp_path), ""))
    archive = tmp_path / "some.zip"
    archive.write_bytes(b"")
    assert registry.any_plugin((str(archive),))
