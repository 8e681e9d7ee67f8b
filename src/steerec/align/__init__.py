"""Aligning a language model with what recommenders and people want: supervised fine-tuning, then rewards."""
