"""Keys, the published vectors, and verification with DNS from a dict."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from posthouse.core.world import DnsError
from posthouse.mailauth.dkim.canonical import BodyHash
from posthouse.mailauth.dkim.private_key import key_record
from posthouse.mailauth.dkim.sign import Signer
from posthouse.mailauth.dkim.verify import Result, Verification
from posthouse.message.header import Header, find_body
from posthouse.testing.world import START, FakeResolver

NOW = int(START)

Records = Mapping[str, Sequence[bytes] | DnsError]
Verify = Callable[..., Awaitable[list[Result]]]
Sign = Callable[..., bytes]


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of messages and keys of dkimpy."""
    default = Path(__file__).parents[4] / "shared" / "testdata"
    folder = Path(os.environ.get("POSTHOUSE_TESTDATA", default)) / "dkim-dkimpy"
    if not folder.is_dir():
        pytest.skip(f"no test data of dkimpy in {folder}")
    return folder


@pytest.fixture(scope="session")
def rsa_key() -> RSAPrivateKey:
    return generate_private_key(65537, 1024)


@pytest.fixture(scope="session")
def ed25519_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
def records(rsa_key: RSAPrivateKey, ed25519_key: Ed25519PrivateKey) -> Records:
    """DNS, with the keys of the selectors `rsa` and `ed` of example.org."""
    return {
        "rsa._domainkey.example.org": [key_record(rsa_key).encode()],
        "ed._domainkey.example.org": [key_record(ed25519_key).encode()],
    }


@pytest.fixture(scope="session")
def verify(records: Records) -> Verify:
    """verify(message, records=..., now=..., size=...): its results. size: octets of a piece of the body."""

    async def verified(
        message: bytes, records: Records = records, now: float = NOW, size: int = 100
    ) -> list[Result]:
        at = find_body(message)
        verification = Verification(Header.parse(message[: at if at >= 0 else len(message)]), now=now)
        resolver = FakeResolver(txts=records)
        for name in verification.key_names:
            await verification.lookup_key(name, resolver)
        if at >= 0:
            for start in range(at, len(message), size):
                verification.update(message[start : start + size])
        return verification.results()

    return verified


@pytest.fixture(scope="session")
def sign(rsa_key: RSAPrivateKey) -> Sign:
    """sign(message, names, signer=...): the message with a signature on top."""
    default = Signer("example.org", "rsa", rsa_key)

    def signed(
        message: bytes,
        names: Sequence[str] = ("From",),
        signer: Signer = default,
        signed_at: int = NOW,
        expires: int | None = None,
    ) -> bytes:
        at = find_body(message)
        body = BodyHash(signer.body_way)
        body.update(message[at:])
        field = signer.sign(Header.parse(message[:at]), body, names, signed_at=signed_at, expires=expires)
        return field + message

    return signed
