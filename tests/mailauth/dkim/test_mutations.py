"""What was changed in one octet never passes."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from posthouse.mailauth.dkim.canonical import Canonicalization
from posthouse.mailauth.dkim.sign import Signer
from posthouse.mailauth.dkim.verify import Outcome, Result
from posthouse.message.header import HeaderError

Verify = Callable[..., Awaitable[list[Result]]]
Sign = Callable[..., bytes]
SIMPLE, RELAXED = Canonicalization
MESSAGE = b"From: ann@example.org\r\nTo:bob\r\nSubject: a\r\n  b\r\n\r\nbody  text \r\n\r\n. \r\nend\r\n"
NAMES = ["From", "From", "To", "Subject"]


async def passes(verify: Verify, message: bytes) -> bool:
    try:
        results: Sequence[Result] = await verify(message)
    except HeaderError:
        return False
    return any(result.outcome is Outcome.PASS for result in results)


@pytest.mark.parametrize("way", [SIMPLE, RELAXED])
@pytest.mark.parametrize(
    "bits", [0x01, 0x04, 0x80]
)  # none changes the case of a letter, or a blank into a tab
async def test_no_octet_can_be_changed(
    way: Canonicalization, bits: int, sign: Sign, verify: Verify, ed25519_key: Ed25519PrivateKey
) -> None:
    message = sign(MESSAGE, NAMES, Signer("example.org", "ed", ed25519_key, way, way))
    assert await passes(verify, message)
    for at in range(len(message)):
        changed = bytearray(message)
        changed[at] ^= bits
        assert not await passes(verify, bytes(changed)), bytes(changed)


async def test_no_octet_can_be_taken_out_or_put_in_with_simple_canonicalization(
    sign: Sign, verify: Verify, rsa_key: RSAPrivateKey
) -> None:
    message = sign(MESSAGE, NAMES, Signer("example.org", "rsa", rsa_key, SIMPLE, SIMPLE))
    start, end = message.index(b" b=") + len(b" b="), message.index(b"From:")  # white space is free in there
    for at in [*range(start), *range(end, len(message) - len(b"\r\n"))]:
        assert not await passes(verify, message[:at] + message[at + 1 :])
        assert not await passes(verify, message[:at] + b" " + message[at:])
