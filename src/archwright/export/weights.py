"""Weights of published models: read into a running model shard by shard, and written back under their names."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..arch.config import ArchitectureConfig
from ..errors import InvalidValue, NotSupported, Unreadable, WriteFailed
from ..nn import Transformer
from .files import INDEX, SINGLE, Stored, find_shards, headers, problem, read
from .plan import Entry, key_map, plan

Progress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all, and the shard at hand."""

QUANTISED = ("F8_E4M3", "F8_E5M2", "U8", "I8", "I32", "U32")
SHARD_BYTES = 5 * 10**9


def import_weights(
    folder: str | os.PathLike[str],
    config: ArchitectureConfig,
    model_type: str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    progress: Progress | None = None,
) -> Transformer:
    """A model with the weights of a folder of safetensors, in evaluation mode; `dtype` None keeps the stored one.

    Shards are mapped and copied tensor by tensor: at most the model and one tensor are in memory. Nothing is copied
    before the headers of all shards were compared with the architecture.
    Unreadable: no weights, pickled ones, a shard missing or cut off, names or shapes that differ (all of them).
    NotSupported: quantised weights, or an architecture that no module computes.
    """
    path = Path(folder)
    stored = headers(find_shards(path))
    entries = plan(config, model_type)
    found = matched(entries, stored, config, model_type, path)
    kept = _common_dtype(found, stored, path) if dtype is None else dtype
    model = Transformer(config, device="meta", dtype=kept)
    model.to_empty(device=device)  # filled below; what is computed, such as angles, makes itself anew
    if config.tie_embeddings:
        model.head.weight = model.embedding.weight
    by_shard: dict[Path, dict[str, Entry]] = {}
    for entry, name in found.items():
        by_shard.setdefault(stored[name].shard, {})[name] = entry
    state = model.state_dict(keep_vars=True)
    done, total = 0, sum(p.stat().st_size for p in by_shard)
    with torch.no_grad():
        for shard in sorted(by_shard):
            for name, tensor in read(shard, list(by_shard[shard])):
                _fill(state, by_shard[shard][name], tensor)
                done += tensor.nbytes
                if progress is not None:
                    progress(min(done, total), total, shard.name)
    return model.eval()


def _fill(state: Mapping[str, Tensor], entry: Entry, tensor: Tensor) -> None:
    for name, part in zip(entry.ours, entry.split(tensor), strict=True):
        target = state[name] if entry.index is None else state[name][entry.index]
        target.copy_(part)


def matched(
    entries: list[Entry], stored: Mapping[str, Stored], config: ArchitectureConfig, model_type: str, folder: Path
) -> dict[Entry, str]:
    """Each entry with the stored name that holds it. Unreadable: every name that is missing or left, every shape.

    Files of a model without its head leave out the first part of each name, multimodal ones put the language model
    under a name of its own; a tied head may be stored a second time.
    """
    spelled, beside = _spelling(entries, stored)
    found, problems = {}, []
    left = set(stored)
    for entry in entries:
        name = spelled(entry.theirs)
        name = name if name in stored else entry.theirs
        if name not in stored:
            problems.append(f"lacks {entry.theirs} {entry.shape}")
            continue
        left.discard(name)
        found[entry] = name
        if stored[name].shape != entry.shape:
            problems.append(f"{name} has shape {stored[name].shape}, not {entry.shape}")
    left = {name for name in left if not beside or beside in name}
    patterns = [re.compile(p) for p in key_map(model_type).ignored]
    scales = sorted(n for n in left if n.endswith(("_scale", "_scale_inv", "_scales", ".qzeros", ".scales", "_blocks")))
    quantised = scales or [n for e, n in found.items() if stored[n].dtype in QUANTISED]
    if quantised:
        rule = f"holds quantised weights ({', '.join(quantised[:3])}{' ...' if len(quantised) > 3 else ''})"
        remedy = "Import a copy in bfloat16, float16 or float32"
        raise NotSupported(problem(folder, rule, remedy))
    for name in sorted(left):
        if any(p.fullmatch(name) for p in patterns) or _beyond(name, model_type, config):
            continue
        if config.tie_embeddings and name.rpartition(".")[0].endswith(_head(model_type)):
            continue
        problems.append(f"holds {name} {stored[name].shape}, which the architecture does not have")
    if problems:
        remedy = "Compare config.json with the weights: they are of another model, or of another model_type"
        raise Unreadable(problem(folder, text, remedy) for text in problems)
    return found


_SPELLINGS: tuple[tuple[Callable[[str], str], str], ...] = (
    (lambda name: name, ""),
    (lambda name: name.partition(".")[2], ""),
    (lambda name: f"language_model.{name}", "language_model."),
    (lambda name: name.replace("model.", "model.language_model.", 1), "language_model."),
)
"""How files write a name: as it is; without the part of the head's owner; within a multimodal model, whose other
tensors lack the second text and are left out."""


def _spelling(entries: list[Entry], stored: Mapping[str, Stored]) -> tuple[Callable[[str], str], str]:
    """The spelling by which the most names are found."""
    return max(_SPELLINGS, key=lambda s: sum(s[0](e.theirs) in stored for e in entries))


