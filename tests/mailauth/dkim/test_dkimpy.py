"""dkimpy verifies what we sign, and we verify what it signs. (RSA: for Ed25519 it needs a library that is not here.)"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import product

import dkim  # type: ignore[import-untyped]  # it has no types
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.mailauth.dkim.canonical import Canonicalization
from posthouse.mailauth.dkim.private_key import key_record
from posthouse.mailauth.dkim.sign import Signer
from posthouse.mailauth.dkim.verify import Outcome, Result

Verify = Callable[..., Awaitable[list[Result]]]
Sign = Callable[..., bytes]
WAYS = st.sampled_from(list(product(Canonicalization, Canonicalization)))
NAMES = st.lists(st.sampled_from(["Subject", "to", "X-Empty", "x-y", "Cc"]), max_size=8)

# dkimpy takes a bare LF for a line end, and cuts \v and \f off values: such are left out.
WORDS = st.sampled_from(
    [b"a", b"b:;=", b" ", b"  ", b"\t", b"\t \t", b"\r\n ", b"\r\n \t", b"\xc3\xbc", b"."]
)
FIELD = st.tuples(st.sampled_from([b"Subject", b"TO", b"X-Empty", b"x-Y", b"Other"]), st.lists(WORDS))
BODY = st.lists(
    st.sampled_from([b"a", b".", b" ", b"\t", b" \r\n", b"\r\n", b"\r\n\r\n", b"\xff", b"x" * 80]),
    max_size=30,
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    header = [name + b":" + b"".join(value) + b"\r\n" for name, value in draw(st.lists(FIELD, max_size=6))]
    header.insert(draw(st.integers(0, len(header))), b"From:Ann \r\n\t<ann@example.org>  \r\n")
    body = b"".join(draw(BODY))
    if body.endswith((b" ", b"\t")):  # dkimpy keeps blanks that no CRLF follows
        body += b"a"
    return b"".join(header) + b"\r\n" + body


@pytest.fixture(scope="session")
def pem(rsa_key: RSAPrivateKey) -> bytes:
    return rsa_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@settings(max_examples=100)
@given(message=messages(), ways=WAYS, names=NAMES)
def test_dkimpy_verifies_what_we_sign(
    sign: Sign,
    rsa_key: RSAPrivateKey,
    message: bytes,
    ways: tuple[Canonicalization, Canonicalization],
    names: list[str],
) -> None:
    signed = sign(message, ["From", "From", *names], Signer("example.org", "rsa", rsa_key, *ways))
    record = key_record(rsa_key).encode()
    assert dkim.verify(signed, dnsfunc=lambda name, timeout: record)
    assert not dkim.verify(b"From: eve@example.test\r\n" + signed, dnsfunc=lambda name, timeout: record)


@settings(max_examples=100)
@given(message=messages(), ways=WAYS, names=NAMES, size=st.integers(1, 100))
async def test_we_verify_what_dkimpy_signs(
    verify: Verify,
    pem: bytes,
    records: Mapping[str, Sequence[bytes]],
    message: bytes,
    ways: tuple[Canonicalization, Canonicalization],
    names: list[str],
    size: int,
) -> None:
    field = dkim.sign(
        message,
        b"rsa",
        b"example.org",
        pem,
        canonicalize=tuple(way.encode() for way in ways),
        include_headers=["from", *names],
    )
    [result] = await verify(field + message, size=size, now=4_000_000_000)
    assert (result.outcome, result.reason) == (Outcome.PASS, "")
    assert result.names == ("from", *(name.lower() for name in names))
    [result] = await verify(field + message + b"more", size=size, now=4_000_000_000)
    assert result.outcome is Outcome.FAIL
