"""From the greeting to a session that has logged in."""

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from posthouse.core.errors import BUSY, MailError
from posthouse.framework import normalize
from posthouse.framework.config.node import ConfigError
from posthouse.framework.interfaces.auth import AuthUnavailable, InvalidCredentials
from posthouse.modules.endpoint.imap import endpoint
from posthouse.modules.endpoint.imap.service import Timeouts
from posthouse.testing.imap import PATIENCE, TLS_ADDRESS, ImapServer, OnePassword
from posthouse.testing.storage import FakeStorage
from posthouse.testing.world import FakeWorld

CAPABILITIES = b"IMAP4rev1 LITERAL+ SASL-IR CHILDREN UNSELECT MOVE IDLE APPENDLIMIT=1048576"
REST = (
    b"I18NLEVEL=1 SORT THREAD=ORDEREDSUBJECT COMPRESS=DEFLATE NAMESPACE "
    b"CONDSTORE CREATE-SPECIAL-USE ENABLE ID SPECIAL-USE UIDPLUS"  # behind the words of the login
)


def plain(user: str, password: str, authzid: str = "") -> str:
    return base64.b64encode(f"{authzid}\0{user}\0{password}".encode()).decode()


@dataclass
class Map:
    """A table in memory."""

    values: dict[str, Sequence[str]] = field(default_factory=dict)
    failure: MailError | None = None

    async def lookup(self, key: str) -> Sequence[str]:
        if self.failure:
            raise self.failure
        return self.values.get(key, ())


class Certificates:
    """A `tls` directive with a certificate of its own authority."""

    def __init__(self) -> None:
        authority = trustme.CA()
        self.client = ssl.create_default_context()
        authority.configure_trust(self.client)
        self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self._server)

    def context(self) -> ssl.SSLContext:
        return self._server


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    return Certificates()


async def test_the_greeting_and_capability(in_memory: ImapServer) -> None:
    client = await in_memory.connect()
    assert await client.line() == b"* OK [CAPABILITY %b AUTH=PLAIN %b] IMAP4rev1 Service Ready" % (
        CAPABILITIES,
        REST,
    )
    reply = await client.run("CAPABILITY")
    assert reply.untagged == [b"CAPABILITY %b AUTH=PLAIN %b" % (CAPABILITIES, REST)]
    assert reply.tagged == b"OK CAPABILITY completed"


async def test_login_and_logout(in_memory: ImapServer, memory: FakeStorage) -> None:
    account = memory.add_account("ann@example.org")
    account.own_limit = 4096
    client = await in_memory.connect()
    await client.line()
    reply = await client.run('LOGIN Ann@Example.org "secret"')
    limited = CAPABILITIES.replace(b"1048576", b"4096")
    assert reply.tagged == b"OK [CAPABILITY %b %b] LOGIN completed" % (limited, REST)
    assert in_memory.auth.asked == [("ann@example.org", "secret")]
    assert (await client.run("LOGIN a b")).tagged == b"NO Already authenticated"
    assert (await client.run("AUTHENTICATE PLAIN")).tagged == b"NO Already authenticated"
    reply = await client.run("LOGOUT")
    assert reply.untagged == [b"BYE Closing connection"]
    assert reply.tagged == b"OK LOGOUT completed"
    assert await client.line() == b""