def _head(model_type: str) -> str:
    theirs = next(v for k, v in key_map(model_type).outer.items() if str(k).startswith("head."))
    return str(theirs).rpartition(".")[0]


def _beyond(name: str, model_type: str, config: ArchitectureConfig) -> bool:
    """Whether a tensor belongs to a layer after the last: published models keep those that predict further tokens."""
    start, _, _ = key_map(model_type).prefix.partition("{l}")
    number = name.removeprefix(start).partition(".")[0]
    further = model_type in ("deepseek_v3", "kimi_k2", "glm4_moe", "ernie4_5_moe", "minimax_m2")
    return further and name.startswith(start) and number.isdigit() and int(number) >= config.n_layers


_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def _common_dtype(found: Mapping[Entry, str], stored: Mapping[str, Stored], folder: Path) -> torch.dtype:
    """The type of most elements; a few tensors (routers, correction biases) are often stored wider."""
    counts: dict[str, int] = {}
    for name in found.values():
        kind = stored[name].dtype
        counts[kind] = counts.get(kind, 0) + torch.Size(stored[name].shape).numel()
    unknown = [kind for kind in counts if kind not in _DTYPES]
    if unknown:
        raise NotSupported(problem(folder, f"holds tensors of type {', '.join(unknown)}", "Give a dtype to convert to"))
    return _DTYPES[max(counts, key=lambda kind: counts[kind])]


def export_weights(
    model: Transformer,
    folder: str | os.PathLike[str],
    model_type: str,
    *,
    dtype: torch.dtype | None = None,
    shard_bytes: int = SHARD_BYTES,
    progress: Progress | None = None,
) -> Path:
    """Write a model as a published one: config.json and safetensors in shards of at most `shard_bytes`.

    Shards are written one after the other: at most the model and one shard are in memory.
    NotSupported: what the type cannot say. InvalidValue: the folder holds weights already. WriteFailed: the reason.
    """
    from ..arch.huggingface import export_config

    path = Path(folder)
    described = export_config(model.config, model_type)
    entries = plan(model.config, model_type)
    if path.exists() and (not path.is_dir() or any(path.glob("*.safetensors*"))):
        raise InvalidValue(problem(path, "holds weights already, or is a file", "Name a new or an empty folder"))
    state = model.state_dict()
    width = None if dtype is None else torch.empty((), dtype=dtype).element_size()
    groups: list[list[Entry]] = [[]]
    size = total = 0
    for entry in entries:
        tensor = state[entry.ours[0]]
        bytes_ = torch.Size(entry.shape).numel() * (tensor.element_size() if width is None else width)
        if groups[-1] and size + bytes_ > shard_bytes:
            groups.append([])
            size = 0
        groups[-1].append(entry)
        size, total = size + bytes_, total + bytes_
    try:
        path.mkdir(parents=True, exist_ok=True)
        _write(path, groups, state, _constants(model.config, model_type, dtype), dtype, total, progress)
        # a class may name a padding token by default that a small table does not have
        described = {"pad_token_id": None, **described, "torch_dtype": _dtype_name(state, dtype)}
        text = json.dumps(described, indent=2) + "\n"
        (path / "config.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise WriteFailed(problem(path, f"cannot be written: {error.strerror or error}")) from None
    return path


def _dtype_name(state: Mapping[str, Tensor], dtype: torch.dtype | None) -> str:
    return str(state["embedding.weight"].dtype if dtype is None else dtype).removeprefix("torch.")


def _constants(config: ArchitectureConfig, model_type: str, dtype: torch.dtype | None) -> dict[str, Tensor]:
    names = key_map(model_type)
    prefixes = [names.prefix.replace("{l}", str(number)) for number in range(config.n_layers)]
    return {p + n: torch.tensor(v, dtype=dtype) for p in prefixes for n, v in names.constants.items()}


def _write(
    folder: Path,
    groups: list[list[Entry]],
    state: Mapping[str, Tensor],
    constants: Mapping[str, Tensor],
    dtype: torch.dtype | None,
    total: int,
    progress: Progress | None,
) -> None:
    from safetensors.torch import save_file

    names: dict[str, str] = {}
    done = 0
    for number, group in enumerate(groups, 1):
        name = SINGLE if len(groups) == 1 else f"model-{number:05d}-of-{len(groups):05d}.safetensors"
        shard: dict[str, Tensor] = dict(constants) if number == 1 else {}
        names |= dict.fromkeys(shard, name)
        for entry in group:
            parts = [state[n] if entry.index is None else state[n][entry.index] for n in entry.ours]
            made = entry.join([p.detach() for p in parts])
            shard[entry.theirs] = made.to("cpu", dtype).contiguous().clone() if made.is_floating_point() else made
            names[entry.theirs] = name
        save_file(shard, folder / name, metadata={"format": "pt"})
        done += sum(t.nbytes for t in shard.values())
        if progress is not None:
            progress(done, total, name)
    if len(groups) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": names}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
