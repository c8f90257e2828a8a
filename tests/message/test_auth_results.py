"""Authentication-Results as maddy writes it, and whether somebody else used our name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.auth_results import auth_results_value, is_from
from posthouse.message.header import Header

PROPERTIES = {"smtp.mailfrom": "ann@example.net", "smtp.helo": "mail.example.net", "smtp.empty": ""}


@pytest.mark.parametrize(
    ("results", "value"),
    [
        pytest.param([], "mx.example.org; none", id="none"),
        pytest.param(
            [("dkim", "none", "", {})], "mx.example.org; dkim=none ", id="a blank without parameters"
        ),
        pytest.param(
            [("spf", "pass", "", PROPERTIES)],
            "mx.example.org; spf=pass smtp.helo=mail.example.net smtp.mailfrom=ann@example.net",
            id="sorted, without empty ones",
        ),
        pytest.param(
            [("dkim", "fail", "expired", {"header.d": "x.example"}), ("spf", "none", "", {})],
            "mx.example.org; dkim=fail reason=expired header.d=x.example; spf=none ",
            id="reason first",
        ),
        pytest.param(
            [("spf", "temperror", 'no "answer" \\', {})],
            'mx.example.org; spf=temperror reason="no \\"answer\\" \\\\"',
            id="quoted reason",
        ),
        pytest.param([("a", "b", "x=1", {})], 'mx.example.org; a=b reason="x=1"', id="special in reason"),
        pytest.param([("a", "b", "é", {})], "mx.example.org; a=b reason=é", id="UTF-8 in reason"),
        pytest.param(
            [("a", "b", "", {"p.q": "x=1"})], 'mx.example.org; a=b p.q="x=1"', id="special property"
        ),
        pytest.param(
            [("a", "b", "", {"p.q": "#$%&'*+,./-@[]\\^_`{|}~"})],
            "mx.example.org; a=b p.q=#$%&'*+,./-@[]\\^_`{|}~",
            id="plain property",
        ),
        pytest.param([("a", "b", "", {"p.q": "é"})], 'mx.example.org; a=b p.q="é"', id="UTF-8 in property"),
        pytest.param(
            [("a", "b", "x\r\ny", {"p.q": "\0"})], 'mx.example.org; a=b reason="x  y" p.q=" "', id="line ends"
        ),
    ],
)
def test_the_value(results: list[tuple[str, str, str, dict[str, str]]], value: str) -> None:
    assert auth_results_value("mx.example.org", results) == value


@given(reason=st.text(), value=st.text())
def test_whatever_a_peer_says_makes_one_field(reason: str, value: str) -> None:
    header = Header()
    results = [("spf", "fail", reason, {"smtp.helo": value})]
    header.add("Authentication-Results", auth_results_value("mx.example.org", results))
    assert Header.parse(header.to_bytes()).count(b"Authentication-Results") == 1


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        (b"mx.example.org; none", True),
        (b" MX.Example.ORG 1 ; spf=pass", True),
        (b"(a (nested) comment) mx.example.org (c); none", True),
        (b'"mx.example.org"; none', True),
        (b'"mx\\.example.org"; none', True),
        (b"mx.example.org", True),
        (b"mx.example.org.evil.example; none", False),
        (b"mx.example.net; mx.example.org", False),
        (b"", False),
        (b'"mx.example.org', False),
    ],
)
def test_who_says_so(value: bytes, ours: bool) -> None:
    assert is_from(value, "mx.example.org") is ours


@given(st.binary())
def test_any_value_is_ours_or_not(value: bytes) -> None:
    assert is_from(value, "mx.example.org") in (True, False)
