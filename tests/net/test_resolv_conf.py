import pytest

from posthouse.net.resolv_conf import ResolvConf, parse_resolv_conf, parse_server


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", ResolvConf((("127.0.0.1", 53),), 5.0), id="empty"),
        pytest.param(
            "# x\nsearch a\nnameserver 192.0.2.1\nnameserver fe80::1%eth0 ; y\noptions rotate timeout:2 attempts:9\n",
            ResolvConf((("192.0.2.1", 53), ("fe80::1%eth0", 53)), 2.0),
            id="usual",
        ),
        pytest.param(
            "nameserver\nnameserver x\noptions timeout:x\noptions",
            ResolvConf((("127.0.0.1", 53),), 5.0),
            id="nonsense",
        ),
        pytest.param(
            "options timeout:0\noptions timeout:99999", ResolvConf((("127.0.0.1", 53),), 30.0), id="bounds"
        ),
        pytest.param(
            "".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 6)),
            ResolvConf((("192.0.2.1", 53), ("192.0.2.2", 53), ("192.0.2.3", 53)), 5.0),
            id="three servers at most",
        ),
    ],
)
def test_servers_and_timeout_are_read(text: str, expected: ResolvConf) -> None:
    assert parse_resolv_conf(text) == expected


def test_a_server_is_an_address_and_a_port() -> None:
    assert parse_server("127.0.0.1:5353") == ("127.0.0.1", 5353)
    assert parse_server("[::1]:53") == ("::1", 53)


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", "localhost:53", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:²"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="IP:PORT"):
        parse_server(text)
