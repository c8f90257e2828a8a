"""TLS certificate loaders, and the server's side of TLS as endpoints see it."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and its key, both PEM."""

    chain: bytes
    key: bytes


@runtime_checkable
class TlsLoader(Protocol):
    """Gives the current certificates, for each handshake; the first is the default, others are chosen by SNI."""

    def certificates(self) -> Sequence[Certificate]:
        """Must be fast: no disk. The same object again means that nothing changed."""
        ...


@runtime_checkable
class RenewingLoader(TlsLoader, Protocol):
    """A loader that tells of new certificates, and so need not be asked at each handshake."""

    def on_renewal(self, renewed: Callable[[], object]) -> None:
        """`renewed()` is called on the event loop whenever `certificates` gives others than before."""
        ...


class ServerTls(Protocol):
    """The `tls` directive as configured."""

    def context(self) -> ssl.SSLContext:
        """The one context of this directive: always the same object, for listeners that live for months.

        It asks the loader at each handshake, so that renewed certificates are served without a restart.
        """
        ...
