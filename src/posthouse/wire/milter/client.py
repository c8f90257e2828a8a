"""The engine of the MTA's side: steps of a message in, packets out; packets in, answers out.

    session.hello(b"client.example.org", {})
    send(session.data_to_send())
    while session.is_waiting:
        while (answer := session.next_answer()) is None:
            session.feed(receive())

The next step may be begun when this is over.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Final, NamedTuple

from posthouse.wire.lines import ProtocolError
from posthouse.wire.milter.answers import Answer, Change, Decision, parse_answer
from posthouse.wire.milter.options import VERSION, Actions, Options, Steps, agreed
from posthouse.wire.milter.packets import DATA_MAX, PacketBuffer, packed, strings

Macros = Mapping[str, str]  # names with their braces, if they have them

OFFERED: Final = Options(
    VERSION, Actions.ADD_HEADER | Actions.QUARANTINE, Steps(0x1F_FFFF) & ~Steps.REJECTED_RECIPIENTS
)

NAME_MAX: Final = 998  # octets of a header field's name

_PORT: Final = Struct("!H")


class _Step(NamedTuple):
    letter: bytes
    unwanted: Steps  # the filter does not want to see it
    silent: Steps  # the filter does not answer it


_NEVER: Final = Steps(0)
_CONNECT: Final = _Step(b"C", Steps.NO_CONNECT, Steps.SILENT_CONNECT)
_HELLO: Final = _Step(b"H", Steps.NO_HELLO, Steps.SILENT_HELLO)
_MAIL: Final = _Step(b"M", Steps.NO_MAIL, Steps.SILENT_MAIL)
_RECIPIENT: Final = _Step(b"R", Steps.NO_RECIPIENT, Steps.SILENT_RECIPIENT)
_DATA: Final = _Step(b"T", Steps.NO_DATA, Steps.SILENT_DATA)
_HEADER: Final = _Step(b"L", Steps.NO_HEADER, Steps.SILENT_HEADER)
_END_OF_HEADER: Final = _Step(b"N", Steps.NO_END_OF_HEADER, Steps.SILENT_END_OF_HEADER)
_BODY: Final = _Step(b"B", Steps.NO_BODY, Steps.SILENT_BODY)
_END: Final = _Step(b"E", _NEVER, _NEVER)
_NEGOTIATION: Final = _Step(b"O", _NEVER, _NEVER)


class MilterSession:
    """One connection to a filter, for one message."""

    def __init__(self) -> None:
        """The first step, negotiation, is under way."""
        self.options = OFFERED
        self._buffer = PacketBuffer()
        self._out: list[bytes] = []
        self._queued = 0  # octets in `_out`
        self._waiting: _Step | None = None  # the step whose answer is to come
        self._skips_body = False
        self._send(_NEGOTIATION, OFFERED.to_bytes())

    @property
    def is_waiting(self) -> bool:
        """The last step has no final answer yet."""
        return self._waiting is not None

    @property
    def is_due(self) -> bool:
        """It is time to send: somebody waits for an answer, or there is much to say."""
        return self.is_waiting or self._queued > DATA_MAX

    def feed(self, octets: bytes) -> None:
        self._buffer.feed(octets)

    def data_to_send(self) -> bytes:
        data = b"".join(self._out)
        self._out.clear()
        self._queued = 0
        return data

    def next_answer(self) -> Answer | None:
        """The next answer to the step under way, or None until there is one. Changes come before the final answer.

        Raises ProtocolError; the session is of no use then.
        """
        step = self._waiting
        if step is None:
            if len(self._buffer):
                raise ProtocolError("an answer that nobody asked for")
            return None
        packet = self._buffer.packet()
        if packet is None:
            return None
        if step is _NEGOTIATION:
            if packet.letter != _NEGOTIATION.letter:
                raise ProtocolError("options are expected first")
            self.options = agreed(OFFERED, packet.data)
            self._waiting = None
            return Decision.CONTINUE
        answer = parse_answer(packet)
        self._judge(answer, step)
        return answer

    def _judge(self, answer: Answer, step: _Step) -> None:
        """See whether a step may be answered so, and whether that ends it."""
        if isinstance(answer, Change):
            if step is not _END:
                raise ProtocolError("a change before the end of the message")
            return
        if answer in (Decision.CONNECTION_FAILED, Decision.SHUTDOWN):
            raise ProtocolError("the filter gives up")
        if answer is Decision.SKIP:
            if step is not _BODY:
                raise ProtocolError("only a body can be skipped")
            self._skips_body = True
        if answer is not Decision.PROGRESS:
            self._waiting = None

    # --- steps, in their order; each may be left out

    def connect(
        self, host: bytes, address: IPv4Address | IPv6Address | None, port: int, macros: Macros
    ) -> None:
        """A client has connected. host: its name; address: None if it has none."""
        if address is None:
            data = strings(host) + b"U"
        else:
            family = b"4" if address.version == 4 else b"6"
            data = strings(host) + family + _PORT.pack(port) + strings(str(address).encode())
        self._step(_CONNECT, data, macros)

    def hello(self, name: bytes, macros: Macros) -> None:
        self._step(_HELLO, strings(name), macros)

    def mail(self, reverse_path: bytes, parameters: Sequence[bytes], macros: Macros) -> None:
        """reverse_path: with its angle brackets."""
        self._step(_MAIL, strings(reverse_path, *parameters), macros)

    def recipient(self, forward_path: bytes) -> None:
        """forward_path: with its angle brackets."""
        self._step(_RECIPIENT, strings(forward_path))

    def data(self) -> None:
        self._step(_DATA)

    def header(self, field: bytes) -> None:
        """A whole field with its CRLF. Folds go out as LF and a blank; what is too long for a packet is cut off."""
        name, _, value = field.partition(b":")
        value = value.replace(b"\r\n", b"\n").removesuffix(b"\n")
        if not self.options.steps & Steps.LEADING_SPACE:
            value = value.removeprefix(b" ")
        self._step(_HEADER, strings(name[:NAME_MAX], value))

    def end_of_header(self) -> None:
        self._step(_END_OF_HEADER)

    def body(self, chunk: bytes) -> None:
        """Some of the body, at most DATA_MAX octets; after a skip it is not sent."""
        assert len(chunk) <= DATA_MAX
        if not self._skips_body:
            self._step(_BODY, chunk)

    def end(self) -> None:
        """The whole message is known: now the filter may change it."""
        self._step(_END)

    def quit(self) -> None:
        """The last word, at any time."""
        self._waiting = None
        self._put(b"Q", b"")

    def _step(self, step: _Step, data: bytes = b"", macros: Macros | None = None) -> None:
        assert not self.is_waiting, "a step before the answer to the last one"
        if self.options.steps & step.unwanted:
            return
        if macros:
            values = [text.encode("utf-8", "replace") for item in macros.items() for text in item]
            self._put(b"D", step.letter + strings(*values))
        self._send(step, data)

    def _send(self, step: _Step, data: bytes) -> None:
        self._put(step.letter, data)
        if not self.options.steps & step.silent:
            self._waiting = step

    def _put(self, letter: bytes, data: bytes) -> None:
        packet = packed(letter, data)
        self._out.append(packet)
        self._queued += len(packet)
