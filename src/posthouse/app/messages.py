"""What the supervisor and its workers say to each other (net.channel)."""

from pathlib import Path

import msgspec

from posthouse.app.options import Options
from posthouse.net.listener import ListenAddress


class Begin(msgspec.Struct, tag=True, frozen=True):
    """Supervisor to worker, first. With a descriptor: the snapshot of the configuration to start from."""

    options: Options
    index: int
    is_first: bool  # reads the configuration and prepares; the others start from its snapshot
    is_alone: bool  # there is no other worker to tell of changes


class Wanted(msgspec.Struct, tag=True, frozen=True):
    """Worker to supervisor: the configuration is good, and this is what it needs. With a descriptor: the snapshot."""

    state: str
    runtime: str
    log: tuple[str, ...]
    addresses: tuple[ListenAddress, ...]
    doors: tuple[str, ...]  # Unix sockets by which other processes reach the bus


class Granted(msgspec.Struct, tag=True, frozen=True):
    """Supervisor to worker: a descriptor for each of these addresses."""

    addresses: tuple[str, ...]


class Ready(msgspec.Struct, tag=True, frozen=True):
    """Worker to supervisor: every listener accepts."""


class Failed(msgspec.Struct, tag=True, frozen=True):
    """Worker to supervisor: it cannot start; the text says why."""

    text: str


class Publish(msgspec.Struct, tag=True, frozen=True):
    """Either way: a message of the bus."""

    topic: str
    payload: str


class Stop(msgspec.Struct, tag=True, frozen=True):
    """Supervisor to worker: end in order."""


class Rotate(msgspec.Struct, tag=True, frozen=True):
    """Supervisor to worker: reopen log files."""


Message = Begin | Wanted | Granted | Ready | Failed | Publish | Stop | Rotate


def _to_plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value))


def _from_plain(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)


encode = msgspec.msgpack.Encoder(enc_hook=_to_plain).encode
decode = msgspec.msgpack.Decoder(Message, dec_hook=_from_plain).decode
