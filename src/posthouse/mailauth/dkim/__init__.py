"""DKIM: signatures of domains on messages (RFC 6376, RFC 8301, RFC 8463, RFC 8616).

`verify.Verification` judges the signatures of a message, `sign.Signer` makes one. The body comes in pieces, keys of
others by a resolver; threads and time are the caller's.
"""
