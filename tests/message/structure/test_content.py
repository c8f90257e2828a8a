"""Content-Type and its like, with their parameters."""

import pytest

from posthouse.message.structure.content import (
    BOUNDARY_MAX,
    PARAMETERS_MAX,
    PLAIN_TEXT,
    MediaType,
    Parameters,
    boundary,
    disposition,
    encoding,
    languages,
    media_type,
)
from posthouse.message.structure.fields import read_fields


def content_type(value: bytes) -> MediaType:
    return media_type(read_fields(b"Content-Type: " + value + b"\r\n"))


def parameters(value: bytes) -> Parameters:
    return content_type(b"application/x; " + value).parameters


@pytest.mark.parametrize(
    "value",
    [
        b"TEXT/Html;charset=x",
        b"TEXT / Html ; charset = x",
        b"TEXT/Html (a); (b) charset=(c)x (d)",
        b'TEXT/Html; charset="x"; ;',
        b"TEXT/Html;\r\n\tcharset=x",
        b"TEXT/Html;; charset=x; y; =z",
        b"TEXT/Html; charset=x y",
    ],
)
def test_type_subtype_and_parameters(value: bytes) -> None:
    assert content_type(value) == MediaType(b"TEXT", b"Html", [(b"charset", b"x")], b"text/html")


@pytest.mark.parametrize(
    "value", [b"", b"text", b"text/", b"/plain", b"text/plain x=y", b"a b/c", b"t\xe4xt/plain", b";"]
)
def test_a_malformed_type_is_plain_text(value: bytes) -> None:
    assert content_type(value) == PLAIN_TEXT


def test_a_missing_type_is_plain_text() -> None:
    assert media_type({}) == PLAIN_TEXT


def test_text_has_a_charset() -> None:
    assert content_type(b"text/html; x=y").parameters == [(b"x", b"y"), (b"charset", b"us-ascii")]
    assert content_type(b"text/html; Charset=y").parameters == [(b"Charset", b"y")]
    assert content_type(b"image/gif").parameters == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'name="a;b\\"c\\\\"', b'a;b"c\\'),
        (b'name="a\r\n b"', b"a b"),
        (b'name="(a)"', b"(a)"),
        (b"name=a=b/c?d", b"a=b/c?d"),
        (b'name="unclosed; x=y', b"unclosed; x=y"),
        (b'name=""', b""),
        (b"name=\xc3\xa4", b"\xc3\xa4"),
    ],
)
def test_values_of_parameters(value: bytes, expected: bytes) -> None:
    assert parameters(value) == [(b"name", expected)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"URL*0=ftp://; URL*1=x.edu/", [(b"URL", b"ftp://x.edu/")], id="RFC 2231 section 3"),
        pytest.param(
            b"title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
            [(b"title*", b"us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!")],
            id="RFC 2231 section 4.1",
        ),
        pytest.param(b"a*=utf-8''%C3%A4", [(b"a*", b"utf-8''%C3%A4")], id="encoded, one section"),
        pytest.param(b"a*1=c; b=x; A*0=b", [(b"b", b"x"), (b"A", b"bc")], id="wrong order"),
        pytest.param(b"a*0=b; a*1*=%20", [(b"a*", b"''b%20")], id="encoded later"),
        pytest.param(b"a*0=b; a*2=c", [(b"a*0", b"b"), (b"a*2", b"c")], id="gap"),
        pytest.param(b"a*1=b", [(b"a*1", b"b")], id="no first"),
        pytest.param(b"a*0=b; a*0=c", [(b"a*0", b"b"), (b"a*0", b"c")], id="double"),
        pytest.param(
            b"a*00=b; a*x=c; a**=d; *=e; a*99999=f",
            [(b"a*00", b"b"), (b"a*x", b"c"), (b"a**", b"d"), (b"*", b"e"), (b"a*99999", b"f")],
            id="no sections",
        ),
        pytest.param(b"a=b; a=c", [(b"a", b"b"), (b"a", b"c")], id="twice"),
    ],
)
def test_R_132_sections_are_put_together(value: bytes, expected: Parameters) -> None:
    assert parameters(value) == expected


def test_R_132_many_sections_are_cut() -> None:
    value = b"; ".join(b"name*%d=a" % n for n in range(20_000))
    assert parameters(value) == [(b"name", b"a" * PARAMETERS_MAX)]
    backwards = b"; ".join(b"name*%d=a" % n for n in reversed(range(20_000)))
    assert len(parameters(backwards)) == PARAMETERS_MAX


@pytest.mark.parametrize(
    "value", [b"; " * 200_000, b"a;" * 200_000, b'a="' * 200_000, b'a="\\"' * 200_000, b"(" * 200_000]
)
def test_R_132_hostile_parameters_are_read(value: bytes) -> None:
    assert len(parameters(value)) <= PARAMETERS_MAX


def test_a_boundary_has_a_limit() -> None:
    assert boundary(content_type(b"multipart/mixed; BOUNDARY=x")) == b"x"
    assert boundary(content_type(b'multipart/mixed; boundary="x y "')) == b"x y "
    assert boundary(content_type(b"multipart/mixed; boundary=" + b"x" * BOUNDARY_MAX)) == b"x" * BOUNDARY_MAX
    assert boundary(content_type(b"multipart/mixed; boundary=" + b"x" * (BOUNDARY_MAX + 1))) is None
    assert boundary(content_type(b'multipart/mixed; boundary=""')) is None
    assert boundary(content_type(b"multipart/mixed")) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"BASE64", b"BASE64"),
        (b"8bit (c)", b"8bit"),
        (b"", b"7bit"),
        (b"foo bar", b"7bit"),
        (b"base64;", b"base64"),
    ],
)
def test_the_encoding_is_a_word_or_7bit(value: bytes, expected: bytes) -> None:
    assert encoding(read_fields(b"Content-Transfer-Encoding: " + value + b"\r\n")) == expected
    assert encoding({}) == b"7bit"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"inline", (b"inline", [])),
        (b"attachment; filename=x; size=3", (b"attachment", [(b"filename", b"x"), (b"size", b"3")])),
        (b"", None),
        (b"; filename=x", None),
        (b"attachment filename=x", None),
    ],
)
def test_dispositions(value: bytes, expected: object) -> None:
    assert disposition(read_fields(b"Content-Disposition: " + value + b"\r\n")) == expected


def test_languages() -> None:
    assert languages(read_fields(b"Content-Language: de-AT (c), en\r\n")) == [b"de-AT", b"en"]
    assert languages({}) == []
