"""What SEARCH finds in a message, and what not."""

import base64
import mmap
import quopri
from email.header import Header
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.envelope import addresses_in, addresses_text, split_envelope, string_in
from posthouse.message.search import Needle, SearchedMessage
from posthouse.message.structure import scan
from posthouse.message.text.body import CHUNK
from posthouse.message.text.words import decode_words

MESSAGE = (
    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?b?IGF1cyBLw7ZsbiE=?=\r\n"
    "From: Ann Example\r\n\t<ann@example.org>\r\nX-Note: first\r\nx-note : second \r\n"
    "Content-Type: multipart/mixed; boundary=border\r\n\r\n"
    "Nobody sees the preamble.\r\n"
    "--border\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "The caf=C3=A9 is op=\r\nen. 1+1=3D2\r\n"
    "--border\r\nContent-Type: text/html; charset=windows-1251\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode("<p>Привет, <b>мир</b>!</p>".encode("cp1251")).decode()
    + "\r\n--border\r\nContent-Type: message/rfc822\r\n\r\nSubject: enclosed\r\n\r\nThe inner text.\r\n"
    "--border\r\nContent-Type: application/pdf; name=invoice.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "aGlkZGVu\r\n--border--\r\n"
).encode()


def searched(message: bytes) -> SearchedMessage:
    return SearchedMessage(message, scan(message).parts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "café",
        "CAFÉ",
        "cafe\u0301",
        "OPEN",
        "1+1=2",
        "привет",
        "<b>МИР</b>",
        "inner TEXT",
        "open. 1",
        "é is",
    ],
)
def test_text_of_a_body_is_found(text: str) -> None:
    assert searched(MESSAGE).body_has(Needle(text))
    assert searched(MESSAGE).text_has(Needle(text))


@pytest.mark.parametrize(
    "text",
    [
        "grüße AUS köln!",
        "ann example <ann",
        "example.org",
        "enclosed",
        "invoice.pdf",
        "subject: G",
        "first\r\nx-n",
    ],
)
def test_text_of_a_header_is_found_by_text_alone(text: str) -> None:
    assert searched(MESSAGE).text_has(Needle(text))
    assert not searched(MESSAGE).body_has(Needle(text))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("xylophone", id="what is nowhere"),
        pytest.param("preamble", id="the preamble"),
        pytest.param("aGlkZGVu", id="base64 as it is written"),
        pytest.param("hidden", id="what is no text"),
        pytest.param("=C3=A9", id="quoted-printable as it is written"),
        pytest.param("=?utf-8?", id="encoded words as they are written"),
        pytest.param("--border", id="delimiters"),
        pytest.param("2\r\n<p>", id="across two parts"),
        pytest.param("grüsse", id="another letter"),
    ],
)
def test_what_nobody_reads_is_not_found(text: str) -> None:
    assert not searched(MESSAGE).text_has(Needle(text))
    assert not searched(MESSAGE).body_has(Needle(text))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (b"subject", "aus köln", True),
        (b"SUBJECT", "", True),
        (b"Subject", "Subject", False),
        (b"x-note", "first", True),
        (b"x-note", "second", True),
        (b"x-note", "second ", False),
        (b"from", "example <ann", True),
        (b"x-not", "", False),
        (b"to", "", False),
        (b"content-transfer-encoding", "", False),
        (b"", "", False),
    ],
)
def test_a_field_is_searched_by_its_name(name: bytes, text: str, expected: bool) -> None:
    folded = Needle(text).folded
    assert any(folded in field for field in searched(MESSAGE).fields(name)) is expected


@pytest.mark.parametrize("fold", [b"\r\n", b"\n"])
def test_folds_around_a_value_are_no_part_of_it(fold: bytes) -> None:
    message = b"Subject:" + fold + b" =?utf-8?q?a?=" + fold + b" \r\nTo: b\r\n\r\n"
    assert searched(message).fields(b"subject") == [b"A"]


