"""What an endpoint takes of `limits`, and when it gives it back (spec/smtp-endpoint.md §4, §6)."""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from posthouse.core.errors import MailError
from posthouse.core.world import IpAddress
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.target import Delivery
from posthouse.message.header import Header
from posthouse.testing.smtp import Talk, serving_smtp
from posthouse.testing.target import KeptTarget
from posthouse.testing.world import FakeWorld
from posthouse.wire.smtp.reply import Reply

HIGH_LOAD = MailError(Reply(451, (4, 4, 5), "High load, try again later"))
REFUSED = MailError(Reply(550, (5, 7, 1), "Go away"))
MESSAGE = b"\r\n.\r\n"


class Slots:
    """So many messages at a time. Who comes too late waits; `full`: or is refused.

    events: "take" and "release", in order.
    """

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)
        self.full = False
        self.waiting = 0
        self.events: list[str] = []
        self.taken: list[tuple[str, str]] = []

    async def take_message(self, ip: IpAddress, source: str) -> "Slot":
        self.taken.append((str(ip), source))
        if self.full:
            raise HIGH_LOAD
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.events.append("take")
        return Slot(self)

    async def take_destination(self, domain: str) -> "Slot":
        raise AssertionError("an endpoint has no destinations")

    def give_back(self) -> None:
        self.events.append("release")
        self._free.release()


class Slot:
    def __init__(self, slots: Slots) -> None:
        self._slots: Slots | None = slots

    def release(self) -> None:
        if self._slots is not None:
            self._slots.give_back()
            self._slots = None


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


def reset(talk: Talk) -> None:
    """Leave without a word: the connection is reset."""
    peer: socket.socket = talk.writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.writer.transport.abort()


BEGIN = ("EHLO a", "MAIL FROM:<ann@example.net>", "RCPT TO:<bob@example.org>")


@pytest.mark.parametrize("end", ["", "RSET", "QUIT", "EHLO b", "MAIL FROM:<>"])
async def test_a_slot_is_held_from_the_start_of_a_delivery_to_its_end(tmp_path: Path, end: str) -> None:
    slots = Slots(1)
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=KeptTarget(), limits=slots) as served, served.talk() as talk:
            await talk.say(*BEGIN)
            assert slots.events == ["take"]
            await talk.say(end or "DATA")
            if not end:
                talk.send(MESSAGE)
                assert await talk.hear() == "250 2.0.0 OK: queued"
            await until(lambda: slots.events == ["take", "release"])
        assert slots.events == ["take", "release"]
    assert slots.taken == [("127.0.0.1", "example.net")]


async def test_a_slot_is_given_back_by_a_client_that_leaves(tmp_path: Path) -> None:
    slots = Slots(1)
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=KeptTarget(), limits=slots) as served:
            async with served.talk() as talk:
                await talk.say(*BEGIN)
            await until(lambda: served.endpoint.session_count == 0)
            assert slots.events == ["take", "release"]


async def test_who_leaves_while_waiting_waits_no_more_and_the_next_is_served(tmp_path: Path) -> None:
    slots = Slots(1)
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=KeptTarget(), limits=slots) as served, served.talk() as first:
            await first.say(*BEGIN)
            async with served.talk() as second:
                await second.say(*BEGIN[:2])
                second.send(b"RCPT TO:<bob@example.org>\r\n")
                await until(lambda: slots.waiting == 1)
                reset(second)
            await until(lambda: slots.waiting == 0 and served.endpoint.session_count == 1)
            async with served.talk() as third:
                await third.say(*BEGIN[:2])
                third.send(b"RCPT TO:<bob@example.org>\r\n")
                await until(lambda: slots.waiting == 1)
                await first.say("RSET")
                assert (await third.hear()).startswith("250 ")
    assert slots.events == ["take", "release", "take", "release"]


async def test_without_room_every_recipient_hears_the_same(tmp_path: Path) -> None:
    slots, target = Slots(1), KeptTarget()
    slots.full = True
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target, limits=slots) as served, served.talk() as talk:
            reply = await talk.say(*BEGIN)
            assert reply.startswith("451 4.4.5 High load, try again later (msg ID = ")
            assert await talk.say("RCPT TO:<eve@example.org>") == reply
            slots.full = False
            assert (await talk.say("MAIL FROM:<>", "RCPT TO:<bob@example.org>")).startswith("250 ")
    assert [event for event, _ in target.calls] == ["start", "add", "abort"]
    assert slots.taken == [("127.0.0.1", "example.net"), ("127.0.0.1", "")]


@pytest.mark.parametrize("defer", ["yes", "no"])
async def test_a_refused_sender_gives_its_slot_back_at_once(tmp_path: Path, defer: str) -> None:
    slots, target = Slots(1), KeptTarget()
    target.failing["start"] = REFUSED
    with FakeWorld(tmp_path) as fake:
        directive = f"defer_sender_reject {defer}"
        async with (
            serving_smtp(fake, directive, target=target, limits=slots) as served,
            served.talk() as talk,
        ):
            await talk.say(*BEGIN)
            assert slots.events == ["take", "release"]


async def test_a_second_mail_takes_its_slot_before_the_first_gives_its_own_back(tmp_path: Path) -> None:
    slots, target = Slots(2), KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with (
            serving_smtp(fake, "defer_sender_reject no", target=target, limits=slots) as served,
            served.talk() as talk,
        ):
            await talk.say(*BEGIN)
            assert (await talk.say("MAIL FROM:<eve@example.net>")).startswith("250 ")
            assert slots.events == ["take", "take", "release"]
            slots.full = True
            assert (await talk.say("MAIL FROM:<eve@example.net>")).startswith("451 4.4.5 ")
            assert slots.events == ["take", "take", "release"]
            assert (await talk.say("RCPT TO:<bob@example.org>")).startswith("250 ")
        assert slots.events == ["take", "take", "release", "release"]


