"""Folding for comparison: i;unicode-casemap (RFC 5051)."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.text.casemap import fold

HANGUL = range(0xAC00, 0xD7A4)  # decomposed by rule, not by UnicodeData.txt
MARKS = [chr(code) for code in range(0x300, 0x370)]
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("aäßÄ\u0301\u0323é ǆﬁⅨЙй가Å")), max_size=80)


def title_cased(character: str) -> str:
    title = character.title()
    return title if len(title) == 1 else character  # UnicodeData.txt has mappings to one character only


def decomposed(character: str) -> str:
    """What UnicodeData.txt says, again and again."""
    fields = unicodedata.decomposition(character).split()
    if not fields:
        return unicodedata.normalize("NFD", character) if ord(character) in HANGUL else character
    return "".join(decomposed(chr(int(code, 16))) for code in fields if not code.startswith("<"))


def by_the_rfc(text: str) -> bytes:
    folded = "".join(map(decomposed, map(title_cased, text)))
    return unicodedata.normalize("NFD", folded).encode("utf-8", "surrogatepass")


def test_the_example_of_the_rfc() -> None:
    assert fold("\u01c4") == "Dz\u030c".encode()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello", "hELLO"),
        ("Grüße", "GRÜßE"),
        ("u\u0308ber", "Über"),
        ("Привет", "пРИВЕТ"),
        ("Йод", "йОД"),
        ("１２Ａ", "12a"),
        ("\u212b", "Å"),
        ("\u212a", "k"),
        ("a\u0301\u0323", "a\u0323\u0301"),
        ("a\N{NO-BREAK SPACE}b", "a b"),
        ("σς", "ΣΣ"),
    ],
)
def test_these_are_the_same(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("ß", "ss"), ("a", "á"), ("о", "o"), ("İ", "i"), ("ა", "Ა")])
def test_these_are_not(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_a_letter_is_found_under_its_marks() -> None:
    assert fold("gru") in fold("Grüße")
    assert fold("grus") not in fold("Grüße")


def test_every_character_is_folded_as_the_rfc_says() -> None:
    wrong = []
    for code in range(0x30000):
        character = chr(code)
        expected = by_the_rfc(character)
        if fold(character) != expected or not fold("x" * 60 + character).endswith(expected):
            wrong.append(hex(code))
    assert wrong == []


@given(TEXTS)
def test_texts_are_folded_as_the_rfc_says(text: str) -> None:
    assert fold(text) == by_the_rfc(text)


def test_what_one_character_is_folded_to_is_not_folded_again() -> None:
    for text in ("\u1d5d\u03b2", "\u03b2\u1d5d", "\u1d5d"):  # a small beta above the line, a small beta
        assert fold("." * 100 + text) == b"." * 100 + by_the_rfc(text)


@given(TEXTS, st.integers(0, 400))
def test_text_of_any_kind_is_folded_alike(text: str, others: int) -> None:
    """With much or little ASCII around it, other ways are taken."""
    assert fold("." * others + text + "." * others) == b"." * others + fold(text) + b"." * others


def test_long_text_is_folded_as_short_text_is() -> None:
    line = "Съешь ещё этих мягких французских булок, e\u0323\u0301 да выпей же чаю. "
    assert fold(line * 300) == fold(line) * 300


def test_R_137_many_marks_take_linear_time() -> None:
    marks = "\u0301\u0323" * 100_000
    folded = fold("a" + marks).decode()
    assert sorted(folded) == sorted("A" + marks)


def test_the_whole_of_unicode_is_folded() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert fold(everything)
