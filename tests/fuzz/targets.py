"""What is fuzzed: names, and functions that take any octets and raise nothing.

To add one, write the function, and give it a line in TARGETS and one in SEEDS.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

from posthouse.message import address
from posthouse.message.address_list import parse_address_list
from posthouse.message.date import format_date, parse_date, parse_internal_date
from posthouse.message.header import Header, HeaderError, find_body
from posthouse.message.structure import parts_of, scan, without_extensions


def fuzz_header(data: bytes) -> None:
    body = find_body(data)
    with suppress(HeaderError):
        header = Header.parse(data[: body if body >= 0 else len(data)])
        header.add("Received", "by mx.example.org; Mon, 02 Jan 2006 15:04:05 +0000")
        assert Header.parse(header.to_bytes()).to_bytes() == header.to_bytes()
        assert header.count(b"from") == len(header.get_all(b"from"))


def fuzz_address(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    address.valid(text)
    for function in (address.clean_domain, address.for_lookup, address.to_ascii, address.unquote_mbox):
        with suppress(address.AddressError):
            function(text)
    parse_address_list(data)


def fuzz_date(data: bytes) -> None:
    parse_internal_date(data)
    seconds = parse_date(data)
    if seconds is not None:
        assert parse_date(format_date(seconds).encode()) == seconds


def fuzz_structure(data: bytes) -> None:
    result = scan(data)
    without_extensions(result.structure)
    parts = parts_of(result.parts)
    assert parts.section(()) == (0, len(data))
    for numbers in ((1,), (1, 1), (2, 1), (1, 2, 1)):
        for text in (b"", b"MIME", b"HEADER", b"TEXT"):
            offset, length = parts.section(numbers, text) or (0, 0)
            assert 0 <= offset <= offset + length <= len(data)


def fuzz_parts(data: bytes) -> None:
    with suppress(ValueError):
        parts = parts_of(data)
        for numbers in ((), (1,), (1, 1), (2, 1), (1,) * 1000):
            for text in (b"", b"MIME", b"HEADER", b"TEXT"):
                parts.section(numbers, text)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "header": fuzz_header,
    "address": fuzz_address,
    "date": fuzz_date,
    "structure": fuzz_structure,
    "parts": fuzz_parts,
}

_MESSAGE = (
    b"Received: from a (b [192.0.2.1])\r\n\tby c; Mon, 02 Jan 2006 15:04:05 +0000\r\nDate: 2 Jan 06 15:04 EST (c)\r\n"
    b'From: "A, B" <a@example.org>, g: c@d, <@e,@f:g@h>;, (x (y)) z@[192.0.2.1]\r\nSubject: =?utf-8?q?a?=\r\n b "c" \\\r\n'
    b'Content-Type: multipart/mixed; boundary="a"; x*0*=utf-8\'\'%20; x*1="y"\r\n\r\n'
    b"--a\r\nContent-Type: multipart/digest; boundary=ab\r\n\r\n--ab\r\n\r\nSubject: d\r\n\r\ntext\r\n--ab--\r\n"
    b'--a\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename="f (1)"\r\n\r\nTo: t\r\n\r\nx\r\n--a--\r\n'
)

SEEDS: dict[str, Sequence[bytes]] = {
    "header": [_MESSAGE, b"\r\nbody", b"A: b\r\n\tc\r\n"],
    "address": [
        b"ann@example.org",
        "\u00e4nn@xn--mnchen-3ya.example".encode(),
        b'"a\\"b"@[192.0.2.1]',
        b'A <a@b>, "C, D" <c@d>, g: e@f, (x) <@r,@s:h@i>;, j@k (l)',
    ],
    "date": [b"Mon, 02 Jan 2006 15:04:05 +0000 (c)", b"2 Jan 06 15:04 EST", b" 2-Jan-2006 15:04:05 -0700"],
    "structure": [_MESSAGE],
    "parts": [scan(_MESSAGE).parts, scan(b"").parts],
}
