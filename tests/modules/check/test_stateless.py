"""require_tls, require_mx_record and require_matching_rdns: each reason, and each action."""

import asyncio
from collections.abc import Callable

import pytest

from posthouse.core.world import DnsError
from posthouse.framework.interfaces.check import PASS, Check, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.net.connection import TlsState
from posthouse.testing.world import FakeWorld
from posthouse.wire.smtp.reply import Reply

Configure = Callable[[str], Check]
MakeEnvelope = Callable[..., Envelope]

SERVFAIL = DnsError("SERVFAIL", transient=True)


def reply_of(verdict: Verdict) -> Reply:
    assert verdict.reason is not None
    return verdict.reason.reply


# --- require_tls


async def test_a_message_that_came_over_tls_passes(configured: Configure, envelope_of: MakeEnvelope) -> None:
    envelope = envelope_of(tls=TlsState("TLSv1.3", "TLS_AES_128_GCM_SHA256"))
    assert await configured("require_tls").start_check(envelope).check_connection() == PASS


@pytest.mark.parametrize("is_local", [False, True], ids=["in clear", "made here"])
async def test_a_message_without_tls_is_rejected(
    configured: Configure, envelope_of: MakeEnvelope, is_local: bool
) -> None:
    state = configured("require_tls").start_check(envelope_of(is_local=is_local))
    verdict = await state.check_connection()
    assert (verdict.reject, verdict.quarantine) == (True, False)
    assert reply_of(verdict) == Reply(550, (5, 7, 1), "TLS conversation required")
    assert verdict.reason is not None
    assert verdict.reason.log_fields()["check"] == "require_tls"


async def test_the_configuration_says_what_a_failure_costs(
    configured: Configure, envelope_of: MakeEnvelope
) -> None:
    check = configured('require_tls {\nfail_action quarantine 450 4.7.1 "Later"\n}')
    verdict = await check.start_check(envelope_of()).check_connection()
    assert (verdict.reject, verdict.quarantine) == (False, True)
    assert reply_of(verdict) == Reply(450, (4, 7, 1), "Later")


async def test_the_name_without_check_is_known_too(configured: Configure, envelope_of: MakeEnvelope) -> None:
    verdict = await configured("check.require_tls").start_check(envelope_of()).check_connection()
    assert verdict.reject


# --- require_mx_record


@pytest.mark.parametrize(
    "sender",
    [
        pytest.param("", id="null sender"),
        pytest.param("bob@example.net", id="MX"),
        pytest.param("bob@bücher.example", id="MX of a U-label"),
    ],
)
async def test_senders_with_an_mx_record_pass(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope, sender: str
) -> None:
    fake.resolver.mxs = {
        "example.net": [(10, "mx.example.net")],
        "xn--bcher-kva.example": [(10, "mx.example.net")],
    }
    state = configured("require_mx_record").start_check(envelope_of())
    assert await state.check_sender(sender) == PASS


@pytest.mark.parametrize(
    ("sender", "reply"),
    [
        ("bob", Reply(501, (5, 1, 8), "Malformed sender address")),
        ("bob@xn--a-.example", Reply(501, (5, 1, 8), "Malformed sender address")),
        ("Postmaster", Reply(501, (5, 1, 8), "No domain part in address")),
        ("b@slow.example", Reply(450, (4, 7, 0), "DNS error during policy check")),
        ("b@none.example", Reply(550, (5, 7, 0), "DNS error during policy check")),
        ("b@a.example", Reply(501, (5, 7, 27), "Domain in MAIL FROM does not have any MX records")),
        ("b@null.example", Reply(501, (5, 7, 27), "Domain in MAIL FROM has null MX record")),
    ],
)
async def test_other_senders_are_quarantined(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope, sender: str, reply: Reply
) -> None:
    fake.resolver.mxs = {"slow.example": SERVFAIL, "null.example": [(0, "")]}
    fake.resolver.a = {"a.example": ["192.0.2.1"]}
    verdict = await configured("require_mx_record").start_check(envelope_of()).check_sender(sender)
    assert (verdict.reject, verdict.quarantine) == (False, True)
    assert reply_of(verdict) == reply


