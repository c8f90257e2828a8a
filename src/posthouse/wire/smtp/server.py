"""The server's side of SMTP and LMTP (RFC 5321, RFC 2033; spec/smtp-endpoint.md §2, §3, §5): octets in, events out.

    session.feed(octets)
    while (event := session.next_event()) is not None:
        ...                                   # answer what asks for an answer: accept, refuse, challenge
    send(session.data_to_send())

What needs no decision is answered here. Replies to a pipeline gather until there is nothing more to do.
"""

from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import ClassVar, Final

from posthouse.wire.lines import BareNewline, LineBuffer, LineTooLong
from posthouse.wire.sasl.base64 import CANCEL, InvalidBase64, decode_initial, decode_response
from posthouse.wire.sasl.mechanism import SaslError
from posthouse.wire.smtp import replies
from posthouse.wire.smtp.command import (
    OTHER_PROTOCOL_MAX,
    BadLine,
    is_other_protocol,
    parse_chunk,
    split_command,
)
from posthouse.wire.smtp.config import ServerConfig
from posthouse.wire.smtp.content import ChunkReader, DataReader, Newlines
from posthouse.wire.smtp.events import (
    CLOSED,
    FLUSH,
    RESET,
    START_TLS,
    Auth,
    AuthEnded,
    AuthResponse,
    Content,
    Event,
    Hello,
    Mail,
    MessageEnd,
    Rcpt,
    StartTls,
)
from posthouse.wire.smtp.order import OUT_OF_TURN, TRANSACTION, State
from posthouse.wire.smtp.parameters import CommandError, parse_mail_options, parse_rcpt_options
from posthouse.wire.smtp.path import PathError, parse_forward_path, parse_reverse_path
from posthouse.wire.smtp.reply import Reply

REPLIES_MAX: Final = 16_384  # octets of replies that gather before they must be sent
ERRORS_MAX: Final = 3  # lines that are no commands; one more ends the session
HELLO_MAX: Final = 255  # octets of a client's name that are kept: a domain has no more (RFC 5321 §4.5.3.1.2)


class _Done(Enum):
    """A step that is done without an event."""

    DONE = 0


DONE: Final = _Done.DONE
_Result = Event | _Done
_Step = Callable[[], _Result | None]  # None: more octets are needed


