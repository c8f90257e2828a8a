"""Signatures are made by `Signer`, and bent."""

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from itertools import permutations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.world import DnsError
from posthouse.mailauth.dkim.canonical import Canonicalization
from posthouse.mailauth.dkim.private_key import key_record, signature_of
from posthouse.mailauth.dkim.sign import Signer
from posthouse.mailauth.dkim.signed_header import fields_by_name, header_digest
from posthouse.mailauth.dkim.verify import FUTURE_MAX, KEYS_MAX, SIGNATURES_MAX, Outcome, Result, Verification
from posthouse.message.header import Header, find_body
from posthouse.testing.world import START, FakeResolver

Records = Mapping[str, Sequence[bytes] | DnsError]
Verify = Callable[..., Awaitable[list[Result]]]
Sign = Callable[..., bytes]
NOW = int(START)
MESSAGE = b"From: ann@example.org\r\nTo: bob@example.test\r\nSubject: a\r\n  b\r\n\r\nbody  text\r\n\r\n"
NAME = "rsa._domainkey.example.org"
WORDS = "v=1 a=rsa-sha256 a=ed25519-sha256 d=example.org s=rsa h=From b= bh= QUJD i=@ l=1 t= x= 9 c=relaxed ; ; ;".split()
WORDS += ["\t", "\r\n ", "\u00fc", ":", "v=1;a=rsa-sha256;d=example.org;s=rsa;h=From;bh=QUJD;b=QUJD;"]


def signed_with(
    key: RSAPrivateKey, field: str, message: bytes = MESSAGE, *, names: Sequence[str] = ("from",)
) -> bytes:
    """The message with a field `DKIM-Signature: ...b=` put on top, completed with a signature over it."""
    fields = fields_by_name(Header.parse(message[: find_body(message)]))
    own = f"DKIM-Signature: {field}".encode()
    signature = signature_of(key, header_digest(fields, names, own, Canonicalization.SIMPLE))
    return own + b64encode(signature) + b"\r\n" + message


async def only(results: Awaitable[list[Result]]) -> Result:
    [result] = await results
    return result


async def test_a_good_signature_passes_and_tells_what_it_is(sign: Sign, verify: Verify) -> None:
    result = await only(verify(sign(MESSAGE, ["From", "Subject", "Subject", "Cc"])))
    assert result == Result(
        outcome=Outcome.PASS,
        domain="example.org",
        identity="@example.org",
        selector="rsa",
        algorithm="rsa-sha256",
        names=("from", "subject", "subject", "cc"),
    )


async def test_a_message_without_signature_has_no_results(verify: Verify) -> None:
    assert await verify(MESSAGE) == []
    assert not Verification(Header.parse(MESSAGE[: find_body(MESSAGE)]), now=NOW).needs_body


async def test_all_signatures_are_judged_from_the_top(
    sign: Sign, verify: Verify, ed25519_key: Ed25519PrivateKey
) -> None:
    signer = Signer("example.org", "ed", ed25519_key, Canonicalization.SIMPLE, Canonicalization.SIMPLE)
    twice = sign(sign(MESSAGE), ["From"], signer)
    results = await verify(b"DKIM-Signature: v=1\r\n" + twice)
    assert [result.outcome for result in results] == [Outcome.PERMERROR, Outcome.PASS, Outcome.PASS]
    assert [result.algorithm for result in results] == ["", "ed25519-sha256", "rsa-sha256"]


async def test_a_changed_body_or_header_fails(sign: Sign, verify: Verify) -> None:
    message = sign(MESSAGE)
    body = await only(verify(message.replace(b"body", b"Body")))
    assert (body.outcome, body.reason) == (Outcome.FAIL, "body hash did not verify")
    header = await only(verify(message.replace(b"ann@", b"eve@")))
    assert (header.outcome, header.reason) == (Outcome.FAIL, "signature did not verify")
    assert header.domain == "example.org"


