"""Native kernels: the compiled float32 path for CPUs, built once for this processor where a C++ compiler is found."""

from .calls import TYPES, backward, forward, why_not
from .library import Status, forget, status

__all__ = ["TYPES", "Status", "backward", "forget", "forward", "status", "why_not"]
