"""Formats of mail: pure functions over bytes, without I/O."""
