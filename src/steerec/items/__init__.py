"""Items as text, as vectors and as token sequences."""
