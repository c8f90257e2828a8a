"""Checks: what may object to a message."""
