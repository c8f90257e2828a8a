"""The fields that say what a part is: Content-Type and its like (RFC 2045, RFC 2183), with their parameters (RFC 2231)."""

import re
from itertools import islice
from typing import NamedTuple

from posthouse.message.comment import without_comments
from posthouse.message.structure.fields import Fields, value_of

PARAMETERS_MAX = 1_000  # per field; what follows is left out
BOUNDARY_MAX = 65_536  # octets; RFC 2046 §5.1.1 allows 70, longer ones are in use

Parameters = list[tuple[bytes, bytes]]  # names as they are written, values without quoting

_TOKEN = rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]++"
_TYPE = re.compile(rb"\s*+(%b)\s*+/\s*+(%b)\s*+(?:;|\Z)" % (_TOKEN, _TOKEN))
_WORD = re.compile(rb"\s*+(%b)\s*+(?:;|\Z)" % _TOKEN)
_LANGUAGE = re.compile(_TOKEN)
_PARAMETER = re.compile(
    rb';[ \t]*+([^ \t\r\n=;"]++)[ \t]*+=[ \t]*+(?:"([^"\\]*+)"|"((?:[^"\\]|\\.)*+)"?+|([^ \t\r\n;"]*+))',
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_SECTION = re.compile(rb"([^*]++)\*(0|[1-9]\d{0,3})(\*?)")
_TO_ENCODE = re.compile(rb"[^!#$&+\-.0-9A-Z^_`a-z{|}~]")


class MediaType(NamedTuple):
    type: bytes
    subtype: bytes
    parameters: Parameters
    kind: bytes  # type and subtype in lower case: text/plain


US_ASCII = (b"charset", b"us-ascii")
PLAIN_TEXT = MediaType(b"text", b"plain", [US_ASCII], b"text/plain")  # RFC 2045 §5.2


def media_type(fields: Fields) -> MediaType:
    """What Content-Type says; plain text if there is none or it is malformed. Text has a charset."""
    if b"content-type" not in fields:
        return PLAIN_TEXT
    value = without_comments(value_of(fields, b"content-type"))
    match = _TYPE.match(value)
    if match is None:
        return PLAIN_TEXT
    major, minor = match.groups()
    parameters = _parameters(value, match.end() - 1)
    kind = (b"%b/%b" % (major, minor)).lower()
    if kind.startswith(b"text/") and parameter(parameters, b"charset") is None:
        parameters.append(US_ASCII)
    return MediaType(major, minor, parameters, kind)


def boundary(media: MediaType) -> bytes | None:
    """The boundary of a multipart; None if it has none that can be used."""
    value = parameter(media.parameters, b"boundary")
    return value if value and len(value) <= BOUNDARY_MAX else None


def parameter(parameters: Parameters, name: bytes) -> bytes | None:
    """The first value of the parameter of this lower-case name."""
    for key, value in parameters:
        if key.lower() == name:
            return value
    return None


def encoding(fields: Fields) -> bytes:
    """What Content-Transfer-Encoding says; `7bit` if there is none or it is malformed (RFC 2045 §6.1)."""
    if b"content-transfer-encoding" not in fields:
        return b"7bit"
    match = _WORD.match(without_comments(value_of(fields, b"content-transfer-encoding")))
    return match[1] if match else b"7bit"


def disposition(fields: Fields) -> tuple[bytes, Parameters] | None:
    """What Content-Disposition says; None if there is none or it is malformed."""
    value = without_comments(value_of(fields, b"content-disposition"))
    match = _WORD.match(value)
    return (match[1], _parameters(value, match.end() - 1)) if match else None


def languages(fields: Fields) -> list[bytes]:
    """The tags in Content-Language (RFC 3282)."""
    tags = _LANGUAGE.findall(without_comments(value_of(fields, b"content-language")))
    return tags[:PARAMETERS_MAX]


def _parameters(value: bytes, at: int) -> Parameters:
    """The parameters from the semicolon at this offset on, those in sections put together."""
    parameters: Parameters = []
    for match in islice(_PARAMETER.finditer(value, at), PARAMETERS_MAX):
        name, quoted, escaped, word = match.groups()
        if escaped is not None:
            quoted = _ESCAPE.sub(rb"\1", escaped)
        parameters.append((name, word if quoted is None else quoted))
    return _joined(parameters) if b"*" in value else parameters


def _joined(parameters: Parameters) -> Parameters:
    """The parameters with `name*0`, `name*1`... as one, `name*` if a section is encoded (RFC 2231 §3 and §4.1).

    Sections that are incomplete or double stay as they are.
    """
    sections: dict[bytes, dict[int, tuple[bool, bytes]]] = {}
    count: dict[bytes, int] = {}
    for name, value in parameters:
        if match := _SECTION.fullmatch(name):
            key = match[1].lower()
            count[key] = count.get(key, 0) + 1
            sections.setdefault(key, {})[int(match[2])] = (bool(match[3]), value)
    whole = {key: parts for key, parts in sections.items() if max(parts) + 1 == len(parts) == count[key]}
    joined: Parameters = []
    for name, value in parameters:
        match = _SECTION.fullmatch(name)
        if match is None or match[1].lower() not in whole:
            joined.append((name, value))
        elif match[2] == b"0":
            joined.append(_join(match[1], whole[match[1].lower()]))
    return joined


def _join(name: bytes, sections: dict[int, tuple[bool, bytes]]) -> tuple[bytes, bytes]:
    ordered = [sections[n] for n in range(len(sections))]
    if not any(encoded for encoded, _ in ordered):
        return name, b"".join(value for _, value in ordered)
    start = b"" if ordered[0][0] else b"''"  # charset and language belong to the first section
    return name + b"*", start + b"".join(
        value if encoded else _TO_ENCODE.sub(_percent, value) for encoded, value in ordered
    )


def _percent(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]
