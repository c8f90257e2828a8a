import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import LimitExceeded, ParseError
from posthouse.wire.imap.fetch import (
    ITEMS_MAX,
    Attribute,
    Fetch,
    Item,
    Partial,
    Section,
    Text,
    parse_fetch,
    parse_uid_fetch,
)
from posthouse.wire.imap.sequence import SequenceSet

FAST = (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.RFC822_SIZE)


def items(text: bytes) -> tuple[Item, ...]:
    return parse_fetch(Cursor(b" 1 " + text)).items


def section(text: bytes) -> Section:
    (item,) = items(text)
    assert isinstance(item, Section)
    return item


def test_the_set_and_the_items() -> None:
    assert parse_fetch(Cursor(b" 2:4 UID")) == Fetch(SequenceSet(((2, 4),)), (Attribute.UID,))
    assert parse_uid_fetch(Cursor(b" 2 (UID)")).by_uid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"FAST", FAST),
        pytest.param(b"all", (*FAST, Attribute.ENVELOPE)),
        pytest.param(b"Full", (*FAST, Attribute.ENVELOPE, Attribute.BODY)),
        pytest.param(b"(FLAGS flags)", (Attribute.FLAGS, Attribute.FLAGS), id="twice"),
        pytest.param(b"(BODY BODYSTRUCTURE)", (Attribute.BODY, Attribute.BODYSTRUCTURE)),
        pytest.param(b"rfc822.size", (Attribute.RFC822_SIZE,)),
        pytest.param(
            b"(ENVELOPE INTERNALDATE UID)", (Attribute.ENVELOPE, Attribute.INTERNALDATE, Attribute.UID)
        ),
    ],
)
def test_macros_and_attributes(text: bytes, expected: tuple[Item, ...]) -> None:
    assert items(text) == expected


@pytest.mark.parametrize(
    ("text", "parts", "what", "label"),
    [
        pytest.param(b"BODY[]", (), Text.ALL, b"BODY[]"),
        pytest.param(b"BODY[1]", (1,), Text.ALL, b"BODY[1]"),
        pytest.param(b"BODY[1.20.3]", (1, 20, 3), Text.ALL, b"BODY[1.20.3]"),
        pytest.param(b"body[header]", (), Text.HEADER, b"BODY[HEADER]"),
        pytest.param(b"BODY[TEXT]", (), Text.TEXT, b"BODY[TEXT]"),
        pytest.param(b"BODY[4.1.mime]", (4, 1), Text.MIME, b"BODY[4.1.MIME]"),
        pytest.param(b"BODY[2.HEADER]", (2,), Text.HEADER, b"BODY[2.HEADER]"),
        pytest.param(b"BODY.PEEK[2.TEXT]", (2,), Text.TEXT, b"BODY[2.TEXT]"),
        pytest.param(b"RFC822", (), Text.ALL, b"RFC822"),
        pytest.param(b"RFC822.HEADER", (), Text.HEADER, b"RFC822.HEADER"),
        pytest.param(b"RFC822.TEXT", (), Text.TEXT, b"RFC822.TEXT"),
    ],
)
def test_sections(text: bytes, parts: tuple[int, ...], what: Text, label: bytes) -> None:
    found = section(text)
    assert (found.parts, found.text, found.label, found.partial) == (parts, what, label, None)


def test_only_peeking_leaves_messages_unseen() -> None:
    seen = {
        text: not section(text).is_peek
        for text in (b"BODY[]", b"BODY.PEEK[]", b"RFC822", b"RFC822.TEXT", b"RFC822.HEADER")
    }
    assert seen == {
        b"BODY[]": True,
        b"BODY.PEEK[]": False,
        b"RFC822": True,
        b"RFC822.TEXT": True,
        b"RFC822.HEADER": False,
    }


def test_names_of_fields() -> None:
    found = section(b'BODY.PEEK[HEADER.FIELDS (From "to" {4}\r\nDate x+y)]')
    assert found.fields == {b"from", b"to", b"date", b"x+y"}
    assert found.label == b'BODY[HEADER.FIELDS (From to Date "x+y")]'
    found = section(b"BODY[1.2.HEADER.FIELDS.NOT (a[b)]<0.5>")
    assert (found.parts, found.text) == ((1, 2), Text.HEADER_FIELDS_NOT)
    assert found.fields == {b"a[b"}
    assert found.label == b"BODY[1.2.HEADER.FIELDS.NOT (a[b)]<0>"


def test_partials() -> None:
    found = section(b"BODY[TEXT]<10.20>")
    assert (found.partial, found.label) == (Partial(10, 20), b"BODY[TEXT]<10>")
    assert section(b"BODY[]<4294967295.4294967295>").partial == Partial(4294967295, 4294967295)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"()", b"(", b"(FLAGS", b"(FLAGS )", b"FLAGS UID", b"(FLAGS  UID)", b"(ALL)", b"NONSENSE", b"BODY.PEEK",
        b"BODY[", b"BODY[1", b"BODY[0]", b"BODY[01]", b"BODY[1.]", b"BODY[.1]", b"BODY[1..2]", b"BODY[MIME]", b"BODY[1.X]",
        b"BODY[4294967296]", b"BODY[12345678901]", b"BODY[HEADER.FIELDS]", b"BODY[HEADER.FIELDS ()]", b"BODY[HEADER.]",
        b"BODY[HEADER.FIELDS (a:b)]", b'BODY[HEADER.FIELDS ("")]', b'BODY[HEADER.FIELDS ("a b")]', b"BODY[TEXT.1]",
        b"BODY[HEADER.FIELDS ({3}\r\na\nb)]", b"BODY[]<1>", b"BODY[]<1.0>", b"BODY[]<4294967296.1>", b"BODY[]<.1>",
        b"RFC822.SIZE[]", b"BODY[]<0.1", b"BODY[] ", b"RFC822.PEEK", b"((FLAGS))",
    ],
)  # fmt: skip
def test_bad_items_are_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        items(text)


def test_R_108_parts_10000_deep_are_read_in_a_line() -> None:
    found = section(b"BODY[" + b".".join([b"1"] * 10_000) + b"]")
    assert found.parts == (1,) * 10_000


def test_R_108_10000_names_of_fields() -> None:
    names = b" ".join(b"n%d" % number for number in range(10_000))
    assert len(section(b"BODY[HEADER.FIELDS (" + names + b")]").fields) == 10_000


def test_R_108_2000_items_are_too_many() -> None:
    with pytest.raises(LimitExceeded):
        items(b"(" + b" ".join([b"BODY[]"] * 2000) + b")")
    assert len(items(b"(" + b" ".join([b"BODY[]"] * ITEMS_MAX) + b")")) == ITEMS_MAX


@given(st.text(alphabet="BODYPEK[].<>0123(), HEADRFILSTXMUG", max_size=40))
def test_any_items_are_read_or_refused(text: str) -> None:
    try:
        found = items(text.encode())
    except ParseError:
        return
    assert found
