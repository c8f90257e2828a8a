"""Random searches find what a plain evaluator, which reads messages with the `email` package, finds in the same mailbox."""

import email
import email.header
import email.policy
import random
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest

from posthouse.testing.imap import ImapClient, ImapServer

WORDS = (
    "alpha",
    "Beta",
    "gamma ray",
    "Grüße",
    "STRASSE",
    "straße",
    "日本語",
    "café",
    "cafe\u0301",
    "Ωmega",
    "a=?b",
    "\u212bngström",
)
NEEDLES = (
    *WORDS,
    "a",
    "ALPHA",
    "ray",
    "grü",
    "ΩMEGA",
    "CAFÉ",
    "本",
    "ss",
    "nothing",
    ">",
    "@example",
    "=?",
    " ",
)
PEOPLE = ("Ann Example", "Jürgen Müller", "日本 太郎", "", "O'Neil (work)")
FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
KEYWORDS = ("$one", "two")
START = datetime(2024, 2, 27, 12, tzinfo=UTC)
DAYS = 4
MESSAGES = 24
SEARCHES = 120


@dataclass(frozen=True)
class Known:
    """A message as the plain evaluator sees it."""

    number: int
    uid: int
    flags: frozenset[str]
    received: datetime
    octets: bytes
    parsed: EmailMessage


Expected = Callable[[Known], bool]


def fold(text: str) -> str:
    title = "".join(c.title() if len(c.title()) == 1 else c for c in text)
    return unicodedata.normalize("NFKD", title)


def has(text: str, needle: str) -> bool:
    return fold(needle) in fold(text)


# --- messages


def words(chance: random.Random, most: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(chance.randint(0, most)))


def address(chance: random.Random) -> str:
    name, local = chance.choice(PEOPLE), chance.choice(("ann", "bob", "Carol.X"))
    if not name:
        return f"{local}@example.org"
    written = f'"{name}"' if name.isascii() else email.header.Header(name, "utf-8").encode()
    return f"{written} <{local}@example.org>"


def encoded(chance: random.Random, text: str) -> str:
    if text.isascii() and "=?" not in text:
        return text
    return email.header.Header(text, "utf-8").encode(linesep="\r\n")


def part(chance: random.Random, text: str) -> EmailMessage:
    made = EmailMessage()
    cte = chance.choice(("quoted-printable", "base64", "8bit", "7bit"))
    kind = chance.choice(("plain", "html"))
    if cte == "7bit":
        text = text.encode("ascii", "ignore").decode()
    charset = "utf-8" if cte != "7bit" else chance.choice(("us-ascii", "utf-8"))
    made.set_content(text + "\n", subtype=kind, charset=charset, cte=cte)
    return made


def made(chance: random.Random) -> bytes:
    body = part(chance, words(chance, 8))
    if chance.random() < 0.4:
        whole = EmailMessage()
        whole.make_mixed()
        for piece in (body, part(chance, words(chance, 5))):
            whole.attach(piece)
        whole.add_attachment(
            b"alpha gamma ray", maintype="application", subtype="octet-stream", filename="alpha.bin"
        )
        body = whole
    fields = {"Subject": encoded(chance, words(chance, 3))}
    for name in ("From", "To", "Cc", "Bcc"):
        if chance.random() < 0.7:
            fields[name] = ", ".join(address(chance) for _ in range(chance.randint(1, 2)))
    if chance.random() < 0.8:
        sent = START + timedelta(days=chance.randrange(DAYS), hours=chance.randrange(24))
        fields["Date"] = sent.strftime("%a, %d %b %Y %H:%M:%S +0500")
    if chance.random() < 0.5:
        fields["X-Test"] = encoded(chance, words(chance, 2))
    header = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return header.encode() + body.as_bytes(policy=email.policy.SMTP)


# --- what is in them


def texts(known: Known) -> list[str]:
    return [
        piece.get_content().replace("\n", "\r\n")
        for piece in known.parsed.walk()
        if piece.get_content_maintype() == "text"
    ]


def header_lines(known: Known) -> list[str]:
    return [f"{name}: {value}" for piece in known.parsed.walk() for name, value in piece.items()]


def addresses(known: Known, name: str) -> str:
    field = known.parsed[name]
    if field is None:
        return ""
    return ", ".join(
        f"{one.display_name} <{one.addr_spec}>" if one.display_name else one.addr_spec
        for one in field.addresses
    )


def sent_day(known: Known) -> datetime | None:
    field = known.parsed["Date"]
    return field.datetime.replace(hour=0, minute=0, second=0, tzinfo=UTC) if field else None


# --- searches: each is what is sent, and what it means


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def search(chance: random.Random, depth: int = 0) -> tuple[str, Expected]:
    roll = chance.random()
    if depth < 4 and roll < 0.35:
        return chance.choice((_not, _or, _list))(chance, depth)
    return chance.choice(LEAVES)(chance)


def _not(chance: random.Random, depth: int) -> tuple[str, Expected]:
    text, means = search(chance, depth + 1)
    return f"NOT {text}", lambda known: not means(known)


def _or(chance: random.Random, depth: int) -> tuple[str, Expected]:
    (one, means_one), (two, means_two) = search(chance, depth + 1), search(chance, depth + 1)
    return f"OR {one} {two}", lambda known: means_one(known) or means_two(known)


