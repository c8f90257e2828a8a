"""One scan of a message: BODYSTRUCTURE and the table of parts, which must agree with each other."""

import mmap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.structure import Structure, parts_of, scan, without_extensions
from posthouse.message.structure.parts import LEAF, MESSAGE, MULTIPART
from posthouse.message.structure.scan import DEPTH_MAX, MESSAGE_ID_MAX, PARTS_MAX, STRUCTURE_MAX

Read = Callable[..., Any]
ASCII = [b"charset", b"us-ascii"]


def text(size: int, lines: int) -> list[Any]:
    return [b"text", b"plain", ASCII, None, None, b"7bit", size, lines, None, None, None, None]


def multipart(boundary: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"Content-Type: multipart/mixed; boundary=" + boundary, b"", *lines])


def mixed(boundary: bytes, *parts: list[Any]) -> list[Any]:
    return [list(parts), b"mixed", [b"boundary", boundary], None, None, None]


def leaves(body: list[Any], numbers: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], list[Any]]]:
    """The parts that have a size, with their numbers; `numbers` is what stands before them."""
    if isinstance(body[0], list):
        for number, part in enumerate(body[0], 1):
            yield from numbered(part, (*numbers, number))
    else:
        yield from numbered(body, (*numbers, 1))


def numbered(body: list[Any], numbers: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], list[Any]]]:
    if isinstance(body[0], list):
        yield from leaves(body, numbers)
        return
    yield numbers, body
    if isinstance(body[7], list):
        yield from leaves(body[8], numbers)


def kinds(body: list[Any]) -> list[int]:
    """What the table of parts has to hold for this structure."""
    if isinstance(body[0], list):
        return [MULTIPART, *(kind for part in body[0] for kind in kinds(part))]
    return [MESSAGE, *kinds(body[8])] if isinstance(body[7], list) else [LEAF]


def unextended(body: list[Any]) -> list[Any]:
    if isinstance(body[0], list):
        return [[unextended(part) for part in body[0]], body[1]]
    return [
        unextended(item) if at == 8 and isinstance(body[7], list) else item
        for at, item in enumerate(body[:-4])
    ]


@pytest.fixture(scope="session")
def structure_of(read_body: Read, read_envelope: Read) -> Callable[[bytes], list[Any]]:
    """Scan a message, see that all results agree, and give its BODYSTRUCTURE."""

    def check(message: bytes) -> list[Any]:
        result = scan(message)
        body: list[Any] = read_body(result.structure)
        read_envelope(result.envelope)
        assert read_body(without_extensions(result.structure), extended=False) == unextended(body)
        parts = parts_of(result.parts)
        assert [part.kind for part in parts._entries] == kinds(body)
        assert (result.size, result.header_size) == (len(message), parts._entries[0].body)
        assert all(0 <= part.header <= part.body <= part.end <= len(message) for part in parts._entries)
        all_leaves = list(leaves(body))
        for numbers, part in all_leaves[:100] + all_leaves[100:][-100:]:
            section = parts.section(numbers)
            assert section is not None
            octets = message[section[0] : section[0] + section[1]]
            assert len(octets) == part[6]
            if isinstance(part[7], list):
                assert octets.count(b"\n") == part[9]
            elif part[0].lower() == b"text":
                assert octets.count(b"\n") == part[7]
        return body

    return check


