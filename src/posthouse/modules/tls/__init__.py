"""TLS certificate loaders."""