async def test_what_relaxed_canonicalization_allows_passes(sign: Sign, verify: Verify) -> None:
    message = sign(MESSAGE, ["From", "Subject"])
    message = message.replace(b"Subject: a\r\n  b", b"SUBJECT:a\tb").replace(
        b"body  text\r\n", b"body text \r\n"
    )
    assert (await only(verify(message))).outcome is Outcome.PASS


async def test_of_fields_with_one_name_the_lowest_are_signed(sign: Sign, verify: Verify) -> None:
    message = sign(b"X: 1\r\nX: 2\r\n" + MESSAGE, ["From", "X"])
    assert (await only(verify(message.replace(b"X: 1", b"X: 3")))).outcome is Outcome.PASS
    assert (await only(verify(message.replace(b"X: 2", b"X: 3")))).outcome is Outcome.FAIL


async def test_R_141_a_name_signed_once_more_than_it_occurs_cannot_be_added(
    sign: Sign, verify: Verify
) -> None:
    message = sign(MESSAGE, ["From", "Subject", "Subject", "Cc"])
    for field in (b"Subject: evil\r\n", b"cC: evil\r\n"):
        assert (await only(verify(field + message))).outcome is Outcome.FAIL
    assert (await only(verify(b"Bcc: x\r\n" + message))).outcome is Outcome.PASS


@pytest.mark.parametrize("order", list(permutations(range(2))), ids=str)
async def test_R_141_a_from_that_is_not_signed_makes_all_of_it_fail(
    order: Sequence[int], sign: Sign, verify: Verify
) -> None:
    signature, rest = (message := sign(MESSAGE))[: -len(MESSAGE)], message[-len(MESSAGE) :]
    parts = [b"fRoM: eve@example.test\r\n", signature]
    result = await only(verify(b"".join(parts[number] for number in order) + rest))
    assert (result.outcome, result.reason) == (Outcome.PERMERROR, "From is not signed")


async def test_R_151_of_500_signatures_the_topmost_few_are_checked(
    sign: Sign, rsa_key: RSAPrivateKey
) -> None:
    at = len(MESSAGE)
    signatures = b"".join(
        sign(MESSAGE, ["From"], Signer(f"d{number}.example", "s", rsa_key))[:-at] for number in range(500)
    )
    verification = Verification(Header.parse(signatures + MESSAGE[: find_body(MESSAGE)]), now=NOW)
    assert len(verification.key_names) == SIGNATURES_MAX
    resolver = FakeResolver()
    for name in verification.key_names:
        await verification.lookup_key(name, resolver)
    domains = [result.domain for result in verification.results()]
    assert domains == [f"d{number}.example" for number in range(SIGNATURES_MAX)]


async def test_R_151_signatures_with_one_key_ask_for_it_once(sign: Sign) -> None:
    twice = sign(sign(MESSAGE))
    verification = Verification(Header.parse(twice[: find_body(twice)]), now=NOW)
    assert verification.key_names == (NAME,)


async def test_R_151_a_signature_over_part_of_the_body_is_refused(
    rsa_key: RSAPrivateKey, verify: Verify
) -> None:
    for length in ("0", "12", "999999"):
        field = f"v=1; a=rsa-sha256; d=example.org; s=rsa; l={length}; h=From; bh=QUJD; b="
        result = await only(verify(signed_with(rsa_key, field)))
        assert (result.outcome, result.reason) == (Outcome.PERMERROR, "body may be signed in part")


async def test_R_151_a_signature_that_has_expired_is_refused(sign: Sign, verify: Verify) -> None:
    message = sign(MESSAGE, expires=NOW + 100)
    assert (await only(verify(message, now=NOW + 99.5))).outcome is Outcome.PASS
    for now in (NOW + 100, NOW + 1e9):
        result = await only(verify(message, now=now))
        assert (result.outcome, result.reason) == (Outcome.PERMERROR, "signature expired")
        assert result.domain == "example.org"