async def test_a_missing_account_is_made_with_its_inbox(server: ImapServer) -> None:
    client = await server.login("New@Example.org")
    assert (await client.run('LIST "" *')).untagged == [b'LIST (\\HasNoChildren) "." INBOX']
    assert server.fake.log.fields_of("imap", "auto-creating storage account") == [
        {"username": "new@example.org"}
    ]
    again = await server.login("new@example.org")
    assert (await again.run("STATUS INBOX (MESSAGES)")).untagged == [b"STATUS INBOX (MESSAGES 0)"]
    assert len(server.fake.log.fields_of("imap", "auto-creating storage account")) == 1


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("LOGIN ann@example.org wrong", id="LOGIN"),
        pytest.param('LOGIN ann@example.org ""', id="empty password"),
        pytest.param('LOGIN "" secret', id="empty user"),
        pytest.param(f"AUTHENTICATE PLAIN {plain('ann@example.org', 'wrong')}", id="PLAIN"),
        pytest.param(f"AUTHENTICATE PLAIN {plain('ann@example.org', 'secret', 'bob')}", id="for another"),
        pytest.param("AUTHENTICATE PLAIN AAAA", id="no PLAIN"),
        pytest.param(f"LOGIN {'x' * 2000} secret", id="long name"),
    ],
)
async def test_wrong_credentials_get_one_answer(in_memory: ImapServer, command: str) -> None:
    client = await in_memory.connect()
    await client.line()
    assert (await client.run(command)).tagged == b"NO Invalid credentials"
    assert (await client.run("SELECT INBOX")).tagged == b"NO Not authenticated"
    (fields,) = in_memory.fake.log.fields_of("imap/sasl", "authentication failed")
    assert set(fields) == {"reason", "src_ip", "username"}
    assert str(fields["src_ip"]).startswith("127.0.0.1:")
    assert (await client.run("LOGIN ann@example.org secret")).is_ok


@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param(b"{3+}\r\na\xff\xfe", b"secret", id="name is no UTF-8"),
        pytest.param(b"ann", b"{3+}\r\n\xff\xfe\xfd", id="password is no UTF-8"),
        pytest.param(b"ann", b'"%b"' % (b"p" * 10_000), id="password of 10,000 octets"),
        pytest.param(b'"a\x01b"', b"secret", id="control in name"),
        pytest.param(b"ann", b"p\xe4ss", id="8 bit outside of a string"),
    ],
)
async def test_R_083_odd_names_and_passwords_are_refused(
    in_memory: ImapServer, user: bytes, password: bytes
) -> None:
    client = await in_memory.connect()
    await client.line()
    reply = await client.run(b"LOGIN %b %b" % (user, password))
    assert reply.tagged.startswith((b"NO Invalid credentials", b"BAD "))
    assert in_memory.auth.asked == []
    assert (await client.run("LOGIN ann secret")).is_ok


@pytest.mark.parametrize("password", [b"secret\0x", b"secret\0"])
async def test_R_083_a_password_is_not_cut_at_NUL(in_memory: ImapServer, password: bytes) -> None:
    client = await in_memory.connect()
    await client.line()
    reply = await client.run(b"LOGIN ann {%d+}\r\n%b" % (len(password), password))
    assert reply.tagged == b"BAD NUL in a literal"
    response = base64.b64encode(b"\0ann\0" + password)
    assert (await client.run(b"AUTHENTICATE PLAIN " + response)).tagged == b"NO Invalid credentials"
    assert in_memory.auth.asked == []


async def test_passwords_are_utf_8(tmp_path: Path, memory: FakeStorage, fake: FakeWorld) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, auth=OnePassword('pä"ss')) as server:
        client = await server.connect()
        await client.line()
        assert (await client.run('LOGIN ann "pä\\"ss"')).is_ok


async def test_plain_with_a_challenge(in_memory: ImapServer) -> None:
    client = await in_memory.connect()
    await client.line()
    tag = await client.start("authenticate plain")
    assert await client.line() == b"+ "
    client.send(plain("ann@example.org", "secret").encode() + b"\r\n")
    reply = await client.finish(tag)
    assert reply.tagged == b"OK [CAPABILITY %b %b] AUTHENTICATE completed" % (CAPABILITIES, REST)


