"""Importers: from the results of other tools to evidence, one file a format."""

from .base import Imported, Importer, import_file, importers

__all__ = ["Imported", "Importer", "import_file", "importers"]
