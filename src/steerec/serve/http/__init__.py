"""The HTTP service of a finished run: routes, batching, histories, feedback, keys, life cycle."""
