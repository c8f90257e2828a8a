import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.mailauth.dkim.tags import (
    TAGS_MAX,
    TagError,
    parse_base64,
    parse_tags,
    split_list,
    without_value,
)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"a=b", {"a": "b"}),
        (b" a = b ; c\t=\td;\r\n", {"a": "b", "c": "d"}),
        (b"a=b\r\n c;B_2=;", {"a": "b c", "B_2": ""}),
        (b"a=b=c==", {"a": "b=c=="}),
        (b"a=1;A=2", {"a": "1", "A": "2"}),
        ("i=\u00fc@b".encode(), {"i": "\u00fc@b"}),
    ],
)
def test_tags_are_read(value: bytes, wanted: dict[str, str]) -> None:
    assert parse_tags(value) == wanted


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"a=b;a=c", id="twice"),
        pytest.param(b"a=b;;c=d", id="empty"),
        pytest.param(b"a=b;c", id="no equals sign"),
        pytest.param(b"", id="nothing"),
        pytest.param(b" ;", id="only semicolon"),
        pytest.param(b"=b", id="no name"),
        pytest.param(b"1a=b", id="name begins with a digit"),
        pytest.param(b"a-b=c", id="hyphen in the name"),
        pytest.param(b"a b=c", id="blank in the name"),
        pytest.param(b"a=\0", id="NUL"),
        pytest.param(b"a=b\rc", id="bare CR"),
        pytest.param(b"a=b\nc", id="bare LF"),
        pytest.param(b"a=\xff", id="not UTF-8"),
        pytest.param(b"a=" + b"b" * TAGS_MAX, id="too long"),
    ],
)
def test_malformed_lists_of_tags_are_refused(value: bytes) -> None:
    with pytest.raises(TagError):
        parse_tags(value)


@given(st.binary(max_size=200))
def test_any_octets_are_tags_or_malformed(value: bytes) -> None:
    try:
        tags = parse_tags(value)
    except TagError:
        return
    assert tags == parse_tags("; ".join(f"{name}={text}" for name, text in tags.items()).encode())


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b" b=x", b" b="),
        (b" a=b; b = x\r\n y ; bh=z\r\n", b" a=b; b =; bh=z\r\n"),
        (b"a=b;\r\n\tb=x==;", b"a=b;\r\n\tb=;"),
        (b"\r\n b\r\n =\r\n x\r\n", b"\r\n b\r\n ="),
        (b"bb=b; b", b"bb=b; b"),
    ],
)
def test_the_signature_is_taken_out_with_the_white_space_around_it(value: bytes, wanted: bytes) -> None:
    assert without_value(value, b"b") == wanted


def test_lists_may_have_white_space_around_their_colons() -> None:
    assert split_list("From : To:\tDate ") == ["From", "To", "Date"]


def test_base64_may_be_folded_anywhere() -> None:
    assert parse_base64("Q U\tJDRA ==") == b"ABCD"


@pytest.mark.parametrize("text", ["QUJDRA", "QUJDRB==", "QUJDRA==QQ==", "QUJD-A==", "=", "QUJD\u00fc"])
def test_octets_have_one_base64_only(text: str) -> None:
    with pytest.raises(TagError):
        parse_base64(text)
