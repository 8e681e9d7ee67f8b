"""The catalogue: one function per published system, built from the blocks of the other folders."""
