"""COMPRESS=DEFLATE (RFC 4978)."""

import random
import zlib
from pathlib import Path

import pytest

from posthouse.modules.endpoint.imap.service import Timeouts
from posthouse.testing.imap import ImapServer
from posthouse.testing.storage import FakeStorage
from posthouse.testing.world import FakeWorld

MESSAGE = b"Subject: hello\r\n\r\nHi!\r\n"


async def test_everything_works_compressed(server: ImapServer) -> None:
    await server.add("ann", MESSAGE)
    client = await server.login("ann", "INBOX")
    await client.compress()
    assert (await client.fetch("FETCH 1 BODY.PEEK[]"))[1][1] == MESSAGE
    assert (await client.append("INBOX", MESSAGE * 1000)).is_ok
    assert (await client.fetch("FETCH 2 BODY.PEEK[]"))[2][1] == MESSAGE * 1000
    tag = await client.start("IDLE")
    assert await client.line() == b"+ idling"
    await server.add("ann", MESSAGE)
    assert await client.line() == b"* 3 EXISTS"
    assert await client.line() == b"* 3 RECENT"
    client.send(b"DONE\r\n")
    assert (await client.finish(tag)).is_ok
    client.send(b"a NOOP\r\nb NOOP\r\n" * 200)
    for _ in range(200):
        assert [await client.line(), await client.line()] == [b"a OK NOOP completed", b"b OK NOOP completed"]
    assert (await client.run("LOGOUT")).untagged == [b"BYE Closing connection"]
    assert await client.line() == b""


async def test_compressed_octets_may_follow_at_once(in_memory: ImapServer) -> None:
    """Though a client should wait, what stands behind the command is taken for compressed (RFC 4978 §3)."""
    client = await in_memory.login("ann")
    deflate = zlib.compressobj(wbits=-15)
    client.send(
        b"a COMPRESS DEFLATE\r\n" + deflate.compress(b"b NOOP\r\n") + deflate.flush(zlib.Z_SYNC_FLUSH)
    )
    assert await client.line() == b"a OK DEFLATE active"
    octets = await client.reader.read(100)
    assert zlib.decompressobj(-15).decompress(octets) == b"b OK NOOP completed\r\n"


async def test_compress_is_refused(in_memory: ImapServer) -> None:
    stranger = await in_memory.connect()
    await stranger.line()
    assert (await stranger.run("COMPRESS DEFLATE")).tagged == b"NO Not authenticated"
    client = await in_memory.login("ann")
    assert (await client.run("COMPRESS LZ4")).tagged == b"BAD Unknown compression mechanism"
    assert (await client.run("COMPRESS")).tagged.startswith(b"BAD ")
    await client.compress()
    assert (await client.run("compress deflate")).tagged == b"BAD DEFLATE is already active"


async def test_text_is_much_smaller(in_memory: ImapServer) -> None:
    text = b"".join(b"Subject: line %d of a text\r\n" % number for number in range(3000)) + b"\r\n"
    await in_memory.add("ann", text)
    client = await in_memory.login("ann", "INBOX")
    assert (await client.run("COMPRESS DEFLATE")).is_ok
    deflate = zlib.compressobj(wbits=-15)
    client.send(deflate.compress(b"a FETCH 1 BODY[]\r\nb LOGOUT\r\n") + deflate.flush(zlib.Z_SYNC_FLUSH))
    wire = await client.reader.read()
    assert text in zlib.decompressobj(-15).decompress(wire)
    assert len(wire) < len(text) / 4


# ---


