"""The keys that we sign with, and the records that publish their other halves."""

from base64 import b64encode

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from posthouse.mailauth.dkim.key import HASHED, RSA_PADDING, check_rsa_size
from posthouse.mailauth.dkim.tags import TagError

PrivateKey = RSAPrivateKey | Ed25519PrivateKey


def parse_private_key(pem: bytes) -> PrivateKey:
    """The key in a file, PKCS#8 or PKCS#1, without a passphrase. Raises TagError, which tells nothing of the key."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise TagError("no private key, or one with a passphrase") from None
    if isinstance(key, RSAPrivateKey):
        check_rsa_size(key.key_size)
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise TagError("private key is neither RSA nor Ed25519")


def algorithm_of(key: PrivateKey) -> str:
    """The algorithm of signatures made with a key, as in `a=`."""
    return f"{_kind(key)}-sha256"


def signature_of(key: PrivateKey, digest: bytes) -> bytes:
    """The signature over what has this SHA-256 (RFC 8463 §3 for Ed25519). With RSA this takes its time."""
    if isinstance(key, RSAPrivateKey):
        return key.sign(digest, RSA_PADDING, HASHED)
    return key.sign(digest)


def key_record(key: PrivateKey) -> str:
    """The text of the TXT record with the public half (RFC 6376 §3.6.1, RFC 8463 §4)."""
    if isinstance(key, RSAPrivateKey):
        octets = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        octets = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"v=DKIM1; k={_kind(key)}; p={b64encode(octets).decode()}"


def _kind(key: PrivateKey) -> str:
    return "rsa" if isinstance(key, RSAPrivateKey) else "ed25519"
