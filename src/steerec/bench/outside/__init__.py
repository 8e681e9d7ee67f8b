"""What runs in the parity environment, beside libraries that steerec cannot be installed with.

Nothing here imports the rest of steerec: its own libraries are not there.
"""
