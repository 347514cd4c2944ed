"""What tests of records share: an empty project, which is the current folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from .corpora import ARCHITECTURE


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, which is the current folder."""
    (tmp_path / "pyproject.toml").write_text("[tool.archwright]\n")
    (tmp_path / "architecture.yaml").write_text(ARCHITECTURE)
    (tmp_path / "docs" / "decisions").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
