"""Endpoints: what listens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


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
