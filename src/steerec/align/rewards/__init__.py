"""What a list is worth: the published reward, rewards of our own, and both behind TRL's signature."""
