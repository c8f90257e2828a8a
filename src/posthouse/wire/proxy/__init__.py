"""The PROXY protocol: who really is at the other end of a connection."""