async def test_R_151_a_signature_that_expires_before_it_is_made_is_refused(
    sign: Sign, verify: Verify
) -> None:
    for signed_at in (NOW + 60, NOW + 100):
        message = sign(MESSAGE, signed_at=signed_at, expires=NOW + 60)
        assert (await only(verify(message))).reason == "signature expired"


async def test_R_151_a_signature_of_the_future_is_refused_unless_clocks_may_differ(
    sign: Sign, verify: Verify
) -> None:
    assert (await only(verify(sign(MESSAGE, signed_at=NOW + FUTURE_MAX)))).outcome is Outcome.PASS
    result = await only(verify(sign(MESSAGE, signed_at=NOW + FUTURE_MAX + 1)))
    assert (result.outcome, result.reason) == (Outcome.PERMERROR, "signature is of the future")


@pytest.mark.parametrize("names", ["To", "To:Subject", "X-From", "From-:To"])
async def test_R_151_a_signature_without_from_is_refused(
    names: str, rsa_key: RSAPrivateKey, verify: Verify
) -> None:
    field = f"v=1; a=rsa-sha256; d=example.org; s=rsa; h={names}; bh=QUJD; b="
    result = await only(verify(signed_with(rsa_key, field)))
    assert (result.outcome, result.reason) == (Outcome.PERMERROR, "From is not signed")


async def test_R_151_a_message_without_from_has_no_good_signature(sign: Sign, verify: Verify) -> None:
    message = sign(MESSAGE).replace(b"From: ann@example.org\r\n", b"")
    assert (await only(verify(message))).outcome is Outcome.PERMERROR


@pytest.mark.parametrize("algorithm", ["rsa-sha1", "rsa-sha512", "ed25519-sha1", "none", "RSA-SHA256", ""])
async def test_R_151_other_algorithms_are_refused(algorithm: str, verify: Verify) -> None:
    field = f"DKIM-Signature: v=1; a={algorithm}; d=example.org; s=rsa; h=From; bh=QUJD; b=QUJD\r\n"
    result = await only(verify(field.encode() + MESSAGE))
    assert (result.outcome, result.reason) == (Outcome.PERMERROR, "unsupported algorithm")


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (DnsError("SERVFAIL", transient=True), Outcome.TEMPERROR, "key cannot be looked up now"),
        (DnsError("NXDOMAIN", transient=False), Outcome.PERMERROR, "no key"),
        ([], Outcome.PERMERROR, "no key"),
        ([b"v=DKIM1; p="], Outcome.PERMERROR, "key revoked"),
        ([b"v=DKIM1; k=ed25519; p=" + b"A" * 43 + b"="], Outcome.PERMERROR, "key is for another algorithm"),
        ([b"v=spf1 -all"], Outcome.PERMERROR, "unknown version of key record"),
        ([b"x" * 64_000], Outcome.PERMERROR, "key record too long"),
    ],
    ids=repr,
)
async def test_R_151_without_a_key_there_is_no_pass(
    answer: Sequence[bytes] | DnsError, outcome: Outcome, reason: str, sign: Sign, verify: Verify
) -> None:
    result = await only(verify(sign(MESSAGE), records={NAME: answer}))
    assert (result.outcome, result.reason) == (outcome, reason)


async def test_a_key_that_nobody_looked_up_may_be_there_later(sign: Sign) -> None:
    message = sign(MESSAGE)
    verification = Verification(Header.parse(message[: find_body(message)]), now=NOW)
    assert [result.outcome for result in verification.results()] == [Outcome.TEMPERROR]


async def test_R_151_one_of_several_records_may_be_the_key(
    sign: Sign, verify: Verify, records: Records, ed25519_key: Ed25519PrivateKey
) -> None:
    answer = records[NAME]
    assert not isinstance(answer, DnsError)
    other = key_record(ed25519_key).encode()
    for found in ([b"v=spf1 -all", *answer], [b"p=", other, *answer], [*answer, b"x"]):
        assert (await only(verify(sign(MESSAGE), records={NAME: found}))).outcome is Outcome.PASS
    too_many = [other] * KEYS_MAX + [*answer]
    result = await only(verify(sign(MESSAGE), records={NAME: too_many}))
    assert (result.outcome, result.reason) == (Outcome.PERMERROR, "key is for another algorithm")


