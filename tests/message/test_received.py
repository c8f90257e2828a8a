"""The Received field."""

import pytest

from posthouse.message.header import Header
from posthouse.message.received import Client, received_value

DATE = "Mon, 02 Jan 2006 15:04:05 +0000"
CLIENT = Client("client.example", "192.0.2.1", "host.example")


def received(
    client: Client | None = CLIENT,
    *,
    hostname: str = "mx.example.org",
    reverse_path: str = "ann@example.com",
    protocol: str = "ESMTPS",
    utf8: bool = False,
) -> str:
    return received_value(
        client=client,
        hostname=hostname,
        reverse_path=reverse_path,
        protocol=protocol,
        utf8=utf8,
        message_id="0a1b2c3d",
        date=DATE,
    )


END = f" by mx.example.org (envelope-sender <ann@example.com>) with ESMTPS id 0a1b2c3d; {DATE}"


def test_all_that_is_known_is_told() -> None:
    assert received() == "from client.example (host.example [192.0.2.1])" + END


@pytest.mark.parametrize(
    ("client", "begin"),
    [
        (Client("client.example", "192.0.2.1"), "from client.example ([192.0.2.1])"),
        (
            Client("client.example", "2001:db8::1", "h.example"),
            "from client.example (h.example [2001:db8::1])",
        ),
        (Client("client.example", ""), "from client.example"),
        (Client("xn--a-", "192.0.2.1"), "([192.0.2.1])"),
        (Client("münchen.example", "192.0.2.1"), "from xn--mnchen-3ya.example ([192.0.2.1])"),
    ],
)
def test_what_is_not_known_of_the_client_is_left_out(client: Client, begin: str) -> None:
    assert received(client) == begin + END


def test_without_a_client_it_begins_at_by() -> None:
    assert received(None) == END.lstrip()


@pytest.mark.parametrize("reverse_path", ["", "ünn@example.com"])
def test_a_sender_that_is_empty_or_not_convertible_is_left_out(reverse_path: str) -> None:
    assert received(None, reverse_path=reverse_path) == f"by mx.example.org with ESMTPS id 0a1b2c3d; {DATE}"


def test_with_smtputf8_names_stay_as_they_are() -> None:
    value = received(Client("xn--mnchen-3ya.example", "192.0.2.1"), reverse_path="ünn@example.com", utf8=True)
    assert value == (
        "from münchen.example ([192.0.2.1]) by mx.example.org (envelope-sender <ünn@example.com>)"
        f" with UTF8ESMTPS id 0a1b2c3d; {DATE}"
    )


def test_R_163_no_name_can_break_the_line() -> None:
    client = Client("a\r\nX: y", "192.0.2.1", "b\r\n\r\n\0\x1b")
    value = received(client, hostname="mx\r\n", reverse_path='"a\r\nb"@example.com')
    header = Header()
    header.add("Received", value)
    assert header.count(b"x") == 0
    assert value.startswith("from aX: y (b [192.0.2.1]) by mx (envelope-sender <")


def test_R_044_long_names_are_cut() -> None:
    assert len(received(Client("a" * 3000, "192.0.2.1", "b" * 3000))) < 800
