"""THREAD (RFC 5256): a search whose answer is conversations."""

from collections.abc import Iterable
from dataclasses import dataclass

from posthouse.message.thread import Thread as Numbers
from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.search import Key, parse_keys


@dataclass(frozen=True, slots=True)
class Thread:
    """The only algorithm there is, is ORDEREDSUBJECT."""

    key: Key
    by_uid: bool = False


def parse_thread(cursor: Cursor, *, by_uid: bool = False) -> Thread:
    """Raises ParseError, BadCharset among them."""
    cursor.space()
    if cursor.atom().upper() != b"ORDEREDSUBJECT":
        raise ParseError("Unknown threading algorithm")
    cursor.space()
    charset = cursor.astring()
    cursor.space()
    key, _ = parse_keys(cursor, charset)
    return Thread(key, by_uid)


def parse_uid_thread(cursor: Cursor) -> Thread:
    return parse_thread(cursor, by_uid=True)


def thread_line(threads: Iterable[Numbers]) -> bytes:
    """The answer: the threads one after the other, replies to one message as lists behind it."""
    listed = "".join(map(_listed, threads))
    return f"* THREAD {listed}\r\n".encode("ascii") if listed else b"* THREAD\r\n"


def _listed(thread: Numbers) -> str:
    """`(1 2)`, or `(1 (2)(3))`. Threads of ORDEREDSUBJECT are not deeper."""
    numbers = [str(item) for item in thread if isinstance(item, int)]
    replies = "".join(_listed(item) for item in thread if not isinstance(item, int))
    return f"({' '.join([*numbers, replies] if replies else numbers)})"