def _list(chance: random.Random, depth: int) -> tuple[str, Expected]:
    keys = [search(chance, depth + 1) for _ in range(chance.randint(1, 3))]
    return f"({' '.join(text for text, _ in keys)})", lambda known: all(means(known) for _, means in keys)


def _flag(chance: random.Random) -> tuple[str, Expected]:
    flag = chance.choice(FLAGS)
    if chance.random() < 0.5:
        return flag[1:].upper(), lambda known: flag in known.flags
    return f"UN{flag[1:]}", lambda known: flag not in known.flags


def _keyword(chance: random.Random) -> tuple[str, Expected]:
    word = chance.choice((*KEYWORDS, "none"))
    if chance.random() < 0.5:
        return f"KEYWORD {word.upper()}", lambda known: word in known.flags
    return f"UNKEYWORD {word}", lambda known: word not in known.flags


def _set(chance: random.Random) -> tuple[str, Expected]:
    one, two = chance.randint(1, MESSAGES + 3), chance.randint(1, MESSAGES + 3)
    low, high = min(one, two), max(one, two)
    if chance.random() < 0.5:
        return f"{one}:{two}", lambda known: low <= known.number <= high
    return f"UID {one}:{two},1", lambda known: low <= known.uid <= high or known.uid == 1


def _size(chance: random.Random) -> tuple[str, Expected]:
    size = chance.randint(100, 1500)
    if chance.random() < 0.5:
        return f"LARGER {size}", lambda known: len(known.octets) > size
    return f"SMALLER {size}", lambda known: len(known.octets) < size


def _day(chance: random.Random) -> tuple[str, Expected]:
    day = (START + timedelta(days=chance.randint(-1, DAYS))).replace(hour=0, minute=0, second=0)
    word = chance.choice(("BEFORE", "ON", "SINCE"))
    compare: dict[str, Callable[[datetime], bool]] = {
        "BEFORE": lambda other: other < day,
        "ON": lambda other: other == day,
        "SINCE": lambda other: other >= day,
    }
    is_then = compare[word]
    text = f"{day.day}-{day:%b-%Y}"
    if chance.random() < 0.5:
        return f"{word} {text}", lambda known: is_then(known.received.replace(hour=0, minute=0, second=0))
    return f"SENT{word} {text}", lambda known: (sent := sent_day(known)) is not None and is_then(sent)


def _envelope(chance: random.Random) -> tuple[str, Expected]:
    needle = chance.choice((*NEEDLES, *PEOPLE[:3], "ann@example.org", "> <"))
    name = chance.choice(("From", "To", "Cc", "Bcc", "Subject"))
    if name == "Subject":
        return f"SUBJECT {quoted(needle)}", lambda known: has(known.parsed["Subject"] or "", needle)
    return f"{name} {quoted(needle)}", lambda known: has(addresses(known, name), needle)


def _header(chance: random.Random) -> tuple[str, Expected]:
    needle = chance.choice((*NEEDLES, ""))
    return (
        f"HEADER x-TEST {quoted(needle)}",
        lambda known: "X-Test" in known.parsed and has(known.parsed["X-Test"], needle),
    )


def _body(chance: random.Random) -> tuple[str, Expected]:
    needle = chance.choice(NEEDLES)
    return f"BODY {quoted(needle)}", lambda known: any(has(text, needle) for text in texts(known))


def _text(chance: random.Random) -> tuple[str, Expected]:
    needle = chance.choice(
        [word for word in NEEDLES if word not in (">", "=?", " ")]
    )  # how headers are written is ours
    return f"TEXT {quoted(needle)}", lambda known: any(
        has(text, needle) for text in [*texts(known), *header_lines(known)]
    )


LEAVES: tuple[Callable[[random.Random], tuple[str, Expected]], ...] = (
    _flag, _keyword, _set, _size, _day, _day, _envelope, _envelope, _header, _body, _text,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_searches_find_what_the_model_finds(server: ImapServer, seed: int) -> None:
    chance = random.Random(seed)
    known = [await _stored(server, chance, uid) for uid in range(1, MESSAGES + 1)]
    client = await server.login("ann", "INBOX")
    for _ in range(SEARCHES):
        text, means = search(chance)
        expected = [str(one.number) for one in known if means(one)]
        assert await _found(client, text) == expected, text


async def _stored(server: ImapServer, chance: random.Random, uid: int) -> Known:
    octets = made(chance)
    received = START + timedelta(days=chance.randrange(DAYS), hours=chance.randrange(24))
    flags = [flag for flag in FLAGS if chance.random() < 0.3]
    keywords = [word for word in KEYWORDS if chance.random() < 0.3]
    bits = sum(1 << FLAGS.index(flag) for flag in flags)
    stored = await server.add(
        "ann", octets, flags=bits, keywords=keywords, received=int(received.timestamp())
    )
    assert stored == uid
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return Known(uid, uid, frozenset(flags) | frozenset(keywords), received, octets, parsed)


async def _found(client: ImapClient, keys: str) -> list[str]:
    reply = await client.run(f"SEARCH CHARSET UTF-8 {keys}")
    assert reply.is_ok, reply.tagged
    return reply.untagged[0].decode().split()[1:]
