"""Posthouse: a composable, all-in-one mail server."""

from posthouse._version import __version__

__all__ = ["__version__"]
