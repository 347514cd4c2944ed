"""What an architecture costs: exact metrics, hardware facts, estimates and comparisons."""