async def test_plain_with_an_initial_response(in_memory: ImapServer) -> None:
    client = await in_memory.connect()
    await client.line()
    reply = await client.run(f"AUTHENTICATE PLAIN {plain('ann', 'secret')}")
    assert reply.is_ok
    assert reply.untagged == []


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        pytest.param(b"*", b"BAD Negotiation cancelled", id="cancelled"),
        pytest.param(b"!!!", b"BAD Invalid base64 data", id="no base64"),
        pytest.param(b"A" * 20_000, b"BAD Invalid base64 data", id="too long"),
        pytest.param(b"", b"NO Invalid credentials", id="empty"),
    ],
)
async def test_an_exchange_that_breaks_off_leaves_the_session(
    in_memory: ImapServer, response: bytes, answer: bytes
) -> None:
    client = await in_memory.connect()
    await client.line()
    tag = await client.start("AUTHENTICATE PLAIN")
    await client.line()
    client.send(response + b"\r\n")
    assert (await client.finish(tag)).tagged == answer
    assert (await client.run("LOGIN ann secret")).is_ok


async def test_login_as_a_mechanism_only_when_configured(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld, in_memory: ImapServer
) -> None:
    client = await in_memory.connect()
    await client.line()
    assert (await client.run("AUTHENTICATE LOGIN")).tagged == b"NO Unsupported authentication mechanism"
    async with ImapServer(
        tmp_path, memory, fake=fake, sasl_login=True, address="tcp://127.0.0.1:144"
    ) as server:
        client = await server.connect()
        assert b" AUTH=PLAIN AUTH=LOGIN I18NLEVEL=1 " in await client.line()
        tag = await client.start("AUTHENTICATE LOGIN")
        for question, word in ((b"Username:", b"ann"), (b"Password:", b"secret")):
            assert await client.line() == b"+ " + base64.b64encode(question)
            client.send(base64.b64encode(word) + b"\r\n")
        assert (await client.finish(tag)).is_ok


async def test_a_provider_that_cannot_tell_is_no_wrong_password(in_memory: ImapServer) -> None:
    in_memory.auth.failure = AuthUnavailable("database is gone")
    client = await in_memory.connect()
    await client.line()
    assert (await client.run("LOGIN ann secret")).tagged == b"NO internal server error"


async def test_the_account_is_that_of_storage_map(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld
) -> None:
    accounts, users = Map({"ann@example.org": ["box1"]}), Map({"ann@example.org": ["annie"]})
    async with ImapServer(
        tmp_path,
        memory,
        fake=fake,
        storage_map=accounts,
        auth_map=users,
        auth_map_normalize=normalize.casefold,
    ) as server:
        client = await server.login("Ann@Example.org")
        assert server.auth.asked == [("annie", "secret")]
        assert set(memory.accounts) == {"box1"}
        client = await server.connect()
        await client.line()
        users.values["bob"] = ["bob"]
        assert (await client.run("LOGIN bob secret")).tagged == b"NO Invalid credentials"
        (fields,) = fake.log.fields_of("imap/sasl", "authentication failed")
        assert (fields["reason"], fields["username"]) == ("user is not in storage_map", "bob")
        accounts.failure = MailError(BUSY)
        assert (await client.run("LOGIN bob secret")).tagged == b"NO internal server error"
        assert set(memory.accounts) == {"box1"}


async def test_names_that_the_storage_does_not_take(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, auth_map_normalize=normalize.noop) as server:
        client = await server.connect()
        await client.line()
        assert (await client.run('LOGIN "a b" secret')).tagged == b"NO Invalid credentials"
        memory.failing["account"] = InvalidCredentials("not in auth_map")
        assert (await client.run("LOGIN ann secret")).tagged == b"NO Invalid credentials"
        del memory.failing["account"]
        memory.failing["create_account"] = ValueError("no name for an account")
        assert (await client.run("LOGIN ann secret")).tagged == b"NO internal server error"
    reasons = [fields["reason"] for fields in fake.log.fields_of("imap/sasl", "authentication failed")]
    assert str(reasons[0]).startswith("unable to normalize the user name: ")
    assert reasons[1:] == ["not in auth_map"]
    assert fake.log.fields_of("imap", "failed to create the storage account")[0]["username"] == "ann"


