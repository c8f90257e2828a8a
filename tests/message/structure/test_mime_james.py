"""The corpus of Apache James Mime4j: the same parts, with the same decoded octets."""

import base64
import quopri
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from posthouse.message.structure import parts_of, scan

# Where our reading is another one, and why.
NOT_DECODED = "an encoded message in a part is not decoded (RFC 2046 §5.2.1 forbids it)"
WITHOUT_PARTS = "a multipart without a part is a text, so that it can be read"
NO_HEADER = "a line that is no field does not end the header, only a blank line does"
DIFFERENT = {
    "mimetools-testmsgs/multi-2gifs-base64": NOT_DECODED,
    "testmsgs/bad-newlines-multiple-parts-base64": NOT_DECODED,
    "testmsgs/base64encoded-rfc822message": NOT_DECODED,
    "testmsgs/base64encoded-rfc822message-nested": NOT_DECODED,
    "mimetools-testmsgs/badbound": WITHOUT_PARTS,
    "testmsgs/missing-boundary": WITHOUT_PARTS,
    "testmsgs/missing-inner-boundary": WITHOUT_PARTS,
    "testmsgs/missing-inner-start-boundary": WITHOUT_PARTS,
    "testmsgs/multipartnopart": WITHOUT_PARTS,
    "testmsgs/malformedHeaderStartsBody-nocrlfcrlf": NO_HEADER,
    "testmsgs/malformedHeaderStartsBody-noheader": NO_HEADER,
}
MESSAGES = 80

Tree = list["Tree"] | tuple[str, "Tree"] | str
Leaf = tuple[tuple[int, ...], str]  # numbers, Content-Transfer-Encoding


def theirs(node: ET.Element) -> Any:
    """Parts of a multipart as a list, a message as a pair, anything else as the name of its file."""
    for child in node:
        if child.tag == "multipart":
            return [theirs(part) for part in child if part.tag == "body-part"]
        if child.tag == "message":
            return "message", theirs(child)
        if child.tag.endswith("-body"):
            return child.get("name")
    raise AssertionError(node)


def ours(body: list[Any], numbers: tuple[int, ...]) -> Any:
    if isinstance(body[0], list):
        return [ours(part, (*numbers, n)) for n, part in enumerate(body[0], 1)]
    if isinstance(body[7], list):
        inner = body[8]
        return "message", ours(inner, numbers if isinstance(inner[0], list) else (*numbers, 1))
    return numbers, body[5].decode().lower()


def pairs(their: Any, our: Any) -> Iterator[tuple[str, Leaf]]:
    if isinstance(their, list):
        assert isinstance(our, list)
        for their_part, our_part in zip(their, our, strict=True):
            yield from pairs(their_part, our_part)
    elif isinstance(their, tuple):
        assert our[0] == "message"
        yield from pairs(their[1], our[1])
    else:
        assert isinstance(our, tuple)
        assert our[0] != "message"
        yield their, our


def decoded(octets: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return base64.b64decode(octets + b"==")
    return quopri.decodestring(octets) if encoding == "quoted-printable" else octets


def same(octets: bytes, expected: bytes, encoding: str) -> bool:
    if encoding == "base64":  # the decoders differ in what they make of a last group that is cut short
        return octets.startswith(expected) and len(octets) - len(expected) < 3
    if encoding == "quoted-printable":  # and in the line ends that they write
        return octets.replace(b"\r", b"") == expected.replace(b"\r", b"")
    return octets == expected


def agrees(message: Path, read_body: Callable[[bytes], list[Any]]) -> bool:
    octets = message.read_bytes()
    result = scan(octets)
    body = read_body(result.structure)
    expected = ET.parse(message.with_name(message.stem + "_decoded.xml")).getroot()
    sections = parts_of(result.parts)
    try:
        leaves = list(pairs(theirs(expected), ours(body, () if isinstance(body[0], list) else (1,))))
    except (AssertionError, ValueError):
        return False
    for file, (numbers, encoding) in leaves:
        at, length = sections.section(numbers) or (0, 0)
        if not same(
            decoded(octets[at : at + length], encoding), message.with_name(file).read_bytes(), encoding
        ):
            return False
    return True


def test_mime4j_corpus(testdata: Path, read_body: Callable[[bytes], list[Any]]) -> None:
    folder = testdata / "mime-james"
    messages = sorted(folder.glob("*/*.msg"))
    if not messages:
        pytest.skip(f"no test vectors: {folder} is missing")
    assert len(messages) == MESSAGES
    differing = {str(m.relative_to(folder).with_suffix("")) for m in messages if not agrees(m, read_body)}
    assert differing == set(DIFFERENT)
