"""Into the ecosystem and back: weights of published models, both ways."""

from .plan import Entry, plan, weight_types
from .weights import export_weights, import_weights

__all__ = ["Entry", "export_weights", "import_weights", "plan", "weight_types"]
