"""Pure ranking metrics and the one registry of their names."""
