"""What the kinds of module are to each other, one file per kind."""
