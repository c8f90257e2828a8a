"""Spec: config-language §7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.framework.config.address import parse_address
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.interfaces.endpoint import Address

AT = Node("smtp", (), None, "f", 7, 3)


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "path"),
    [
        ("tcp://127.0.0.1:25", "tcp", "127.0.0.1", 25, ""),
        ("tcp:127.0.0.1:25", "tcp", "127.0.0.1", 25, ""),
        ("tls://0.0.0.0:465", "tls", "0.0.0.0", 465, ""),
        ("tcp://[::1]:25", "tcp", "::1", 25, ""),
        ("tcp://[0:0:0:0:0:0:0:1]:25", "tcp", "::1", 25, ""),
        ("tcp://127.0.0.1:25/ignored/path", "tcp", "127.0.0.1", 25, ""),
        ("TCP://127.0.0.1:0", "tcp", "127.0.0.1", 0, ""),
        ("unix://a/b", "unix", "", 0, "a/b"),
        ("unix:///a/b", "unix", "", 0, "/a/b"),
        ("unix:/a/b", "unix", "", 0, "/a/b"),
        ("unix:a", "unix", "", 0, "a"),
        ("unix://lmtp.sock", "unix", "", 0, "lmtp.sock"),
    ],
)
def test_addresses(text: str, scheme: str, host: str, port: int, path: str) -> None:
    assert parse_address(text, AT) == Address(text, scheme, host, port, path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("tcp://127.0.0.1", "tcp://127.0.0.1: port is required"),
        ("tcp://127.0.0.1:", "tcp://127.0.0.1:: port is required"),
        ("tcp://[::1]", "tcp://[::1]: port is required"),
        ("tcp://127.0.0.1/a:25", "tcp://127.0.0.1/a:25: port is required"),
        ("tcp://127.0.0.1:smtp", "tcp://127.0.0.1:smtp: invalid port: smtp"),
        ("tcp://127.0.0.1:65536", "tcp://127.0.0.1:65536: invalid port: 65536"),
        ("tcp://127.0.0.1:-1", "tcp://127.0.0.1:-1: invalid port: -1"),
        (
            "tcp://mx.example.org:25",
            "tcp://mx.example.org:25: the host must be an IP address: mx.example.org",
        ),
        ("tcp://:25", "tcp://:25: the host must be an IP address: "),
        ("tcp://::1:25", "tcp://::1:25: an IPv6 address, and no other, stands in brackets"),
        ("tcp://[127.0.0.1]:25", "tcp://[127.0.0.1]:25: an IPv6 address, and no other, stands in brackets"),
        ("http://127.0.0.1:80", "unsupported scheme: http"),
        ("127.0.0.1:25", "127.0.0.1:25: an address is SCHEME://HOST:PORT or unix:PATH"),
        ("", ": an address is SCHEME://HOST:PORT or unix:PATH"),
        ("unix:", "unix:: the path of a socket is required"),
        ("unix:///" + "a" * 107, "unix:///" + "a" * 107 + ": the path is longer than 107 octets"),
    ],
)
def test_what_is_no_address(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(text, AT)
    assert str(caught.value).split("\n")[0] == f"f:7: {error}"


@pytest.mark.parametrize("host", ["localhost", "filter.example.org", "1.example.org", "127.0.0.1"])
def test_what_we_connect_to_may_have_a_name(host: str) -> None:
    assert parse_address(f"tcp://{host}:25", may_name=True).host == host


@pytest.mark.parametrize(
    "host", ["", "127.0.0", "1.2.3.4.5", "a..b", "::1", "[localhost]", "b\u00fccher.example"]
)
def test_what_is_neither_name_nor_address(host: str) -> None:
    with pytest.raises(ConfigError):
        parse_address(f"tcp://{host}:25", may_name=True)


@pytest.mark.parametrize(
    ("text", "is_tls", "is_local"),
    [
        ("tls://127.0.0.1:1", True, True),
        ("tcp://127.0.0.9:1", False, True),
        ("tcp://127.0.1.1:1", False, False),
        ("tcp://[::1]:1", False, False),
        ("unix:a", False, True),
    ],
)
def test_what_is_known_of_an_address(text: str, is_tls: bool, is_local: bool) -> None:
    address = parse_address(text)
    assert (address.is_tls, address.is_local) == (is_tls, is_local)


@given(st.one_of(st.text(), st.text().map("tcp://".__add__), st.text().map("unix:".__add__)))
def test_any_text_gives_an_address_or_a_config_error(text: str) -> None:
    try:
        assert parse_address(text).text == text
    except ConfigError:
        return
