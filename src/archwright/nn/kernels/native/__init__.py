"""Native kernels: the compiled float32 path for CPUs, built once for this processor where a C++ compiler is found."""

from .calls import TYPES, backward, decode, forward, why_not, why_not_decode
from .library import Status, forget, status

__all__ = ["TYPES", "Status", "backward", "decode", "forget", "forward", "status", "why_not", "why_not_decode"]
