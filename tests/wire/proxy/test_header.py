import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.lines import ProtocolError
from posthouse.wire.proxy.header import NO_HEADER, V1_MAX, V2_MAX, ProxyHeader, parse_proxy_header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(command: int, family: int, content: bytes, *, length: int | None = None) -> bytes:
    """A header of version 2. length: what it says its content has."""
    size = len(content) if length is None else length
    return SIGNATURE + bytes([command, family]) + size.to_bytes(2) + content


PORTS = (4321).to_bytes(2) + (25).to_bytes(2)
TCP4 = socket.inet_pton(socket.AF_INET, "192.0.2.1") + socket.inet_pton(socket.AF_INET, "192.0.2.2") + PORTS
TCP6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + bytes(16) + PORTS

GOOD = [
    pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 4321 25\r\n", "192.0.2.1", 4321, id="v1, IPv4"),
    pytest.param(b"PROXY TCP6 2001:db8::1 ::1 65535 25\r\n", "2001:db8::1", 65535, id="v1, IPv6"),
    pytest.param(b"PROXY UNKNOWN\r\n", None, 0, id="v1, unknown"),
    pytest.param(b"PROXY UNKNOWN ffff:: ffff:: 1 2\r\n", None, 0, id="v1, unknown with addresses"),
    pytest.param(v2(0x21, 0x11, TCP4), "192.0.2.1", 4321, id="v2, IPv4"),
    pytest.param(v2(0x21, 0x11, TCP4 + b"\x04\0\1\0"), "192.0.2.1", 4321, id="v2, with more behind"),
    pytest.param(v2(0x21, 0x21, TCP6), "2001:db8::1", 4321, id="v2, IPv6"),
    pytest.param(v2(0x21, 0x00, b""), None, 0, id="v2, unspecified"),
    pytest.param(v2(0x21, 0x31, bytes(216)), None, 0, id="v2, Unix socket"),
    pytest.param(v2(0x20, 0x11, TCP4), None, 0, id="v2, local"),
    pytest.param(v2(0x20, 0x77, b"whatever"), None, 0, id="v2, local of no known family"),
]


@pytest.mark.parametrize(("data", "ip", "port"), GOOD)
def test_a_header_says_who_the_client_is(data: bytes, ip: str | None, port: int) -> None:
    wanted = ProxyHeader(len(data), ip_address(ip) if ip else None, port)
    assert parse_proxy_header(data) == parse_proxy_header(data + b"EHLO a\r\n") == wanted


@pytest.mark.parametrize(("data", "ip", "port"), GOOD)
def test_until_it_is_complete_there_is_no_answer(data: bytes, ip: str | None, port: int) -> None:
    assert all(parse_proxy_header(data[:size]) is None for size in range(len(data)))


@pytest.mark.parametrize("data", [b"E", b"EHLO a\r\n", b"PROXIMA", b"PROXY\r\n", b"\r\nEHLO", b"\x16\3\1"])
def test_a_connection_may_begin_without_a_header(data: bytes) -> None:
    assert parse_proxy_header(data) is NO_HEADER


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 4321 25 \r\n", id="blank at the end"),
        pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 4321\r\n", id="port missing"),
        pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n", id="port too large"),
        pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 99999\r\n", id="other port too large"),
        pytest.param(b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n", id="no address"),
        pytest.param(b"PROXY TCP4 192.0.2.1 here 1 2\r\n", id="no other address"),
        pytest.param(b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n", id="another family"),
        pytest.param(b"PROXY TCP6 192.0.2.1 ::1 1 2\r\n", id="another family, IPv6"),
        pytest.param(b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", id="UDP"),
        pytest.param(b"PROXY \r\n", id="nothing"),
        pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\nEHLO a\r\n", id="LF only"),
        pytest.param(b"PROXY UNKNOWN " + b"x" * V1_MAX, id="no end"),
        pytest.param(v2(0x31, 0x11, TCP4), id="version 3"),
        pytest.param(v2(0x22, 0x11, TCP4), id="no command"),
        pytest.param(v2(0x21, 0x11, TCP4, length=11), id="length too short for IPv4"),
        pytest.param(v2(0x21, 0x21, TCP4), id="length too short for IPv6"),
        pytest.param(v2(0x21, 0x31, b"", length=0), id="length too short for a Unix socket"),
        pytest.param(v2(0x21, 0x12, TCP4), id="datagrams"),
        pytest.param(v2(0x21, 0x11, b"", length=V2_MAX - 15), id="too long"),
    ],
)
def test_R_057_what_is_malformed_is_an_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_proxy_header(data)


@pytest.mark.parametrize("size", range(V1_MAX - 2, V1_MAX + 2))
def test_R_057_a_text_without_end_is_not_waited_for(size: int) -> None:
    data = b"PROXY UNKNOWN ".ljust(size, b"x")
    if size < V1_MAX:
        assert parse_proxy_header(data) is None
    else:
        with pytest.raises(ProtocolError):
            parse_proxy_header(data)


@given(
    st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 1.2.3.4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]), st.binary()
)
def test_any_octets_are_a_header_or_none_or_an_error(begin: bytes, rest: bytes) -> None:
    data = begin + rest
    try:
        header = parse_proxy_header(data)
    except ProtocolError:
        return
    assert header is None or header.size <= len(data)
    assert header is not None or len(data) < V2_MAX