async def test_the_key_may_forbid_subdomains(
    sign: Sign, verify: Verify, rsa_key: RSAPrivateKey, records: Records
) -> None:
    exact = {NAME: [key_record(rsa_key).encode() + b"; t=s"]}
    below = sign(MESSAGE, ["From"], Signer("example.org", "rsa", rsa_key, identity="@sub.example.org"))
    same = sign(MESSAGE, ["From"], Signer("example.org", "rsa", rsa_key, identity="ann@Example.org"))
    assert (await only(verify(below))).outcome is Outcome.PASS
    assert (await only(verify(same, records=exact))).outcome is Outcome.PASS
    result = await only(verify(below, records=exact))
    assert (result.outcome, result.reason) == (Outcome.PERMERROR, "key is not for subdomains")


async def test_domains_that_test_are_told(sign: Sign, verify: Verify, rsa_key: RSAPrivateKey) -> None:
    testing = {NAME: [key_record(rsa_key).encode() + b"; t=y"]}
    assert (await only(verify(sign(MESSAGE), records=testing))).testing
    failed = await only(verify(sign(MESSAGE).replace(b"body", b"Body"), records=testing))
    assert (failed.outcome, failed.testing) == (Outcome.FAIL, True)


@pytest.mark.parametrize("place", ["; b={}; t=1", "; b=\r\n {}\r\n ;t=1", "; t=1; b\t=\t{}", "; t=1; b={} ;"])
async def test_R_151_the_signature_may_stand_anywhere_folded_as_it_likes(
    place: str, rsa_key: RSAPrivateKey, verify: Verify
) -> None:
    body_hash = b64encode(sha256(MESSAGE[find_body(MESSAGE) :].removesuffix(b"\r\n")).digest()).decode()
    head = f"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=rsa; h=From; bh={body_hash[:9]}\r\n {body_hash[9:]}"
    bare = head + re.sub(r"=[ \t\r\n]*\{\}[ \t\r\n]*", "=", place)
    fields = fields_by_name(Header.parse(MESSAGE[: find_body(MESSAGE)]))
    digest = header_digest(fields, ["from"], bare.encode(), Canonicalization.SIMPLE)
    text = b64encode(signature_of(rsa_key, digest)).decode()
    field = head + place.format(f"{text[:50]}\r\n \t{text[50:]}") + "\r\n"
    assert digest == header_digest(fields, ["from"], field.encode(), Canonicalization.SIMPLE)
    assert (await only(verify(field.encode() + MESSAGE))).outcome is Outcome.PASS


async def test_a_signature_may_be_over_those_below_it_but_never_over_itself(
    sign: Sign, verify: Verify
) -> None:
    inner = sign(MESSAGE)
    message = sign(inner, ["From", "DKIM-Signature", "DKIM-Signature"])
    assert [result.outcome for result in await verify(message)] == [Outcome.PASS] * 2
    changed = message[: -len(inner)] + inner.replace(b"v=1", b"v=2", 1)
    assert [result.outcome for result in await verify(changed)] == [Outcome.FAIL, Outcome.PERMERROR]


@given(st.lists(st.sampled_from(WORDS)))
async def test_any_field_gets_a_result_that_is_no_pass(records: Records, words: list[str]) -> None:
    field = "DKIM-Signature:" + "".join(words) + "\r\n"
    verification = Verification(Header.parse(field.encode() + MESSAGE[: find_body(MESSAGE)]), now=NOW)
    for name in verification.key_names:
        await verification.lookup_key(name, FakeResolver(txts=records))
    verification.update(b"body")
    [result] = verification.results()
    assert result.outcome is not Outcome.PASS
    assert result.reason
