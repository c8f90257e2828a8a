"""A DNS server on loopback, over UDP and TCP, that answers like a recursive server from a dict.

    async with LoopbackDns({"example.org": ["MX 10 mx.example.org", "60 TXT v=spf1 -all"]}) as dns:
        resolver = StubResolver(clock, os.urandom, override=dns.address)

Names that are not in the dict do not exist. An `Answer` in place of the records makes trouble.
"""

import asyncio
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Final, NamedTuple, Self

from posthouse.wire.dns.message import Rcode, RecordType
from posthouse.wire.dns.name import canonical, name_to_bytes, read_name

DEFAULT_TTL: Final = 300  # seconds
NEGATIVE_TTL: Final = 60  # seconds
UDP_MAX: Final = 1232  # octets; longer answers are truncated
_CHAIN_MAX: Final = 30
_PORT_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """How a name is answered.

    records: "[TTL] TYPE DATA" each, as in master files; the data of TXT is not quoted.
    """

    records: Sequence[str] = ()
    rcode: int = Rcode.NOERROR
    silent: bool = False  # never answered
    truncated: bool = False  # over UDP, however short
    tcp: bool = True  # False: TCP connections are closed without an answer
    forged: int = 0  # that many answers with other IDs come before, over UDP
    other_name: bool = False  # the answer repeats another question
    other_case: bool = False  # over UDP the answer repeats the question in lower case, as a forger would
    chased: bool = True  # False: aliases are not followed
    edns: bool = True  # False: FORMERR to questions with EDNS


class Asked(NamedTuple):
    """A question that came in."""

    name: str
    type: str
    transport: str  # "udp" or "tcp"


@dataclass(frozen=True, slots=True)
class _Query:
    id: int
    name: str
    type: int
    question: bytes
    edns: bool


