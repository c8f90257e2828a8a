"""check.dkim: what each signature says, and what that costs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from posthouse.core.world import DnsError
from posthouse.framework.buffer import CHUNK, Body, FileBody, MemoryBody
from posthouse.framework.interfaces.check import AuthResult, Check, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.spool import HASH_AT_ONCE
from posthouse.mailauth.dkim.canonical import BodyHash
from posthouse.mailauth.dkim.private_key import key_record
from posthouse.mailauth.dkim.sign import Signer
from posthouse.mailauth.dkim.verify import SIGNATURES_MAX
from posthouse.message.header import Header
from posthouse.testing.world import START, FakeWorld
from posthouse.wire.smtp.reply import Reply

Configure = Callable[[str], Check]
MakeEnvelope = Callable[..., Envelope]
VerdictOn = Callable[..., Awaitable[Verdict]]

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
RECORD = key_record(KEY).encode()
HEAD = b"From: bob@example.net\r\nSubject: hello\r\nTo: ann@example.org\r\n"
BODY = b"A body.\r\n"
IN_MEMORY = MemoryBody(BODY)
NAMES = ("from", "subject")
SERVFAIL = DnsError("SERVFAIL", transient=True)
ZONE: Mapping[str, Sequence[bytes] | DnsError] = {
    "s._domainkey.example.net": [RECORD],
    "s._domainkey.example.com": [RECORD],
    "s._domainkey.slow.example": SERVFAIL,
    "s._domainkey.test.example": [RECORD.replace(b"v=DKIM1;", b"v=DKIM1; t=y;")],
    "s._domainkey.old.example": [b"v=DKIM1; k=ed25519; p="],
}
NO_SIGNATURES = Reply(550, (5, 7, 20), "No DKIM signatures")
NONE_PASSES = Reply(550, (5, 7, 20), "No passing DKIM signatures")
NO_KEY_NOW = Reply(421, (4, 7, 20), "Temporary error during DKIM verification")


def signature(
    domain: str = "example.net",
    *,
    names: tuple[str, ...] = NAMES,
    body: bytes = BODY,
    head: bytes = HEAD,
    expires: int | None = None,
) -> bytes:
    digest = BodyHash(Signer(domain, "s", KEY).body_way)
    digest.update(body)
    header = Header.parse(head)
    return Signer(domain, "s", KEY).sign(header, digest, names, signed_at=int(START) - 10, expires=expires)


@pytest.fixture
def verdict_on(fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope) -> VerdictOn:
    """verdict_on(header, block, body): what the check says."""
    fake.resolver.txts = ZONE

    async def verdict(head: bytes, block: str = "", body: Body = IN_MEMORY) -> Verdict:
        state = configured(f"dkim {{\n{block}\n}}").start_check(envelope_of())
        return await state.check_body(Header.parse(head), body)

    return verdict


def said(verdict: Verdict) -> list[tuple[str, str]]:
    """Value and reason of each result."""
    assert all(result.method == "dkim" for result in verdict.auth_results)
    return [(result.value, result.reason) for result in verdict.auth_results]


def reply_of(verdict: Verdict) -> Reply:
    assert verdict.reason is not None
    assert verdict.reason.log_fields()["check"] == "dkim"
    return verdict.reason.reply


async def test_a_good_signature_passes(verdict_on: VerdictOn) -> None:
    properties = {"header.d": "example.net", "header.i": "@example.net"}
    expected = Verdict(auth_results=(AuthResult("dkim", "pass", "", properties),))
    assert await verdict_on(signature() + HEAD, "no_sig_action reject\nbroken_sig_action reject") == expected


async def test_a_message_without_signature_has_none(verdict_on: VerdictOn) -> None:
    verdict = await verdict_on(HEAD)
    assert verdict.auth_results == (AuthResult("dkim", "none"),)
    assert (verdict.reject, verdict.quarantine) == (False, False)
    assert reply_of(verdict) == NO_SIGNATURES
    assert (await verdict_on(HEAD, "no_sig_action quarantine")).quarantine


@pytest.mark.parametrize(
    ("head", "result"),
    [
        pytest.param(
            signature() + HEAD.replace(b"hello", b"hi"), ("fail", "signature did not verify"), id="header"
        ),
        pytest.param(signature(body=b"Other.\r\n") + HEAD, ("fail", "body hash did not verify"), id="body"),
        pytest.param(b"DKIM-Signature: v=1\r\n" + HEAD, ("permerror", "no tag a="), id="malformed"),
        pytest.param(signature("nobody.example") + HEAD, ("permerror", "no key"), id="no key"),
        pytest.param(signature("old.example") + HEAD, ("permerror", "key revoked"), id="revoked"),
        pytest.param(
            signature(expires=int(START) - 1) + HEAD, ("permerror", "signature expired"), id="expired"
        ),
        pytest.param(
            signature().replace(b"v=1;", b"v=1; l=3;") + HEAD,
            ("permerror", "body may be signed in part"),
            id="l=",
        ),
        pytest.param(
            signature(names=("from",)) + HEAD,
            ("permerror", "some header fields are not signed"),
            id="Subject is not signed",
        ),
    ],
)
async def test_a_message_that_no_signature_vouches_for_is_broken(
    verdict_on: VerdictOn, head: bytes, result: tuple[str, str]
) -> None:
    verdict = await verdict_on(head, "broken_sig_action reject")
    assert said(verdict) == [result]
    assert (verdict.reject, verdict.quarantine) == (True, False)
    assert reply_of(verdict) == NONE_PASSES
    verdict = await verdict_on(head)
    assert (verdict.reject, verdict.quarantine) == (False, False)


async def test_the_log_tells_what_is_wrong_with_each_signature(verdict_on: VerdictOn) -> None:
    verdict = await verdict_on(signature(body=b"") + b"DKIM-Signature: v=1\r\n" + HEAD)
    assert verdict.reason is not None
    told = verdict.reason.log_fields()["signatures"]
    assert told == "example.net fail (body hash did not verify); permerror (no tag a=)"


async def test_one_good_signature_is_enough(verdict_on: VerdictOn) -> None:
    head = signature("nobody.example") + signature("example.com") + signature(body=b"") + HEAD
    verdict = await verdict_on(head, "broken_sig_action reject")
    assert verdict.reason is None
    assert [value for value, _ in said(verdict)] == ["permerror", "pass", "fail"]
    assert [result.properties["header.d"] for result in verdict.auth_results] == [
        "nobody.example",
        "example.com",
        "example.net",
    ]


async def test_which_fields_must_be_signed_is_configured(verdict_on: VerdictOn) -> None:
    head = signature() + HEAD
    assert said(await verdict_on(head, "required_fields FROM To")) == [
        ("permerror", "some header fields are not signed")
    ]
    assert said(await verdict_on(signature(names=("from",)) + HEAD, "required_fields From")) == [("pass", "")]


async def test_a_key_that_cannot_be_looked_up_defers_the_message(verdict_on: VerdictOn) -> None:
    verdict = await verdict_on(signature() + signature("slow.example") + HEAD)
    assert [value for value, _ in said(verdict)] == ["pass", "temperror"]
    assert verdict.reject
    assert reply_of(verdict) == NO_KEY_NOW


async def test_R_160_with_fail_open_a_failure_of_dns_refuses_nothing(verdict_on: VerdictOn) -> None:
    verdict = await verdict_on(signature("slow.example") + HEAD, "fail_open\nbroken_sig_action reject")
    assert said(verdict) == [("temperror", "key cannot be looked up now")]
    assert verdict.reason is None


async def test_a_failure_by_a_domain_that_tests_is_no_signature(verdict_on: VerdictOn) -> None:
    block = "no_sig_action quarantine\nbroken_sig_action reject"
    verdict = await verdict_on(signature("test.example", body=b"") + HEAD, block)
    assert said(verdict) == [("fail", "body hash did not verify")]
    assert (verdict.reject, verdict.quarantine) == (False, True)
    assert reply_of(verdict) == NO_SIGNATURES
    broken = signature("test.example", body=b"") + signature(body=b"") + HEAD
    assert (await verdict_on(broken, block)).reject
    assert said(await verdict_on(signature("test.example") + HEAD, block)) == [("pass", "")]


@pytest.mark.parametrize("is_spooled", [False, True], ids=["in memory", "in a file"])
async def test_long_bodies_are_hashed_whole(verdict_on: VerdictOn, tmp_path: Path, is_spooled: bool) -> None:
    data = b"A line  of the body.\r\n" * ((2 * CHUNK + HASH_AT_ONCE) // 20)
    (tmp_path / "body").write_bytes(data)
    body = FileBody(tmp_path / "body", len(data)) if is_spooled else MemoryBody(data)
    assert said(await verdict_on(signature(body=data) + HEAD, body=body)) == [("pass", "")]


async def test_long_headers_are_read_whole(verdict_on: VerdictOn) -> None:
    head = HEAD + b"To: " + b"somebody@example.org,\r\n " * (HASH_AT_ONCE // 20) + b"ann@example.org\r\n"
    signed = signature(head=head, names=(*NAMES, "to")) + head
    assert said(await verdict_on(signed)) == [("pass", "")]
    changed = signed.replace(b"\r\n ann@example.org", b"\r\n bob@example.org")
    assert said(await verdict_on(changed)) == [("fail", "signature did not verify")]


async def test_a_body_that_cannot_be_read_defers_the_message(verdict_on: VerdictOn, tmp_path: Path) -> None:
    verdict = await verdict_on(signature() + HEAD, body=FileBody(tmp_path / "gone", 9))
    assert verdict.reject
    assert reply_of(verdict) == Reply(451, (4, 3, 0), "Internal I/O error")


async def test_R_151_of_500_signatures_ten_are_looked_at(fake: FakeWorld, verdict_on: VerdictOn) -> None:
    head = b"".join(signature(f"d{number}.example") for number in range(500)) + HEAD
    assert len(said(await verdict_on(head))) == SIGNATURES_MAX
    assert len(fake.resolver.asked) == SIGNATURES_MAX


async def test_a_key_is_looked_up_once_for_all_signatures_with_it(
    fake: FakeWorld, verdict_on: VerdictOn
) -> None:
    assert said(await verdict_on(signature() * 3 + HEAD)) == [("pass", "")] * 3
    assert fake.resolver.asked == [("txt", "s._domainkey.example.net")]


async def test_keys_are_looked_up_side_by_side_and_given_up_together(
    fake: FakeWorld, verdict_on: VerdictOn
) -> None:
    fake.resolver.silent = frozenset({"s._domainkey.example.net", "s._domainkey.example.com"})
    asking = asyncio.ensure_future(verdict_on(signature() + signature("example.com") + HEAD))
    while fake.resolver.waiting < 2:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert fake.resolver.waiting == 0
