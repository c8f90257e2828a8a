"""Sessions: clients that leave, stall, attack; a server that stops."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from posthouse.core.world import DnsError
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.message import Envelope
from posthouse.message.header import Header
from posthouse.modules.endpoint.smtp import session
from posthouse.testing.smtp import KnownUsers, Served, Talk, serving_smtp
from posthouse.testing.target import KeptTarget
from posthouse.testing.world import FakeResolver, FakeWorld

MESSAGE = b"Subject: x\r\n\r\ntext\r\n.\r\n"
USERS = KnownUsers({"ann@example.org": "secret"})
LOGIN = "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBzZWNyZXQ="


def reset(talk: Talk) -> None:
    """Leave without a word: the connection is reset."""
    peer: socket.socket = talk.writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.writer.transport.abort()


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until it holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def still_works(served: Served) -> None:
    """Another client is served as ever."""
    async with served.talk() as talk:
        await talk.to_data()
        talk.send(MESSAGE)
        assert await talk.hear() == "250 2.0.0 OK: queued"


class SlowTarget:
    """A target that stays in one step until it is released; what happened to its deliveries, in order."""

    commit_order = 2

    def __init__(self, step: str) -> None:
        self._step = step
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.calls: list[str] = []

    async def do(self, step: str) -> None:
        self.calls.append(step)
        if step == self._step:
            self.entered.set()
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.calls.append("cancelled")
                raise

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> "SlowDelivery":
        await self.do("start")
        return SlowDelivery(self)


class SlowDelivery:
    def __init__(self, target: SlowTarget) -> None:
        self._target = target

    async def add_recipient(self, recipient: str) -> None:
        await self._target.do("add")

    async def body(self, header: Header, body: Body) -> None:
        await self._target.do("body")

    async def commit(self) -> None:
        await self._target.do("commit")
        self._target.calls.append("committed")

    async def abort(self) -> None:
        await self._target.do("abort")


BEGIN = b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n" + MESSAGE


@pytest.mark.parametrize(
    ("step", "calls"),
    [
        ("start", ["start", "cancelled"]),
        ("add", ["start", "add", "cancelled", "abort"]),
        ("body", ["start", "add", "body", "cancelled", "abort"]),
    ],
)
async def test_a_client_that_leaves_cancels_what_is_done_for_it(
    tmp_path: Path, step: str, calls: list[str]
) -> None:
    target = SlowTarget(step)
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target) as served:
            async with served.talk() as talk:
                talk.send(BEGIN)
                await target.entered.wait()
                reset(talk)
                await until(lambda: "cancelled" in target.calls)
            await until(lambda: served.endpoint.session_count == 0)
        assert fake.log.fields_of("smtp", "session failed") == []
    assert target.calls == calls


async def test_from_commit_on_a_client_that_leaves_changes_nothing(tmp_path: Path) -> None:
    target = SlowTarget("commit")
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target) as served:
            async with served.talk() as talk:
                talk.send(BEGIN)
                await target.entered.wait()
                reset(talk)
            target.release.set()
            await until(lambda: served.endpoint.session_count == 0)
        assert len(fake.log.fields_of("smtp", "accepted")) == 1
    assert target.calls == ["start", "add", "body", "commit", "committed"]


async def test_an_abort_is_finished_too(tmp_path: Path) -> None:
    target = SlowTarget("abort")
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target) as served:
            async with served.talk() as talk:
                talk.send(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nRSET\r\n")
                await target.entered.wait()
                reset(talk)
            target.release.set()
            await until(lambda: served.endpoint.session_count == 0)
    assert target.calls == ["start", "add", "abort"]


async def test_R_018_a_message_that_is_being_stored_is_finished_when_the_server_stops(tmp_path: Path) -> None:
    target = SlowTarget("commit")
    with FakeWorld(tmp_path) as fake:
        async with (
            serving_smtp(fake, "shutdown_timeout 10ms", target=target) as served,
            served.talk() as talk,
        ):
            talk.send(BEGIN)
            await target.entered.wait()
            stopping = asyncio.create_task(served.endpoint.stop())
            done, _ = await asyncio.wait([stopping], timeout=0.05)
            assert not done
            target.release.set()
            await stopping
            for _ in range(4):
                await talk.hear()
            assert await talk.hear() == "250 2.0.0 OK: queued"
            assert await talk.hear() == "421 4.3.2 Server shutting down"
            with pytest.raises(EOFError):
                await talk.hear()
    assert target.calls[-1] == "committed"


async def test_R_018_a_connection_that_comes_too_late_is_told(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            await until(lambda: served.endpoint.session_count == 1)
            await served.endpoint.stop()
            assert (await reader.read()).endswith(b"421 4.3.2 Server shutting down\r\n")
            writer.close()


async def test_R_050_at_least_a_hundred_recipients_are_taken(tmp_path: Path) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, "max_recipients 150", target=target) as served, served.talk() as talk:
            await talk.say("EHLO a", "MAIL FROM:<>")
            replies = [await talk.say(f"RCPT TO:<u{number}@example.org>") for number in range(200)]
            await talk.say("DATA")
            talk.send(MESSAGE)
            assert await talk.hear() == "250 2.0.0 OK: queued"
    assert all(reply.startswith("250 ") for reply in replies[:150])
    assert set(replies[150:]) == {"452 4.5.3 Maximum limit of 150 recipients reached"}
    assert target.messages[0].recipients == tuple(f"u{number}@example.org" for number in range(150))


async def test_a_client_that_only_listens_any_more_gets_its_answers(tmp_path: Path) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target) as served, served.talk() as talk:
            talk.send(BEGIN)
            talk.writer.write_eof()
            for _ in range(4):
                await talk.hear()
            assert await talk.hear() == "250 2.0.0 OK: queued"
            with pytest.raises(EOFError):
                await talk.hear()
    assert len(target.messages) == 1


@pytest.mark.parametrize("end", ["eof", "reset"])
@pytest.mark.parametrize(
    "begin", [b"DATA\r\nSubject: x\r\n\r\nhalf", b"BDAT 1000 LAST\r\nSubject: x\r\n\r\nhalf"]
)
async def test_R_033_half_a_message_is_none(tmp_path: Path, begin: bytes, end: str) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, "buffer fs", target=target) as served:
            async with served.talk() as talk:
                await talk.say("EHLO a", "MAIL FROM:<>", "RCPT TO:<bob@example.org>")
                talk.send(begin)
                if end == "eof":
                    talk.writer.write_eof()
                else:
                    reset(talk)
                await until(lambda: served.endpoint.session_count == 0)
            assert (target.messages, target.open) == ([], 0)
            assert list((fake.paths.state / "buffer").iterdir()) == []
            assert len(fake.log.fields_of("smtp", "aborted")) == 1
            await still_works(served)


async def test_a_command_must_be_complete_in_time(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, "io_debug yes\ndebug yes") as served, served.talk() as talk:
            talk.send(b"NO")
            await until(lambda: any("smtp: read" in line for line in fake.log.lines))
            fake.clock.advance(601)
            talk.send(b"O")
            assert await talk.hear() == "421 4.4.2 Idle timeout, bye bye"


async def test_R_048_a_client_that_never_reads_is_cut_off(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, "write_timeout 50ms") as served:
            async with served.talk() as talk:
                talk.writer.transport.pause_reading()  # type: ignore[attr-defined]  # the transport of a socket
                peer: socket.socket = talk.writer.get_extra_info("socket")
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                talk.send(b"NOOP\r\n" * 1_000_000)
                await until(lambda: served.endpoint.session_count == 0)
            await still_works(served)


async def test_R_048_a_long_pipeline_keeps_nobody_waiting(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake) as served, served.talk() as talk:
            talk.send(b"NOOP\r\n" * 5000 + b"QUIT\r\n")
            await still_works(served)
            replies = (await talk.reader.read()).split(b"\r\n")
            assert (len(replies), replies[-2]) == (5002, b"221 2.0.0 Bye")


async def test_R_046_a_client_may_leave_at_each_step_of_auth(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, "sasl_login yes", auth=(USERS,)) as served:
            for wire in (b"AUTH", b"AUTH LOGIN\r\n", b"AUTH LOGIN\r\nYW5u\r\n", b"AUTH PLAIN\r\nAGFu"):
                async with served.talk() as talk:
                    talk.send(b"EHLO a\r\n" + wire)
                    await talk.hear()
                    reset(talk)
                await until(lambda: served.endpoint.session_count == 0)
            async with served.talk() as talk:
                assert await talk.say("EHLO a", LOGIN) == "235 2.0.0 Authentication succeeded"


async def test_R_047_what_one_client_sends_hurts_no_other_login(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with (
            serving_smtp(fake, auth=(USERS,)) as served,
            served.talk() as good,
            served.talk() as bad,
        ):
            await good.say("EHLO a", "AUTH PLAIN")
            assert await bad.say("EHLO b", "AUTH PLAIN !!!") == "454 4.7.0 Invalid base64 data"
            assert await good.say(LOGIN.rpartition(" ")[2]) == "235 2.0.0 Authentication succeeded"
            port = bad.writer.get_extra_info("sockname")[1]
    assert fake.log.lines[-1] == (
        "smtp/sasl: authentication failed\t"
        f'{{"reason":"invalid base64","src_ip":"127.0.0.1:{port}","username":""}}'
    )


async def test_failed_logins_are_logged_with_three_fields(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, auth=(USERS,)) as served, served.talk() as talk:
            port = talk.writer.get_extra_info("sockname")[1]
            reply = await talk.say("EHLO a", "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBndWVzcw==")
            assert reply == "535 5.7.8 Invalid credentials"
    assert fake.log.lines[-1] == (
        "smtp/sasl: authentication failed\t"
        f'{{"reason":"wrong password","src_ip":"127.0.0.1:{port}","username":"ann@example.org"}}'
    )


class BrokenUsers:
    async def authenticate(self, user: str, password: str) -> None:
        raise ZeroDivisionError("oops")


async def test_a_bug_in_a_handler_ends_its_session_only(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, auth=(BrokenUsers(),)) as served:
            async with served.talk() as talk:
                assert await talk.say("EHLO a", LOGIN) == "421 4.0.0 Internal server error"
                with pytest.raises(EOFError):
                    await talk.hear()
            await still_works(served)
    assert fake.log.fields_of("smtp", "session failed")[0]["reason"] == "oops"


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_R_035_clear_text_after_the_end_of_tls_is_not_read(tmp_path: Path) -> None:
    """The client ends TLS in the midst of its message, and goes on in clear on the same socket."""
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(
            fake, "tls self_signed", target=target, addresses=("tls://127.0.0.1:465",)
        ) as served:
            await asyncio.to_thread(_end_tls_in_data, served.port)
            await until(lambda: served.endpoint.session_count == 0)
    assert (target.messages, target.open) == ([], 0)
    assert len(fake.log.fields_of("smtp", "aborted")) == 1


def _end_tls_in_data(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as clear:
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_context().wrap_bio(inward, outward)

        def exchange(step: Callable[[], object]) -> None:
            while True:
                try:
                    step()
                except ssl.SSLWantReadError:
                    clear.sendall(outward.read())
                    inward.write(clear.recv(65536))
                else:
                    clear.sendall(outward.read())
                    return

        exchange(tls.do_handshake)
        wire = b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: x\r\n\r\nhalf\r\n"
        exchange(lambda: tls.write(wire))
        replies = b""

        def read() -> None:
            nonlocal replies
            while b"354 " not in replies:
                replies += tls.read(65536)

        exchange(read)
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()  # writes close_notify
        clear.sendall(outward.read() + b"injected\r\n.\r\nMAIL FROM:<evil@example.net>\r\n")
        rest = b""
        try:
            while data := clear.recv(65536):
                rest += data
        except ConnectionResetError:
            pass
        assert b"250 " not in rest


async def test_R_037_clear_text_instead_of_a_handshake_is_refused_and_closes(tmp_path: Path) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, "tls self_signed\ndebug yes", target=target) as served:
            async with served.talk() as talk:
                assert await talk.say("EHLO a", "STARTTLS") == "220 2.0.0 Ready to start TLS"
                talk.send(
                    b"EHLO b\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
                    + MESSAGE
                )
                assert await talk.hear() == "550 5.0.0 Handshake error"
                assert await talk.reader.read() == b""
                await until(lambda: served.endpoint.session_count == 0)
            await still_works(served)
    assert len(target.messages) == 1
    assert any("TLS handshake failed" in line for line in fake.log.lines)


async def test_R_053_guessing_addresses_becomes_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "TAR_PIT_AFTER", 2)
    monkeypatch.setattr(session, "TAR_PIT", 0.01)
    refused: dict[str, Exception] = {f"u{number}@example.org": ValueError() for number in range(5)}
    clock = asyncio.get_running_loop().time
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=KeptTarget(refused)) as served, served.talk() as talk:
            await talk.say("EHLO a", "MAIL FROM:<>")
            began = clock()
            for recipient in refused:
                await talk.say(f"RCPT TO:<{recipient}>")
            assert clock() - began >= 3 * 0.01
            assert (await talk.say("RCPT TO:<bob@example.org>")).startswith("250 ")


class TestReverseLookup:
    async def hear(self, tmp_path: Path, resolver: FakeResolver) -> tuple[str | None, FakeWorld]:
        """The name that a message's target finds."""
        target = KeptTarget()
        with FakeWorld(tmp_path, resolver=resolver) as fake:
            async with serving_smtp(fake, target=target) as served, served.talk() as talk:
                await talk.say("EHLO a", "EHLO b")
                await talk.to_data()
                talk.send(MESSAGE)
                await talk.hear()
                connection = target.messages[0].envelope.connection
                assert connection is not None
                assert connection.rdns is not None
                return await connection.rdns, fake
        raise AssertionError

    async def test_the_name_is_looked_up_once(self, tmp_path: Path) -> None:
        resolver = FakeResolver(ptrs={"127.0.0.1": ["client.example", "other.example"]})
        name, _ = await self.hear(tmp_path, resolver)
        assert (name, resolver.asked) == ("client.example", [("names", "127.0.0.1")])

    async def test_no_name_is_no_error(self, tmp_path: Path) -> None:
        name, fake = await self.hear(tmp_path, FakeResolver())
        assert name is None
        assert fake.log.fields_of("smtp", "rDNS error") == []

    @pytest.mark.parametrize("error", [DnsError("timeout", transient=True)])
    async def test_failures_are_logged(self, tmp_path: Path, error: DnsError) -> None:
        name, fake = await self.hear(tmp_path, FakeResolver(ptrs={"127.0.0.1": error}))
        assert name is None
        assert fake.log.fields_of("smtp", "rDNS error")[0]["reason"] == "timeout"

    async def test_it_ends_with_the_session(self, tmp_path: Path) -> None:
        resolver = FakeResolver(silent=frozenset({"127.0.0.1"}))
        with FakeWorld(tmp_path, resolver=resolver) as fake:
            async with serving_smtp(fake) as served:
                async with served.talk() as talk:
                    await talk.say("EHLO a", "QUIT")
                await until(lambda: served.endpoint.session_count == 0)
                await until(lambda: resolver.waiting == 0)
        assert fake.log.fields_of("smtp", "rDNS error") == []