class LoopbackDns:
    """The server; it listens within `async with`. The zone may be changed at any time."""

    def __init__(self, zone: Mapping[str, Sequence[str] | Answer]) -> None:
        self.zone: dict[str, Answer] = {}
        self.asked: list[Asked] = []
        self.spelled: list[bytes] = []  # the name of each question as it came, on the wire
        self.folds_case = False  # all questions are repeated in lower case
        self.port = 0
        self._held: list[Callable[[], None]] | None = None
        self._servers: tuple[asyncio.DatagramTransport, asyncio.Server] | None = None
        for name, answer in zone.items():
            self.put(name, answer)

    @property
    def address(self) -> str:
        """IP:PORT."""
        return f"127.0.0.1:{self.port}"

    def put(self, name: str, answer: Sequence[str] | Answer) -> None:
        """Answer a name so from now on."""
        self.zone[canonical(name)] = answer if isinstance(answer, Answer) else Answer(answer)

    def hold(self) -> None:
        """Keep UDP answers back until `release`."""
        self._held = []

    def release(self) -> None:
        held, self._held = self._held or [], None
        for send in held:
            send()

    async def __aenter__(self) -> Self:
        for _ in range(_PORT_TRIES):
            udp, _protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _UdpServer(self), local_addr=("127.0.0.1", 0)
            )
            self.port = udp.get_extra_info("sockname")[1]
            try:
                self._servers = udp, await asyncio.start_server(self._serve_tcp, "127.0.0.1", self.port)
            except OSError:  # somebody has the same port of TCP
                udp.close()
                continue
            return self
        raise OSError("no port is free for both UDP and TCP")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._servers is not None
        udp, tcp = self._servers
        udp.close()
        tcp.close()
        await tcp.wait_closed()

    def answer_udp(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Take a question and send its answers, now or at `release`."""
        query = self._take(data, "udp")
        if self._held is None:
            self._send_udp(query, send)
        else:
            self._held.append(lambda: self._send_udp(query, send))

    def _take(self, data: bytes, transport: str) -> _Query:
        query = _parse_query(data)
        self.asked.append(Asked(query.name, RecordType(query.type).name, transport))
        self.spelled.append(query.question[:-4])
        return _in_lower_case(query) if self.folds_case else query

    def _send_udp(self, query: _Query, send: Callable[[bytes], None]) -> None:
        answer = self.zone.get(query.name, Answer(rcode=Rcode.NXDOMAIN))
        if answer.silent:
            return
        if answer.other_case:
            query = _in_lower_case(query)
        for number in range(answer.forged):
            send(self._message(_with_id(query, query.id + 1 + number), answer))
        message = self._message(query, answer)
        if answer.truncated or len(message) > UDP_MAX:
            message = _packed(query, Rcode.NOERROR, [], [], truncated=True)
        send(message)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        query = self._take(await reader.readexactly(length), "tcp")
        answer = self.zone.get(query.name, Answer(rcode=Rcode.NXDOMAIN))
        if answer.tcp:
            message = self._message(query, answer)
            writer.write(struct.pack("!H", len(message)) + message)
        writer.close()

    def _message(self, query: _Query, answer: Answer) -> bytes:
        if query.edns and not answer.edns:
            return _packed(query, Rcode.FORMERR, [], [])
        if answer.other_name:
            query = _Query(
                query.id, query.name, query.type, name_to_bytes("other.test") + query.question[-4:], True
            )
        records, rcode = self._found(query, answer)
        soa = [_record("", f"{NEGATIVE_TTL} SOA")] if not records and answer.chased else []
        return _packed(query, rcode, records, soa)

    def _found(self, query: _Query, answer: Answer) -> tuple[list[bytes], int]:
        """The records that answer a query, with the aliases on the way."""
        records: list[bytes] = []
        name, at = query.name, answer
        for _ in range(_CHAIN_MAX):
            texts = {text: _kind(text) for text in at.records}
            wanted = [text for text, kind in texts.items() if kind == query.type]
            aliases = [text for text, kind in texts.items() if kind == RecordType.CNAME]
            records += [_record(name, text) for text in wanted or aliases]
            if wanted or not aliases or not at.chased:
                return records, at.rcode
            name = canonical(aliases[0].split()[-1])
            at = self.zone.get(name, Answer(rcode=Rcode.NXDOMAIN))
        return records, at.rcode


class _UdpServer(asyncio.DatagramProtocol):
    def __init__(self, dns: LoopbackDns) -> None:
        self._dns = dns
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # narrowed by the loop
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        transport = self._transport
        self._dns.answer_udp(data, lambda message: transport.sendto(message, addr))


def _parse_query(data: bytes) -> _Query:
    identifier, _flags, _questions, _, _, additionals = struct.unpack_from("!6H", data)
    name, end = read_name(data, 12)
    (kind,) = struct.unpack_from("!H", data, end)
    return _Query(identifier, name, kind, data[12 : end + 4], bool(additionals))


def _with_id(query: _Query, identifier: int) -> _Query:
    return _Query(identifier & 0xFFFF, query.name, query.type, query.question, query.edns)


def _in_lower_case(query: _Query) -> _Query:
    question = name_to_bytes(query.name) + query.question[-4:]
    return _Query(query.id, query.name, query.type, question, query.edns)


def _packed(
    query: _Query,
    rcode: int,
    answers: Sequence[bytes],
    authority: Sequence[bytes],
    *,
    truncated: bool = False,
) -> bytes:
    flags = 0x8180 | rcode | (0x0200 if truncated else 0)
    header = struct.pack("!6H", query.id, flags, 1, len(answers), len(authority), 0)
    return header + query.question + b"".join(answers) + b"".join(authority)


def _kind(text: str) -> RecordType:
    words = text.split()
    return RecordType[words[1] if words[0].isdecimal() else words[0]]


def _record(name: str, text: str) -> bytes:
    """A record on the wire."""
    ttl, _, rest = text.partition(" ")
    if not ttl.isdecimal():
        ttl, rest = str(DEFAULT_TTL), text
    kind, _, value = rest.partition(" ")
    data = _data(RecordType[kind], value.strip())
    return name_to_bytes(name) + struct.pack("!HHIH", RecordType[kind], 1, int(ttl), len(data)) + data


def _data(kind: RecordType, value: str) -> bytes:
    match kind:
        case RecordType.A | RecordType.AAAA:
            return ip_address(value).packed
        case RecordType.MX:
            preference, exchange = value.split()
            return struct.pack("!H", int(preference)) + name_to_bytes(exchange)
        case RecordType.TXT:
            text = value.encode()
            strings = [text[at : at + 255] for at in range(0, len(text) or 1, 255)]
            return b"".join(bytes((len(string),)) + string for string in strings)
        case RecordType.SOA:
            return b"\0\0" + struct.pack("!5I", 1, 2, 3, 4, NEGATIVE_TTL)
        case _:
            return name_to_bytes(value)
