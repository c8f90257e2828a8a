"""The composition root: configuration to running processes."""
