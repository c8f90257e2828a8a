"""The directives of SMTP endpoints (spec/smtp-endpoint.md §1)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from posthouse.framework import normalize
from posthouse.framework.config.kinds import auth, limits, table
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.proxy import proxy_protocol
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import arguments, directive, repeated, rest_of_block, settings
from posthouse.framework.config.tls import server_tls
from posthouse.framework.config.values import (
    boolean,
    duration,
    enum,
    integer,
    integer_between,
    normalization,
    size,
    size_octets,
    size_text,
    string,
    without_block,
)
from posthouse.framework.interfaces.auth import Authenticator
from posthouse.framework.interfaces.limits import Limits
from posthouse.framework.interfaces.table import Table
from posthouse.framework.interfaces.tls import ServerTls
from posthouse.framework.normalize import Normalization
from posthouse.net.proxied import Proxies
from posthouse.pipeline.rules import RULES, Rules

MIB: Final = 1_048_576  # octets
LINE_LEAST: Final = 1000  # octets with CRLF that every server has to take (RFC 5321 §4.5.3.1.6)


@dataclass(frozen=True, slots=True)
class Buffering:
    """Where bodies wait for the end of their message.

    memory: octets from which on a body is in a file: 0 always, None never.
    directory: where the files are; None is `state_dir/buffer`.
    """

    memory: int | None = MIB
    directory: Path | None = None


@dataclass(frozen=True, slots=True)
class BufferingKind:
    """`ram`, `fs [DIR]` or `auto [SIZE [DIR]]`."""

    name: str = "ram | fs [DIR] | auto [SIZE [DIR]]"

    def parse(self, node: Node, scope: Scope) -> Buffering:
        match without_block(node).args:
            case ("ram",):
                return Buffering(None)
            case ("fs",) | ("fs", _):
                return Buffering(0, _directory(node.args[1:], scope))
            case ("auto",) | ("auto", _) | ("auto", _, _):
                memory = _size(node.args[1], node) if len(node.args) > 1 else MIB
                return Buffering(memory, _directory(node.args[2:], scope))
        raise ConfigError(f"expected {self.name}", at=node)

    def show(self, value: Buffering) -> str:
        return "ram" if value.memory is None else f"auto {size_text(value.memory)}" if value.memory else "fs"


def _size(text: str, node: Node) -> int:
    try:
        return size_octets(text)
    except ValueError as err:
        raise ConfigError(str(err), at=node) from err


def _directory(args: tuple[str, ...], scope: Scope) -> Path | None:
    return scope.paths.state / args[0] if args else None


@settings
class SmtpSettings:
    addresses: tuple[str, ...] = arguments(
        help="where to listen: tcp://HOST:PORT, tls://HOST:PORT, unix:PATH", least=1
    )
    hostname: str = directive(
        string, inherit=True, help="the name of this server: in its greeting and in Received"
    )
    tls: ServerTls | None = directive(server_tls, inherit=True, help="certificates, or off")
    auth: tuple[Authenticator, ...] = repeated(
        auth, help="who knows users and passwords; several are asked in order"
    )
    sasl_login: bool = directive(boolean, default=False, help="offer the old mechanism LOGIN beside PLAIN")
    auth_map: Table | None = directive(
        table, default=None, inherit=True, help="user names as clients give them, to those of `auth`"
    )
    auth_map_normalize: Normalization = directive(
        normalization, default=normalize.auto, inherit=True, help="how user names are normalised first"
    )
    insecure_auth: bool = directive(boolean, default=False, help="take passwords without TLS")
    write_timeout: float = directive(
        duration, default=60.0, help="how long a client may take to read our replies"
    )
    read_timeout: float = directive(duration, default=600.0, help="how long a client may take for a command")
    shutdown_timeout: float = directive(
        duration,
        default=180.0,
        help="how long transactions may go on when the server stops; at most 5s count",
    )
    max_message_size: int = directive(
        size, default=32 * MIB, help="octets of a message, announced to clients; 0 is no limit"
    )
    max_header_size: int = directive(size, default=MIB, help="octets of the header of a message")
    max_recipients: int = directive(
        integer, default=20_000, help="recipients of a message, announced to clients; 0 is no limit"
    )
    max_received: int = directive(
        integer, default=50, help="Received fields of a message; one with more is in a loop"
    )
    buffer: Buffering = directive(
        BufferingKind(), default=Buffering(), help="where a message waits for its end: in memory, in a file"
    )
    smtp_max_line_length: int = directive(
        integer_between(LINE_LEAST, MIB), default=4000, help="octets of a line, with its CRLF"
    )
    io_debug: bool = directive(boolean, default=False, help="write the traffic to the debug log")
    debug: bool = directive(boolean, default=False, inherit=True, help="log more")
    defer_sender_reject: bool = directive(
        boolean,
        default=True,
        help="refuse a sender in the reply to RCPT, so that the log tells who was meant",
    )
    max_logged_rcpt_errors: int = directive(
        integer, default=5, help="refused recipients of a session that are logged"
    )
    bare_postmaster: bool = directive(
        boolean,
        default=False,
        help="take `RCPT TO:<Postmaster>`, as RFC 5321 wants; rules call it `postmaster`",
    )
    bare_newline: str = directive(
        enum("reject", "normalize"), default="reject", help="what is done with CR and LF that are no CRLF"
    )
    min_free: int = directive(
        size, default=32 * MIB, help="octets that must be free where `state_dir` is, to take mail"
    )
    proxy_protocol: Proxies | None = directive(
        proxy_protocol, default=None, help="connections come through a proxy that says who the client is"
    )
    limits: Limits | None = directive(limits, default=None, help="how much mail is taken at a time")
    max_connections: int = directive(
        integer, default=0, help="connections at a time; more are answered 421. 0 is no limit"
    )
    max_connections_per_ip: int = directive(
        integer,
        default=0,
        help="the same for each client: an IPv4 address, or an IPv6 network of 64 bits. 0 is no limit",
    )
    dsn: bool = directive(boolean, default=False, help="offer the extension DSN (RFC 3461)")
    rules: Rules = rest_of_block(RULES, help="the rules by which messages are delivered")


@settings
class LmtpSettings(SmtpSettings):
    tls: ServerTls | None = directive(
        server_tls, default=None, default_text="off", inherit=True, help="certificates, or off"
    )
