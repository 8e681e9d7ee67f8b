"""Interactions and items: import, sources, splits, integrity, and a synthetic world with known answers."""
