"""Words to a request: keywords and embeddings, a language model, and both together."""
