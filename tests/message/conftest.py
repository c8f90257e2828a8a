"""Published test vectors, which lie outside of the project, and a strict reader of IMAP values (RFC 3501 §9)."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def testdata() -> Path:
    folder = Path(os.environ.get("POSTHOUSE_TESTDATA", PROJECT.parent / "shared" / "testdata"))
    if not folder.is_dir():
        pytest.skip(f"no test vectors: {folder} is missing (POSTHOUSE_TESTDATA names their folder)")
    return folder


Value = bytes | int | None | list["Value"]  # a string, a number, NIL, a list

_QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*+)"')
_LITERAL = re.compile(rb"\{(0|[1-9][0-9]*)\}\r\n")
_NUMBER = re.compile(rb"0|[1-9][0-9]*")


class Reader:
    """Reads by the grammar, written apart from the code under test: anything else fails the test."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def expect(self, token: bytes) -> None:
        assert self.data.startswith(token, self.at), (token, self.data[self.at : self.at + 60])
        self.at += len(token)

    def sees(self, token: bytes) -> bool:
        return self.data.startswith(token, self.at)

    def number(self) -> int:
        match = _NUMBER.match(self.data, self.at)
        assert match, self.data[self.at : self.at + 60]
        self.at = match.end()
        return int(match[0])

    def string(self) -> bytes:
        if match := _QUOTED.match(self.data, self.at):
            self.at = match.end()
            return re.sub(rb"\\(.)", rb"\1", match[1])
        match = _LITERAL.match(self.data, self.at)
        assert match, self.data[self.at : self.at + 60]
        value = self.data[match.end() : match.end() + int(match[1])]
        assert len(value) == int(match[1])
        assert b"\0" not in value
        self.at = match.end() + len(value)
        return value

    def nstring(self) -> bytes | None:
        if self.sees(b"NIL"):
            self.at += 3
            return None
        return self.string()

    def many(self, read: Callable[[], Value], between: bytes = b"") -> Value:
        """NIL, or a list of at least one."""
        if self.sees(b"NIL"):
            self.at += 3
            return None
        self.expect(b"(")
        values = [read()]
        while not self.sees(b")"):
            self.expect(between)
            values.append(read())
        self.expect(b")")
        return values

    def all(self, *reads: Callable[[], Value]) -> list[Value]:
        """Values with one blank between."""
        values = [reads[0]()]
        for read in reads[1:]:
            self.expect(b" ")
            values.append(read())
        return values

    def parameters(self) -> Value:
        value = self.many(self.string, b" ")
        assert value is None or (isinstance(value, list) and len(value) % 2 == 0)
        return value

    def address(self) -> Value:
        self.expect(b"(")
        value = self.all(*[self.nstring] * 4)
        self.expect(b")")
        return value

    def envelope(self) -> Value:
        def addresses() -> Value:
            return self.many(self.address)

        self.expect(b"(")
        value = self.all(*[self.nstring] * 2, *[addresses] * 6, *[self.nstring] * 2)
        self.expect(b")")
        return value

    def disposition(self) -> Value:
        if self.sees(b"NIL"):
            return self.nstring()
        self.expect(b"(")
        value = self.all(self.string, self.parameters)
        self.expect(b")")
        return value

    def place(self) -> list[Value]:
        self.expect(b" ")
        return self.all(self.disposition, lambda: self.many(self.string, b" "), self.nstring)

    def body(self, extended: bool) -> list[Value]:
        """A multipart is [[parts], subtype, ...], anything else [type, subtype, ...]."""
        self.expect(b"(")
        if self.sees(b"("):
            parts: list[Value] = []
            while self.sees(b"("):
                parts.append(self.body(extended))
            self.expect(b" ")
            value: list[Value] = [parts, self.string()]
            if extended:
                self.expect(b" ")
                value += [self.parameters(), *self.place()]
        else:
            value = self.all(
                *[self.string] * 2, self.parameters, *[self.nstring] * 2, self.string, self.number
            )
            media = [str(word).lower() for word in value[:2]]
            if media == ["b'message'", "b'rfc822'"]:
                self.expect(b" ")
                value += self.all(self.envelope, lambda: self.body(extended), self.number)
            elif media[0] == "b'text'":
                self.expect(b" ")
                value.append(self.number())
            assert media[0] != "b'multipart'"
            if extended:
                self.expect(b" ")
                value += [self.nstring(), *self.place()]
        self.expect(b")")
        return value


@pytest.fixture(scope="session")
def read_envelope() -> Callable[[bytes], Value]:
    def read(data: bytes) -> Value:
        reader = Reader(data)
        value = reader.envelope()
        assert reader.at == len(data)
        return value

    return read


@pytest.fixture(scope="session")
def read_body() -> Callable[..., list[Value]]:
    def read(data: bytes, *, extended: bool = True) -> list[Value]:
        reader = Reader(data)
        value = reader.body(extended)
        assert reader.at == len(data)
        return value

    return read
