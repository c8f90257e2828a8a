"""Endpoints: what listens."""
