from collections.abc import Awaitable, Callable, Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.mailauth.dkim.canonical import BodyHash, Canonicalization
from posthouse.mailauth.dkim.private_key import key_record
from posthouse.mailauth.dkim.sign import Signer
from posthouse.mailauth.dkim.signature import parse_signature
from posthouse.mailauth.dkim.verify import Outcome, Result
from posthouse.message.header import Header
from posthouse.testing.world import START

Verify = Callable[..., Awaitable[list[Result]]]
Sign = Callable[..., bytes]
NOW = int(START)
SIMPLE, RELAXED = Canonicalization
MESSAGE = b"From: ann@example.org\r\nSubject: a\r\n\r\nbody\r\n"
WORDS = st.sampled_from([b"a", b"b:", b" ", b"  ", b"\t", b"\r\n ", b"\r\n\t", b"\xff", b"."])
FIELDS = st.lists(st.tuples(st.sampled_from([b"From", b"FROM", b"X", b"x-y"]), st.lists(WORDS)), max_size=6)
BODY = st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\xff", b"."]))


@pytest.mark.parametrize("header_way", Canonicalization)
@pytest.mark.parametrize("body_way", Canonicalization)
@settings(max_examples=50)
@given(FIELDS, BODY, st.lists(st.sampled_from(["from", "X", "x-Y", "to"])), st.integers(1, 50))
async def test_what_we_sign_we_verify(
    sign: Sign,
    verify: Verify,
    ed25519_key: Ed25519PrivateKey,
    header_way: Canonicalization,
    body_way: Canonicalization,
    fields: list[tuple[bytes, list[bytes]]],
    words: list[bytes],
    names: list[str],
    size: int,
) -> None:
    header = b"".join(name + b":" + b"".join(value) + b"\r\n" for name, value in fields)
    message = b"From: a\r\n" + header + b"\r\n" + b"".join(words)
    signer = Signer("example.org", "ed", ed25519_key, header_way, body_way)
    [result] = await verify(sign(message, ["From"] * 7 + names, signer), size=size)
    assert (result.outcome, result.reason) == (Outcome.PASS, "")


def test_the_field_says_what_it_is_told(sign: Sign, rsa_key: RSAPrivateKey) -> None:
    signer = Signer("Example.org", "rsa", rsa_key, SIMPLE, RELAXED, "ann@sub.example.org")
    message = sign(MESSAGE, ["FROM", "from", "Subject"], signer, signed_at=12, expires=34)
    field = message[: -len(MESSAGE)]
    assert field.startswith(
        b"DKIM-Signature: v=1; a=rsa-sha256; c=simple/relaxed; d=Example.org; s=rsa;\r\n"
        b" i=ann@sub.example.org; t=12; x=34; h=from:from:subject;\r\n"
        b" bh="
    )
    signature = parse_signature(field.removeprefix(b"DKIM-Signature:"))
    assert (signature.header_way, signature.body_way) == (SIMPLE, RELAXED)
    assert (signature.domain, signature.selector) == ("example.org", "rsa")
    assert (signature.identity, signature.names) == ("ann@sub.example.org", ("from", "from", "subject"))
    assert (signature.signed_at, signature.expires) == (12, 34)


def test_without_identity_and_expiry_the_field_has_none(sign: Sign) -> None:
    field = sign(MESSAGE)[: -len(MESSAGE)]
    assert b"i=" not in field.split(b" bh=")[0]
    assert b"x=" not in field.split(b" bh=")[0]


@pytest.mark.parametrize("bits", [1024, 1032, 2048, 4096])
@pytest.mark.parametrize("way", Canonicalization)
async def test_lines_are_short(bits: int, way: Canonicalization, sign: Sign, verify: Verify) -> None:
    key = generate_private_key(65537, bits)
    signer = Signer("mail.example.org", "selector", key, way, way, "@mail.example.org")
    names = [f"x-field-{number}" for number in range(40)]
    message = sign(MESSAGE, ["From", *names], signer, expires=NOW + 1)
    lines = message[: -len(MESSAGE)].split(b"\r\n")
    assert max(map(len, lines)) <= 76
    assert all(line.startswith(b" ") and line.strip() for line in lines[1:-1])
    assert lines[-1] == b""
    dns = {"selector._domainkey.mail.example.org": [key_record(key).encode()]}
    assert [result.outcome for result in await verify(message, records=dns)] == [Outcome.PASS]


async def test_domains_may_have_u_labels(sign: Sign, verify: Verify, ed25519_key: Ed25519PrivateKey) -> None:
    signer = Signer("m\u00fcnchen.example", "\u00fc", ed25519_key, identity="@m\u00fcnchen.example")
    message = sign(MESSAGE, ["From"], signer)
    assert " d=m\u00fcnchen.example;".encode() in message
    name = "xn--tda._domainkey.xn--mnchen-3ya.example"
    [result] = await verify(message, records={name: [key_record(ed25519_key).encode()]})
    assert (result.outcome, result.domain) == (Outcome.PASS, "xn--mnchen-3ya.example")
    assert result.identity == "@m\u00fcnchen.example"


@pytest.mark.parametrize("domain", ["", "org", "a b.test", "a;b.test", "a\r\n.test", "a..b"])
def test_domains_that_are_none_cannot_sign(domain: str, rsa_key: RSAPrivateKey) -> None:
    with pytest.raises(ValueError):
        Signer(domain, "s", rsa_key)


@pytest.mark.parametrize("selector", ["", "a b", "a;b", "a\r\n", ".", "a" * 64])
def test_selectors_that_are_none_cannot_sign(selector: str, rsa_key: RSAPrivateKey) -> None:
    with pytest.raises(ValueError):
        Signer("example.org", selector, rsa_key)


@pytest.mark.parametrize(
    "identity", ["@example.com", "example.org", "a;b@example.org", "a\r\n@example.org", "a b@example.org"]
)
def test_R_151_identities_are_of_the_domain_and_end_no_tag(identity: str, rsa_key: RSAPrivateKey) -> None:
    with pytest.raises(ValueError):
        Signer("example.org", "s", rsa_key, identity=identity)


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (b"From: a\r\n", []),
        (b"From: a\r\n", ["Subject"]),
        (b"Subject: a\r\n", ["From"]),
        (b"From: a\r\n", ["From", "a;b"]),
        (b"From: a\r\n", ["From", "a:b"]),
        (b"From: a\r\n", ["From", "a b"]),
        (b"From: a\r\n", ["From", ""]),
    ],
)
def test_R_151_from_is_signed_and_names_are_names(
    header: bytes, names: Sequence[str], rsa_key: RSAPrivateKey
) -> None:
    with pytest.raises(ValueError):
        Signer("example.org", "s", rsa_key).sign(Header.parse(header), BodyHash(RELAXED), names, signed_at=1)


async def test_R_156_both_selectors_are_valid_while_keys_change(
    sign: Sign, verify: Verify, rsa_key: RSAPrivateKey, ed25519_key: Ed25519PrivateKey
) -> None:
    dns = {
        "old._domainkey.example.org": [key_record(rsa_key).encode()],
        "new._domainkey.example.org": [key_record(ed25519_key).encode()],
    }
    old, new = Signer("example.org", "old", rsa_key), Signer("example.org", "new", ed25519_key)
    for message in (sign(MESSAGE, ["From"], old), sign(MESSAGE, ["From"], new)):
        assert [result.outcome for result in await verify(message, records=dns)] == [Outcome.PASS]
