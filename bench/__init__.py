"""Measuring by hand; nothing here is a test."""