async def test_an_mx_check_that_is_given_up_gives_up_its_lookup(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    fake.resolver.silent = frozenset({"example.net"})
    state = configured("require_mx_record").start_check(envelope_of())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await state.check_sender("bob@example.net")
    assert fake.resolver.waiting == 0


# --- require_matching_rdns


@pytest.mark.parametrize(
    ("hello", "rdns"),
    [
        ("client.example.net", "client.example.net"),
        ("Client.Example.Net", "client.example.net."),
        ("client.example.net.", "CLIENT.example.net"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
async def test_a_client_that_has_the_name_it_says_passes(
    configured: Configure, envelope_of: MakeEnvelope, hello: str, rdns: str
) -> None:
    state = configured("require_matching_rdns").start_check(envelope_of(hello=hello, rdns=rdns))
    assert await state.check_connection() == PASS


@pytest.mark.parametrize("hello", ["other.example.net", "[192.0.2.7]", "xn--a-.example", "localhost"])
async def test_a_client_with_another_name_is_quarantined(
    configured: Configure, envelope_of: MakeEnvelope, hello: str
) -> None:
    envelope = envelope_of(hello=hello, rdns="client.example.net")
    verdict = await configured("require_matching_rdns").start_check(envelope).check_connection()
    assert (verdict.reject, verdict.quarantine) == (False, True)
    assert reply_of(verdict) == Reply(550, (5, 7, 25), "rDNS name does not match source hostname")


@pytest.mark.parametrize(
    ("address", "reply"),
    [
        ("192.0.2.7", Reply(550, (5, 7, 25), "No PTR record found")),
        ("192.0.2.8", Reply(550, (5, 7, 25), "No PTR record found")),
        ("192.0.2.9", Reply(450, (4, 7, 25), "DNS error during policy check")),
    ],
    ids=["no such name", "no PTR", "SERVFAIL"],
)
async def test_a_client_without_a_name_is_quarantined(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope, address: str, reply: Reply
) -> None:
    fake.resolver.ptrs = {"192.0.2.8": [], "192.0.2.9": SERVFAIL}
    state = configured("require_matching_rdns").start_check(envelope_of(ip=address, rdns=None))
    verdict = await state.check_connection()
    assert (verdict.reject, verdict.quarantine) == (False, True)
    assert reply_of(verdict) == reply


async def test_messages_that_did_not_come_over_tcp_have_no_name_to_match(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    check = configured("require_matching_rdns")
    assert await check.start_check(envelope_of(is_local=True)).check_connection() == PASS
    assert await check.start_check(envelope_of(ip="")).check_connection() == PASS
    assert fake.log.lines == [
        'require_matching_rdns: locally-generated message, skipping\t{"msg_id":"0a1b2c3d"}',
        'require_matching_rdns: no TCP connection, skipping\t{"msg_id":"0a1b2c3d"}',
    ]


async def test_a_check_that_is_given_up_leaves_the_lookup_to_others(
    configured: Configure, envelope_of: MakeEnvelope
) -> None:
    envelope = envelope_of()
    envelope.connection.rdns = asyncio.get_running_loop().create_future()  # type: ignore[union-attr]  # it has one
    state = configured("require_matching_rdns").start_check(envelope)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await state.check_connection()
    assert not envelope.connection.rdns.cancelled()  # type: ignore[union-attr]


async def test_a_session_that_has_ended_takes_the_name_with_it(
    configured: Configure, envelope_of: MakeEnvelope
) -> None:
    envelope = envelope_of()
    rdns: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    rdns.cancel()
    envelope.connection.rdns = rdns  # type: ignore[union-attr]
    verdict = await configured("require_matching_rdns").start_check(envelope).check_connection()
    assert reply_of(verdict).text == "No PTR record found"
