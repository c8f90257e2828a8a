"""What COMPRESS=DEFLATE puts on the wire (RFC 4978 §3): two streams of raw deflate data, flushed where we wait for the other side."""

import zlib

PIECE = 65_536  # octets that are inflated at a time
RATIO_MAX = 25  # octets that one octet may become; what clients send shrinks to a tenth at most
RATIO_FREE = 131_072  # octets for which nobody counts; a piece of a message is counted before it is forgiven

_LEVEL = 3  # what more effort saves of mail, most of which is base64, is not worth its time
_WINDOW_BITS = 13  # with _MEMORY_LEVEL: 64 KiB for a connection instead of 256
_MEMORY_LEVEL = 6


class CompressionError(Exception):
    """What the client sends is no deflate data, or a bomb (R-112). The text is for the client."""


class Deflater:
    def __init__(self) -> None:
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, -_WINDOW_BITS, _MEMORY_LEVEL)

    def deflate(self, octets: bytes) -> bytes:
        """Octets for the wire, from which the client can read all that was given so far."""
        return self._stream.compress(octets) + self._stream.flush(zlib.Z_SYNC_FLUSH)


class Inflater:
    """Gives small pieces, whatever a few octets become: who reads the one piece is done with the last."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._waiting = b""
        self._may_have_more = False  # zlib itself keeps some, when a piece is full
        self._taken = 0  # octets
        self._given = 0  # octets

    def feed(self, octets: bytes) -> None:
        """Take what the client sent."""
        self._waiting += octets
        self._taken += len(octets)

    def next_piece(self) -> bytes:
        """At most PIECE octets, or none until more is fed. Raises CompressionError."""
        if not self._waiting and not self._may_have_more:
            return b""
        try:
            piece = self._stream.decompress(self._waiting, PIECE)
        except zlib.error as err:
            raise CompressionError("Invalid compressed data") from err
        self._waiting = self._stream.unconsumed_tail
        self._may_have_more = len(piece) == PIECE
        self._given += len(piece)
        if self._given > RATIO_FREE + RATIO_MAX * self._taken:
            raise CompressionError("Too much compressed data")
        if self._stream.eof and not piece:
            raise CompressionError("Compressed data has ended")
        return piece

    def forgive(self, octets: int) -> None:
        """So many octets were part of a message: its size has limits of its own, and it may well be all zeros."""
        self._given -= octets