def test_texts_are_kept_for_the_next_needle() -> None:
    message = searched(MESSAGE)
    assert [message.body_has(Needle(text)) for text in ("open", "closed", "привет", "open")] == [
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_large_messages_are_searched_across_chunks(encoding: str, tmp_path: Path) -> None:
    line = "Съешь же ещё этих мягких французских булок.\r\n"
    text = line * (2 * CHUNK // len(line.encode())) + "Последняя строка"
    octets = text.encode()
    if encoding == "base64":
        octets = base64.encodebytes(octets)
    elif encoding == "quoted-printable":
        octets = quopri.encodestring(octets)
    header = f"Subject: large\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    file = tmp_path / "message"
    file.write_bytes(header.encode() + octets)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        message = SearchedMessage(mapped, scan(mapped).parts)
        for at in range(CHUNK // 3 - 200, CHUNK // 3 + 200, 7):  # borders of the encodings lie elsewhere
            assert message.body_has(Needle(text[at : at + 60]))
        assert message.body_has(Needle(line * 2_000 + "СЪЕШЬ"))
        assert message.body_has(Needle("последняя строка"))
        assert message.body_has(Needle("")) is message.text_has(Needle("LARGE")) is True
        assert not message.text_has(Needle("предпоследняя"))


def test_every_place_in_a_large_message_is_searched() -> None:
    text = "".join(f"{number:07}" for number in range(CHUNK // 3))
    message = searched(b"\r\n" + text.encode())
    assert all(message.body_has(Needle(text[at : at + 20])) for at in range(CHUNK - 30, CHUNK + 30))
    assert message.body_has(Needle(text[-1]))
    assert not message.body_has(Needle("x"))


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=60),
    st.data(),
    st.sampled_from(["8bit", "base64", "quoted-printable"]),
)
def test_any_part_of_a_text_is_found(text: str, data: st.DataObject, encoding: str) -> None:
    """But for one that ends between a character and its marks in another order."""
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, len(text)))
    octets = f"before {text}.".encode()
    if encoding == "base64":
        octets = base64.encodebytes(octets)
    elif encoding == "quoted-printable":
        octets = quopri.encodestring(octets, quotetabs=True)
    message = (
        b"Subject: s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n%b"
        % (encoding.encode(), octets)
    )
    needle = Needle(text[start:end])
    if needle.is_in(text):
        assert searched(message).body_has(needle)
        assert searched(message).text_has(needle)
    assert searched(message).body_has(Needle(text))


@given(st.binary(max_size=300), st.text(max_size=5))
def test_any_octets_are_searched(message: bytes, text: str) -> None:
    found = searched(message)
    assert found.text_has(Needle(text)) >= found.body_has(Needle(text))
    assert not any(b"\n" in field for field in found.fields(b"subject"))


NAMES = st.text(st.sampled_from('aB "\\,é=?<>@.'), max_size=8)


@given(NAMES, NAMES, st.text(st.sampled_from('aB "\\,é=?<>@.o'), max_size=4))
def test_a_text_that_may_not_be_in_fields_is_not_in_them(name: str, subject: str, text: str) -> None:
    encoded = Header(subject, "utf-8").encode().encode() if "é" in subject else subject.encode()
    header = b'From: "%b" <aBo@example.org>\r\nSubject: %b\r\n folded\r\n\r\n' % (name.encode(), encoded)
    needle = Needle(text)
    envelope = scan(header).envelope
    fields = split_envelope(envelope)
    texts = [addresses_text(addresses_in(fields.author)), decode_words(string_in(fields.subject))]
    assert needle.may_be_in(envelope) >= any(map(needle.is_in, texts))
    assert needle.may_be_in(header) >= searched(header).text_has(needle)


def test_most_messages_are_told_to_be_without_it() -> None:
    envelope = scan(b"From: Ann <ann@example.org>\r\nSubject: Hello\r\n\r\n").envelope
    assert not Needle("xylophone").may_be_in(envelope)
    assert not Needle("hello, xylophone").may_be_in(envelope)
    assert not Needle("Grüße").may_be_in(envelope)
    assert Needle("hello").may_be_in(envelope)
    assert Needle("ann@example").may_be_in(envelope)


def test_a_table_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="damaged"):
        SearchedMessage(b"x", b"no table")


def test_R_130_many_parts_are_searched() -> None:
    message = (
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
        + b"--a\r\n\r\ntext\r\n" * 9_999
        + b"--a\r\n\r\nlast\r\n"
    )
    assert searched(message).body_has(Needle("last"))
    assert not searched(message).text_has(Needle("xylophone"))
