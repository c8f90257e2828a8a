from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from posthouse.mailauth.dkim.key import ED25519_SIZE, EXPONENT_MAX, RECORD_MAX, KeyRecord, parse_key_record
from posthouse.mailauth.dkim.private_key import algorithm_of, key_record, parse_private_key, signature_of
from posthouse.mailauth.dkim.tags import TagError

ED_KEY = b64encode(Ed25519PrivateKey.from_private_bytes(b"k" * 32).public_key().public_bytes_raw()).decode()
DIGEST = bytes(32)
SHORT_KEY = b"""\
-----BEGIN RSA PRIVATE KEY-----
MIIBOQIBAAJBALXjVxQ6w/FdgUxwB/K7u8ErP7EKBx2kfXJapEb/CzMZqL+CH/1Y
lSaohb1IjO7ty3FTkZpRgETGdqXmnlM0tTMCAwEAAQJAP9gYzMUD2kkUBZydbZpw
ARIJPT9j2AfQ8L7YQwNrDvgu8BflJVq0jKhi6Vvac66Baj/p1EaP9/6BrM3jKWtB
YQIhAOZW9c5VeqqKukW82A6xI2mjQnBqIyi+Z8BJdcl2Igr/AiEAyiaXY6AfgkZ/
dZ8lRD6rkO/Wl8V6A1IJ2Z+0zgQhGc0CIDeHKTS3qJ2qWeNr9g38qBPUVrTw8U7m
L+7MBsgtYWGTAiAYII8FFwFrvRpNYZdDE+/KNrX4G1u6tbnzPXqI9Dk3KQIgKivZ
OoOaS2YaVDyP+YsyUZApfvBYYRj5FoQiyMxsGO0=
-----END RSA PRIVATE KEY-----
"""


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag,)) + (octets if size < 128 else bytes((0x80 | len(octets),)) + octets) + content


def pkcs1(modulus: int, exponent: int) -> bytes:
    """RSAPublicKey of PKCS#1 with any numbers."""
    numbers = (number.to_bytes(number.bit_length() // 8 + 1) for number in (modulus, exponent))
    return der(0x30, b"".join(der(0x02, number) for number in numbers))


def rsa_record(modulus: int, exponent: int) -> bytes:
    return b"p=" + b64encode(pkcs1(modulus, exponent))


def record(**tags: str) -> bytes:
    return "; ".join(
        f"{name}={text}" for name, text in ({"k": "ed25519", "p": ED_KEY} | tags).items()
    ).encode()


@pytest.mark.parametrize("name", ["rsa_key", "ed25519_key"])
def test_what_we_publish_verifies_what_we_sign(name: str, request: pytest.FixtureRequest) -> None:
    key = request.getfixturevalue(name)
    published = parse_key_record(key_record(key).encode())
    assert published.algorithm == algorithm_of(key)
    signature = signature_of(key, DIGEST)
    assert published.verifies(signature, DIGEST)
    assert not published.verifies(signature, bytes(31) + b"\1")
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(len(signature))):
        assert not published.verifies(wrong, DIGEST)


def test_rsa_keys_are_read_in_both_forms(rsa_key: RSAPrivateKey) -> None:
    for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1):
        octets = rsa_key.public_key().public_bytes(Encoding.DER, form)
        key = parse_key_record(b"v=DKIM1; p=" + b64encode(octets))
        assert key.verifies(signature_of(rsa_key, DIGEST), DIGEST)


def test_published_keys_load(vectors: Path) -> None:
    for path in sorted(vectors.glob("*_testkey*.txt")):
        assert parse_key_record(path.read_bytes().strip()).algorithm == "rsa-sha256"
    for path in sorted(vectors.glob("*.dns")):
        assert parse_key_record(path.read_bytes().strip()).algorithm == "ed25519-sha256"
    for path in sorted([*vectors.glob("*_testkey*.key"), *vectors.glob("test*.private")]):
        assert algorithm_of(parse_private_key(path.read_bytes())) == "rsa-sha256"
    ours = key_record(parse_private_key((vectors / "2048_testkey_PKCS8.key").read_bytes())).encode()
    theirs = (vectors / "2048_testkey_PKCS8.key.pub.txt").read_bytes().strip()
    assert parse_key_record(ours).key == parse_key_record(theirs).key


@pytest.mark.parametrize("name", ["badk.txt", "badversion.txt", "test_bad.txt", "test_tlsrpt.txt"])
def test_published_bad_keys_are_refused(name: str, vectors: Path) -> None:
    with pytest.raises(TagError):
        parse_key_record((vectors / name).read_bytes().strip())


