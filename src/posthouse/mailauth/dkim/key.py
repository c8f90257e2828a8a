"""Public keys, as domains publish them (RFC 6376 §3.6.1, RFC 8463 §4)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from posthouse.mailauth.dkim.tags import TagError, parse_base64, parse_tags, split_list

RECORD_MAX: Final = 4096  # octets: a key of 8192 bits takes 1,500
RSA_BITS_MIN: Final = 1024  # RFC 8301 §3.2
RSA_BITS_MAX: Final = 8192
EXPONENT_MAX: Final = 2**32  # a long one makes verifying as slow as signing
ED25519_SIZE: Final = 32  # octets (RFC 8463 §4.2)
RSA_PADDING: Final = PKCS1v15()
HASHED: Final = Prehashed(SHA256())
_CACHED: Final = 256  # keys

PublicKey = RSAPublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key that may verify signatures of mail.

    algorithm: of signatures that it is for (`a=`).
    exact: the domain of an identity must be that of the signature, not one below (`t=s`).
    testing: the domain tests DKIM: a failure means no more than no signature (`t=y`).
    """

    algorithm: str
    key: PublicKey
    exact: bool
    testing: bool

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Whether the signature was made with this key, over what has this SHA-256."""
        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, digest)
            else:
                self.key.verify(signature, digest, RSA_PADDING, HASHED)
        except InvalidSignature:
            return False
        return True


@lru_cache(_CACHED)
def parse_key_record(record: bytes) -> KeyRecord:
    """The key in the text of a TXT record. Raises TagError for one that is malformed, revoked, weak or not for mail."""
    if len(record) > RECORD_MAX:
        raise TagError("key record too long")
    tags = parse_tags(record)
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise TagError("unknown version of key record")
    if "p" not in tags:
        raise TagError("no key in key record")
    if not tags["p"]:
        raise TagError("key revoked")
    if not {"*", "email"} & set(split_list(tags.get("s", "*"))):
        raise TagError("key is not for mail")
    if "sha256" not in split_list(tags.get("h", "sha256")):
        raise TagError("key is not for this hash")
    flags = split_list(tags.get("t", ""))
    kind = tags.get("k", "rsa")
    return KeyRecord(f"{kind}-sha256", _public_key(kind, tags["p"]), "s" in flags, "y" in flags)


def check_rsa_size(bits: int) -> None:
    """Raise TagError for a key that is too easy to break, or takes too long."""
    if not RSA_BITS_MIN <= bits <= RSA_BITS_MAX:
        raise TagError("RSA key too short" if bits < RSA_BITS_MIN else "RSA key too long")


def _public_key(kind: str, text: str) -> PublicKey:
    octets = parse_base64(text)
    if kind == "rsa":
        return _rsa_key(octets)
    if kind != "ed25519":
        raise TagError("unknown type of key")
    if len(octets) != ED25519_SIZE:
        raise TagError("malformed key")
    return Ed25519PublicKey.from_public_bytes(octets)


def _rsa_key(octets: bytes) -> RSAPublicKey:
    """From SubjectPublicKeyInfo, or RSAPublicKey of PKCS#1: RFC 6376 §3.6.1 says the one and shows the other."""
    try:
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm) as err:
        raise TagError("malformed key") from err
    if not isinstance(key, RSAPublicKey):
        raise TagError("key of another type than it says")
    check_rsa_size(key.key_size)
    if not 3 <= key.public_numbers().e <= EXPONENT_MAX:
        raise TagError("bad exponent of RSA key")
    return key
