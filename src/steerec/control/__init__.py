"""Requests for controlled lists: the language, its compilation, the exact solver and the certificate."""
