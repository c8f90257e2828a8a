"""BODYSTRUCTURE, ready for the wire, and BODY made from it (RFC 3501 §7.4.2)."""

import re
from functools import lru_cache
from typing import NamedTuple

from posthouse.message.structure.content import (
    Parameters,
    boundary,
    disposition,
    encoding,
    languages,
    media_type,
)
from posthouse.message.structure.fields import Fields, nstring_of, read_fields
from posthouse.message.structure.strings import NIL, parenthesized, string

# Most parts say nothing of their own: `text/plain; charset=utf-8`, `7bit`. This takes less than 1 MiB.
_REMEMBERED = 512  # descriptions
_REMEMBERED_MAX = 150  # octets of the fields of each

_ITEM = re.compile(rb'[^\s()"{]++|"(?:[^"\\]|\\.)*+"|\{(\d+)\}\r\n|\(')
_END_OR_NESTED = re.compile(rb'[()]|"(?:[^"\\]|\\.)*+"|\{(\d+)\}\r\n')


class Description(NamedTuple):
    """What the fields of a part say: all of its BODYSTRUCTURE but what its body decides, which is put in between."""

    kind: bytes  # type and subtype in lower case: text/plain
    boundary: bytes | None  # of a multipart, if it has one that can be used
    before: bytes
    behind: bytes


def describe(block: bytes) -> Description:
    """Describe a part by its Content-* fields, as `content_fields` gives them."""
    return _remembered(block) if len(block) <= _REMEMBERED_MAX else _describe(block)


def text_part(of: Description, size: int, lines: int) -> bytes:
    """A part of text of `size` octets."""
    return b"%b%d %d%b" % (of.before, size, lines, of.behind)


def message_part(of: Description, size: int, lines: int, *, envelope: bytes, structure: bytes) -> bytes:
    """A part that is a message, whose ENVELOPE and BODYSTRUCTURE are given."""
    return b"%b%d %b %b %d%b" % (of.before, size, envelope, structure, lines, of.behind)


def basic_part(of: Description, size: int) -> bytes:
    """A part of any other kind."""
    return b"%b%d%b" % (of.before, size, of.behind)


def multipart(of: Description, parts: list[bytes]) -> bytes:
    """A multipart with the structures of its parts, of which there is at least one."""
    return b"".join((of.before, *parts, of.behind))


def without_extensions(structure: bytes) -> bytes:
    """BODY, made from our BODYSTRUCTURE by leaving out the extension data."""
    kept: list[bytes] = []
    _copy_body(structure, 0, kept)
    return b"".join(kept)


def _describe(block: bytes) -> Description:
    fields = read_fields(block)
    media = media_type(fields)
    if media.kind.startswith(b"multipart/"):
        behind = b' "%b" %b %b)' % (media.subtype, _parameters(media.parameters), _place(fields))
        return Description(media.kind, boundary(media), b"(", behind)
    before = b'("%b" "%b" %b %b %b "%b" ' % (  # what is a token needs nothing but quotes
        media.type,
        media.subtype,
        _parameters(media.parameters),
        nstring_of(fields, b"content-id"),
        nstring_of(fields, b"content-description"),
        encoding(fields),
    )
    behind = b" %b %b)" % (nstring_of(fields, b"content-md5"), _place(fields))
    return Description(media.kind, None, before, behind)


_remembered = lru_cache(_REMEMBERED)(_describe)


def _parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return NIL
    return b"(%b)" % b" ".join([b"%b %b" % (string(name), string(value)) for name, value in parameters])


def _place(fields: Fields) -> bytes:
    """Disposition, language and location."""
    placed = disposition(fields) if b"content-disposition" in fields else None
    return b"%b %b %b" % (
        NIL if placed is None else b"(%b %b)" % (string(placed[0]), _parameters(placed[1])),
        parenthesized(languages(fields)) if b"content-language" in fields else NIL,
        nstring_of(fields, b"content-location"),
    )


def _copy_body(structure: bytes, at: int, kept: list[bytes]) -> int:
    """Copy the body that begins at this offset, without extension data; gives the offset behind it."""
    copy = _copy_multipart if structure[at + 1 : at + 2] == b"(" else _copy_single
    end = copy(structure, at, kept)
    kept.append(b")")
    return _list_end(structure, end)


def _copy_multipart(structure: bytes, at: int, kept: list[bytes]) -> int:
    """Copy the parts and the subtype; gives the offset behind them."""
    kept.append(b"(")
    at += 1
    while structure[at : at + 1] == b"(":
        at = _copy_body(structure, at, kept)
    end = _skip(structure, at, 1)
    kept.append(structure[at:end])
    return end


def _copy_single(structure: bytes, at: int, kept: list[bytes]) -> int:
    """Copy all up to the size, and what text and messages have behind it; gives the offset behind that."""
    end = _skip(structure, _behind(structure, at + 1), 1)
    kind = structure[at + 1 : end].lower()
    end = _skip(structure, end, 5)  # parameters, id, description, encoding, size
    if kind.startswith(b'"text" '):
        end = _skip(structure, end, 1)
    elif kind == b'"message" "rfc822"':
        body = _skip(structure, end, 1) + 1
        kept.append(structure[at:body])
        at = _copy_body(structure, body, kept)
        end = _skip(structure, at, 1)
    kept.append(structure[at:end])
    return end


def _skip(structure: bytes, at: int, items: int) -> int:
    """The offset behind so many items, each with a blank before it."""
    for _ in range(items):
        at = _behind(structure, at + 1)
    return at


def _behind(structure: bytes, at: int) -> int:
    """The offset behind the item that begins here: string, number, NIL or list."""
    match = _ITEM.match(structure, at)
    assert match is not None
    if match[0] == b"(":
        return _list_end(structure, match.end())
    return match.end() + int(match[1] or 0)


def _list_end(structure: bytes, at: int) -> int:
    """The offset behind the list that we are in at this offset."""
    depth = 1
    while depth:
        match = _END_OR_NESTED.search(structure, at)
        assert match is not None
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        at = match.end() + int(match[1] or 0)
    return at
