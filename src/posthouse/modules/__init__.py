"""The modules that a configuration names."""
