"""Mail storage."""
