"""Listening sockets: bound once, by the supervisor, and handed to the workers."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BACKLOG = 1024  # connections that the kernel holds until they are accepted
FIRST_SYSTEMD_SOCKET = 3  # sd_listen_fds(3)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen. `text` names it in the configuration, in errors and between processes."""

    text: str
    host: str = ""  # a literal IP address
    port: int = 0
    path: str = ""  # of a Unix socket, absolute; then there is no host


class ListenError(Exception):
    """An address cannot be listened on; the text names it and says why."""


def bind(address: ListenAddress, *, dual_stack: bool = True) -> socket.socket:
    """Listen on an address. Raises ListenError.

    dual_stack: whether `[::]` takes IPv4 as well.
    """
    try:
        return _bind_unix(address.path) if address.path else _bind_tcp(address, dual_stack=dual_stack)
    except OSError as err:
        raise ListenError(f"cannot listen on {address.text}: {_reason(err, address)}") from err


def _bind_tcp(address: ListenAddress, *, dual_stack: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual_stack)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _bind_unix(path: str) -> socket.socket:
    """A socket file that nobody listens on any more is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(Path(path).lstat().st_mode):
                raise FileExistsError(errno.EEXIST, "a file that is not a socket is in the way")
            if _somebody_listens(path):
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            Path(path).unlink()
        listener.bind(path)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _somebody_listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _reason(err: OSError, address: ListenAddress) -> str:
    match err.errno:
        case errno.EADDRINUSE:
            return "address already in use: another program listens there (`ss -ltnp` shows which)"
        case errno.EACCES if 0 < address.port < 1024:
            return "permission denied: ports below 1024 need CAP_NET_BIND_SERVICE, or sockets from systemd"
        case errno.EADDRNOTAVAIL:
            return "this machine does not have that address"
        case _:
            return (err.strerror or str(err)).lower()


def inherited_sockets(environ: "os._Environ[str]") -> Sequence[socket.socket]:
    """Listening sockets that systemd passed to this process (sd_listen_fds(3)); its variables are removed."""
    meant_for, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "0")
    environ.pop("LISTEN_FDNAMES", None)
    if meant_for != str(os.getpid()) or not count.isdigit():
        return ()
    descriptors = range(FIRST_SYSTEMD_SOCKET, FIRST_SYSTEMD_SOCKET + int(count))
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


def is_bound_to(listener: socket.socket, address: ListenAddress) -> bool:
    """Whether a socket that we got listens where we want to."""
    name = listener.getsockname()
    if address.path:
        return bool(name == address.path)
    return isinstance(name, tuple) and name[:2] == (address.host, address.port)
