"""What was observed: records of runs, their store, their statistics, and what they say about a claim."""

from .observation import Observation, observe
from .record import Arm, Evidence, Identity, Measure
from .request import Request, Side
from .store import Store, Stored
from .verdict import Verdict, judge

__all__ = [
    "Arm",
    "Evidence",
    "Identity",
    "Measure",
    "Observation",
    "Request",
    "Side",
    "Store",
    "Stored",
    "Verdict",
    "judge",
    "observe",
]
