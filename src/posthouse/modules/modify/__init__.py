"""Modifiers: what changes a message on its way."""
