"""SASL responses as text protocols carry them: one line of base64 (RFC 4954 §4, RFC 9051 §6.2.2)."""

from binascii import Error, a2b_base64

from posthouse.wire.sasl.mechanism import SaslError

ENCODED_MAX = 12_288  # octets of one encoded response; RFC 4954 §4
CANCEL = b"*"  # a response that gives the exchange up


class InvalidBase64(SaslError):
    """What the peer sent is not base64, or too much of it."""


def decode_response(line: bytes) -> bytes:
    """The octets of a response line without its CRLF. Raises InvalidBase64 for anything but plain base64."""
    if len(line) > ENCODED_MAX:
        raise InvalidBase64("response too long")
    try:
        return a2b_base64(line, strict_mode=True)
    except Error as err:
        raise InvalidBase64("invalid base64") from err


def decode_initial(argument: bytes) -> bytes:
    """The octets of an initial response, where `=` is an empty one. Raises InvalidBase64."""
    return b"" if argument == b"=" else decode_response(argument)