class TestBodyStructure:
    def test_plain_text_is_the_default(self, structure_of: Read) -> None:
        assert structure_of(b"Subject: x\r\n\r\na\r\nb\r\nc") == text(7, 2)
        assert structure_of(b"") == text(0, 0)

    def test_all_fields_of_a_part(self, structure_of: Read) -> None:
        header = (
            b'Content-Type: IMAGE/Gif; name="a b.gif"\r\nContent-Transfer-Encoding: BASE64\r\nContent-ID: <a@b>\r\n'
            b"Content-Description: A picture\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\nContent-Language: de, en\r\n"
            b"Content-Disposition: attachment; filename=x.gif; size=3\r\nContent-Location: http://example.org/x\r\n"
        )
        assert structure_of(header + b"\r\nabc") == [
            *[b"IMAGE", b"Gif", [b"name", b"a b.gif"], b"<a@b>", b"A picture", b"BASE64", 3],
            b"Q2hlY2sgSW50ZWdyaXR5IQ==",
            [b"attachment", [b"filename", b"x.gif", b"size", b"3"]],
            [b"de", b"en"],
            b"http://example.org/x",
        ]

    def test_the_example_of_rfc_2046(self, structure_of: Read) -> None:
        message = (
            b"From: Nathaniel Borenstein <nsb@bellcore.com>\r\nTo: Ned Freed <ned@innosoft.com>\r\n"
            b"Date: Sun, 21 Mar 1993 23:56:48 -0800 (PST)\r\nSubject: Sample message\r\nMIME-Version: 1.0\r\n"
            b'Content-type: multipart/mixed; boundary="simple boundary"\r\n\r\n'
            b"This is the preamble.  It is to be ignored, though it\r\nis a handy place.\r\n\r\n"
            b"--simple boundary\r\n\r\nThis is implicitly typed plain US-ASCII text.\r\n"
            b"It does NOT end with a linebreak.\r\n"
            b"--simple boundary\r\nContent-type: text/plain; charset=us-ascii\r\n\r\n"
            b"This is explicitly typed plain US-ASCII text.\r\nIt DOES end with a linebreak.\r\n\r\n"
            b"--simple boundary--\r\n\r\nThis is the epilogue.  It is also to be ignored.\r\n"
        )
        assert structure_of(message) == mixed(b"simple boundary", text(80, 1), text(78, 2))

    def test_fields_of_a_multipart(self, structure_of: Read) -> None:
        fields = b"Content-Disposition: inline\r\nContent-Language: de\r\nContent-Location: x\r\n"
        message = fields + multipart(b"b", b"--b", b"", b"1")
        assert structure_of(message)[2:] == [[b"boundary", b"b"], [b"inline", None], [b"de"], b"x"]

    def test_a_message_in_a_part(self, structure_of: Read) -> None:
        inner = b"Subject: s\r\nFrom: a@b\r\n\r\nx\r\ny"
        author = [[None, None, b"a", b"b"]]
        envelope = [None, b"s", author, author, author, None, None, None, None, None]
        assert structure_of(b"Content-Type: message/RFC822\r\n\r\n" + inner) == [
            *[b"message", b"RFC822", None, None, None, b"7bit", len(inner)],
            *[envelope, text(4, 1), 4, None, None, None, None],
        ]

    def test_other_messages_are_not_taken_apart(self, structure_of: Read) -> None:
        body = structure_of(b"Content-Type: message/delivery-status\r\n\r\nSubject: x\r\n\r\ny")
        assert body[:7] == [b"message", b"delivery-status", None, None, None, b"7bit", 15]

    def test_in_a_digest_the_default_is_a_message(self, structure_of: Read) -> None:
        message = multipart(
            b"b",
            b"--b",
            b"",
            b"Subject: s",
            b"",
            b"x",
            b"--b",
            b"Content-Type: text/plain",
            b"",
            b"y",
            b"--b--",
        )
        body = structure_of(message.replace(b"mixed", b"digest"))
        assert [part[:2] for part in body[0]] == [[b"message", b"rfc822"], [b"text", b"plain"]]
        assert body[0][0][7][1] == b"s"


