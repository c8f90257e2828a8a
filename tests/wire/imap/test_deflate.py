"""Deflate streams: in pieces of any size, and of bounded growth."""

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.imap.deflate import PIECE, RATIO_FREE, RATIO_MAX, CompressionError, Deflater, Inflater


def inflate(inflater: Inflater, octets: bytes) -> bytes:
    inflater.feed(octets)
    found = b""
    while piece := inflater.next_piece():
        assert len(piece) <= PIECE
        found += piece
    return found


@given(st.lists(st.binary(min_size=1, max_size=200) | st.just(b"a NOOP\r\n" * 2_000), max_size=6))
def test_what_was_deflated_is_inflated_at_once(texts: list[bytes]) -> None:
    deflater, inflater = Deflater(), Inflater()
    for text in texts:
        assert inflate(inflater, deflater.deflate(text)) == text


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_it_does_not_matter_how_octets_arrive(size: int) -> None:
    text = random.Random(1).randbytes(10_000) + b"x" * 300_000
    wire = Deflater().deflate(text)
    inflater = Inflater()
    assert b"".join(inflate(inflater, wire[at : at + size]) for at in range(0, len(wire), size)) == text


def test_everything_comes_out_when_a_piece_is_just_full() -> None:
    for length in (PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 258):
        inflater = Inflater()
        inflater.forgive(length)
        assert inflate(inflater, Deflater().deflate(b"z" * length)) == b"z" * length
        assert inflate(inflater, b"") == b""


def test_R_112_a_bomb_is_refused_before_it_is_whole() -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    wire = bomb.compress(bytes(64 << 20)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    inflater = Inflater()
    inflater.feed(wire)
    for _ in range((RATIO_FREE + RATIO_MAX * len(wire)) // PIECE):
        inflater.next_piece()
    with pytest.raises(CompressionError, match="Too much"):
        inflater.next_piece()


def test_R_112_a_message_may_be_all_zeros() -> None:
    inflater = Inflater()
    inflater.feed(Deflater().deflate(bytes(32 << 20)))
    total = 0
    while piece := inflater.next_piece():
        total += len(piece)
        inflater.forgive(len(piece))
    assert total == 32 << 20


@given(st.binary(max_size=300))
def test_any_octets_are_inflated_or_refused(octets: bytes) -> None:
    inflater = Inflater()
    inflater.feed(octets)
    try:
        while inflater.next_piece():
            pass
    except CompressionError:
        pass


def test_the_end_of_the_stream_is_an_error() -> None:
    ended = zlib.compressobj(wbits=-15)
    inflater = Inflater()
    inflater.feed(ended.compress(b"a NOOP\r\n") + ended.flush() + b"more")
    assert inflater.next_piece() == b"a NOOP\r\n"
    inflater.feed(b"and more")
    with pytest.raises(CompressionError):
        inflater.next_piece()
