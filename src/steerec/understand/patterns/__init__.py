"""The floor: keywords and patterns of plain English, and the nearest names of what they do not spell."""