class ServerSession:
    """One connection. It begins with the greeting, which is to be sent first."""

    def __init__(self, config: ServerConfig, *, tls: bool = False) -> None:
        """tls: the connection is encrypted from its beginning."""
        self._config = config
        self._tls = tls
        self._authenticated = False
        self._errors = 0
        self._input = LineBuffer()
        self._output: list[bytes] = []
        self._queued = 0  # octets in `_output`
        self._state = State.START
        self._step: _Step = self._command
        self._pending: Event | None = None  # the event that waits for its answer
        self._recipients: list[str] = []
        self._utf8 = False  # the transaction uses SMTPUTF8
        self._newlines = Newlines(mends=config.mends_newlines)
        self._data: DataReader
        self._chunks: ChunkReader
        self._received = 0  # octets of the chunks so far
        self._remaining = 0  # octets of the current chunk
        self._chunk_is_last = False
        self._after_skip = b""  # the reply to a chunk that is passed over
        self._say(config.greeting())

    @property
    def in_transaction(self) -> bool:
        """MAIL was accepted, and the message has not ended."""
        return self._state in TRANSACTION

    @property
    def is_within_line(self) -> bool:
        """A line has begun to come in."""
        return len(self._input) > 0

    def feed(self, data: bytes) -> None:
        """Take octets as they arrive. Ask for events before feeding more."""
        self._input.feed(data)

    def next_event(self) -> Event | None:
        """What the client wants next, or None: send `data_to_send`, then feed more.

        Not before the last event was answered, if it wants an answer.
        """
        assert self._pending is None
        try:
            while self._queued < REPLIES_MAX:
                event = self._step()
                if event is not DONE:
                    return event
        except LineTooLong:
            return self._fatal(replies.LINE_TOO_LONG)
        except BareNewline:
            return self._fatal(replies.NO_SMTP if self._is_other_protocol() else replies.BARE_NEWLINE)
        return FLUSH

    def data_to_send(self) -> bytes:
        """The replies since the last call, to be sent now."""
        data = b"".join(self._output)
        self._output.clear()
        self._queued = 0
        return data

    # --- answers

    def accept(self) -> None:
        """Answer the last event: yes."""
        event, self._pending = self._pending, None
        match event:
            case Mail():
                self._begin(event)
            case Rcpt():
                self._recipients.append(event.recipient)
                self._state = State.RECIPIENTS
                self._say(self._text(f"250 2.0.0 I'll make sure <{event.recipient}> gets this\r\n"))
            case MessageEnd():
                self._end_message([None] * len(self._recipients))
            case Hello():
                self._greet(event)
            case Auth() | AuthResponse():
                self._authenticated = True
                self._say(replies.AUTH_OK)
            case StartTls():
                self._say(replies.START_TLS)
                self._input.clear()  # what came in clear must not count as encrypted (RFC 3207 §5)
                self._step = self._nothing
            case _:
                raise AssertionError(f"{event} needs no answer")

    def refuse(self, reply: Reply) -> None:
        """Answer the last event: no."""
        event, self._pending = self._pending, None
        if isinstance(event, MessageEnd):
            self._end_message([reply] * len(self._recipients))
            return
        if isinstance(event, Hello):
            self._forget_transaction()
            self._state = State.START
        self._refuse(reply)

    def accept_some(self, refusals: Sequence[Reply | None]) -> None:
        """Answer MessageEnd, in LMTP: for each recipient in order, None or why it does not get the message."""
        assert self._config.lmtp
        self._pending = None
        self._end_message(refusals)

    def challenge(self, data: bytes) -> None:
        """Answer Auth or AuthResponse: ask for a further response."""
        self._pending = None
        self._say(b"334 " + b2a_base64(data, newline=False) + b"\r\n")
        self._step = self._response

    def tls_started(self) -> None:
        """The handshake is done: all that was before is forgotten (RFC 3207 §4.2)."""
        self._tls = True
        self._authenticated = False
        self._state = State.START
        self._input.clear()
        self._step = self._command

    def close(self, reply: Reply) -> None:
        """Say this last, and take nothing more."""
        self._pending = None
        self._refuse(reply)
        self._step = self._nothing

    # --- steps

    def _command(self) -> _Result | None:
        line = self._input.line(self._config.line_max)
        if line is None:
            return self._fatal(replies.NO_SMTP) if self._input and self._is_other_protocol() else None
        try:
            return self._perform(*split_command(line))
        except BadLine as err:
            return self._fatal(replies.NO_SMTP) if is_other_protocol(line) else self._count_error(err.reply)
        except CommandError as err:
            return self._refuse(err.reply)

    def _perform(self, verb: str, argument: str) -> _Result:
        perform = self._COMMANDS.get(verb)
        if perform is None:
            raise BadLine(self._text(f"500 5.5.2 Syntax errors, {verb} command unrecognized\r\n"))
        refusals = OUT_OF_TURN.get(verb)
        refusal = refusals.get(self._state) if refusals is not None else None
        if refusal is None:
            return perform(self, verb, argument)
        if verb == "BDAT":  # its octets follow anyway (RFC 3030 §2)
            self._remaining, _ = parse_chunk(argument)
            return self._skip(refusal)
        return self._say(replies.DATA_ARGUMENT if verb == "DATA" and argument else refusal)

    def _response(self) -> _Result | None:
        """A line of an AUTH exchange (RFC 4954 §4)."""
        line = self._input.line(self._config.line_max)
        if line is None:
            return None
        self._step = self._command
        if line == CANCEL:
            self._say(replies.AUTH_CANCELLED)
            return AuthEnded(None)
        try:
            return self._ask(AuthResponse(decode_response(line)))
        except InvalidBase64 as err:
            return self._bad_base64(err)

    def _data_octets(self) -> _Result | None:
        data = self._input.take_all()
        if not data:
            return None
        content, rest = self._data.read(data)
        if rest is not None:
            self._input.feed(rest)
            self._step = self._message_end
        return Content(content) if content else DONE

    def _chunk_octets(self) -> _Result | None:
        data = self._input.take(self._remaining)
        if not data and self._remaining:
            return None
        self._remaining -= len(data)
        content = self._chunks.read(data, last=self._chunk_is_last and not self._remaining)
        if not self._remaining:
            if self._chunk_is_last:
                self._step = self._message_end
            else:
                self._say(replies.CONTINUE)
                self._step = self._command
        return Content(content) if content else DONE

    def _skip_octets(self) -> _Result | None:
        """Pass over a chunk that nobody wants; what is in it must not run as commands."""
        self._remaining -= len(self._input.take(self._remaining))
        if self._remaining:
            return None
        self._step = self._command
        self._say(self._after_skip)
        return DONE

    def _message_end(self) -> Event:
        self._step = self._command
        unusable = self._newlines.found and not self._newlines.mends
        return self._ask(MessageEnd(replies.BARE_NEWLINE_IN_MESSAGE if unusable else None))

    def _nothing(self) -> _Result | None:
        self._input.clear()
        return CLOSED

    # --- commands

    def _hello(self, verb: str, argument: str) -> _Result:
        if self._config.lmtp is not (verb == "LHLO"):
            return self._say(replies.LHLO_WANTED if self._config.lmtp else replies.NO_LMTP)
        name = argument.partition(" ")[0]
        if not name:
            return self._say(replies.NO_NAME)
        name = name.encode()[:HELLO_MAX].decode(errors="ignore")
        return self._ask(Hello(name, is_extended=verb != "HELO"))

    def _mail(self, verb: str, argument: str) -> _Result:
        if argument[:5].upper() != "FROM:":
            return self._say(replies.BAD_MAIL)
        try:
            reverse_path, rest = parse_reverse_path(argument[5:].strip(" \t"))
        except PathError:
            return self._say(replies.BAD_MAIL)
        options = parse_mail_options(rest, tls=self._tls, dsn=self._config.dsn)
        if options.size > self._config.message_max > 0:
            return self._say(replies.TOO_BIG)
        return self._ask(Mail(reverse_path, options))

    def _rcpt(self, verb: str, argument: str) -> _Result:
        if argument[:3].upper() != "TO:":
            return self._say(replies.BAD_RCPT)
        try:
            path = argument[3:].strip(" \t")
            recipient, rest = parse_forward_path(path, bare_postmaster=self._config.bare_postmaster)
        except PathError:
            return self._say(replies.BAD_RCPT)
        options = parse_rcpt_options(rest, dsn=self._config.dsn)
        most = self._config.recipients_max
        if len(self._recipients) >= most > 0:
            return self._refuse(Reply(452, (4, 5, 3), f"Maximum limit of {most} recipients reached"))
        return self._ask(Rcpt(recipient, options))

    def _begin_data(self, verb: str, argument: str) -> _Result:
        if argument:
            return self._say(replies.DATA_ARGUMENT)
        self._data = DataReader(self._newlines, self._config.line_max)
        self._step = self._data_octets
        return self._say(replies.GO_AHEAD)

    def _bdat(self, verb: str, argument: str) -> _Result:
        self._remaining, self._chunk_is_last = parse_chunk(argument)
        self._received += self._remaining
        if self._received > self._config.message_max > 0:
            self._forget_transaction()
            self._skip(replies.TOO_BIG)
            return RESET
        if self._state is not State.CHUNKS:
            self._chunks = ChunkReader(self._newlines)
            self._state = State.CHUNKS
        self._step = self._chunk_octets
        return DONE

    def _reset(self, verb: str, argument: str) -> _Result:
        was_open = self.in_transaction
        self._forget_transaction()
        self._say(replies.RSET)
        return RESET if was_open else DONE

    def _auth(self, verb: str, argument: str) -> _Result:
        mechanism, _, initial = argument.partition(" ")
        if self._authenticated:
            return self._say(replies.AUTH_ALREADY)
        if not mechanism:
            return self._say(replies.NO_MECHANISM)
        if not self._config.may_authenticate(tls=self._tls):
            return self._say(replies.TLS_REQUIRED)
        try:
            response = decode_initial(initial.encode()) if initial else None
        except InvalidBase64 as err:
            return self._bad_base64(err)
        return self._ask(Auth(mechanism.upper(), response))

    def _starttls(self, verb: str, argument: str) -> _Result:
        if self._tls:
            return self._say(replies.TLS_ALREADY)
        if not self._config.starttls:
            return self._say(replies.NO_TLS)
        return self._ask(START_TLS)

    def _quit(self, verb: str, argument: str) -> _Result:
        return self._fatal(replies.QUIT)

    def _vrfy(self, verb: str, argument: str) -> _Result:
        return self._say(replies.VRFY)

    def _noop(self, verb: str, argument: str) -> _Result:
        return self._say(replies.NOOP)

    def _not_implemented(self, verb: str, argument: str) -> _Result:
        return self._refuse(Reply(502, (5, 5, 1), f"{verb} command not implemented"))

    _COMMANDS: ClassVar[Mapping[str, Callable[["ServerSession", str, str], _Result]]] = {
        "EHLO": _hello,
        "HELO": _hello,
        "LHLO": _hello,
        "MAIL": _mail,
        "RCPT": _rcpt,
        "DATA": _begin_data,
        "BDAT": _bdat,
        "RSET": _reset,
        "VRFY": _vrfy,
        "NOOP": _noop,
        "QUIT": _quit,
        "AUTH": _auth,
        "STARTTLS": _starttls,
        "SEND": _not_implemented,
        "SOML": _not_implemented,
        "SAML": _not_implemented,
        "EXPN": _not_implemented,
        "HELP": _not_implemented,
        "TURN": _not_implemented,
    }

    # --- what commands and answers do

    def _ask(self, event: Event) -> Event:
        self._pending = event
        return event

    def _say(self, reply: bytes) -> _Done:
        self._output.append(reply)
        self._queued += len(reply)
        return DONE

    def _refuse(self, reply: Reply) -> _Done:
        return self._say(self._reply(reply))

    def _reply(self, reply: Reply) -> bytes:
        if not self._utf8 and not reply.text.isascii():
            reply = replace(reply, text=reply.text.encode("ascii", "replace").decode())
        return reply.to_bytes()

    def _text(self, line: str) -> bytes:
        return line.encode("utf-8" if self._utf8 else "ascii", "replace")

    def _fatal(self, reply: bytes) -> Event:
        self._say(reply)
        self._step = self._nothing
        return CLOSED

    def _is_other_protocol(self) -> bool:
        return is_other_protocol(self._input.peek(OTHER_PROTOCOL_MAX))

    def _count_error(self, reply: bytes) -> _Result:
        self._say(reply)
        self._errors += 1
        return self._fatal(replies.TOO_MANY_ERRORS) if self._errors > ERRORS_MAX else DONE

    def _skip(self, reply: bytes) -> _Done:
        self._after_skip = reply
        self._step = self._skip_octets
        return DONE

    def _bad_base64(self, error: SaslError) -> Event:
        self._say(replies.BAD_BASE64)
        return AuthEnded(error)

    def _greet(self, event: Hello) -> None:
        self._forget_transaction()
        self._state = State.READY
        if not event.is_extended:
            self._say(self._text(f"250 2.0.0 Hello {event.name}\r\n"))
            return
        keywords = [f"Hello {event.name}", *self._config.keywords(tls=self._tls)]
        lines = [f"250-{keyword}\r\n" for keyword in keywords[:-1]]
        self._say(self._text(f"{''.join(lines)}250 {keywords[-1]}\r\n"))

    def _begin(self, event: Mail) -> None:
        self._forget_transaction()
        self._state = State.SENDER
        self._utf8 = event.options.utf8
        self._say(self._text(f"250 2.0.0 Roger, accepting mail from <{event.reverse_path}>\r\n"))

    def _end_message(self, refusals: Sequence[Reply | None]) -> None:
        """One reply, or in LMTP one for each recipient (RFC 2033 §4.2)."""
        if self._config.lmtp:
            for recipient, refusal in zip(self._recipients, refusals, strict=True):
                reply = refusal or _QUEUED
                self._refuse(replace(reply, text=f"<{recipient}> {reply.text}"))
        elif refusals[0] is None:
            self._say(replies.QUEUED)
        else:
            self._refuse(refusals[0])
        self._forget_transaction()

    def _forget_transaction(self) -> None:
        if self._state is not State.START:
            self._state = State.READY
        self._recipients.clear()
        self._utf8 = False
        self._received = 0
        self._newlines.found = False


_QUEUED: Final = Reply(250, (2, 0, 0), "OK: queued")
