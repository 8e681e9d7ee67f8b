"""Answering requests from a finished run: the facade, off-line batches."""