class TestDelimiters:
    @pytest.mark.parametrize(
        ("lines", "sizes"),
        [
            pytest.param([b"--a", b"", b"1", b"--a", b"", b"22", b"--a--", b"333"], [1, 2], id="usual"),
            pytest.param([b"--a", b"", b"1"], [1], id="no end"),
            pytest.param([b"--a", b"", b"1", b"--a"], [1], id="breaks off in a delimiter"),
            pytest.param([b"--a", b"", b"1", b"--a", b""], [1, 0], id="breaks off behind a delimiter"),
            pytest.param([b"--a", b"", b"1", b"--a--", b"--a", b"", b"22"], [1], id="behind the end"),
            pytest.param(
                [b" --a", b"x--a", b"--", b"--b", b"--a", b"", b"1", b"--a--"],
                [1],
                id="not at a line's beginning",
            ),
            pytest.param(
                [b"--axyz", b"", b"1", b"--a  ", b"", b"22", b"--a--x", b"", b"333"],
                [1, 2],
                id="more on the line",
            ),
            pytest.param(
                [b"--a", b"--a", b"", b"--a", b"", b"", b"--a", b"", b"", b"", b"--a--"],
                [0, 0, 0, 2],
                id="empty",
            ),
            pytest.param([b"--a", b"Subject: x", b"--a", b"", b"1"], [0, 1], id="in a header"),
            pytest.param([b"--a", b"no field", b"--a", b"", b"1"], [0, 1], id="no blank line"),
        ],
    )
    def test_a_delimiter_is_a_line_that_begins_with_the_boundary(
        self, lines: Sequence[bytes], sizes: list[int], structure_of: Read
    ) -> None:
        body = structure_of(multipart(b"a", *lines))
        assert [part[6] for part in body[0]] == sizes

    def test_of_boundaries_that_begin_alike_the_longest_is_meant(self, structure_of: Read) -> None:
        inner = multipart(b"ab", b"--ab", b"", b"1", b"--ab", b"", b"2", b"--ab--")
        assert structure_of(multipart(b"a", b"--a", inner, b"--a", b"", b"3", b"--a--")) == mixed(
            b"a", mixed(b"ab", text(1, 0), text(1, 0)), text(1, 0)
        )
        inner = multipart(b"a", b"--a", b"", b"1", b"--a", b"", b"2", b"--a--")
        assert structure_of(multipart(b"ab", b"--ab", inner, b"--ab", b"", b"3", b"--ab--")) == mixed(
            b"ab", mixed(b"a", text(1, 0), text(1, 0)), text(1, 0)
        )

    def test_a_boundary_may_look_like_the_end_of_another(self, structure_of: Read) -> None:
        inner = multipart(b"a--", b"--a--", b"", b"1", b"--a----")
        assert structure_of(multipart(b"a", b"--a", inner, b"--a", b"", b"2", b"--a--")) == mixed(
            b"a", mixed(b"a--", text(1, 0)), text(1, 0)
        )

    def test_of_equal_boundaries_the_innermost_is_meant(self, structure_of: Read) -> None:
        inner = multipart(b"a", b"--a", b"", b"1", b"--a--")
        assert structure_of(multipart(b"a", b"--a", inner, b"--a", b"", b"2", b"--a--")) == mixed(
            b"a", mixed(b"a", text(1, 0)), text(1, 0)
        )

    def test_an_outer_delimiter_ends_all_inside(self, structure_of: Read) -> None:
        inner = multipart(b"b", b"--b", b"Content-Type: message/rfc822", b"", b"Subject: s", b"", b"x")
        body = structure_of(multipart(b"a", b"--a", inner, b"--a", b"", b"2", b"--a--"))
        assert [len(body[0]), body[0][0][0][0][6], body[0][1]] == [2, 15, text(1, 0)]

    def test_a_multipart_whose_header_is_cut_off_has_no_parts(self, structure_of: Read) -> None:
        inner = b"Content-Type: multipart/mixed; boundary=a"
        assert structure_of(multipart(b"a", b"--a", inner, b"--a", b"", b"1", b"--a--")) == mixed(
            b"a", text(0, 0), text(1, 0)
        )

    def test_a_header_keeps_its_line_ends_where_a_delimiter_follows(self) -> None:
        message = multipart(b"a", b"--a", b"X: y", b"--a", b"X: z", b"", b"--a--")
        parts = parts_of(scan(message).parts)
        found = [parts.section((number,), b"MIME") or (0, 0) for number in (1, 2)]
        assert [message[at : at + length] for at, length in found] == [b"X: y\r\n", b"X: z\r\n\r\n"]

    def test_lines_may_end_in_a_bare_lf(self, structure_of: Read) -> None:
        message = multipart(b"a", b"--a", b"X: y", b"", b"1", b"--a", b"", b"22", b"--a--")
        assert structure_of(message.replace(b"\r\n", b"\n")) == mixed(b"a", text(1, 0), text(2, 0))

    @pytest.mark.parametrize(
        "message",
        [
            pytest.param(multipart(b"a", b"x", b"--", b"y"), id="boundary never there"),
            pytest.param(multipart(b'""', b"--", b"y"), id="empty boundary"),
            pytest.param(b"Content-Type: multipart/mixed\r\n\r\n--a\r\n", id="no boundary"),
            pytest.param(multipart(b"a", b"--a--", b"x"), id="only the end"),
        ],
    )
    def test_a_multipart_without_parts_is_plain_text(self, message: bytes, structure_of: Read) -> None:
        body = message[message.index(b"\r\n\r\n") + 4 :]
        assert structure_of(message) == text(len(body), body.count(b"\n"))


