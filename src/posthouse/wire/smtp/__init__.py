"""The SMTP and LMTP engines."""