@pytest.mark.parametrize(
    ("tags", "exact", "testing"),
    [
        ({}, False, False),
        ({"t": "s"}, True, False),
        ({"t": " y : s : z"}, True, True),
        ({"h": "sha1 : sha256"}, False, False),
        ({"s": "x : email"}, False, False),
        ({"s": "*"}, False, False),
        ({"n": "a note", "g": "", "x": "?"}, False, False),
    ],
    ids=str,
)
def test_keys_for_mail(tags: dict[str, str], exact: bool, testing: bool) -> None:
    key = parse_key_record(record(**tags))
    assert (key.algorithm, key.exact, key.testing) == ("ed25519-sha256", exact, testing)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (record(p=""), "revoked"),
        (record(p=" "), "revoked"),
        (b"v=DKIM1; k=rsa", "no key"),
        (record(v="DKIM1"), "version"),
        (b"v=DKIM2; " + record(), "version"),
        (b"v=spf1 -all", "version"),
        (b"v=spf1 include:x.test -all; x", "malformed tag"),
        (b"v=DKIM1; " + record() + b"; k=rsa", "twice"),
        (record(k="dsa"), "type"),
        (record(k="Ed25519"), "type"),
        (record(h="sha1"), "hash"),
        (record(h=""), "hash"),
        (record(s="tlsrpt"), "not for mail"),
        (record(p="QUJD"), "malformed key"),
        (record(k="rsa"), "malformed key"),
        (record(p=ED_KEY[:-1]), "base64"),
        (record(n="x" * RECORD_MAX), "too long"),
        (b"", "malformed"),
    ],
    ids=repr,
)
def test_other_keys_are_refused(value: bytes, reason: str) -> None:
    with pytest.raises(TagError, match=reason):
        parse_key_record(value)


def test_keys_of_another_type_than_they_say_are_refused() -> None:
    key = generate_ec(SECP256R1()).public_key()
    for octets in (
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ):
        with pytest.raises(TagError):
            parse_key_record(b"k=rsa; p=" + b64encode(octets))


@pytest.mark.parametrize("bits", [512, 768, 1023, 8193, 16_384])
def test_R_151_rsa_keys_too_short_or_too_long_are_refused(bits: int) -> None:
    with pytest.raises(TagError, match=r"RSA key too|malformed key"):
        parse_key_record(rsa_record((1 << bits) - 1, 65537))


@pytest.mark.parametrize("exponent", [0, 1, 2, EXPONENT_MAX + 1, (1 << 1023) + 1])
def test_R_151_odd_exponents_of_rsa_keys_are_refused(exponent: int, rsa_key: RSAPrivateKey) -> None:
    with pytest.raises(TagError, match=r"exponent|malformed key"):
        parse_key_record(rsa_record(rsa_key.public_key().public_numbers().n, exponent))


def test_an_exponent_of_three_is_taken(rsa_key: RSAPrivateKey) -> None:
    assert parse_key_record(rsa_record(rsa_key.public_key().public_numbers().n, 3)).algorithm == "rsa-sha256"


@given(st.binary(max_size=300))
def test_any_octets_are_a_key_or_refused(octets: bytes) -> None:
    for value in (octets, b"p=" + b64encode(octets), b"k=ed25519; p=" + b64encode(octets)):
        try:
            assert isinstance(parse_key_record(value), KeyRecord)
        except TagError:
            continue


@given(st.binary(min_size=ED25519_SIZE, max_size=ED25519_SIZE))
def test_any_octets_that_are_an_ed25519_key_verify_or_not(octets: bytes) -> None:
    key = parse_key_record(b"k=ed25519; p=" + b64encode(octets))
    key.verifies(octets + octets, octets)


def test_private_keys_of_ed25519_are_read(ed25519_key: Ed25519PrivateKey) -> None:
    pem = ed25519_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert key_record(parse_private_key(pem)) == key_record(ed25519_key)


def test_R_156_private_keys_that_are_weak_or_of_another_kind_are_refused_and_not_told(
    rsa_key: RSAPrivateKey,
) -> None:
    pem = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    other = generate_ec(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert isinstance(parse_private_key(pem), RSAPrivateKey)
    for bad in (b"", b"secret", pem[:200], pem.replace(b"M", b"N"), locked, other, SHORT_KEY):
        with pytest.raises(TagError) as refused:
            parse_private_key(bad)
        assert "secret" not in str(refused.value)
        assert refused.value.__cause__ is None
