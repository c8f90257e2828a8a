"""Messages whose texts are in them as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.plain_text import is_written_as_read
from posthouse.message.search import Needle, SearchedMessage
from posthouse.message.structure import scan

TEXT = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nhello\r\n"


def mixed(*parts: bytes) -> bytes:
    return (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"".join(b"--b\r\n%b\r\n" % part for part in parts)
        + b"--b--\r\n"
    )


def plain(message: bytes) -> bool:
    return is_written_as_read(scan(message).structure)


@pytest.mark.parametrize(
    "message",
    [
        b"\r\nhello",
        TEXT,
        TEXT.replace(b"utf-8", b'"ISO-8859-1"'),
        TEXT.replace(b"utf-8", b"unknown"),
        TEXT.replace(b"7bit", b"8BIT"),
        mixed(TEXT, TEXT),
        mixed(
            TEXT,
            b"Content-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD",
        ),
        mixed(b"Content-Type: message/rfc822\r\n\r\n" + TEXT),
        mixed(b"Content-Type: message/delivery-status\r\n\r\nStatus: 5.0.0"),
    ],
)
def test_most_messages_are(message: bytes) -> None:
    assert plain(message)


@pytest.mark.parametrize(
    "message",
    [
        TEXT.replace(b"7bit", b"Base64"),
        TEXT.replace(b"7bit", b"quoted-printable"),
        TEXT.replace(b"utf-8", b"UTF-16"),
        TEXT.replace(b"utf-8", b"iso-2022-jp"),
        TEXT.replace(b"utf-8", b"hz-gb-2312"),
        TEXT.replace(b"charset=", b"charset*=''").replace(b"utf-8", b"utf-16"),
        mixed(TEXT, TEXT.replace(b"7bit", b"base64")),
        mixed(b"Content-Type: message/rfc822\r\n\r\n" + TEXT.replace(b"7bit", b"base64")),
        mixed(b"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD"),
        mixed(*[TEXT] * 100),  # a limit of ours
    ],
)
def test_what_is_encoded_is_not(message: bytes) -> None:
    assert not plain(message)


PIECES = (
    b"Content-Type: text/plain", b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: message/rfc822",
    b"; charset=utf-8", b"; charset=utf-16", b"; charset=iso-2022-jp", b"; charset*0=utf; charset*1=-16", b"\r\n", b"\r\n\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"--b\r\n", b"--b--\r\n",
    b"Subject: =?utf-8?b?aGVsbG8=?=", b"=?utf-8?q?h", b"ello?=", b"Subject: ", b"hello", b"aGVsbG8=", b"h=65llo", b"HEL=\r\nLO", b" ", b"3q",
    b"\x1b$B", b"#h#e#l#l#o", b"\x1b(B", b"he", b"llo",
)  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join),
    st.sampled_from(["hello", "3q", "hPa", "ü", "o"]),
)
def test_a_word_that_is_not_in_the_octets_is_in_no_text(message: bytes, word: str) -> None:
    structure, needle = scan(message), Needle(word)
    if not is_written_as_read(structure.structure) or not message.isascii():
        return
    if needle.is_ascii and needle.longest in message.upper():
        return
    searched = SearchedMessage(message, structure.parts)
    assert not searched.body_has(needle)
    assert searched.text_has(needle) == searched.encoded_words_have(needle)
