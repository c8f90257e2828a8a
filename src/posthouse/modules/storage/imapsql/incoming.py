"""Messages coming in: scanned once, their octets made ready to be stored (design §6, rule 4)."""

import mmap
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from posthouse.db.blobs import LOG_BODY_MAX, OwnFile
from posthouse.db.mail.database import MailDatabase
from posthouse.db.mail.units import Description, Recipient
from posthouse.framework.buffer import Body
from posthouse.message.structure import Structure, scan
from posthouse.message.structure.parts import with_longer_header

HEAD_MAX: Final = (
    65_536  # octets of a header that each recipient's row may hold; a larger one goes into the file
)
INLINE_MAX: Final = 131_072  # octets of a body that are scanned on the event loop
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")


class Incoming(NamedTuple):
    """A message that is ready to be stored. head: octets of it that are not among `octets`, but before them."""

    octets: bytes | OwnFile
    head: bytes
    structure: Structure

    @property
    def description(self) -> Description:
        found = self.structure
        return Description(found.size - len(self.head), found.message_id, found.envelope, found.structure)

    def for_account(self, account: int, prefix: bytes) -> Recipient:
        """An account's copy, with header fields of its own on top."""
        return Recipient(account, prefix + self.head, with_longer_header(self.structure.parts, len(prefix)))


async def of_delivery(db: MailDatabase, header: bytes, body: Body) -> Incoming:
    """A message as the pipeline has it; `header` with its blank line. Raises DatabaseError."""
    if len(header) + body.size <= LOG_BODY_MAX:
        data = await _octets(db, body)
        return Incoming(header + data, b"", await _scan(db, data, header))
    if len(header) <= HEAD_MAX:
        return await _large(db, body.chunks, body.path, body.size, header)
    return await _large(db, lambda: _chained(header, body), None, len(header) + body.size, b"")


async def of_append(db: MailDatabase, message: Body) -> Incoming:
    """A whole message from a client; each bare LF becomes a CRLF. Raises DatabaseError."""
    if message.size <= LOG_BODY_MAX:
        data = await _octets(db, message)
        if data.count(b"\n") != data.count(b"\r\n"):
            data = _BARE_LF.sub(b"\r\n", data)
        return Incoming(data, b"", await _scan(db, data, b""))
    has_bare_lf = await db.call(partial(_has_bare_lf, message))
    finished = None if has_bare_lf else message.path
    return await _large(db, lambda: _with_crlf(message.chunks()), finished, message.size, b"")


async def _octets(db: MailDatabase, body: Body) -> bytes:
    if body.path is None:
        return b"".join(body.chunks())
    return await db.call(lambda: b"".join(body.chunks()))


async def _scan(db: MailDatabase, data: bytes, header: bytes) -> Structure:
    if len(data) <= INLINE_MAX:
        return scan(data, header)
    return await db.call(partial(scan, data, header))


async def _large(
    db: MailDatabase,
    chunks: Callable[[], Iterable[bytes]],
    finished: Path | None,
    size: int,
    head: bytes,
) -> Incoming:
    """Store a large file, then scan what is in it, without taking it into memory."""
    own = await db.store_large(chunks, finished, size)
    try:
        structure = await db.call(partial(_scan_file, db.large_file(own), head))
    except BaseException:
        db.forget_large(own)
        raise
    return Incoming(own, head, structure)


def _scan_file(path: Path, head: bytes) -> Structure:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return scan(data, head)


def _chained(header: bytes, body: Body) -> Iterator[bytes]:
    yield header
    yield from body.chunks()


def _has_bare_lf(message: Body) -> bool:
    return any(fixed is not chunk for chunk, fixed in _crlf_fixed(message.chunks()))


def _with_crlf(chunks: Iterable[bytes]) -> Iterator[bytes]:
    return (fixed for _, fixed in _crlf_fixed(chunks))


def _crlf_fixed(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk, and it again with CRLF for each bare LF: the same object where there is none."""
    ended_with_cr = False
    for chunk in chunks:
        fixed = _BARE_LF.sub(b"\r\n", chunk)
        if ended_with_cr and chunk[:1] == b"\n":
            fixed = fixed[1:]
        ended_with_cr = chunk[-1:] == b"\r"
        yield chunk, chunk if fixed == chunk else fixed
