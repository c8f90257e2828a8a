"""SMTP through a proxy (spec/smtp-endpoint.md §8)."""

from pathlib import Path

import pytest

from posthouse.core.world import IpAddress
from posthouse.modules.endpoint.smtp import LmtpEndpoint, SmtpEndpoint
from posthouse.testing.smtp import serving_smtp
from posthouse.testing.target import KeptTarget
from posthouse.testing.world import FakeResolver, FakeWorld

HEADER = b"PROXY TCP4 192.0.2.1 192.0.2.2 4321 25\r\n"


class NotedLimits:
    """Limits that keep what they are asked for."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.held = 0

    async def take_message(self, ip: IpAddress, source: str) -> "NotedLimits":
        self.taken.append((str(ip), source))
        self.held += 1
        return self

    async def take_destination(self, domain: str) -> "NotedLimits":
        raise AssertionError("an endpoint has no destinations")

    def release(self) -> None:
        self.held -= 1


@pytest.mark.parametrize(
    ("kind", "hello"), [(SmtpEndpoint, "EHLO client.example"), (LmtpEndpoint, "LHLO client.example")]
)
async def test_the_client_is_who_the_proxy_says(tmp_path: Path, kind: type[SmtpEndpoint], hello: str) -> None:
    target, limits = KeptTarget(), NotedLimits()
    resolver = FakeResolver(ptrs={"192.0.2.1": ["client.example"]})
    with FakeWorld(tmp_path, resolver=resolver) as fake:
        async with (
            serving_smtp(fake, "proxy_protocol", target=target, kind=kind, limits=limits) as served,
            served.talk() as talk,
        ):
            talk.send(HEADER)
            await talk.say(hello, "MAIL FROM:<ann@EXAMPLE.net>", "RCPT TO:<bob@example.org>", "DATA")
            talk.send(b"\r\n.\r\n")
            assert (await talk.hear()).endswith("OK: queued")
    connection = target.messages[0].envelope.connection
    assert connection is not None
    assert (connection.remote, await connection.remote_name()) == ("192.0.2.1:4321", "client.example")
    name = "smtp" if kind is SmtpEndpoint else "lmtp"
    assert fake.log.fields_of(name, "incoming message")[0]["src_ip"] == "192.0.2.1:4321"
    assert (limits.taken, limits.held) == ([("192.0.2.1", "example.net")], 0)


@pytest.mark.parametrize("directive", ["proxy_protocol 192.0.2.0/24", "proxy_protocol {\ntrust 192.0.2.9\n}"])
async def test_R_057_what_a_stranger_says_of_the_client_is_ignored(tmp_path: Path, directive: str) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, directive) as served, served.talk() as talk:
            talk.send(HEADER)
            await talk.say("EHLO a", "MAIL FROM:<>", "RCPT TO:<bob@example.org>")
        (fields,) = fake.log.fields_of("smtp", "incoming message")
    assert str(fields["src_ip"]).startswith("127.0.0.1:")
    assert any(
        line.startswith("smtp: connection from untrusted source 127.0.0.1:") for line in fake.log.lines
    )


@pytest.mark.parametrize("header", [b"PROXY TCP4 nonsense\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\1x"])
async def test_R_057_a_malformed_header_ends_the_connection(tmp_path: Path, header: bytes) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, "proxy_protocol") as served, served.talk() as talk:
            talk.send(header + b"EHLO a\r\n")
            assert await talk.hear() == "421 4.4.0 Connection error, sorry"
            assert await talk.reader.read() == b""
        assert len(fake.log.fields_of("smtp", "connection failed")) == 1


async def test_tls_lies_below_the_header_of_a_tls_address(tmp_path: Path) -> None:
    """With an address that is tls:// the proxy speaks TLS with us, and its header is the first thing in it."""
    target, address = KeptTarget(), "tls://127.0.0.1:465"
    with FakeWorld(tmp_path) as fake:
        directives = "proxy_protocol\ntls self_signed"
        async with (
            serving_smtp(fake, directives, target=target, addresses=(address,)) as served,
            served.connect(tls=True) as talk,
        ):
            assert (await talk.hear()).startswith("220 ")
            talk.send(HEADER)
            await talk.say("EHLO a", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", "DATA")
            talk.send(b".\r\n")
            assert await talk.hear() == "250 2.0.0 OK: queued"
    connection = target.messages[0].envelope.connection
    assert connection is not None
    assert (connection.remote, connection.protocol) == ("192.0.2.1:4321", "ESMTPS")