@dataclass
class Failing:
    """Its first abort fails, once `may_fail` is set."""

    commit_order: int = 2
    may_fail: asyncio.Event = field(default_factory=asyncio.Event)
    aborted: list[str] = field(default_factory=list)

    async def start_delivery(self, _: Envelope, reverse_path: str) -> Delivery:
        return _Failing(self, reverse_path)


@dataclass
class _Failing:
    target: Failing
    reverse_path: str

    async def add_recipient(self, recipient: str) -> None:
        pass

    async def body(self, header: Header, body: Body) -> None:
        pass

    async def commit(self) -> None:
        pass

    async def abort(self) -> None:
        self.target.aborted.append(self.reverse_path)
        if len(self.target.aborted) == 1:
            await self.target.may_fail.wait()
            raise OSError("no abort today")


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_second_mail_that_cannot_end_the_first_leaves_nothing_of_either(
    tmp_path: Path, *, leaves: bool
) -> None:
    slots, target = Slots(2), Failing()
    with FakeWorld(tmp_path) as fake:
        async with (
            serving_smtp(fake, "defer_sender_reject no", target=target, limits=slots) as served,
            served.talk() as talk,
        ):
            await talk.say(*BEGIN[:2])
            talk.send(b"MAIL FROM:<eve@example.net>\r\n")
            await until(lambda: bool(target.aborted))
            if leaves:
                reset(talk)
                await asyncio.sleep(0)
            target.may_fail.set()
            await until(lambda: served.endpoint.session_count == 0)
    assert slots.events == ["take", "take", "release", "release"]
    assert target.aborted == ["ann@example.net", "eve@example.net"]


async def test_a_client_of_a_unix_socket_counts_as_localhost(tmp_path: Path) -> None:
    slots, address = Slots(1), "unix://smtp.sock"
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(
            fake, target=KeptTarget(), addresses=("tcp://127.0.0.1:25", address), limits=slots
        ):
            path = fake.listeners.bound[address]
            assert isinstance(path, str)
            reader, writer = await asyncio.open_unix_connection(path)
            talk = Talk(reader, writer)
            await talk.hear()
            await talk.say(*BEGIN, "QUIT")
            writer.close()
    assert slots.taken == [("127.0.0.1", "example.net")]


async def test_the_module_limits_serves_an_endpoint(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        directives = "limits {\n ip rate 1 1h\n }"
        async with serving_smtp(fake, directives, target=KeptTarget()) as served, served.talk() as talk:
            assert (await talk.say(*BEGIN)).startswith("250 ")


async def test_R_172_more_connections_than_allowed_are_told_so(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with (
            serving_smtp(fake, "max_connections_per_ip 2", target=KeptTarget()) as served,
            served.talk(),
            served.talk() as second,
        ):
            async with served.connect() as third:
                assert await third.hear() == "421 4.7.0 Too many connections, try again later"
                assert await third.reader.read() == b""
            assert (await second.say("QUIT")).startswith("221 ")
            await until(lambda: served.endpoint.session_count == 1)
            async with served.talk() as fourth:
                assert (await fourth.say("NOOP")).startswith("250 ")
        assert len(fake.log.fields_of("smtp", "too many connections")) == 1


async def test_R_172_a_client_behind_a_proxy_is_counted_as_itself(tmp_path: Path) -> None:
    header = b"PROXY TCP4 192.0.2.%d 192.0.2.9 4321 25\r\n"
    with FakeWorld(tmp_path) as fake:
        directives = "max_connections_per_ip 1\nproxy_protocol"
        async with (
            serving_smtp(fake, directives, target=KeptTarget()) as served,
            served.talk() as one,
            served.talk() as two,
            served.talk() as again,
        ):
            one.send(header % 1)
            assert (await one.say("NOOP")).startswith("250 ")
            two.send(header % 2)
            assert (await two.say("NOOP")).startswith("250 ")
            again.send(header % 1)
            assert (await again.say("NOOP")).startswith("421 4.7.0 ")


async def test_R_172_connections_in_all_are_bounded(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with (
            serving_smtp(fake, "max_connections 1") as served,
            served.talk(),
            served.connect() as second,
        ):
            assert (await second.hear()).startswith("421 4.7.0 ")


class Early(KeptTarget):
    """A pipeline whose early check has something against clients until they are `forgiven`."""

    forgiven = False

    async def check_early(self, connection: Connection) -> MailError | None:
        return None if self.forgiven else REFUSED


async def test_an_early_check_refuses_the_greeting_itself(tmp_path: Path) -> None:
    target = Early()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target) as served, served.talk() as talk:
            for hello in ("EHLO a", "HELO a"):
                assert await talk.say(hello) == "550 5.7.1 Go away"
            assert await talk.say("MAIL FROM:<>") == "502 5.5.1 Please introduce yourself first."
            target.forgiven = True
            assert (await talk.say("EHLO a")).startswith("250-Hello a\n")
            assert (await talk.say("MAIL FROM:<>")).startswith("250 ")
            target.forgiven = False
            assert await talk.say("EHLO a") == "550 5.7.1 Go away"
            assert await talk.say("MAIL FROM:<>") == "502 5.5.1 Please introduce yourself first."
        assert fake.log.fields_of("smtp", "connection refused")[0]["src_host"] == "a"