# What a simple reader that goes line by line makes of the same message: another way to the same answer.


def read_slowly(message: bytes) -> list[Any]:
    return _Slow(message.split(b"\r\n")).entity((), b"text")[0]


class _Slow:
    def __init__(self, lines: list[bytes]) -> None:
        self.lines, self.at = lines, 0

    def delimiter(self, boundaries: Sequence[bytes]) -> int | None:
        """Which of the boundaries (outermost first) this line belongs to."""
        line, best = self.lines[self.at], None
        for level, boundary in enumerate(boundaries):
            if line.startswith(b"--" + boundary) and (best is None or len(boundary) >= len(boundaries[best])):
                best = level
        return best

    def until_delimiter(self, boundaries: Sequence[bytes]) -> tuple[list[bytes], int | None]:
        start = self.at
        while self.at < len(self.lines):
            level = self.delimiter(boundaries)
            if level is not None:
                return self.lines[start : self.at], level
            self.at += 1
        return self.lines[start:], None

    def entity(self, boundaries: tuple[bytes, ...], default: bytes) -> tuple[list[Any], int | None, int]:
        """(shape, the delimiter that ended it, octets of the line end before that, if that is in its header)"""
        header: list[bytes] = []
        level = None
        while self.at < len(self.lines):
            level = self.delimiter(boundaries)
            if level is not None or not self.lines[self.at]:
                break
            header.append(self.lines[self.at])
            self.at += 1
        blank = level is None and self.at < len(self.lines)
        self.at += blank
        at, line_end = self.at, 0
        kind = next((line for line in header if line.startswith(b"Content-Type: ")), default)
        if b"multipart/" in kind and not blank:
            kind = b"text"
        if b"multipart/" in kind:
            parts, level = self.parts((*boundaries, kind.partition(b"boundary=")[2]), b"digest" in kind)
            shape = [parts] if parts else [b"leaf", self.size(at)]
        elif b"message" in kind:
            inner, level, line_end = self.entity(boundaries, b"text")
            shape = [b"message", self.size(at) + line_end, inner]
        else:
            lines, level = self.until_delimiter(boundaries)
            shape = [b"leaf", len(b"\r\n".join(lines))]
        if self.at == at and level is not None and (blank or header):
            line_end = 2
        return shape, level, line_end

    def parts(self, boundaries: tuple[bytes, ...], digest: bool) -> tuple[list[Any], int | None]:
        own, parts = len(boundaries) - 1, []
        _, level = self.until_delimiter(boundaries)
        while level == own and not self.is_closing(boundaries[-1]):
            self.at += 1
            part, level, _ = self.entity(boundaries, b"message" if digest else b"text")
            parts.append(part)
        if level == own:
            self.at += 1
            _, level = self.until_delimiter(boundaries[:-1])
        return parts, level

    def is_closing(self, boundary: bytes) -> bool:
        breaks_off = self.at == len(self.lines) - 1
        return breaks_off or self.lines[self.at].startswith(b"--" + boundary + b"--")

    def size(self, start: int) -> int:
        return len(b"\r\n".join(self.lines[start : self.at]))


def shape(body: list[Any]) -> list[Any]:
    if isinstance(body[0], list):
        return [[shape(part) for part in body[0]]]
    if isinstance(body[7] if len(body) > 7 else None, list):
        return [b"message", body[6], shape(body[8])]
    return [b"leaf", body[6]]


