"""The few fields that ENVELOPE and BODYSTRUCTURE are made of, taken out of a header in one pass.

Unlike `message.header` this takes any header, as stored messages and parts may have it: lines that are no field are
skipped, and blanks before the colon are allowed (RFC 5322 §4.5).
"""

import re

from posthouse.message.header import unfold
from posthouse.message.structure.strings import NIL, nstring

Fields = dict[bytes, list[bytes]]  # lower-case name: values as they are written, from the top

_CONTENT = (
    b"content-type",
    b"content-transfer-encoding",
    b"content-disposition",
    b"content-id",
    b"content-description",
    b"content-md5",
    b"content-language",
    b"content-location",
)
_WANTED = (
    *_CONTENT,
    b"from",
    b"sender",
    b"reply-to",
    b"to",
    b"cc",
    b"bcc",
    b"date",
    b"subject",
    b"in-reply-to",
    b"message-id",
)
VALUES_MAX = 100  # fields of one name that are looked at

_INITIALS = bytes({name[0] for name in _WANTED})  # looked at before the names are tried one by one
_FIELD = re.compile(
    rb"\n(?=[%b])(%b)[ \t]*+:(.*(?:\n[ \t].*)*+)" % (_INITIALS, b"|".join(_WANTED)), re.IGNORECASE
)
_CONTENT_FIELD = re.compile(rb"\n(?:%b)[ \t]*+:.*(?:\n[ \t].*)*+" % b"|".join(_CONTENT), re.IGNORECASE)


def read_fields(header: bytes) -> Fields:
    """The wanted fields of a header block, which may be malformed in any way."""
    fields: Fields = {}
    for name, value in _FIELD.findall(b"\n" + header):
        values = fields.setdefault(name.lower(), [])
        if len(values) < VALUES_MAX:
            values.append(value)
    return fields


def content_fields(header: bytes) -> bytes:
    """What a header block has of the fields that BODYSTRUCTURE is made of: a block for `read_fields`."""
    return b"".join(_CONTENT_FIELD.findall(b"\n" + header))


def value_of(fields: Fields, name: bytes) -> bytes:
    """The topmost value of this name: unfolded, without white space around it. b"" if there is none."""
    values = fields.get(name)
    return unfold(values[0]) if values else b""


def nstring_of(fields: Fields, name: bytes) -> bytes:
    """The topmost value of this name as an IMAP string; NIL if it is empty or there is none."""
    values = fields.get(name)
    return nstring(unfold(values[0])) if values else NIL
