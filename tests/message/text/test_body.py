"""The texts in a message."""

import base64
import quopri
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.structure import parts_of, scan
from posthouse.message.text.body import CHUNK, Reading, part_text, reading_of, text_parts

MESSAGES = 80
DIFFERENT = {  # where our parts are others than those of Apache James Mime4j: see structure/test_mime_james.py
    "mimetools-testmsgs/badbound",
    "mimetools-testmsgs/multi-2gifs-base64",
    "testmsgs/bad-newlines-multiple-parts-base64",
    "testmsgs/base64encoded-rfc822message",
    "testmsgs/base64encoded-rfc822message-nested",
    "testmsgs/malformedHeaderStartsBody-nocrlfcrlf",
    "testmsgs/malformedHeaderStartsBody-noheader",
    "testmsgs/missing-boundary",
    "testmsgs/missing-inner-boundary",
    "testmsgs/missing-inner-start-boundary",
    "testmsgs/multipartnopart",
}

RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю.\r\n"


def texts(message: bytes) -> list[str]:
    parts = text_parts(message, parts_of(scan(message).parts))
    return ["".join(part_text(message, part, reading)) for part, reading in parts]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(b"Subject: x\r\n\r\n", Reading(b"7bit", None), id="none"),
        pytest.param(b"Content-Type: text/plain\r\n\r\n", Reading(b"7bit", None), id="no charset"),
        pytest.param(b"content-type:TEXT/html;Charset=UTF-8\r\n", Reading(b"7bit", "utf_8"), id="case"),
        pytest.param(
            b'Content-Type: text/x;\r\n\tcharset="koi8-r"\r\n', Reading(b"7bit", "koi8_r"), id="folded"
        ),
        pytest.param(
            b"Content-Type: text/plain; charset*0=utf; charset*1=-8\r\n", Reading(b"7bit", "utf_8"), id="cut"
        ),
        pytest.param(b"Content-Type: nonsense\r\n", Reading(b"7bit", None), id="malformed"),
        pytest.param(b"Content-Transfer-Encoding: BASE64\r\n", Reading(b"base64", None), id="base64"),
        pytest.param(b"Content-Transfer-Encoding : (c) Base64\r\n", Reading(b"base64", None), id="comment"),
        pytest.param(
            b"Content-Type: message/delivery-status\r\n", Reading(b"7bit", None), id="delivery report"
        ),
        pytest.param(b"Content-Type: multipart/mixed\r\n", Reading(b"7bit", None), id="without parts"),
        pytest.param(b"Content-Type: image/png\r\n", None, id="image"),
        pytest.param(
            b"Content-Type: application/pdf\r\nContent-Type: text/plain\r\n", None, id="the first counts"
        ),
        pytest.param(
            b"X: y\r\n Content-Type: image/png\r\n", Reading(b"7bit", None), id="not in another field"
        ),
        pytest.param(b"Content-Type-X: image/png\r\n", Reading(b"7bit", None), id="another field"),
    ],
)
def test_the_header_says_how_a_part_is_read(header: bytes, expected: Reading | None) -> None:
    assert reading_of(header) == expected


def test_html_is_text_as_it_is_written() -> None:
    assert texts(b"Content-Type: text/html\r\n\r\n<b>bold &amp; brave</b>") == ["<b>bold &amp; brave</b>"]


def test_all_texts_are_found_also_in_messages_in_messages() -> None:
    message = (
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n"
        b"--a\r\n\r\none\r\n"
        b"--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\nContent-Transfer-Encoding: base64\r\n\r\ndHdv\r\n"
        b"--a\r\nContent-Type: application/pdf\r\n\r\nnone\r\n"
        b"--a\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=D4=D2=C9\r\n"
        b"--a--\r\nepilogue"
    )
    assert texts(message) == ["one", "two", "три"]


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("utf-8", "8bit"),
        ("utf-8", "base64"),
        ("utf-8", "quoted-printable"),
        ("koi8-r", "8bit"),
        ("koi8-r", "quoted-printable"),
        ("utf-16", "base64"),
    ],
)
def test_large_parts_are_decoded_in_chunks(charset: str, encoding: str) -> None:
    text = RUSSIAN * (3 * CHUNK // len(RUSSIAN))
    octets = text.encode(charset)
    if encoding == "base64":
        octets = base64.encodebytes(octets)
    elif encoding == "quoted-printable":
        octets = quopri.encodestring(octets)
    header = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    message = header.encode() + octets
    [(part, reading)] = text_parts(message, parts_of(scan(message).parts))
    chunks = list(part_text(message, part, reading))
    assert "".join(chunks) == text
    assert len(chunks) > 2
    assert max(map(len, chunks)) <= CHUNK + 100


@given(st.binary(max_size=300), st.sampled_from([b"base64", b"quoted-printable", b"8bit", b"x-other"]))
def test_any_octets_are_text(octets: bytes, encoding: bytes) -> None:
    message = b"Content-Type: text/plain; charset=x\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (
        encoding,
        octets,
    )
    assert len(texts(message)) == 1


@given(st.binary(max_size=300))
def test_any_message_has_texts(message: bytes) -> None:
    assert all(isinstance(text, str) for text in texts(message))


def their_texts(message: Path) -> list[bytes]:
    """What Mime4j makes of the parts that are text, in their order."""
    tree = ET.parse(message.with_name(f"{message.stem}_decoded.xml"))
    return [message.with_name(node.attrib["name"]).read_bytes() for node in tree.iter("text-body")]


def our_octets(message: bytes) -> Iterator[bytes]:
    for part, reading in text_parts(message, parts_of(scan(message).parts)):
        as_octets = reading._replace(codec="latin_1")
        yield "".join(part_text(message, part, as_octets)).encode("latin-1")


def test_mime4j_corpus(testdata: Path) -> None:
    folder = testdata / "mime-james"
    messages = sorted(folder.glob("*/*.msg"))
    if not messages:
        pytest.skip(f"no test vectors: {folder} is missing")
    assert len(messages) == MESSAGES
    differing = set()
    for message in messages:
        ours, theirs = our_octets(message.read_bytes()), their_texts(message)
        if [text.replace(b"\r", b"") for text in ours] != [text.replace(b"\r", b"") for text in theirs]:
            differing.add(str(message.relative_to(folder).with_suffix("")))
    assert differing == DIFFERENT
