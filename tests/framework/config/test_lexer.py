"""Spec: config-language §1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.framework.config.lexer import tokenize

LONG = 200_000  # characters: quadratic time would be noticed


def words(text: str) -> list[str]:
    return [token.text for token in tokenize(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("a b\tc", ["a", "b", "c"], id="blanks part words"),
        pytest.param(
            "a\u00a0b\u2003c\u3000d\x85e\u2028f", ["a", "b", "c", "d", "e", "f"], id="Unicode blanks"
        ),
        pytest.param("a\x1cb", ["a\x1cb"], id="a file separator is no white space of Unicode"),
        pytest.param("\ufeffa", ["a"], id="a byte order mark is dropped"),
        pytest.param("a \ufeffb", ["a", "\ufeffb"], id="but only at the start"),
        pytest.param("a\r\nb\r", ["a", "b"], id="CR is skipped"),
        pytest.param("a\rb", ["ab"], id="CR inside a word is dropped"),
        pytest.param("a{ b} {}", ["a{", "b}", "{}"], id="braces are nothing special"),
        pytest.param('a"b c"', ['a"b', 'c"'], id="a quote inside a word is literal"),
        pytest.param("a # b\nc", ["a", "c"], id="comment"),
        pytest.param(
            "foo#bar baz\nc", ["foo", "c"], id="a comment that ends a word lasts until the line's end"
        ),
        pytest.param("# a", [], id="comment at the end of the file"),
        pytest.param('"a b"', ["a b"], id="quoted"),
        pytest.param('"a # b"', ["a # b"], id="no comment inside quotes"),
        pytest.param('"a"b', ["a", "b"], id="a quoted word ends right at its quote"),
        pytest.param('"a""b"', ["a", "b"], id="two quoted words"),
        pytest.param('""', [""], id="empty word"),
        pytest.param(r'"a\"b"', ['a"b'], id="escaped quote"),
        pytest.param(r'"a\\"', [r"a\\"], id="an escaped backslash stays two characters"),
        pytest.param(r'"a\nb\\\"c"', [r'a\nb\\"c'], id="other escapes stay"),
        pytest.param('"a\r\nb"', ["a\r\nb"], id="line ends are kept inside quotes"),
        pytest.param('a "b c', ["a", "b c"], id="unterminated: what was read"),
        pytest.param('a "', ["a"], id="unterminated and empty: nothing"),
        pytest.param(r'"a\"', ['a"'], id="unterminated after an escaped quote"),
        pytest.param("\\", ["\\"], id="a backslash is an ordinary character"),
        pytest.param("a\\ b", ["a\\", "b"], id="it does not escape a blank"),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_tokens_know_their_places() -> None:
    text = 'a  b\n\t"c\nd" e # f\n  g'
    assert [(t.text, t.line, t.column, t.end_line) for t in tokenize(text)] == [
        ("a", 1, 1, 1),
        ("b", 1, 4, 1),
        ("c\nd", 2, 2, 3),
        ("e", 3, 4, 3),
        ("g", 4, 3, 4),
    ]


def test_the_byte_order_mark_takes_no_column() -> None:
    assert tokenize("\ufeffa")[0].column == 1


@given(st.text(alphabet=' \n\r\t"\\#{}$()=ab\u00a0\ufeff'))
def test_any_text_has_tokens(text: str) -> None:
    tokens = tokenize(text)
    assert all(1 <= token.line <= token.end_line <= text.count("\n") + 1 for token in tokens)
    assert [token.line for token in tokens] == sorted(token.line for token in tokens)


@given(st.lists(st.text(st.characters(codec="utf-8")).filter(lambda word: "\\" not in word)))
def test_quoted_words_come_back(texts: list[str]) -> None:
    quoted = " ".join('"' + text.replace('"', '\\"') + '"' for text in texts)
    assert words(quoted) == texts


@pytest.mark.parametrize("piece", ['"', "\\", "\\\n", '"\\', "a", "\n", "# ", '"\n', " \u00a0", "\r"])
def test_a_long_text_takes_linear_time(piece: str) -> None:
    tokenize(piece * (LONG // len(piece)))
    tokenize('"' + piece * (LONG // len(piece)))
