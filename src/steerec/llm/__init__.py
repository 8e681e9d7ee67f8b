"""Language models: building or loading one, its chat frame, packing and log-probabilities."""
