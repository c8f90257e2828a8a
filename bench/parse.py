"""How long the formats of mail take: `python -m bench.parse`. Best of several repetitions, in microseconds."""

import sys
import timeit
from collections.abc import Callable

from posthouse.message.address import for_lookup
from posthouse.message.date import format_date, parse_date
from posthouse.message.header import Header
from posthouse.message.structure import parts_of, scan, without_extensions

SIZE = 10_240  # octets of a message
REPEATS = 15
RUNS = 1_000

_RECEIVED = (
    b"Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n\tby mail.example.net (Posthouse) with ESMTPS id 4ABCDEF\r\n"
    b"\tfor <bob@example.net>; Mon, 02 Jan 2006 15:04:05 +0000\r\n"
)
_SIGNATURE = (
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org;\r\n s=sel; h=from:to:subject:date;\r\n"
    b" bh=%b=;\r\n b=%b\r\n %b==\r\n" % (b"A" * 43, b"B" * 70, b"C" * 70)
)
_FIELDS = (
    b"Return-Path: <ann@example.org>\r\n%b%b"
    b"From: Ann Example <ann@example.org>\r\nTo: Bob <bob@example.net>\r\nSubject: Hello there, this is the subject\r\n"
    b"Date: Mon, 02 Jan 2006 15:04:05 +0000\r\nMessage-ID: <abcdefgh@example.org>\r\nMIME-Version: 1.0\r\n"
    b"X-Mailer: Example 1.0\r\n" % (_RECEIVED * 3, _SIGNATURE)
)
_LINE = b"The quick brown fox jumps over the lazy dog, again and again and again.\r\n"


def plain() -> bytes:
    header = _FIELDS + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return header + _LINE * ((SIZE - len(header)) // len(_LINE))


def mixed() -> bytes:
    """Two texts, one of them an alternative, and an attachment."""
    text = _LINE * ((SIZE - len(_FIELDS)) // len(_LINE) // 3)
    return (
        _FIELDS + b'Content-Type: multipart/mixed; boundary="----=_Part_1234567890"\r\n\r\n'
        b"------=_Part_1234567890\r\n"
        b'Content-Type: multipart/alternative; boundary="----=_Alt_0987654321"\r\n\r\n'
        b"------=_Alt_0987654321\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%b\r\n"
        b"------=_Alt_0987654321\r\nContent-Type: text/html; charset=utf-8\r\n\r\n%b\r\n"
        b"------=_Alt_0987654321--\r\n\r\n"
        b'------=_Part_1234567890\r\nContent-Type: application/pdf; name="invoice.pdf"\r\n'
        b'Content-Disposition: attachment; filename="invoice.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n%b\r\n'
        b"------=_Part_1234567890--\r\n" % (text, text, text)
    )


def main() -> None:
    one, many = plain(), mixed()
    header = one[: one.index(b"\r\n\r\n") + 4]
    found_one, found_many = scan(one), scan(many)
    rows: dict[str, Callable[[], object]] = {
        f"header of {len(header)} octets: parse": lambda: Header.parse(header),
        "the same, and count Received": lambda: Header.parse(header).count(b"received"),
        "the same, and get three fields": lambda: list(
            map(Header.parse(header).get, (b"from", b"to", b"subject"))
        ),
        f"scan of a text of {len(one)} octets": lambda: scan(one),
        f"scan of five parts, {len(many)} octets": lambda: scan(many),
        "BODY from BODYSTRUCTURE, one part": lambda: without_extensions(found_one.structure),
        "BODY from BODYSTRUCTURE, five parts": lambda: without_extensions(found_many.structure),
        "section 1.2 of five parts": lambda: parts_of(found_many.parts).section((1, 2)),
        "address for lookup": lambda: for_lookup("Ann.Example@example.org"),
        "date: parse": lambda: parse_date(b"Mon, 02 Jan 2006 15:04:05 +0000"),
        "date: format": lambda: format_date(1136214245),
    }
    for name, run in rows.items():
        best = min(timeit.repeat(run, number=RUNS, repeat=REPEATS)) / RUNS
        sys.stdout.write(f"{name:<40} {best * 1e6:8.1f}\n")


if __name__ == "__main__":
    main()
