"""Costs measured on synthetic worlds of any size: the trie and its masks."""
