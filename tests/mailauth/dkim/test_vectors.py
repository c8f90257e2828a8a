"""The messages of RFC 6376, RFC 8463, dkimpy and Exim, with their keys."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from posthouse.mailauth.dkim.key import parse_key_record
from posthouse.mailauth.dkim.private_key import key_record
from posthouse.mailauth.dkim.tags import parse_base64
from posthouse.mailauth.dkim.verify import Outcome, Result

Verify = Callable[..., Awaitable[list[Result]]]
RFC_8463_RECORD = b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
LATER = 1_600_000_000  # seconds: after all of them were signed


@pytest.fixture(scope="session")
def published(vectors: Path) -> dict[str, list[bytes]]:
    """DNS, as the texts beside the messages have it."""
    rsa = (vectors / "test.txt").read_bytes().strip()
    return {
        "test._domainkey.football.example.com": [rsa],
        "test._domainkey.example.com": [rsa],
        "brisbane._domainkey.football.example.com": [RFC_8463_RECORD],
        "sed._domainkey.test.ex": [(vectors / "eximtest.dns").read_bytes().strip()],
    }


def message(path: Path) -> bytes:
    return path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("rfc6376.signed.msg", [Outcome.PASS, Outcome.PASS]),
        ("rfc6376.signed.rsa.msg", [Outcome.PASS]),
        ("ed25519test2.msg", [Outcome.PASS]),
        ("rfc6376.signed.no_t.msg", [Outcome.FAIL]),
        ("message.mbox", [Outcome.PERMERROR]),
        ("test.message.baddomain", [Outcome.PERMERROR]),
        ("rfc6376.msg", []),
    ],
)
async def test_published_messages_are_judged_as_they_should(
    name: str, outcomes: list[Outcome], vectors: Path, published: dict[str, list[bytes]], verify: Verify
) -> None:
    results = await verify(message(vectors / name), records=published, now=LATER)
    assert [result.outcome for result in results] == outcomes


def test_the_keys_of_RFC_8463_are_a_pair(vectors: Path) -> None:  # noqa: N802 - RFC is a name
    key = Ed25519PrivateKey.from_private_bytes(
        parse_base64((vectors / "rfc8032_7_1.key").read_text().strip())
    )
    assert key_record(key).encode() == RFC_8463_RECORD
    assert parse_key_record(RFC_8463_RECORD).key == key.public_key()
