"""Mail to fill mailboxes with: a plain text, an alternative with HTML, and a report with an attachment, in turn.

The same number gives the same octets, on every machine: mailboxes of two servers are equal.
"""

import base64
import random
from collections.abc import Iterator

SIZE_MIN, SIZE_MAX = 3_000, 10_000  # octets of a message, about
NEEDLE = "sesquipedalian"  # one in every NEEDLE_EVERY messages has it in its text
NEEDLE_EVERY = 1_000
PEOPLE = ("ada", "bruno", "chloe", "dmitri", "esra", "femi", "gwen", "hiro", "ines", "jonas", "kofi", "lena")
FOUND = PEOPLE[0]  # whom SEARCH FROM looks for
WORDS = (
    "and about after again all answer because been before board brief budget change confirm could customer"
    " deadline department draft figures final first forward from harbour have invoice last letter light machine"
    " meeting month morning number office only order paper parcel people please project question ready reply"
    " report request season second send station table team their there these this thursday together train"
    " tuesday until version wednesday week weekend will winter with without work yesterday your"
).split()
DAYS, MONTHS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), ("Jan", "Feb", "Mar", "Apr", "May", "Jun")


def messages(count: int) -> Iterator[bytes]:
    """`count` messages of RFC 5322, with CRLF."""
    return (message(number) for number in range(count))


def message(number: int, size: int = 0) -> bytes:
    """size: octets, about; 0: of any size."""
    chance = random.Random(number)
    size = size or SIZE_MIN + number * 7_919 % (SIZE_MAX - SIZE_MIN)
    header = _header(chance, number)
    room = max(400, size - len(header) - 300)
    text = _text(chance, room // (1, 3, 4)[number % 3])
    if number % NEEDLE_EVERY == NEEDLE_EVERY // 2:
        text = f"{NEEDLE}\r\n{text}"
    content = (_plain, _alternative, _report)[number % 3](chance, number, text, room)
    return f"{header}{content}".encode()


def _header(chance: random.Random, number: int) -> str:
    sender, recipient, other = chance.sample(PEOPLE, 3)
    words = " ".join(chance.choices(WORDS, k=6))
    subject = f"Re: {words} [{number}]" if number % 2 else f"{words.capitalize()} {number}"
    if number % 6 == 0:
        subject = f"=?utf-8?b?{base64.b64encode(f'Größe: {words}'.encode()).decode()}?="
    date = f"{DAYS[number % 7]}, {number % 28 + 1:02} {MONTHS[number % 6]} 2026 {number % 24:02}:{number % 60:02}:07 +0200"
    signature = base64.b64encode(chance.randbytes(256)).decode()
    folded = "\r\n\t ".join(signature[at : at + 70] for at in range(0, len(signature), 70))
    return (
        f"Return-Path: <{sender}@example.net>\r\n"
        f"Received: from out{number % 5}.example.net (out{number % 5}.example.net [192.0.2.{number % 254 + 1}])\r\n"
        f"\tby mx.example.org with ESMTPS id {number:08x}; {date}\r\n"
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=spring;\r\n\tb={folded}\r\n"
        f'From: "{sender.title()} of Example" <{sender}@example.net>\r\n'
        f"To: {recipient.title()} <{recipient}@example.org>\r\n"
        f"Cc: {other}@example.org,\r\n\tlist-{number % 9}@example.com\r\n"
        f"Subject: {subject}\r\nDate: {date}\r\nMessage-ID: <{number}.{chance.getrandbits(48):x}@example.net>\r\n"
        f"In-Reply-To: <{number - 1}.of@example.net>\r\n"
        f"References: <{number - 2}.of@example.net>\r\n <{number - 1}.of@example.net>\r\n"
        "User-Agent: Example Mail 3.1\r\nMIME-Version: 1.0\r\n"
    )


def _text(chance: random.Random, size: int) -> str:
    lines = size // 70 + 1
    return "\r\n".join(" ".join(chance.choices(WORDS, k=11)) for _ in range(lines))


def _plain(chance: random.Random, number: int, text: str, room: int) -> str:
    return f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"


def _alternative(chance: random.Random, number: int, text: str, room: int) -> str:
    html = f"<html><body><p>{_text(chance, room * 2 // 3)}</p></body></html>"
    return (
        f'Content-Type: multipart/alternative; boundary="two-{number}"\r\n\r\n'
        f"--two-{number}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
        f"--two-{number}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n--two-{number}--\r\n"
    )


def _report(chance: random.Random, number: int, text: str, room: int) -> str:
    octets = base64.encodebytes(chance.randbytes(room // 2)).decode().replace("\n", "\r\n")
    return (
        f'Content-Type: multipart/mixed; boundary="all-{number}"\r\n\r\n--all-{number}\r\n'
        f"{_alternative(chance, number, text, room // 4)}--all-{number}\r\n"
        f'Content-Type: application/pdf; name="report-{number}.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
        f'Content-Disposition: attachment; filename="report-{number}.pdf"\r\n\r\n{octets}--all-{number}--\r\n'
    )
