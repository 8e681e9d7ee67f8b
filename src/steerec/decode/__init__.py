"""From a language model to lists: constrained decoding, free decoding, and what they return."""
