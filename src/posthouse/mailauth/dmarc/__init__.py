"""DMARC: whether the domain in From stands behind a message, and what it wants done if not (RFC 9989, or RFC 7489)."""
