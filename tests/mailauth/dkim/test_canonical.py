import re
import tracemalloc
from hashlib import sha256

import pytest
from dkim.canonicalization import Relaxed, Simple  # type: ignore[import-untyped]  # it has no types
from hypothesis import given
from hypothesis import strategies as st

from posthouse.mailauth.dkim.canonical import BodyHash, CanonicalBody, Canonicalization, canonical_field

SIMPLE, RELAXED = Canonicalization.SIMPLE, Canonicalization.RELAXED
ORACLES = {SIMPLE: Simple, RELAXED: Relaxed}
ALPHABET = st.sampled_from([b"a", b"b", b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b"\xff", b"\0", b"."])
ODD = st.one_of(ALPHABET, st.sampled_from([b"\r", b"\n", b"\v", b"\n\r", b" \r"]))


def canonical(body: bytes, way: Canonicalization, size: int) -> bytes:
    pieces: list[bytes] = []
    canonical_body = CanonicalBody(way, pieces.append)
    for at in range(0, len(body), size):
        canonical_body.update(body[at : at + size])
    canonical_body.finish()
    return b"".join(pieces)


def by_the_book(body: bytes, way: Canonicalization) -> bytes:
    """As RFC 6376 §3.4.3 and §3.4.4 say it, line by line."""
    lines = body.split(b"\r\n")
    if way is RELAXED:
        lines = [re.sub(rb"[ \t]+", b" ", line).removesuffix(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    whole = b"".join(line + b"\r\n" for line in lines)
    return whole or (b"\r\n" if way is SIMPLE else b"")


@pytest.mark.parametrize(
    ("way", "field", "wanted"),
    [
        (RELAXED, b"A: X\r\n", b"a:X\r\n"),  # RFC 6376 §3.4.5
        (RELAXED, b"B: Y\t\r\n\tZ  \r\n", b"b:Y Z\r\n"),
        (SIMPLE, b"B: Y\t\r\n\tZ  \r\n", b"B: Y\t\r\n\tZ  \r\n"),
        (RELAXED, b"Subject:\r\n \t\r\n", b"subject:\r\n"),
        (RELAXED, b"Subject:\r\n", b"subject:\r\n"),
        (RELAXED, b"SUBJECT:\r\n a\r\n\t : b\r\n", b"subject:a : b\r\n"),
        (RELAXED, b"X: \xc3\xbc \v \r\n", b"x:\xc3\xbc \v\r\n"),
    ],
)
def test_fields_are_brought_into_canonical_form(way: Canonicalization, field: bytes, wanted: bytes) -> None:
    assert canonical_field(field, way) == wanted


@given(st.lists(st.sampled_from([b"a", b"Z", b":", b" ", b"  ", b"\t", b"\r\n ", b"\r\n\t", b"\xff"])))
def test_dkimpy_brings_fields_into_the_same_form(words: list[bytes]) -> None:
    value = b"".join([*words, b"\r\n"])
    for way, oracle in ORACLES.items():
        [(name, wanted)] = oracle.canonicalize_headers([(b"X-Y", value)])
        assert canonical_field(b"X-Y:" + value, way) == name + b":" + wanted


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("way", "body", "wanted"),
    [
        (RELAXED, b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n"),  # RFC 6376 §3.4.5
        (SIMPLE, b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n"),
        (RELAXED, b"", b""),
        (SIMPLE, b"", b"\r\n"),
        (RELAXED, b"\r\n \t\r\n", b""),
        (SIMPLE, b"\r\n\r\n", b"\r\n"),
        (RELAXED, b"a", b"a\r\n"),
        (RELAXED, b"a \t", b"a\r\n"),
        (RELAXED, b"\r\na\r\n \r\nb", b"\r\na\r\n\r\nb\r\n"),
        (SIMPLE, b"a\r", b"a\r\r\n"),
        (RELAXED, b"a\r\n \r", b"a\r\n \r\r\n"),
        (RELAXED, b"a\r\n\r\r\n\n", b"a\r\n\r\r\n\n\r\n"),
    ],
)
def test_bodies_are_brought_into_canonical_form(
    way: Canonicalization, body: bytes, wanted: bytes, size: int
) -> None:
    assert canonical(body, way, size) == wanted


@given(st.lists(ODD), st.sampled_from([SIMPLE, RELAXED]), st.integers(1, 9))
def test_the_form_of_a_body_does_not_depend_on_its_pieces(
    words: list[bytes], way: Canonicalization, size: int
) -> None:
    body = b"".join(words)
    assert canonical(body, way, size) == by_the_book(body, way)


@given(st.lists(ALPHABET))
def test_dkimpy_brings_bodies_into_the_same_form(words: list[bytes]) -> None:
    body = b"".join(words)
    for way, oracle in ORACLES.items():
        if way is SIMPLE or not body.endswith((b" ", b"\t")):
            # Blanks at the very end, without CRLF, stay with dkimpy: the next server that adds the CRLF would make it false.
            assert canonical(body, way, 1000) == oracle.canonicalize_body(body)


def test_the_hash_is_of_the_canonical_form_and_can_be_asked_twice() -> None:
    body = BodyHash(RELAXED)
    body.update(b"a  b\r\n")
    assert body.digest() == body.digest() == sha256(b"a b\r\n").digest()


@pytest.mark.parametrize("line", [b"\r\n", b" \t\r\n"])
def test_empty_lines_take_no_memory(line: bytes) -> None:
    body, chunk = BodyHash(RELAXED), line * 10_000
    tracemalloc.start()
    for _ in range(100):
        body.update(chunk)
    body.update(b"x")
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 6 * len(chunk)
    assert body.digest() == sha256(b"\r\n" * 1_000_000 + b"x\r\n").digest()


def test_blanks_without_end_take_no_memory() -> None:
    pieces: list[bytes] = []
    body = CanonicalBody(RELAXED, pieces.append)
    for _ in range(100):
        body.update(b" \t" * 10_000)
    body.update(b"x")
    body.finish()
    assert b"".join(pieces) == b" x\r\n"
