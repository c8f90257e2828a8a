"""Signing a message (RFC 6376 §5)."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from posthouse.mailauth.dkim.canonical import BodyHash, Canonicalization
from posthouse.mailauth.dkim.names import ascii_domain, is_within, key_name
from posthouse.mailauth.dkim.private_key import PrivateKey, algorithm_of, signature_of
from posthouse.mailauth.dkim.signed_header import fields_by_name, header_digest
from posthouse.message.header import FOLD_AT, Header

_FIELD_NAME = re.compile(r"[!-9<-~]+")  # no semicolon, which ends the list
_NAME: Final = "DKIM-Signature:"
_SIGNATURE_AT: Final = "\r\n b="


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, and how. Raises ValueError for names that make no name in DNS, or an identity not of the domain.

    domain, selector: written as they are: A-labels, or U-labels where the message may have UTF-8 in its header.
    identity: `[LOCAL-PART]@DOMAIN` of the domain or one below, in dkim-quoted-printable; empty: left out.
    """

    domain: str
    selector: str
    key: PrivateKey
    header_way: Canonicalization = Canonicalization.RELAXED
    body_way: Canonicalization = Canonicalization.RELAXED
    identity: str = ""

    def __post_init__(self) -> None:
        domain = ascii_domain(self.domain)
        key_name(domain, self.selector)
        if self.identity and not is_within(self.identity, domain):
            raise ValueError("identity is not of the domain")

    def sign(
        self,
        header: Header,
        body: BodyHash,
        names: Sequence[str],
        *,
        signed_at: int,
        expires: int | None = None,
    ) -> bytes:
        """A DKIM-Signature field, folded, with its CRLF: it belongs on top of the header.

        body: made with `body_way`, fed with the whole body.
        names: of the fields to sign, in any case. One that comes more often than there are fields signs that there
            are no more (RFC 6376 §8.15).
        signed_at, expires: seconds since the epoch.
        Raises ValueError for a message without From, or names without it.
        """
        fields = fields_by_name(header)
        names = [name.lower() for name in names]
        if "from" not in names or "from" not in fields:
            raise ValueError("From must be signed")
        if not all(map(_FIELD_NAME.fullmatch, names)):
            raise ValueError("not the name of a header field")
        tags = self._tags(names, body.digest(), signed_at, expires)
        unsigned = f"{_folded(tags)}{_SIGNATURE_AT}\r\n".encode()
        digest = header_digest(fields, names, unsigned, self.header_way)
        signature = b64encode(signature_of(self.key, digest))
        return unsigned.removesuffix(b"\r\n") + _lines(signature) + b"\r\n"

    def _tags(
        self, names: Sequence[str], body_hash: bytes, signed_at: int, expires: int | None
    ) -> Iterator[str]:
        """The words of the field but the signature; those that begin with a blank may stand on a line of their own."""
        yield " v=1;"
        yield f" a={algorithm_of(self.key)};"
        yield f" c={self.header_way}/{self.body_way};"
        yield f" d={self.domain};"
        yield f" s={self.selector};"
        if self.identity:
            yield f" i={self.identity};"
        yield f" t={signed_at};"
        if expires is not None:
            yield f" x={expires};"
        first, *others = names
        yield f" h={first}"
        for name in others:
            yield f":{name}"
        yield ";"
        yield f" bh={b64encode(body_hash).decode()};"


def _folded(words: Iterable[str]) -> str:
    """The field's name and the words, in lines of at most 76 characters where words are not longer."""
    lines, line = [], _NAME
    for word in words:
        if len(line) + len(word) > FOLD_AT:
            lines.append(line)
            line = " " + word.removeprefix(" ")
        else:
            line += word
    return "\r\n".join([*lines, line])


def _lines(signature: bytes) -> bytes:
    """The signature behind `b=`, in lines."""
    first = FOLD_AT + len("\r\n") - len(_SIGNATURE_AT)
    rest = range(first, len(signature), FOLD_AT - 1)
    return b"\r\n ".join([signature[:first], *(signature[at : at + FOLD_AT - 1] for at in rest)])
