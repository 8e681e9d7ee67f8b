"""The network that writes lines: its training sentences, its training, its search."""