async def test_an_account_that_another_session_has_just_made(in_memory: ImapServer) -> None:
    clients = await asyncio.gather(*(in_memory.login("new") for _ in range(5)))
    assert len(clients) == 5


# --- TLS


async def test_R_092_no_password_is_taken_in_clear(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld, certificates: Certificates
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, tls=certificates) as server:
        client = await server.connect()
        assert b" STARTTLS LOGINDISABLED I18NLEVEL=1 " in await client.line()
        for command in (
            "LOGIN ann secret",
            "AUTHENTICATE PLAIN",
            f"AUTHENTICATE PLAIN {plain('ann', 'secret')}",
        ):
            assert (await client.run(command)).tagged == b"NO Authentication disabled"
        assert server.auth.asked == []
        assert (await client.run("SELECT INBOX")).tagged == b"NO Not authenticated"


async def test_insecure_auth_takes_passwords_in_clear(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld, certificates: Certificates
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, tls=certificates, insecure_auth=True) as server:
        client = await server.connect()
        assert b" STARTTLS AUTH=PLAIN I18NLEVEL=1 " in await client.line()
        assert (await client.run("LOGIN ann secret")).is_ok


async def test_starttls(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld, certificates: Certificates
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, tls=certificates) as server:
        client = await server.connect()
        await client.line()
        assert (await client.run("STARTTLS")).tagged == b"OK Begin TLS negotiation now"
        await client.writer.start_tls(certificates.client, server_hostname="localhost")
        reply = await client.run("CAPABILITY")
        assert reply.untagged == [b"CAPABILITY %b AUTH=PLAIN %b" % (CAPABILITIES, REST)]
        assert (await client.run("STARTTLS")).tagged == b"NO TLS is already enabled"
        assert (await client.run("LOGIN ann secret")).is_ok
        assert (await client.run("STARTTLS")).tagged == b"NO Already authenticated"


async def test_R_034_what_came_before_TLS_is_forgotten(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld, certificates: Certificates
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, tls=certificates) as server:
        client = await server.connect()
        await client.line()
        client.send(b"a STARTTLS\r\nb LOGIN mallory secret\r\nc NOOP\r\nd NO")
        assert await client.line() == b"a OK Begin TLS negotiation now"
        await client.writer.start_tls(certificates.client, server_hostname="localhost")
        reply = await client.run("CAPABILITY")
        assert reply.untagged == [b"CAPABILITY %b AUTH=PLAIN %b" % (CAPABILITIES, REST)]
        assert server.auth.asked == []


async def test_starttls_without_tls(in_memory: ImapServer) -> None:
    client = await in_memory.connect()
    await client.line()
    assert (await client.run("STARTTLS")).tagged == b"NO TLS support not enabled"


async def test_R_092_a_failed_handshake_ends_the_connection(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld, certificates: Certificates
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, tls=certificates, io_errors=True) as server:
        client = await server.connect()
        await client.line()
        await client.run("STARTTLS")
        client.send(b"a LOGIN ann secret\r\n")
        with contextlib.suppress(ConnectionError):
            assert b"OK" not in await asyncio.wait_for(client.reader.read(), PATIENCE)
        assert server.auth.asked == []
        assert len(fake.log.fields_of("imap", "connection failed")) == 1


async def test_implicit_tls(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld, certificates: Certificates
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, tls=certificates, address=TLS_ADDRESS) as server:
        client = await server.connect(certificates.client)
        assert b" AUTH=PLAIN I18NLEVEL=1 " in await client.line()
        assert (await client.run("LOGIN ann secret")).is_ok


async def test_stopping_does_not_wait_for_clients_of_tls(
    tmp_path: Path,
    memory: FakeStorage,
    fake: FakeWorld,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoint, "STOP_TIMEOUT", 10 * PATIENCE)
    async with ImapServer(tmp_path, memory, fake=fake, tls=certificates, address=TLS_ADDRESS) as server:
        client = await server.connect(certificates.client)
        await client.line()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it answers no close_notify
        await asyncio.wait_for(server.endpoint.stop(), PATIENCE)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # asyncio's transports have it
        assert await client.rest() == [b"* BYE Server shutting down"]


