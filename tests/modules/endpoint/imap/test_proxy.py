"""IMAP through a proxy (spec/smtp-endpoint.md §8)."""

import json
from ipaddress import ip_network
from pathlib import Path

from posthouse.net.proxied import Proxies
from posthouse.testing.imap import ImapServer
from posthouse.testing.storage import FakeStorage
from posthouse.testing.world import FakeWorld

HEADER = b"PROXY TCP4 192.0.2.1 192.0.2.2 4321 143\r\n"


async def test_the_log_has_the_client_and_not_the_proxy(tmp_path: Path, fake: FakeWorld) -> None:
    async with ImapServer(tmp_path, FakeStorage(), fake=fake, proxy_protocol=Proxies()) as server:
        client = await server.connect()
        assert (await client.line()).startswith(b"* OK ")
        client.send(HEADER + b"a LOGIN ann wrong\r\n")
        assert (await client.line()).startswith(b"a NO ")
    (line,) = (line for line in fake.log.lines if "authentication failed" in line)
    assert json.loads(line.partition("\t")[2])["src_ip"] == "192.0.2.1:4321"


async def test_R_057_a_stranger_does_not_say_who_the_client_is(tmp_path: Path, fake: FakeWorld) -> None:
    proxies = Proxies((ip_network("192.0.2.0/24"),))
    async with ImapServer(tmp_path, FakeStorage(), fake=fake, proxy_protocol=proxies) as server:
        client = await server.connect()
        await client.line()
        client.send(HEADER + b"a LOGIN ann wrong\r\n")
        assert (await client.line()).startswith(b"a NO ")
    (line,) = (line for line in fake.log.lines if "authentication failed" in line)
    assert json.loads(line.partition("\t")[2])["src_ip"].startswith("127.0.0.1:")
    assert any(
        line.startswith("imap: connection from untrusted source 127.0.0.1:") for line in fake.log.lines
    )


async def test_R_057_a_malformed_header_ends_the_connection(tmp_path: Path, fake: FakeWorld) -> None:
    async with ImapServer(tmp_path, FakeStorage(), fake=fake, proxy_protocol=Proxies()) as server:
        client = await server.connect()
        await client.line()
        client.send(b"PROXY TCP4 nonsense\r\na NOOP\r\n")
        assert await client.rest() == []
    assert fake.log.fields_of("imap", "connection failed")[0]["reason"] == "malformed PROXY header"
