"""Plain torch modules, without training and without data."""