# --- configuration


async def test_starting_says_where(in_memory: ImapServer) -> None:
    assert in_memory.fake.log.lines == ["imap: listening on tcp://127.0.0.1:143\t"]


def test_tls_addresses_need_tls(tmp_path: Path, memory: FakeStorage, fake: FakeWorld) -> None:
    with pytest.raises(ConfigError, match="imap: can't bind on IMAPS endpoint without TLS configuration"):
        ImapServer(tmp_path, memory, fake=fake, address=TLS_ADDRESS)


def test_warnings(tmp_path: Path, memory: FakeStorage, fake: FakeWorld) -> None:
    ImapServer(tmp_path, memory, fake=fake, address="tcp://127.0.0.1:143", insecure_auth=True)
    assert fake.log.lines == []
    ImapServer(tmp_path, memory, fake=fake, address="tcp://0.0.0.0:143", insecure_auth=True, io_debug=True)
    insecure = "this is insecure configuration and should be used only for testing!"
    assert fake.log.lines == [
        "imap: I/O debugging is on: passwords may leak into the log!\t",
        f"imap: authentication over unencrypted connections is allowed, {insecure}\t",
        f"imap: TLS is disabled, {insecure}\t",
    ]


async def test_traffic_in_the_debug_log(tmp_path: Path, memory: FakeStorage, fake: FakeWorld) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, io_debug=True, debug=True) as server:
        client = await server.connect()
        await client.line()
        await client.run("NOOP")
    said = [line for line in fake.log.lines if line.startswith("[debug] imap: ")]
    assert any('"data":"t1 NOOP\\r\\n"' in line for line in said)
    assert any('"data":"t1 OK NOOP completed\\r\\n"' in line for line in said)


async def test_a_unix_socket(tmp_path: Path, memory: FakeStorage, fake: FakeWorld) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, address="unix://imap.sock"):
        reader, writer = await asyncio.open_unix_connection(str(fake.listeners.bound["unix://imap.sock"]))
        assert (await reader.readline()).startswith(b"* OK ")
        writer.write(b"a LOGIN ann wrong\r\n")
        assert await reader.readline() == b"a NO Invalid credentials\r\n"
        writer.transport.abort()
    assert fake.log.fields_of("imap/sasl", "authentication failed")[0]["src_ip"] == ""


# --- time


async def test_whoever_does_not_log_in_is_sent_away(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, timeouts=Timeouts(login=0.05)) as server:
        client = await server.connect()
        client.send(b"a NOOP\r\n")
        assert (await client.rest())[-1] == b"* BYE Nobody has logged in"
    assert Timeouts() == Timeouts(login=60, idle=1800, write=60)


async def test_whoever_says_nothing_is_logged_out(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, timeouts=Timeouts(idle=0.05)) as server:
        client = await server.login("ann")
        assert await client.rest() == [b"* BYE Idle for too long"]


async def test_a_client_may_close_its_side_and_still_get_answers(in_memory: ImapServer) -> None:
    client = await in_memory.connect()
    client.send(b"a LOGIN ann secret\r\nb SELECT INBOX\r\nc NOOP\r\n")
    client.writer.write_eof()
    lines = await client.rest()
    assert lines[-2:] == [b"b OK [READ-WRITE] SELECT completed", b"c OK NOOP completed"]


async def test_a_client_that_leaves_is_forgotten(in_memory: ImapServer) -> None:
    port = in_memory.port
    for _ in range(3):
        peer = socket.create_connection(("127.0.0.1", port))
        peer.sendall(b"a NOOP\r\nb LOGIN")
        peer.close()
    client = await in_memory.login("ann")
    assert (await client.run("NOOP")).is_ok
    await client.run("LOGOUT")
    assert await client.rest() == []
    await in_memory.endpoint._server.wait(20)
    assert not in_memory.endpoint._sessions
