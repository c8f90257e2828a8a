"""Comments in structured fields."""

import pytest

from posthouse.message.comment import without_comments


@pytest.mark.parametrize(
    ("value", "without"),
    [
        (b"text/plain", b"text/plain"),
        (b"text/plain (a) ; (b(c)d) x=y", b"text/plain   ;   x=y"),
        (b'name="a (1).pdf" (c)', b'name="a (1).pdf"  '),
        (b'name="a\\" (1)" (c)', b'name="a\\" (1)"  '),
        (b"a (b\\) c", b"a  "),
        (b"a (b", b"a  "),
        (b'a "b (c', b'a "b (c'),
    ],
)
def test_comments_are_replaced_by_a_blank(value: bytes, without: bytes) -> None:
    assert without_comments(value) == without


@pytest.mark.parametrize("value", [b"(" * 200_000, b"()" * 200_000, b'\\"(' * 200_000, b'"(' * 200_000])
def test_R_133_hostile_comments_are_removed(value: bytes) -> None:
    assert len(without_comments(value)) <= len(value)
