"""Asking DNS servers: over UDP, over TCP when the answer is too long, the next one when one fails."""

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from posthouse.core.world import Clock, DnsError
from posthouse.net.resolv_conf import Server
from posthouse.wire.dns.message import MESSAGE_MAX, Rcode, RecordType, Response, decode_response, encode_query
from posthouse.wire.dns.name import DnsFormatError, canonical, mixed_case, name_to_bytes

ROUNDS: Final = 2  # times that the list of servers is gone through
SKIPPED_FOR: Final = 30.0  # seconds that a server which failed is not asked
FOLDING_FOR: Final = 3600.0  # seconds that a server with a case of its own is not asked in mixed case
EXCHANGES_MAX: Final = 200  # questions on the wire at once: each has a socket
FORGERIES_MAX: Final = 100  # answers to something else in one exchange

_LENGTH: Final = struct.Struct("!H")


class DnsClient:
    """Asks recursive servers and remembers which of them fail, and which do not keep the case of names."""

    def __init__(self, clock: Clock, random: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._random = random
        self._skipped_until: dict[Server, float] = {}
        self._folding_until: dict[Server, float] = {}  # those that have a case of their own
        self._slots = asyncio.Semaphore(EXCHANGES_MAX)

    async def ask(self, servers: Sequence[Server], timeout: float, name: str, kind: RecordType) -> Response:
        """The first answer that is none of failure: NOERROR or NXDOMAIN.

        timeout: seconds for one server. Raises DnsError (transient) when no server gave one; DnsFormatError for a name
        that cannot be asked for.
        """
        refused: dict[Server, str] = {}
        problem = ""
        for _ in range(ROUNDS):
            for server in self._usable(servers):
                if server in refused:
                    continue
                try:
                    response = await self._exchange(server, timeout, name, kind)
                except (OSError, EOFError) as err:
                    self._skipped_until[server] = self._clock.monotonic() + SKIPPED_FOR
                    problem = f"{server[0]}: {str(err) or 'timed out'}"
                    continue
                if response.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN):
                    return response
                refused[server] = problem = f"{server[0]}: {_rcode_text(response.rcode)}"
        raise DnsError(f"{name}: {problem}", transient=True)

    def _usable(self, servers: Sequence[Server]) -> Sequence[Server]:
        """Those that did not fail lately; all when there are no others."""
        now = self._clock.monotonic()
        return [server for server in servers if self._skipped_until.get(server, now) <= now] or servers

    async def _exchange(self, server: Server, timeout: float, name: str, kind: RecordType) -> Response:
        """One question to one server. Raises OSError, TimeoutError among them, and EOFError."""
        async with self._slots, asyncio.timeout(timeout):
            response = await self._question(server, name, kind, edns=True)
            if response.rcode == Rcode.FORMERR:  # older than RFC 6891
                response = await self._question(server, name, kind, edns=False)
            return response

    async def _question(self, server: Server, name: str, kind: RecordType, *, edns: bool) -> Response:
        """Ask over UDP with the name in mixed case; and over TCP when the answer is too long, or in another case.

        That one is forged, or the server has a case of its own: over TCP nobody forges from afar, so it tells which.
        """
        is_mixed = self._folding_until.get(server, 0.0) <= self._clock.monotonic()
        question = _Question(int.from_bytes(self._random(2), "big"), canonical(name), kind)
        if is_mixed:
            question = replace(question, name=mixed_case(question.name, self._random(len(question.name))))
        query = question.query(edns=edns)
        response = await _over_udp(server, query, question.answer_in)
        if not is_mixed or question.is_repeated_by(response):
            return await _over_tcp(server, query, question.answer_in) if response.truncated else response
        self._folding_until[server] = self._clock.monotonic() + FOLDING_FOR  # also if there is no TCP
        response = await _over_tcp(server, query, question.answer_in)
        if question.is_repeated_by(response):
            self._folding_until.pop(server, None)
        return response


@dataclass(frozen=True, slots=True)
class _Question:
    """A question to one server. name: canonical but for its case."""

    id: int
    name: str
    kind: RecordType

    def query(self, *, edns: bool) -> bytes:
        return encode_query(self.id, self.name, self.kind, edns=edns)

    def answer_in(self, data: bytes) -> Response | None:
        """The answer to this question, or None for anything else."""
        try:
            response = decode_response(data)
        except DnsFormatError:
            return None
        is_failure = response.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN)
        asked = (self.name.lower(), int(self.kind))
        fits = response.question == asked or (response.question is None and is_failure)
        return response if fits and response.id == self.id else None

    def is_repeated_by(self, response: Response) -> bool:
        """Whether an answer has the question in the same case; one that has none cannot differ."""
        return response.question is None or response.asked == name_to_bytes(self.name)


async def _over_udp(server: Server, query: bytes, answer_in: Callable[[bytes], Response | None]) -> Response:
    """Ask from a port of its own, that the kernel picks at random; only the server's datagrams come in.

    What is no answer may be forged, and is passed over: the true one may still come.
    """
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    loop = asyncio.get_running_loop()
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        sock.connect(server)
        sock.send(query)
        for _ in range(FORGERIES_MAX):
            response = answer_in(await loop.sock_recv(sock, MESSAGE_MAX))
            if response is not None:
                return response
    raise OSError("too many wrong answers")


async def _over_tcp(server: Server, query: bytes, answer_in: Callable[[bytes], Response | None]) -> Response:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(_LENGTH.pack(len(query)) + query)
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        response = answer_in(await reader.readexactly(length))
    finally:
        writer.transport.abort()
    if response is None or response.truncated:
        raise OSError("wrong answer over TCP")
    return response


def _rcode_text(rcode: int) -> str:
    return Rcode(rcode).name if rcode in frozenset(Rcode) else f"response code {rcode}"
