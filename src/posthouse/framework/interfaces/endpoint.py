"""Endpoints: what listens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from posthouse.core.world import IpAddress
from posthouse.framework.interfaces.target import Target


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint address: `tcp://127.0.0.1:25`, `tls://[::]:993`, `unix:///run/x.sock`."""

    text: str  # as written; how logs call it
    scheme: str  # "tcp", "tls" or "unix"
    host: str = ""  # tcp, tls
    port: int = 0
    path: str = ""  # unix: absolute, or relative to the runtime directory

    @property
    def is_tls(self) -> bool:
        return self.scheme == "tls"

    @property
    def is_local(self) -> bool:
        """Nobody else can listen in: a Unix socket, or 127.0.0.0/24."""
        return self.scheme == "unix" or self.host.startswith("127.0.0.")


@runtime_checkable
class Endpoint(Protocol):
    """A module that listens. Its `start` takes its sockets from `world.listeners` and accepts connections.

    `stop` first closes the listeners, then ends the sessions (design §2).
    """

    addresses: Sequence[Address]


@dataclass(frozen=True, slots=True)
class Client:
    """A client as it would be, and what it would say (`posthouse explain`)."""

    ip: IpAddress | None  # None: it comes by a Unix socket
    hello: str
    sender: str  # "" is `<>`
    recipients: Sequence[str]
    user: str = ""  # who has logged in; "" is nobody
    is_tls: bool = False
    is_utf8: bool = False  # it asks for SMTPUTF8
    message: bytes | None = None  # with CRLF; None: it leaves before DATA


@runtime_checkable
class RehearsingEndpoint(Endpoint, Protocol):
    """An endpoint that can tell what a client would be told, without a connection."""

    async def rehearse(
        self,
        client: Client,
        rehearsed: Callable[[Target], Target],
        heard: Callable[[str, str], None],
        left_out: Callable[[object, str], None],
    ) -> None:
        """Play the client. Where the endpoint's target would get the message, `rehearsed` of it gets it.

        heard: told each command and its reply, whole, the last line without CRLF; passwords are not in it.
        left_out: told, when it would be its turn, of what only a real client meets, and why: a module or a directive's name.
        Counters, limits, logs and files stay as they are. Raises ValueError for a user where nobody can log in.
        """
        ...
