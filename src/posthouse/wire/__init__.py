"""Protocol engines: bytes in, events out, without I/O."""