LINE = st.sampled_from(
    [
        *[b"--a", b"--a--", b"--b", b"--b--", b"--ab", b"--ab--", b"--", b"-"],
        *[b"", b"", b"text", b"Subject: x", b" ; x=folded", b"no field"],
        *[b"Content-Type: multipart/mixed; boundary=" + name for name in (b"a", b"b", b"ab", b"a--")],
        *[b"Content-Type: multipart/digest; boundary=a", b"Content-Type: message/rfc822"],
    ]
)
LINES = st.lists(LINE, max_size=40).map(b"\r\n".join)


@given(message=LINES.map(lambda lines: b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + lines))
def test_R_141_a_slow_reader_sees_the_same_parts(message: bytes, structure_of: Read) -> None:
    assert shape(structure_of(message)) == read_slowly(message)


@given(message=LINES | st.binary(max_size=200) | LINES.map(lambda lines: lines.replace(b"\r\n", b"\n")))
def test_R_142_any_octets_are_a_message(message: bytes, structure_of: Read) -> None:
    structure_of(message)


@given(message=LINES | st.binary(max_size=200))
def test_R_131_parts_lie_in_the_part_that_they_are_inside_of_and_apart_from_each_other(
    message: bytes,
) -> None:
    parts = list(parts_of(scan(message).parts))
    assert parts[0].inside == len(parts) - 1
    for at, part in enumerate(parts):
        assert part.header <= part.body <= part.end <= len(message)
        begin, child = part.body, at + 1
        while child <= at + part.inside:
            assert begin <= parts[child].header
            # A header at the very end keeps its line end, which belongs to the delimiter of a multipart around both.
            assert message[part.end : parts[child].end] in (b"", b"\n", b"\r\n")
            begin, child = parts[child].end, child + 1 + parts[child].inside
        assert child == at + part.inside + 1


