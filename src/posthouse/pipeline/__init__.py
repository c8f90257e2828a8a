"""The way of a message through rules to targets."""
