"""Tables: key to values."""
