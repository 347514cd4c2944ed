"""The rooms that compute work in a process where torch, numpy and pydantic cannot be imported."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import archwright

REFUSE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "numpy", "pydantic", "scipy", "transformers"):
            raise ImportError(f"{name} is refused in this process")

sys.meta_path.insert(0, Refuse())
"""
ROOMS = ("arch", "costs", "evidence", "claims", "decisions", "cli")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", REFUSE + code], capture_output=True, text=True, check=False)


def modules() -> list[str]:
    """Every module of the torch-free rooms."""
    found = []
    for info in pkgutil.walk_packages(archwright.__path__, "archwright."):
        parts = info.name.split(".")
        torch_free = parts[1] in ROOMS or (len(parts) == 2 and parts[1] not in ("nn", "lab", "testing", "export"))
        if torch_free and parts[-1] != "__main__":
            found.append(info.name)
    return found


def test_the_refusal_works():
    done = run("import torch")
    assert done.returncode != 0
    assert "torch is refused" in done.stderr


def test_every_torch_free_module_imports():
    names = modules()
    assert {"archwright.arch.config", "archwright.errors"} <= set(names)
    done = run("import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in names))
    assert done.returncode == 0, done.stderr


def test_an_architecture_is_estimated_without_torch():
    done = run(
        "import archwright as aw\n"
        "a = aw.ArchitectureConfig()\n"
        "assert int(aw.metrics.kv_cache(a, context=32768)) == 4294967296\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    assert done.returncode == 0, done.stderr
