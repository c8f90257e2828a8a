"""Logging in maddy's line format (spec/cli-and-ops §5): `[TIMESTAMP ][[debug] ][NAME: ]MESSAGE<TAB>[JSON]`.

A logger only formats; where lines go is the sink's matter (`core.logsink`).
"""

from collections.abc import Callable, Mapping

import msgspec

from posthouse.core.errors import MailError

LINE_MAX = 65_536  # octets; consumers of logs have such limits

# A sink takes a finished line without its LF, and whether it is a debug line. It never blocks or raises.
Sink = Callable[[bytes, bool], None]


_encoder = msgspec.json.Encoder(enc_hook=str, order="sorted")
_PLAIN = frozenset({str, int, float, bool, type(None), list})  # what JSON says itself


def _text(value: object) -> object:
    """What JSON cannot say itself, as its text."""
    if type(value) in _PLAIN:
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


_HTML = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
    (b"\x7f", b"\\u007f"),
)
_HTML_OCTETS = bytes({raw[0] for raw, _ in _HTML})  # one of each: few lines have any
_CONTROLS = {c: f"\\x{c:02x}" for c in (*range(0x20), 0x7F, *range(0x80, 0xA0))} | {
    c: f"\\u{c:04x}" for c in (*range(0x200E, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}


def format_line(name: str, message: str, fields: Mapping[str, object], *, debug: bool = False) -> bytes:
    """One log line without time and LF. Never longer than LINE_MAX, never more than one line."""
    prefix = f"[debug] {name}: " if debug and name else "[debug] " if debug else f"{name}: " if name else ""
    if not message.isprintable():
        message = message.translate(_CONTROLS)
    head = f"{prefix}{message}\t".encode("utf-8", "backslashreplace")
    if not fields:
        return head[:LINE_MAX]
    if not _PLAIN.issuperset(map(type, fields.values())):
        fields = {name: _text(value) for name, value in fields.items()}
    try:
        body = _encoder.encode(fields)
    except (UnicodeEncodeError, TypeError, ValueError):  # lone surrogates of undecodable input
        body = _encoder.encode(
            {k: str(v).encode("utf-8", "backslashreplace").decode() for k, v in fields.items()}
        )
    if len(body.translate(None, _HTML_OCTETS)) < len(body):
        for raw, escaped in _HTML:
            body = body.replace(raw, escaped)
    if len(head) + len(body) > LINE_MAX:
        longest = (LINE_MAX - len(head)) // (4 * len(fields))
        return format_line(name, message, {k: str(v)[:longest] for k, v in fields.items()}, debug=debug)
    return head + body


class Logger:
    """A named place that log lines come from. Cheap to make; loggers share their sink."""

    __slots__ = ("_sink", "debug_enabled", "name")

    def __init__(self, sink: Sink, name: str = "", *, debug: bool = False) -> None:
        self._sink = sink
        self.name = name
        self.debug_enabled = debug

    def child(self, name: str, *, debug: bool | None = None) -> "Logger":
        """A logger for a part: names are joined by "/"."""
        full = f"{self.name}/{name}" if self.name else name
        return Logger(self._sink, full, debug=self.debug_enabled if debug is None else debug)

    def named(self, name: str, *, debug: bool | None = None) -> "Logger":
        """A logger on the same sink under another name."""
        return Logger(self._sink, name, debug=self.debug_enabled if debug is None else debug)

    def info(self, message: str, **fields: object) -> None:
        self.log(message, fields)

    def log(self, message: str, fields: Mapping[str, object]) -> None:
        """The same as `info`, for fields that somebody has gathered."""
        self._sink(format_line(self.name, message, fields), False)

    def debug(self, message: str, **fields: object) -> None:
        if self.debug_enabled:
            self._sink(format_line(self.name, message, fields, debug=True), True)

    def error(self, message: str, error: BaseException, **fields: object) -> None:
        """Log a failure: the fields of its chain, then the caller's, and `reason`."""
        self._sink(format_line(self.name, message, error_fields(error) | fields), False)


def error_fields(error: BaseException) -> dict[str, object]:
    """What is worth logging of an error."""
    if isinstance(error, MailError):
        return error.log_fields()
    return {"reason": str(error) or type(error).__name__}


def trace_of(error: BaseException) -> str:
    """Where an error that nobody foresaw happened, innermost last, on one line."""
    places = []
    tb = error.__traceback__
    while tb is not None:
        code = tb.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{tb.tb_lineno} {code.co_name}")
        tb = tb.tb_next
    return f"{type(error).__name__} at " + " > ".join(places[-8:])
