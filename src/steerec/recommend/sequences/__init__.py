"""Recommenders that read a sequence of items."""
