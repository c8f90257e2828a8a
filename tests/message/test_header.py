"""The header: read, looked up, added to, written back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.header import (
    FOLD_AT,
    LINE_MAX,
    Header,
    HeaderError,
    find_body,
    fold,
    split_fields,
    unfold,
)

RAW = (
    b"Received: from a\r\n\tby b; Mon\r\n"
    b"RECEIVED: from c\r\n"
    b"subject:  Hello\r\n  there \r\n"
    b"X-Empty:\r\n"
    b": no name\r\n"
    b"To: =?utf-8?q?a?= <a@example.org>\r\n"
)


def test_what_is_read_is_written_back_unchanged() -> None:
    assert Header.parse(RAW).to_bytes() == RAW
    assert Header.parse(RAW + b"\r\n").to_bytes() == RAW
    assert Header.parse(RAW).size == len(RAW)


def test_a_block_is_taken_apart_into_fields() -> None:
    assert split_fields(RAW) == [
        b"Received: from a\r\n\tby b; Mon\r\n",
        b"RECEIVED: from c\r\n",
        b"subject:  Hello\r\n  there \r\n",
        b"X-Empty:\r\n",
        b": no name\r\n",
        b"To: =?utf-8?q?a?= <a@example.org>\r\n",
    ]
    assert split_fields(b"") == []


def test_values_are_unfolded_and_stripped_and_names_found_in_any_case() -> None:
    header = Header.parse(RAW)
    assert header.get(b"Subject") == b"Hello  there"
    assert header.get(b"RECEIVED") == b"from a\tby b; Mon"
    assert header.get_all(b"received") == [b"from a\tby b; Mon", b"from c"]
    assert header.get(b"x-empty") == b""
    assert header.get(b"x-missing") is None
    assert header.get_all(b"x-missing") == []


def test_fields_are_counted() -> None:
    header = Header.parse(RAW)
    assert header.count(b"Received") == 2
    assert header.count(b"from") == 0


def test_a_name_inside_a_value_is_not_found() -> None:
    assert Header.parse(b"Subject: x\r\n From: y\r\n").get(b"from") is None


@pytest.mark.parametrize("raw", [b"", b"\r\n"])
def test_a_header_may_be_empty(raw: bytes) -> None:
    header = Header.parse(raw)
    assert (header.to_bytes(), header.size, header.get(b"from")) == (b"", 0, None)


def test_a_missing_line_end_at_the_end_of_data_is_put_there() -> None:
    assert Header.parse(b"Subject: x").to_bytes() == b"Subject: x\r\n"


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        pytest.param(b" Subject: x\r\n", 1, id="begins with white space"),
        pytest.param(b"\tx\r\n", 1, id="begins with a tab"),
        pytest.param(b"Subject\r\n", 1, id="no colon"),
        pytest.param(b"A: b\r\n folded\r\nno colon here\r\n", 3, id="no colon later"),
        pytest.param(b"A: b\r\nSubj ect: x\r\n", 2, id="blank in the name"),
        pytest.param(b"From : a@example.org\r\n", 1, id="blank before the colon"),
        pytest.param("Sübject: x\r\n".encode(), 1, id="8 bit in the name"),
        pytest.param(b"A: b\r\nSub\0ject: x\r\n", 2, id="NUL in the name"),
        pytest.param(b"A: b\r\n\r\nC: d\r\n", 2, id="blank line inside"),
        pytest.param(b"A: b\r\n\r\n\r\n", 2, id="two blank lines"),
        pytest.param(b"A: b\r\nlast", 2, id="no colon at the end of data"),
    ],
)
def test_malformed_lines_are_refused_with_their_number(raw: bytes, line: int) -> None:
    with pytest.raises(HeaderError, match=f"^line {line} "):
        Header.parse(raw)


def test_fields_are_added_on_top() -> None:
    header = Header.parse(b"From: a\r\n")
    header.add("Received", "by b")
    header.add_raw(b"DKIM-Signature:  v=1;\r\n\tb=x\r\n")
    assert header.size == len(header.to_bytes())
    assert header.to_bytes() == b"DKIM-Signature:  v=1;\r\n\tb=x\r\nReceived: by b\r\nFrom: a\r\n"
    assert header.get(b"received") == b"by b"
    header.add("received", "by c")
    assert header.get_all(b"received") == [b"by c", b"by b"]


def test_a_copy_changes_apart_from_its_original() -> None:
    header = Header.parse(b"From: a\r\n")
    header.add("X", "1")
    twin = header.copy()
    twin.add("Y", "2")
    header.add("Z", "3")
    assert twin.to_bytes() == b"Y: 2\r\nX: 1\r\nFrom: a\r\n"
    assert header.to_bytes() == b"Z: 3\r\nX: 1\r\nFrom: a\r\n"


@pytest.mark.parametrize("value", ["a\r\nBcc: b", "a\nb", "a\rb", "a\0b"])
def test_R_186_a_value_cannot_add_a_field(value: str) -> None:
    header = Header()
    with pytest.raises(HeaderError):
        header.add("Subject", value)
    assert header.to_bytes() == b""


@pytest.mark.parametrize("name", ["", "a b", "a:", "ä", "a\r\nb", "n" * 256])
def test_a_name_must_be_one(name: str) -> None:
    with pytest.raises(HeaderError):
        Header().add(name, "x")


@pytest.mark.parametrize(
    "field", [b"", b"A: b", b"A: b\n\r\nC: d\r\n", b" A: b\r\n", b"A b\r\n", b"A: b\r\n\r\n"]
)
def test_a_raw_field_must_be_whole(field: bytes) -> None:
    with pytest.raises(HeaderError):
        Header().add_raw(field)


class TestFolding:
    """spec/message-pipeline.md §1, "Formatting of fields we add"."""

    def test_a_line_of_76_octets_is_not_folded(self) -> None:
        assert fold("X", "a " * 36 + "b") == b"X: " + b"a " * 36 + b"b\r\n"
        assert len(fold("X", "a " * 36 + "b")) == 76 + 2

    def test_the_last_blank_that_fits_begins_the_next_line(self) -> None:
        word = "w" * 60
        assert fold("Subject", f"{word} one two three") == f"Subject: {word} one\r\n two three\r\n".encode()

    def test_the_blank_just_behind_the_budget_counts(self) -> None:
        word = "w" * 67
        assert fold("Subject", f"{word} x") == f"Subject: {word}\r\n x\r\n".encode()

    def test_continuation_lines_have_76_octets_with_their_blank(self) -> None:
        value = "a" * 67 + " " + "b" * 75 + "\t" + "c" * 75
        lines = fold("Subject", value).split(b"\r\n")
        assert [len(line) for line in lines] == [76, 76, 76, 0]
        assert lines[2].startswith(b"\t")

    def test_without_a_blank_the_line_may_have_998_octets(self) -> None:
        assert fold("X", "a" * 995) == b"X: " + b"a" * 995 + b"\r\n"

    def test_with_998_the_last_blank_that_fits_is_taken(self) -> None:
        value = "a" * 100 + " b c" + " " + "d" * 900
        assert fold("X", value) == b"X: " + b"a" * 100 + b" b c\r\n " + b"d" * 900 + b"\r\n"

    def test_a_longer_word_is_broken(self) -> None:
        assert fold("X", "a" * 3000).split(b"\r\n") == [
            b"X: " + b"a" * 995,
            b" " + b"a" * 997,
            b" " + b"a" * 997,
            b" " + b"a" * 11,
            b"",
        ]

    def test_no_character_is_broken(self) -> None:
        for shift in range(4):
            fold("X", "a" * shift + "\N{GRINNING FACE}" * 1000).decode()

    def test_an_empty_value_is_one_line(self) -> None:
        assert fold("X", "") == b"X: \r\n"

    @given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=3000))
    def test_only_line_ends_and_breaks_of_words_are_inserted(self, value: str) -> None:
        field = fold("X", value)
        lines = field.split(b"\r\n")
        assert lines.pop() == b""
        assert all(len(line) <= LINE_MAX for line in lines)
        assert all(line[:1] in (b" ", b"\t") for line in lines[1:])
        assert Header.parse(field).to_bytes() == field
        if len(max(value.split(" "), key=len).encode()) < FOLD_AT - 3:
            assert field.replace(b"\r\n", b"") == b"X: " + value.encode()


@pytest.mark.parametrize(
    ("value", "unfolded"),
    [(b" a\r\n b ", b"a b"), (b"a\r\n\tb\r\n c", b"a\tb c"), (b"\r\n a", b"a"), (b"", b""), (b" \r\n ", b"")],
)
def test_unfolding_removes_line_ends_only(value: bytes, unfolded: bytes) -> None:
    assert unfold(value) == unfolded


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"A: b\r\n\r\nbody", 8),
        (b"A: b\r\n\r\n", 8),
        (b"\r\nbody", 2),
        (b"\r\n", 2),
        (b"A: b\r\n", -1),
        (b"A: b\n\nbody", -1),
        (b"", -1),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 100])
def test_the_body_is_found_however_the_data_arrives(data: bytes, body: int, step: int) -> None:
    found = searched = 0
    for end in [*range(step, len(data), step), len(data)]:
        found = find_body(data[:end], searched)
        searched = end
        if found >= 0:
            break
    assert found == body


@given(st.binary(max_size=300) | st.text("ab: \t\r\n", max_size=100).map(str.encode))
def test_R_142_any_octets_are_read_or_refused(raw: bytes) -> None:
    try:
        header = Header.parse(raw)
    except HeaderError:
        return
    block = header.to_bytes()
    assert block == b"" or block.endswith(b"\n")
    assert Header.parse(block).to_bytes() == block
    assert header.count(b"a") == len(header.get_all(b"a"))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"a: b\r\n" * 50_000, id="50,000 fields"),
        pytest.param(b"a: b\r\n" + b" c\r\n" * 50_000, id="50,000 folds"),
        pytest.param(b"a: " + b"b" * 1_000_000 + b"\r\n", id="a field of 1 MB"),
        pytest.param(b"a" * 1_000_000 + b":\r\n", id="a name of 1 MB"),
    ],
)
def test_R_055_huge_headers_are_read(raw: bytes) -> None:
    header = Header.parse(raw)
    header.add("B", "c")
    assert header.to_bytes() == b"B: c\r\n" + raw
    assert header.count(b"a") == len(header.get_all(b"a"))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"a: b\r\n" * 50_000 + b"c", id="no colon at the end"),
        pytest.param(b"a" * 1_000_000, id="1 MB and no colon"),
        pytest.param(b"a: b\r\n" + b"a " * 500_000, id="1 MB of short words"),
    ],
)
def test_R_055_huge_headers_without_a_colon_are_refused(raw: bytes) -> None:
    with pytest.raises(HeaderError):
        Header.parse(raw)


def test_fields_are_taken_out_by_their_value_and_the_rest_stays() -> None:
    header = Header.parse(b"A: 1\r\nb: x\r\n y\r\nB: z\r\nC: 2\r\nB: x y\r\n\r\n")
    header.add("D", "on top")
    header.remove(b"B", lambda value: value == b"x y")
    assert header.to_bytes() == b"D: on top\r\nA: 1\r\nB: z\r\nC: 2\r\n"
    assert header.count(b"b") == 1
    header.remove(b"E", lambda value: True)
    header.remove(b"D", lambda value: True)
    assert header.to_bytes() == b"A: 1\r\nB: z\r\nC: 2\r\n"
