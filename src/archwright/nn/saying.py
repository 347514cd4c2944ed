"""Said: what was found, in words; errors quote texts that users wrote, and these are ours."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Said:
    """Words that stand in a message as they are."""

    text: str

    def __str__(self) -> str:
        return self.text


def shape_of(tensor: Tensor) -> Said:
    """`of shape (2, 3)`."""
    return Said(f"of shape {tuple(tensor.shape)}")


def type_of(value: object) -> Said:
    """`of type torch.float32` of a tensor, `of type dict` of anything else."""
    return Said(f"of type {value.dtype if isinstance(value, Tensor) else type(value).__name__}")


def device_of(tensor: Tensor) -> Said:
    """`on cpu`."""
    return Said(f"on {tensor.device}")
