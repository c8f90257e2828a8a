"""Changes of keys (RFC 8446 §4.6.3): a few are answered, a flood of them is not."""

import asyncio
import ctypes
import ssl
from collections.abc import Iterator

import pytest
import trustme

from posthouse.net.tls_transport import ANSWERS_MAX, TlsTransport

_REQUESTED = 1  # the other side shall change its keys as well


class Below(asyncio.Transport):
    """A socket whose peer reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.is_aborted = True


class Client:
    """OpenSSL's, which Python lets change no keys."""

    def __init__(self, authority: trustme.CA) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        authority.configure_trust(context)
        self.inbound, self.outbound = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.inbound, self.outbound, server_hostname="localhost")
        module = pytest.importorskip("_ssl")
        try:
            self._library = ctypes.CDLL(module.__file__)
            self._library.SSL_key_update.argtypes = [ctypes.c_void_p, ctypes.c_int]
            self._library.SSL_do_handshake.argtypes = [ctypes.c_void_p]
        except (AttributeError, OSError):
            pytest.skip("this Python does not show the OpenSSL that it uses")

    def change_keys(self) -> None:
        # Behind the head of the object and its socket.
        at = id(self.tls._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)  # type: ignore[attr-defined]  # of no other use
        connection = ctypes.c_void_p.from_address(at).value
        assert self._library.SSL_key_update(connection, _REQUESTED) == 1
        assert self._library.SSL_do_handshake(connection) == 1


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def _connected(loop: asyncio.AbstractEventLoop) -> tuple[TlsTransport, Below, Client]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    authority.issue_cert("localhost").configure_cert(context)
    ours, below, client = TlsTransport(loop, asyncio.Protocol(), context), Below(), Client(authority)
    ours.connection_made(below)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    ours.data_received(client.outbound.read())
    client.inbound.write(below.written)
    client.tls.do_handshake()
    ours.data_received(client.outbound.read())
    below.written = b""
    return ours, below, client


def test_changed_keys_are_answered(loop: asyncio.AbstractEventLoop) -> None:
    ours, below, client = _connected(loop)
    client.change_keys()
    ours.data_received(client.outbound.read())
    ours.write(b"all is well")
    client.inbound.write(below.written)
    assert client.tls.read(100) == b"all is well"
    assert not below.is_aborted


def test_a_peer_that_only_changes_keys_is_left_before_its_answers_fill_our_memory(
    loop: asyncio.AbstractEventLoop,
) -> None:
    ours, below, client = _connected(loop)
    for _ in range(2 * ANSWERS_MAX // 27):  # octets of an answer
        client.change_keys()
    ours.data_received(client.outbound.read())
    assert below.is_aborted
    assert len(below.written) <= ANSWERS_MAX
