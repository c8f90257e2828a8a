"""check.milter with the real opendkim: it signs what we take, and verifies it when it comes back."""

import imaplib
import re
import shutil
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from posthouse.testing.server import Server

PROGRAM = shutil.which("opendkim", path="/usr/sbin:/usr/bin:/sbin")
KEYS = shutil.which("opendkim-genkey", path="/usr/sbin:/usr/bin:/sbin")
PATIENCE = 20.0  # seconds: only ever reached by a failing test

CONFIGURATION = """\
hostname mx.example.test
tls off

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
}

imap tcp://127.0.0.1:$(imap_port) {
    auth dummy
    storage &local_mailboxes
    insecure_auth yes
}

smtp tcp://127.0.0.1:$(simple_port) {
    check {
        milter unix:$(sockets)/simple
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(relaxed_port) {
    check {
        milter unix:$(sockets)/relaxed
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(verify_port) {
    check {
        milter tcp://127.0.0.1:$(verifier)
    }
    deliver_to &local_mailboxes
}
"""
OPENDKIM = """\
Syslog no
RequireSafeKeys no
KeepAuthResults yes
UMask 000
"""
SIGNS = """\
Mode s
Domain example.org
Selector sel
KeyFile {keys}/sel.private
Canonicalization {way}/{way}
InternalHosts {keys}/internal
Socket local:{keys}/{way}
"""
VERIFIES = """\
Mode v
AuthservID mx.example.test
AlwaysAddARHeader yes
TestDNSData file:{keys}/dns
Socket inet:{port}@127.0.0.1
"""
MESSAGE = (
    "From:Ann Example <ann@example.org>\r\n"
    "Subject: a subject that is folded\r\n"
    "  with blanks  \r\n"
    "\tand a tab\r\n"
    "To: Bob <bob@example.test>\r\n"
    "Date: Sun, 22 Nov 2026 20:19:34 +0000\r\n"
    "Message-ID: <1@example.org>\r\n"
    "\r\n"
    "First line\r\n" + "A line of the body, with blanks at its end.  \r\n" * 4000 + ".\r\n\r\n\r\n"
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a key, its record as DNS would give it, and the addresses whose mail is signed."""
    if PROGRAM is None or KEYS is None:
        pytest.skip("opendkim and opendkim-tools are not installed")
    path = tmp_path_factory.mktemp("k")
    subprocess.run([KEYS, "-D", str(path), "-d", "example.org", "-s", "sel"], check=True, timeout=60)
    record = "".join(re.findall(r'"([^"]*)"', (path / "sel.txt").read_text()))
    (path / "dns").write_text(f"sel._domainkey.example.org {record}\n")
    (path / "internal").write_text("127.0.0.1\n")
    return path


@contextmanager
def opendkim(
    directory: Path, name: str, configuration: str, address: tuple[str, int] | str
) -> Iterator[None]:
    """The filter, once it listens."""
    assert PROGRAM is not None
    path = directory / f"{name}.conf"
    path.write_text(OPENDKIM + configuration)
    with subprocess.Popen([PROGRAM, "-f", "-x", str(path)], stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until_it_listens(process, address)
            yield
        finally:
            process.terminate()


def wait_until_it_listens(process: "subprocess.Popen[str]", address: tuple[str, int] | str) -> None:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    for _ in range(int(PATIENCE / 0.05)):
        with socket.socket(family) as probe:
            if probe.connect_ex(address) == 0:
                return
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        assert process.stderr is not None
        raise AssertionError(f"opendkim ended: {process.stderr.read()}")
    raise AssertionError("opendkim does not listen")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
        assert isinstance(port, int)
        return port


def send(server: Server, port: str, message: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports[port], local_hostname="client.example.org") as client:
        assert client.sendmail("ann@example.org", "bob@example.test", message) == {}


def last_stored(server: Server) -> bytes:
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
        client.login("bob@example.test", "any")
        client.select()
        _, found = client.fetch("*", "(BODY.PEEK[])")
        assert isinstance(found[0], tuple)
        return found[0][1]


def test_what_opendkim_signs_through_us_it_verifies_through_us(tmp_path: Path, keys: Path) -> None:
    port = free_port()
    server = Server(tmp_path, f"$(sockets) = {keys}\n$(verifier) = {port}\n{CONFIGURATION}")
    assert server.command("imap-acct", "create", "bob@example.test").returncode == 0
    with ExitStack() as running:
        for way in ("simple", "relaxed"):
            configuration = SIGNS.format(keys=keys, way=way)
            running.enter_context(opendkim(tmp_path, way, configuration, str(keys / way)))
        configuration = VERIFIES.format(keys=keys, port=port)
        running.enter_context(opendkim(tmp_path, "verifier", configuration, ("127.0.0.1", port)))
        running.enter_context(server)
        for way in ("simple", "relaxed"):
            send(server, way, MESSAGE.encode())
            signed = last_stored(server)
            assert signed.index(b"DKIM-Signature: v=1;") < signed.index(b"Received: ")
            assert f"c={way}/{way};".encode() in signed
            assert signed.endswith(MESSAGE.encode())
            send(server, "verify", signed)
            assert b"dkim=pass" in results(last_stored(server))
            send(server, "verify", signed.replace(b"First line", b"Other line"))
            assert b"dkim=fail" in results(last_stored(server))


def results(message: bytes) -> bytes:
    """What opendkim says of a message."""
    (field,) = re.findall(rb"(?m)^Authentication-Results: .*(?:\n[ \t].*)*", message)
    assert isinstance(field, bytes)
    return field
