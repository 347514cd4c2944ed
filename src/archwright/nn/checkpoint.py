"""Checkpoints: a folder with weights (safetensors), the architecture and a manifest that covers every byte.

The manifest names its files by their content (`weights-<hash>.safetensors`), so a new checkpoint lies beside the old
one until one rename of the manifest makes it current: after a kill at any moment the old or the new one is whole.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..arch.config import ArchitectureConfig
from ..atomic import write_bytes
from ..errors import NOTHING, InvalidValue, Location, Problem, Unreadable, WriteFailed
from .attention import AttentionModule
from .manifest import MANIFEST, Entry, Manifest, digest, read_manifest
from .rotary import Rotary
from .transformer import Transformer

_PART = ".part"
"""Ending of a file that is being written; under the lock, any that is found is left over."""


def save(model: Transformer, path: str | os.PathLike[str], *, dtype: torch.dtype | None = None) -> Path:
    """Write a model as the checkpoint at `path`, a folder that is made or replaced as a whole; returns the folder.

    `dtype` converts floating weights. A tied head is written once. Sharded tensors are gathered: then every process
    must call this, and the first one writes. InvalidValue: the folder holds something else. WriteFailed: the reason;
    the old checkpoint is then untouched.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    folder = Path(path)
    tensors = {name: _gathered(tensor, dtype) for name, tensor in _own_state(model).items()}
    if torch.distributed.is_available() and torch.distributed.is_initialized() and torch.distributed.get_rank():
        torch.distributed.barrier()
        return folder
    _require_ours(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder, fcntl.LOCK_EX):
            for name in os.listdir(folder):
                if _left_over(name):
                    (folder / name).unlink(missing_ok=True)
            part = folder / f"weights{_PART}"
            save_file(tensors, part, metadata={"format": "pt"})
            weights = _placed(part, "weights", ".safetensors")
            text = model.config.to_json() + "\n"
            part = folder / f"architecture{_PART}"
            part.write_text(text, encoding="utf-8")
            architecture = _placed(part, "architecture", ".json")
            manifest = Manifest(model.config.fingerprint, (architecture, weights))
            write_bytes(folder / MANIFEST, manifest.to_bytes())
            for name in os.listdir(folder):
                if name.startswith(("weights-", "architecture-")) and name not in manifest.names:
                    (folder / name).unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WriteFailed(_place(folder, f"cannot be written: {reason}")) from None
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.barrier()
    return folder


def load(
    path: str | os.PathLike[str],
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    *,
    backend: str = "auto",
    verify: bool = True,
) -> Transformer:
    """The model of a checkpoint, in evaluation mode; `dtype` converts, by default the written one stays.

    Every byte of every file is compared with the manifest, and the manifest with itself, before any weight is handed
    out; `verify=False` skips the weights' bytes. Unreadable: with the file that is missing or changed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(path)
    if not folder.is_dir():
        raise Unreadable(_place(folder, "is not a folder" if folder.exists() else "does not exist"))
    with _locked(folder, fcntl.LOCK_SH):
        manifest = read_manifest(folder)
        for entry in manifest.files:
            if verify or entry.role != "weights":
                entry.verify(folder)
        config = _architecture(folder, manifest)
        weights = folder / manifest.of("weights").name
        try:
            tensors = load_file(weights, device=str(torch.device(device)))
        except (SafetensorError, OSError) as error:
            raise Unreadable(_place(weights, f"cannot be read: {error}")) from None
    return _filled(config, tensors, device, dtype, backend, weights).eval()


def architecture(path: str | os.PathLike[str]) -> ArchitectureConfig:
    """The architecture of a checkpoint, verified, without its weights."""
    folder = Path(path)
    manifest = read_manifest(folder)
    manifest.of("architecture").verify(folder)
    return _architecture(folder, manifest)


def _architecture(folder: Path, manifest: Manifest) -> ArchitectureConfig:
    file = folder / manifest.of("architecture").name
    config = ArchitectureConfig.from_json(file.read_text(encoding="utf-8"))
    if config.fingerprint != manifest.architecture:
        rule = f"has fingerprint {config.fingerprint}, the manifest says {manifest.architecture}"
        raise Unreadable(_place(file, rule, "Read it with the version that wrote it"))
    return config


def _filled(
    config: ArchitectureConfig,
    tensors: dict[str, Tensor],
    device: torch.device | str,
    dtype: torch.dtype | None,
    backend: str,
    file: Path,
) -> Transformer:
    """A model with these tensors as its parameters; built without memory where every part can be."""
    model = Transformer(config, device="meta", backend=backend)
    ours = all(isinstance(layer.attention, AttentionModule) for layer in model.layers)
    if not ours:  # a module of somebody else may keep what no tensor says
        model = Transformer(config, device=device, backend=backend)
    expected = _own_state(model)
    problems = [f"lacks {n}" for n in expected if n not in tensors] + [f"has {n}" for n in tensors if n not in expected]
    problems += [
        f"{n} has shape {tuple(tensors[n].shape)}, not {tuple(t.shape)}"
        for n, t in expected.items()
        if n in tensors and tensors[n].shape != t.shape
    ]
    if problems:
        raise Unreadable(_place(file, f"does not fit the architecture: {'; '.join(problems[:5])}"))
    model.load_state_dict(tensors, strict=False, assign=ours)
    if config.tie_embeddings:
        model.head.weight = model.embedding.weight
    for part in model.modules():
        if isinstance(part, Rotary):
            part.to_empty(device=device)
    return model if dtype is None else model.to(dtype)


def _own_state(model: Transformer) -> dict[str, Tensor]:
    """The state without the second name of a tied table."""
    state: dict[str, Tensor] = model.state_dict()
    if model.config.tie_embeddings:
        state.pop("head.weight", None)
    return state


def _gathered(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    whole: Any = tensor.detach()
    if hasattr(whole, "full_tensor"):
        whole = whole.full_tensor()
    if dtype is not None and whole.is_floating_point():
        whole = whole.to(dtype)
    out: Tensor = whole.cpu().contiguous()
    return out


def _placed(part: Path, role: str, ending: str) -> Entry:
    """Sync a finished file and give it the name of its content."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    sha256, size = digest(part)
    name = f"{role}-{sha256[:16]}{ending}"
    os.replace(part, part.with_name(name))
    return Entry(name, role, size, sha256)


def _left_over(name: str) -> bool:
    """Whether a file was being written when its writer was killed: ours, the manifest's, or safetensors' own."""
    return name.endswith(_PART) or name.startswith((f".{MANIFEST}", ".tmp"))


def _require_ours(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InvalidValue(_place(folder, "is a file, and a checkpoint is a folder", "Name another path"))
    names = os.listdir(folder)
    started = all(_left_over(n) or n.startswith(("weights-", "architecture-")) for n in names)
    if MANIFEST not in names and not started:
        raise InvalidValue(_place(folder, "holds other files and no checkpoint", "Name a new or an empty folder"))


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    """Savers exclude one another and readers; where a file system has no locks, nothing does."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(fd, kind)
        yield
    finally:
        os.close(fd)


def _place(path: Path, rule: str, remedy: str = "") -> Problem:
    return Problem("", NOTHING, rule, remedy, Location(str(path)))
