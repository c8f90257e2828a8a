"""Verifying the signatures of a message (RFC 6376 §6.1).

verification = Verification(header, now=clock.time())
for name in verification.key_names:  # at the same time, if there are several
    await verification.lookup_key(name, resolver)
for chunk in body.chunks():  # in a thread, if it is large
    verification.update(chunk)
results = verification.results()
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from posthouse.core.world import DnsError, Resolver
from posthouse.mailauth.dkim.canonical import BodyHash
from posthouse.mailauth.dkim.key import KeyRecord, parse_key_record
from posthouse.mailauth.dkim.names import domain_of
from posthouse.mailauth.dkim.signature import Signature, parse_signature
from posthouse.mailauth.dkim.signed_header import fields_by_name, header_digest
from posthouse.mailauth.dkim.tags import TagError
from posthouse.message.header import Header

SIGNATURES_MAX: Final = 10  # of one message, from the top; others are not looked at (R-151, RFC 6376 §8.4)
KEYS_MAX: Final = 4  # TXT records at one name that are tried; there should be one (RFC 6376 §3.6.2.2)
FUTURE_MAX: Final = 300  # seconds that the clock of a signer may be ahead
ALGORITHMS: Final = frozenset({"rsa-sha256", "ed25519-sha256"})  # not rsa-sha1 (RFC 8301 §3.1)


class Outcome(StrEnum):
    """The word for a result (RFC 8601 §2.7.1)."""

    PASS = "pass"  # noqa: S105 - a word of RFC 8601
    FAIL = "fail"
    PERMERROR = "permerror"
    TEMPERROR = "temperror"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one signature.

    reason: a few words of ours; empty for a pass.
    domain: A-labels, lower case. This and what follows is empty when the signature is malformed.
    identity: `[LOCAL-PART]@DOMAIN` as written, maybe with UTF-8.
    selector, algorithm: as written.
    names: of the signed fields, lower case, as often as they are signed.
    testing: the domain wants a failure to be taken as no signature (`t=y` of its key).
    """

    outcome: Outcome
    reason: str = ""
    domain: str = ""
    identity: str = ""
    selector: str = ""
    algorithm: str = ""
    names: tuple[str, ...] = ()
    testing: bool = False


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why there is no pass; the signature itself may be good."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A signature of the message. refused: it fails whatever key and body are."""

    field: bytes
    signature: Signature | None
    refused: str


class Verification:
    """The signatures of one message on the way to their results."""

    def __init__(self, header: Header, *, now: float) -> None:
        """now: seconds since the epoch."""
        self._fields = fields_by_name(header)
        self._candidates = list(self._read(now))
        self._keys: dict[str, Sequence[bytes] | _Failure] = {}
        good = [found.signature for found in self._candidates if found.signature and not found.refused]
        self._bodies = {way: BodyHash(way) for way in {signature.body_way for signature in good}}
        self.key_names = tuple(dict.fromkeys(signature.key_name for signature in good))

    @property
    def needs_body(self) -> bool:
        """Whether the body matters: some signature may pass."""
        return bool(self._bodies)

    async def lookup_key(self, name: str, resolver: Resolver) -> None:
        """Ask for the key of one of `key_names`. Never fails: a result may."""
        try:
            self._keys[name] = await resolver.txt(name)
        except DnsError as err:
            self._keys[name] = _NO_ANSWER if err.transient else _NO_KEY

    def update(self, chunk: bytes) -> None:
        """Take the next piece of the body, of any size. It is read once for each canonicalization."""
        for body in self._bodies.values():
            body.update(chunk)

    def results(self) -> list[Result]:
        """One for each signature, from the top; none when there is none. The body has ended.

        A key that was not looked up counts as a lookup that failed for the moment.
        """
        return [self._result(candidate) for candidate in self._candidates]

    def _read(self, now: float) -> Iterator[_Candidate]:
        for field in self._fields.get("dkim-signature", ())[:SIGNATURES_MAX]:
            try:
                signature = parse_signature(field[field.index(b":") + 1 :])
            except TagError as err:
                yield _Candidate(field, None, str(err))
            else:
                froms = len(self._fields.get("from", ()))
                yield _Candidate(field, signature, _refusal(signature, froms, now))

    def _result(self, candidate: _Candidate) -> Result:
        signature = candidate.signature
        if signature is None:
            return Result(Outcome.PERMERROR, candidate.refused)
        outcome, reason, testing = Outcome.PERMERROR, candidate.refused, False
        if not reason:
            outcome, reason, testing = self._judge(candidate.field, signature)
        return Result(
            outcome,
            reason,
            signature.domain,
            signature.identity,
            signature.selector,
            signature.algorithm,
            signature.names,
            testing,
        )

    def _judge(self, field: bytes, signature: Signature) -> tuple[Outcome, str, bool]:
        """Outcome, reason and whether the domain only tests."""
        found = self._keys.get(signature.key_name, _NO_ANSWER)
        keys = found if isinstance(found, _Failure) else _usable(found, signature)
        if isinstance(keys, _Failure):
            return keys.outcome, keys.reason, False
        testing = any(key.testing for key in keys)
        if self._bodies[signature.body_way].digest() != signature.body_hash:
            return Outcome.FAIL, "body hash did not verify", testing
        digest = header_digest(self._fields, signature.names, field, signature.header_way)
        for key in keys:
            if key.verifies(signature.octets, digest):
                return Outcome.PASS, "", key.testing
        return Outcome.FAIL, "signature did not verify", testing


def _refusal(signature: Signature, froms: int, now: float) -> str:
    """Why we do not take a signature that is well-formed; empty: we do. froms: From fields of the message."""
    if signature.algorithm not in ALGORITHMS:
        return "unsupported algorithm"
    if not 0 < froms <= signature.names.count("from"):
        return "From is not signed"  # each of them: readers differ in which one they show (RFC 6376 §8.15)
    if signature.has_length:
        return "body may be signed in part"  # text could be put behind what is signed (RFC 6376 §8.2)
    if signature.signed_at is not None and signature.signed_at > now + FUTURE_MAX:
        return "signature is of the future"
    if signature.expires is not None and signature.expires <= max(now, signature.signed_at or 0):
        return "signature expired"
    return ""


def _usable(records: Sequence[bytes], signature: Signature) -> list[KeyRecord] | _Failure:
    """The keys that a signature may be made with, or why there is none: what is wrong with the first record."""
    keys: list[KeyRecord] = []
    wrong: list[str] = []
    for record in records[:KEYS_MAX]:
        try:
            keys.append(_fitting(parse_key_record(record), signature))
        except TagError as err:
            wrong.append(str(err))
    return keys or (_Failure(Outcome.PERMERROR, wrong[0]) if wrong else _NO_KEY)


def _fitting(key: KeyRecord, signature: Signature) -> KeyRecord:
    """The key itself. Raises TagError if it is not for this signature."""
    if key.algorithm != signature.algorithm:
        raise TagError("key is for another algorithm")
    if key.exact and domain_of(signature.identity) != signature.domain:
        raise TagError("key is not for subdomains")
    return key


_NO_KEY: Final = _Failure(Outcome.PERMERROR, "no key")
_NO_ANSWER: Final = _Failure(Outcome.TEMPERROR, "key cannot be looked up now")
