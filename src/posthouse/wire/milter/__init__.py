"""The MTA's side of the milter protocol, version 6: packets over a stream, one question and its answers at a time."""
