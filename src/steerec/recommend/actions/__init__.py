"""Models that read what people did with items."""
