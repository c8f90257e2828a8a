"""Connections that we make: to names and addresses, over TCP and Unix sockets."""

import socket
from pathlib import Path

import pytest

from posthouse.core.world import DnsError
from posthouse.net.client import connect_tcp, connect_unix
from posthouse.testing.world import FakeResolver


@pytest.mark.parametrize("host", ["127.0.0.1", "host.example.org"])
async def test_a_host_has_a_name_or_an_address(host: str) -> None:
    resolver = FakeResolver(a={"host.example.org": ["127.0.0.1"]})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = await connect_tcp(host, listener.getsockname()[1], resolver)
        with listener.accept()[0] as accepted:
            accepted.sendall(b"hello")
            assert await stream.read(20) == b"hello"
            stream.write(b"hi")
            stream.close()
            assert accepted.recv(10) == b"hi"


async def test_the_first_address_that_takes_us_is_used() -> None:
    """All of 127.0.0.0/8 is this machine, and nobody listens on the first one."""
    resolver = FakeResolver(a={"host.example.org": ["127.0.0.7", "127.0.0.1"]})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = await connect_tcp("host.example.org", listener.getsockname()[1], resolver)
        assert str(stream.peer_ip) == "127.0.0.1"
        stream.abort()


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("127.0.0.7", "[Cc]onnect"),
        ("refused.example.org", "[Cc]onnect"),
        ("none.example.org", "has no address"),
        ("unknown.example.org", "no such name"),
        ("broken.example.org", "SERVFAIL"),
    ],
)
async def test_what_cannot_be_reached_is_an_error_that_says_why(host: str, why: str) -> None:
    resolver = FakeResolver(
        a={
            "refused.example.org": ["127.0.0.7"],
            "none.example.org": [],
            "broken.example.org": DnsError("SERVFAIL", transient=True),
        }
    )
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(OSError, match=why):
        await connect_tcp(host, listener.getsockname()[1], resolver)


async def test_unix_sockets(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with pytest.raises(FileNotFoundError):
        await connect_unix(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        stream = await connect_unix(path)
        assert stream.peer_ip is None
        stream.abort()