async def bomb(server: ImapServer, start: bytes, fill: bytes, megabytes: int) -> list[bytes]:
    """What the server says to a few octets that become many."""
    client = await server.login("ann", "INBOX")
    await client.compress()
    deflate = zlib.compressobj(9, wbits=-15)
    wire = deflate.compress(start)
    part = fill * ((1 << 20) // len(fill))
    for _ in range(megabytes):
        wire += deflate.compress(part)
    client._deflater = None  # what follows is compressed already
    client.send(wire + deflate.flush(zlib.Z_SYNC_FLUSH))
    return [line for line in await client.rest() if not line.startswith((b"+", b"a "))]


@pytest.mark.parametrize(
    ("start", "fill", "goodbye"),
    [
        pytest.param(b"", b"\0", b"* BYE Line is too long", id="a line of zeros"),
        pytest.param(b"a SELECT {100000000+}\r\n", b"\0", b"* BYE Too much compressed data", id="a literal"),
        pytest.param(b"a APPEND x {100000000+}\r\n", b"\0", b"* BYE Too much compressed data", id="a refused message"),
        pytest.param(b"", b"a CAPABILITY\r\n", b"* BYE Too much compressed data", id="commands"),
        pytest.param(b"", b"\r\n", b"* BYE Too much compressed data", id="empty lines"),
    ],
)  # fmt: skip
async def test_R_112_a_bomb_ends_the_connection(
    in_memory: ImapServer, start: bytes, fill: bytes, goodbye: bytes
) -> None:
    said = await bomb(in_memory, start, fill, 2 if b"\n" in fill else 64)
    assert said[-1] == goodbye


async def test_R_112_a_message_over_the_limit_is_refused_as_ever(in_memory: ImapServer) -> None:
    client = await in_memory.login("ann", "INBOX")
    await client.compress()
    assert (
        await client.append("INBOX", bytes(1 << 21))
    ).tagged == b"NO [TOOBIG] Message size exceeding limit"
    message = b"A: b\r\n\r\n" + b"0" * 1_000_000
    assert (await client.append("INBOX", message)).is_ok
    assert (await client.fetch("FETCH 1 BODY.PEEK[]"))[1][1] == message


async def test_R_112_many_large_messages_of_nothing_are_taken(in_memory: ImapServer) -> None:
    client = await in_memory.login("ann", "INBOX")
    await client.compress()
    for _ in range(8):
        assert (await client.append("INBOX", b"A: b\r\n\r\n" + b"0" * 1_000_000)).is_ok


async def test_what_is_no_deflate_data_ends_the_connection(in_memory: ImapServer) -> None:
    client = await in_memory.login("ann")
    await client.compress()
    client._deflater = None
    client.send(b"\xff\xff\xff\xff")
    assert await client.rest() == [b"* BYE Invalid compressed data"]


async def test_a_compressing_client_that_does_not_read_is_dropped_and_others_are_not(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, timeouts=Timeouts(write=0.1)) as server:
        memory.append_limit = 1 << 24
        await server.add("ann", b"A: b\r\n\r\n" + random.Random(1).randbytes(4_000_000))
        deaf, other = await server.login("ann", "INBOX"), await server.login("ann", "INBOX")
        await deaf.compress()
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's transports have it
        deaf.send(b"".join(b"a%d FETCH 1 BODY.PEEK[]\r\n" % number for number in range(50)))
        while len(server.endpoint._sessions) == 2:
            assert (await other.run("NOOP")).is_ok
        assert (await other.run("FETCH 1 RFC822.SIZE")).untagged == [b"1 FETCH (RFC822.SIZE 4000008)"]


async def test_passwords_are_never_compressed(in_memory: ImapServer) -> None:
    """R-113: COMPRESS comes after the login, and TLS does not compress."""
    client = await in_memory.connect()
    await client.line()
    assert (await client.run("COMPRESS DEFLATE")).tagged == b"NO Not authenticated"


async def test_the_traffic_log_is_readable(tmp_path: Path, memory: FakeStorage, fake: FakeWorld) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, io_debug=True, debug=True) as server:
        client = await server.login("ann")
        await client.compress()
        assert (await client.run("NOOP")).is_ok
    assert any("OK NOOP completed" in line for line in fake.log.lines)
