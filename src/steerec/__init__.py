"""steerec: recommenders that do what they are told."""
