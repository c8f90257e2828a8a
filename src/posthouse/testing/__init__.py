"""Fakes, loopback DNS and helpers for tests, of outside modules too."""