class TestLimits:
    """R-130: what lies over a limit is one part that is not taken apart."""

    @staticmethod
    def depth(body: list[Any]) -> int:
        if isinstance(body[0], list):
            return 1 + max(map(TestLimits.depth, body[0]))
        return 1 + TestLimits.depth(body[8]) if isinstance(body[7], list) else 0

    @pytest.mark.parametrize(
        "level",
        [
            pytest.param(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", id="multipart"),
            pytest.param(b"Content-Type: message/rfc822\r\n\r\n", id="message"),
            pytest.param(b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n", id="digest"),
        ],
    )
    def test_R_130_ten_thousand_levels(self, level: bytes, structure_of: Read) -> None:
        body = structure_of(level * 10_000)
        assert self.depth(body) == DEPTH_MAX
        while isinstance(body[0], list) or isinstance(body[7], list):
            body = body[0][0] if isinstance(body[0], list) else body[8]
        assert body[:2] == [b"application", b"octet-stream"]

    @pytest.mark.parametrize("part", [b"--b\r\n\r\nx\r\n", b"--b\r\n"])
    def test_R_130_twenty_thousand_parts(self, part: bytes, structure_of: Read) -> None:
        body = structure_of(multipart(b"b", part * 20_000, b"--b--"))
        assert len(body[0]) == PARTS_MAX
        assert body[0][-1][:2] == [b"application", b"octet-stream"]
        assert body[0][-1][6] > 10_000 * len(part)

    def test_R_130_many_small_multiparts(self, structure_of: Read) -> None:
        inner = multipart(b"i", b"--i", b"", b"x", b"--i--")
        body = structure_of(multipart(b"b", *[b"--b", inner] * 20_000))
        assert len(body[0]) <= PARTS_MAX
        assert body[0][0] == mixed(b"i", text(1, 0))

    def test_R_130_a_boundary_of_1_mb(self, structure_of: Read) -> None:
        body = structure_of(multipart(b"b" * 1_000_000, b"--" + b"b" * 1_000_000, b"", b"x"))
        assert body[:2] == [b"text", b"plain"]

    def test_envelopes_inside_count_for_the_size_of_the_structure(self, structure_of: Read) -> None:
        part = b"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: " + b"a," * 10_000 + b"\r\n\r\nx\r\n"
        message = multipart(b"b", part * 100)
        structure_of(message)
        assert len(scan(message).structure) < STRUCTURE_MAX + 1_000_000

    @pytest.mark.parametrize(
        "message",
        [
            pytest.param(multipart(b"b", b"--\r\n" * 500_000), id="lines of two hyphens"),
            pytest.param(
                multipart(b"b" * 10_000, (b"--" + b"b" * 9_999 + b"\r\n") * 500), id="almost delimiters"
            ),
            pytest.param(
                b"".join(multipart(b"z%d" % n, b"--z%d" % n, b"") for n in range(90)) + b"x\r\n" * 1_000_000,
                id="90 open multiparts",
            ),
            pytest.param(
                multipart(b"b", *[b"--b", multipart(b"never", b"x")] * 9_000), id="multiparts without parts"
            ),
            pytest.param(b"a: b\r\n" * 50_000, id="50,000 fields"),
            pytest.param(b"To: a@b\r\n" * 50_000, id="50,000 To"),
            pytest.param(b"To: a@b\r\n" + b" ,\r\n" * 50_000, id="50,000 folds"),
            pytest.param(b"a" * 1_000_000, id="no colon"),
            pytest.param(b"a" + b" " * 1_000_000, id="blanks"),
            pytest.param(b"\r" * 1_000_000, id="CR"),
            pytest.param(b"\n" * 1_000_000, id="LF"),
        ],
    )
    def test_R_130_hostile_messages_are_scanned(self, message: bytes, structure_of: Read) -> None:
        structure_of(message)


class TestResult:
    def test_date_and_message_id_are_taken_from_the_header(self) -> None:
        result = scan(b"Date: Mon, 02 Jan 2006 15:04:05 +0000\r\nMessage-ID: <a@b>\r\n\r\n")
        assert (result.date, result.message_id) == (1136214245, b"<a@b>")

    def test_R_138_a_message_without_a_usable_date_has_none(self) -> None:
        assert scan(b"Date: Mon, 02 Jan 99999 15:04:05 +0000\r\n\r\n").date is None
        assert scan(b"").date is None

    def test_R_139_a_message_id_has_a_limit(self) -> None:
        assert len(scan(b"Message-ID: <" + b"a" * 1_000_000 + b">\r\n\r\n").message_id) == MESSAGE_ID_MAX
        assert scan(b"").message_id == b""


MESSAGE_IN_TWO = (
    b"X: y\r\n" + multipart(b"b", b""),
    b"--b\r\nA: b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n",
)


def test_the_same_fields_mean_another_type_in_a_digest_however_often_they_were_seen() -> None:
    for subtype, kind in ((b"mixed", LEAF), (b"digest", MESSAGE), (b"mixed", LEAF), (b"digest", MESSAGE)):
        message = b"Content-Type: multipart/%b; boundary=a\r\n\r\n--a\r\n\r\nSubject: x\r\n\r\n" % subtype
        assert [part.kind for part in parts_of(scan(message).parts)][:2] == [MULTIPART, kind]


def test_the_header_may_be_kept_apart() -> None:
    head, body = MESSAGE_IN_TWO
    assert scan(body, head) == scan(head + body)
    assert scan(b"", b"A: b\r\n\r\n") == scan(b"A: b\r\n\r\n")


@pytest.fixture
def mapped(tmp_path: Path) -> Iterator[Callable[[bytes], mmap.mmap]]:
    maps: list[mmap.mmap] = []

    def make(octets: bytes) -> mmap.mmap:
        path = tmp_path / "message"
        path.write_bytes(octets)
        with path.open("rb") as file:
            maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return maps[-1]

    yield make
    for mapping in maps:
        mapping.close()


def test_a_message_may_be_a_mapped_file(mapped: Callable[[bytes], mmap.mmap]) -> None:
    head, body = MESSAGE_IN_TWO
    body = body.replace(b"one\r\n", b"one\r\n" * 100_000)
    expected: Structure = scan(head + body)
    assert scan(mapped(head + body)) == expected
    assert scan(mapped(body), head) == expected
