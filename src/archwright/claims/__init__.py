"""A number in a sentence: documents with positions, labels, texts, verdicts and link definitions."""
