"""The built-in metrics, one file a subject."""
