"""The DKIM engine, the real server, and the real opendkim: it verifies what we sign, and the engine what it signs."""

import shutil
import smtplib
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from posthouse.mailauth.dkim.canonical import BodyHash, Canonicalization
from posthouse.mailauth.dkim.private_key import key_record
from posthouse.mailauth.dkim.sign import Signer
from posthouse.mailauth.dkim.verify import Outcome, Result, Verification
from posthouse.message.header import Header, find_body, split_fields
from posthouse.testing.server import Server
from posthouse.testing.world import FakeResolver
from posthouse.wire.milter.answers import AddField
from posthouse.wire.milter.client import MilterSession

FOLDERS = "/usr/sbin:/usr/bin:/sbin"
PROGRAM = shutil.which("opendkim", path=FOLDERS)
TEST_MESSAGE = shutil.which("opendkim-testmsg", path=FOLDERS)
TIMEOUT = 10.0  # seconds; it takes a moment
NOW = 1_764_000_000  # seconds; opendkim's clock is later
LATER = 4_000_000_000
OPENDKIM = """\
Syslog no
RequireSafeKeys no
KeepAuthResults yes
UMask 000
"""
SIGNS = """\
Mode s
Domain example.org
Selector rsa
KeyFile {directory}/rsa.pem
Canonicalization {header_way}/{body_way}
OversignHeaders From,Cc
InternalHosts {directory}/internal
Socket local:{directory}/{header_way}-{body_way}
"""
MESSAGE = (
    b"From: Ann Example <ann@example.org>\r\n"
    b"SUBJECT: a subject that is folded\r\n  with blanks  \r\n\tand a tab\r\n"
    b"To: Bob <bob@example.test>\r\n"
    b"Date: Sun, 22 Nov 2026 20:19:34 +0000\r\n"
    b"Message-ID: <1@example.org>\r\n"
    b"\r\n"
    b"\r\nFirst line\r\n"
    + b"A line\t of the body, with blanks at its end.  \r\n" * 1000
    + b" \t\r\n.\r\n\r\n \r\n\r\n"
)
WAYS = [(header_way, body_way) for header_way in Canonicalization for body_way in Canonicalization]


@pytest.fixture(scope="module")
def rsa_key() -> RSAPrivateKey:
    if PROGRAM is None or TEST_MESSAGE is None:
        pytest.skip("opendkim and opendkim-tools are not installed")
    return generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def ed25519_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def directory(
    tmp_path_factory: pytest.TempPathFactory, rsa_key: RSAPrivateKey, ed25519_key: Ed25519PrivateKey
) -> Path:
    """With the private RSA key, and both records as DNS would give them."""
    path = tmp_path_factory.mktemp("k")
    pem = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (path / "rsa.pem").write_bytes(pem)
    (path / "internal").write_text("127.0.0.1\n")
    keys: dict[str, RSAPrivateKey | Ed25519PrivateKey] = {"rsa": rsa_key, "ed": ed25519_key}
    lines = [f"{name}._domainkey.example.org {key_record(key)}\n" for name, key in keys.items()]
    (path / "dns").write_text("".join(lines))
    return path


def opendkim_says(message: bytes, directory: Path) -> str:
    assert PROGRAM is not None
    (directory / "message").write_bytes(message)
    configuration = directory / "verify.conf"
    configuration.write_text(f"{OPENDKIM}Mode v\nTestDNSData file:{directory}/dns\n")
    command = [PROGRAM, "-x", str(configuration), "-t", str(directory / "message")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True)
    return done.stdout


async def our_result(message: bytes, directory: Path) -> Result:
    at = find_body(message)
    verification = Verification(Header.parse(message[:at]), now=LATER)
    lines = (line.partition(" ") for line in (directory / "dns").read_text().splitlines())
    resolver = FakeResolver(txts={name: [record.encode()] for name, _, record in lines})
    for name in verification.key_names:
        await verification.lookup_key(name, resolver)
    verification.update(message[at:])
    [result] = verification.results()
    return result


@pytest.mark.parametrize(("header_way", "body_way"), WAYS)
@pytest.mark.parametrize("selector", ["rsa", "ed"])
def test_opendkim_verifies_what_we_sign(
    selector: str,
    header_way: Canonicalization,
    body_way: Canonicalization,
    directory: Path,
    rsa_key: RSAPrivateKey,
    ed25519_key: Ed25519PrivateKey,
) -> None:
    key = rsa_key if selector == "rsa" else ed25519_key
    signer = Signer("example.org", selector, key, header_way, body_way, "ann@sub.example.org")
    at = find_body(MESSAGE)
    body = BodyHash(body_way)
    body.update(MESSAGE[at:])
    names = ["From", "From", "To", "Subject", "Subject", "Cc", "Date", "Message-ID"]
    field = signer.sign(Header.parse(MESSAGE[:at]), body, names, signed_at=NOW, expires=LATER)
    assert "succeeded" in opendkim_says(field + MESSAGE, directory)
    assert "failed" in opendkim_says(b"Cc: eve\r\n" + field + MESSAGE, directory)


