"""What a model is: its fields, layers, variants, files and presets."""
