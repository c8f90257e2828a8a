"""What a message says: its header fields and bodies as text, decoded and ready to be compared."""
