"""The line form of a request: what may be written, the grammar that allows it, the way back to a request."""
