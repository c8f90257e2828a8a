"""SASL mechanisms (RFC 4422)."""
