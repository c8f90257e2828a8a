"""DNS messages (RFC 1035 §4) as a stub resolver needs them: questions out, answers in."""

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from struct import Struct, error
from typing import Final

from posthouse.wire.dns.name import DnsFormatError, name_to_bytes, read_name

MESSAGE_MAX: Final = 65_535  # octets, over TCP
UDP_PAYLOAD: Final = 1232  # octets that we take over UDP: no fragments on any path (DNS flag day 2020)
TTL_MAX: Final = 2**31 - 1  # seconds; a larger one is 0 (RFC 2181 §8)

_HEADER: Final = Struct("!HHHHHH")
_QUESTION: Final = Struct("!HH")
_RECORD: Final = Struct("!HHIH")
_PREFERENCE: Final = Struct("!H")
_SOA_NUMBERS: Final = Struct("!IIIII")
_CLASS_IN: Final = 1
_RESPONSE: Final = 0x8000
_OPCODE: Final = 0x7800
_TRUNCATED: Final = 0x0200
_RECURSION_DESIRED: Final = 0x0100


class RecordType(IntEnum):
    A = 1
    CNAME = 5
    SOA = 6
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28
    OPT = 41


class Rcode(IntEnum):
    """Response codes that mean something to us; others are failures."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    REFUSED = 5


@dataclass(frozen=True, slots=True)
class MailExchange:
    preference: int
    exchange: str  # "" is the null MX (RFC 7505)


@dataclass(frozen=True, slots=True)
class StartOfAuthority:
    minimum: int  # seconds; how long a name that is not there may be remembered (RFC 2308 §4)


# By type: addresses, the name of a CNAME or PTR, the joined strings of a TXT record.
Data = IPv4Address | IPv6Address | str | MailExchange | bytes | StartOfAuthority


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record of class IN and a type that we know."""

    name: str
    type: RecordType
    ttl: int  # seconds
    data: Data


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered. Without `question` and records when it is truncated, or an error that repeats none."""

    id: int
    rcode: int
    truncated: bool
    question: tuple[str, int] | None = None  # name and type
    asked: bytes = b""  # the question's name in the server's own octets: its case may differ
    answers: tuple[Record, ...] = ()
    negative_ttl: int | None = None  # seconds; None without SOA


def encode_query(identifier: int, name: str, kind: RecordType, *, edns: bool = True) -> bytes:
    """A question to a recursive server. edns: say that answers may be as long as UDP_PAYLOAD (RFC 6891).

    Raises DnsFormatError for a name that cannot exist.
    """
    header = _HEADER.pack(identifier, _RECURSION_DESIRED, 1, 0, 0, int(edns))
    question = name_to_bytes(name) + _QUESTION.pack(kind, _CLASS_IN)
    option = b"\0" + _RECORD.pack(RecordType.OPT, UDP_PAYLOAD, 0, 0) if edns else b""
    return header + question + option


def decode_response(data: bytes) -> Response:
    """Read a server's message. Records of other types and classes are left out. Raises DnsFormatError."""
    try:
        return _Reader(data).response()
    except (error, IndexError) as err:
        raise DnsFormatError("message is cut off") from err


class _Reader:
    """One message being read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = _HEADER.size
        self._asked = b""

    def response(self) -> Response:
        identifier, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(self._data)
        if not flags & _RESPONSE or flags & _OPCODE:
            raise DnsFormatError("not an answer to a query")
        if questions > 1:
            raise DnsFormatError("more than one question")
        rcode = flags & 0x0F
        question = self._question() if questions else None
        if flags & _TRUNCATED or question is None:
            return Response(identifier, rcode, bool(flags & _TRUNCATED), question, self._asked)
        found = tuple(record for _ in range(answers) if (record := self._record()) is not None)
        authority = [record for _ in range(authorities) if (record := self._record()) is not None]
        for _ in range(additionals):
            rcode |= self._extended_rcode()
        return Response(identifier, rcode, False, question, self._asked, found, _negative_ttl(authority))

    def _question(self) -> tuple[str, int]:
        start = self._at
        name, self._at = read_name(self._data, start)
        self._asked = self._data[start : self._at]
        kind, _class = _QUESTION.unpack_from(self._data, self._at)
        self._at += _QUESTION.size
        return name, kind

    def _record(self) -> Record | None:
        name, kind, record_class, ttl, start, end = self._frame()
        if record_class != _CLASS_IN or kind not in _KNOWN:
            return None
        known = RecordType(kind)
        return Record(name, known, ttl if ttl <= TTL_MAX else 0, self._data_of(known, start, end))

    def _frame(self) -> tuple[str, int, int, int, int, int]:
        """Name, type, class and TTL of the next record, and where its data begins and ends."""
        name, at = read_name(self._data, self._at)
        kind, record_class, ttl, length = _RECORD.unpack_from(self._data, at)
        start = at + _RECORD.size
        self._at = end = start + length
        if end > len(self._data):
            raise DnsFormatError("record is cut off")
        return name, kind, record_class, ttl, start, end

    def _data_of(self, kind: RecordType, start: int, end: int) -> Data:
        data = self._data
        match kind:
            case RecordType.A if end - start == 4:
                return IPv4Address(data[start:end])
            case RecordType.AAAA if end - start == 16:
                return IPv6Address(data[start:end])
            case RecordType.CNAME | RecordType.PTR:
                return self._name_until(start, end)
            case RecordType.MX:
                (preference,) = _PREFERENCE.unpack_from(data, start)
                return MailExchange(preference, self._name_until(start + _PREFERENCE.size, end))
            case RecordType.TXT:
                return _strings(data[start:end])
            case RecordType.SOA:
                return self._authority(start, end)
            case _:
                raise DnsFormatError(f"malformed {kind.name} record")

    def _name_until(self, start: int, end: int) -> str:
        name, at = read_name(self._data, start)
        if at != end:
            raise DnsFormatError("name and length of a record differ")
        return name

    def _authority(self, start: int, end: int) -> StartOfAuthority:
        _primary, at = read_name(self._data, start)
        _mailbox, at = read_name(self._data, at)
        if at + _SOA_NUMBERS.size != end:
            raise DnsFormatError("malformed SOA record")
        minimum = _SOA_NUMBERS.unpack_from(self._data, at)[-1]
        return StartOfAuthority(min(minimum, TTL_MAX))

    def _extended_rcode(self) -> int:
        """The upper bits of the response code, if the next record is OPT (RFC 6891 §6.1.3)."""
        _name, kind, _class, ttl, _start, _end = self._frame()
        return (ttl >> 24) << 4 if kind == RecordType.OPT else 0


_KNOWN: Final = frozenset(RecordType) - {RecordType.OPT}


def _strings(data: bytes) -> bytes:
    """The strings of a TXT record, joined (RFC 7208 §3.3)."""
    parts, at = [], 0
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            raise DnsFormatError("malformed TXT record")
        parts.append(data[at + 1 : end])
        at = end
    return b"".join(parts)


def _negative_ttl(authority: list[Record]) -> int | None:
    """How long it may be remembered that there is nothing (RFC 2308 §5)."""
    for record in authority:
        if isinstance(record.data, StartOfAuthority):
            return min(record.ttl, record.data.minimum)
    return None