@pytest.mark.parametrize(("header_way", "body_way"), WAYS)
async def test_we_verify_what_opendkim_signs(
    header_way: Canonicalization, body_way: Canonicalization, directory: Path
) -> None:
    assert PROGRAM is not None
    configuration = directory / "sign.conf"
    signs = SIGNS.format(directory=directory, header_way=header_way, body_way=body_way)
    configuration.write_text(OPENDKIM + signs)
    with subprocess.Popen([PROGRAM, "-f", "-x", str(configuration)]) as process:
        try:
            signed = signed_by_filter(process, str(directory / f"{header_way}-{body_way}")) + MESSAGE
        finally:
            process.kill()  # it takes 5 seconds to end by itself
    assert f"c={header_way}/{body_way};".encode() in signed
    result = await our_result(signed, directory)
    assert (result.outcome, result.reason) == (Outcome.PASS, "")
    assert result.names.count("from") == 2
    assert "cc" in result.names
    for changed in (signed.replace(b"First line", b"Other line"), b"Cc: eve\r\n" + signed):
        assert (await our_result(changed, directory)).outcome is Outcome.FAIL


SERVER = """\
hostname mx.example.test
tls off

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
}

submission tcp://127.0.0.1:$(submission_port) {
    auth dummy
    insecure_auth yes
    modify {
        dkim example.org rsa
        dkim example.org ed {
            newkey_algo ed25519
        }
    }
    deliver_to &local_mailboxes
}
"""


@pytest.mark.skipif(PROGRAM is None, reason="opendkim is not installed")
def test_opendkim_verifies_what_the_server_stores(tmp_path: Path) -> None:
    with Server(tmp_path, SERVER) as server:
        assert server.command("imap-acct", "create", "ann@example.org").returncode == 0
        with smtplib.SMTP("127.0.0.1", server.ports["submission"]) as client:
            client.login("ann@example.org", "any")
            client.sendmail("ann@example.org", "ann@example.org", MESSAGE)
        dumped = server.command("imap-msgs", "dump", "ann@example.org", "INBOX", "1").stdout
    stored = dumped.replace("\n", "\r\n").encode()
    keys = server.state / "dkim_keys"
    records = {name: (keys / f"example.org_{name}.dns").read_text() for name in ("rsa", "ed")}
    lines = [f"{name}._domainkey.example.org {record}\n" for name, record in records.items()]
    (tmp_path / "dns").write_text("".join(lines))
    at = find_body(stored)
    fields = split_fields(stored[: at - len(b"\r\n")])
    signatures = [field for field in fields if field.startswith(b"DKIM-Signature:")]
    assert len(signatures) == 2
    for signature in signatures:  # it looks at one
        others = b"".join(field for field in fields if field not in signatures)
        message = signature + others + b"\r\n" + stored[at:]
        assert "succeeded" in opendkim_says(message, tmp_path)
        assert "failed" in opendkim_says(b"Cc: eve\r\n" + message, tmp_path)


async def test_sha1_of_opendkim_testmsg_is_refused(directory: Path) -> None:
    assert TEST_MESSAGE is not None
    command = [TEST_MESSAGE, "-C", "-d", "example.org", "-s", "rsa", "-k", str(directory / "rsa.pem")]
    done = subprocess.run(command, input=MESSAGE, capture_output=True, timeout=TIMEOUT, check=True)
    result = await our_result(done.stdout, directory)
    assert (result.outcome, result.algorithm) == (Outcome.PERMERROR, "rsa-sha1")
    assert result.reason == "unsupported algorithm"


def signed_by_filter(process: "subprocess.Popen[bytes]", path: str) -> bytes:
    """The field that a filter puts on top of MESSAGE."""
    session = MilterSession()
    fields: list[AddField] = []
    with connected(process, path) as connection:
        for step in steps(session):
            step()
            fields += exchanged(session, connection)
    [signature] = fields
    value = signature.value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return b"%b:%b\r\n" % (signature.name, value if value.startswith(b" ") else b" " + value)


def steps(session: MilterSession) -> Iterator[Callable[[], None]]:
    """All that a filter is told of MESSAGE."""
    at = find_body(MESSAGE)
    yield lambda: None  # negotiation
    yield lambda: session.connect(b"localhost", ip_address("127.0.0.1"), 25, {"j": "mx.example.org"})
    yield lambda: session.hello(b"localhost", {})
    yield lambda: session.mail(b"<ann@example.org>", [], {"i": "1"})
    yield lambda: session.recipient(b"<bob@example.test>")
    yield session.data
    for field in split_fields(MESSAGE[: at - len(b"\r\n")]):
        yield partial(session.header, field)
    yield session.end_of_header
    yield lambda: session.body(MESSAGE[at:])
    yield session.end


def exchanged(session: MilterSession, connection: socket.socket) -> list[AddField]:
    """Send what is to send, and wait for what belongs to it."""
    connection.sendall(session.data_to_send())
    fields: list[AddField] = []
    while session.is_waiting:
        answer = session.next_answer()
        if answer is None:
            data = connection.recv(65_536)
            assert data, "opendkim ended the conversation"
            session.feed(data)
        elif isinstance(answer, AddField):
            fields.append(answer)
    return fields


def connected(process: "subprocess.Popen[bytes]", path: str) -> socket.socket:
    """A connection to the filter, once it listens."""
    for _ in range(int(TIMEOUT / 0.05)):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT)
        if connection.connect_ex(path) == 0:
            return connection
        connection.close()
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError("opendkim ended")
    raise AssertionError("opendkim does not listen")
