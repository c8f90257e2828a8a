"""What `posthouse imap-msgs` does with the messages of a mailbox. Long work goes in steps, so that memory is bounded."""

import os
import sys
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import click

from posthouse.cli.command import Failure
from posthouse.cli.message_text import in_full, in_short
from posthouse.cli.selection import chosen
from posthouse.framework.interfaces.storage import (
    DELETED,
    Account,
    BrokenMessage,
    FlagChange,
    Mailbox,
    MessageRow,
    Snapshot,
    TooBig,
)
from posthouse.framework.spool import BodyBuffer, Spool
from posthouse.modules.endpoint.imap.flag_text import FlagText, system_bits
from posthouse.wire.imap.append import LineEnds
from posthouse.wire.imap.flags import Flags
from posthouse.wire.imap.sequence import SequenceSet

CHUNK = 262_144  # octets read at a time
STEP = 10_000  # messages that are changed at a time


class Messages:
    """Messages of a mailbox, chosen as the mailbox was when it was opened. uids ascends."""

    def __init__(self, mailbox: Mailbox, snapshot: Snapshot, uids: "array[int]") -> None:
        self.mailbox = mailbox
        self.uids = uids
        self._snapshot = snapshot

    @classmethod
    async def find(cls, account: Account, mailbox: str, messages: SequenceSet, *, by_uid: bool) -> "Messages":
        """Raises NoSuchMailbox; Failure when there are no such messages."""
        opened = await account.open(mailbox)
        snapshot = await opened.snapshot()
        return cls(opened, snapshot, chosen(snapshot, messages, by_uid=by_uid))

    async def change_flags(self, change: FlagChange, flags: Flags) -> None:
        """Raises TooManyKeywords."""
        for uids in self._steps():
            await self.mailbox.store(uids, change, system_bits(flags.system), flags.keywords)

    async def remove(self) -> None:
        """Remove just these, whatever else is \\Deleted."""
        for uids in self._steps():
            await self.mailbox.store(uids, FlagChange.ADD, DELETED, ())
            await self.mailbox.expunge(uids)

    async def show(self, *, full: bool) -> None:
        """Print what they are, on standard output; `No messages.` on standard error when there are none."""
        if not self.uids:
            print("No messages.", file=sys.stderr)
        flags = FlagText(self._snapshot.keywords)

        def text(row: MessageRow) -> str:
            if full:
                return in_full(row, bisect_left(self._snapshot.uids, row.uid) + 1, flags[row.flags])
            return in_short(row, flags[row.flags])

        async for rows in self.mailbox.rows(self.uids):
            click.echo("".join(map(text, rows)), nl=False)

    async def dump(self, out: BinaryIO) -> None:
        """Write their octets, one after another. Raises Failure at the end when some could not be read."""
        damaged = 0
        async for rows in self.mailbox.rows(self.uids):
            for row in rows:
                try:
                    await _write_out(self.mailbox, row.email, out)
                except BrokenMessage as err:
                    print(f"Error: UID {row.uid}: {err}", file=sys.stderr)
                    damaged += 1
        if damaged:
            raise Failure(f"{damaged} of {len(self.uids)} messages could not be read whole")

    def _steps(self) -> Sequence["array[int]"]:
        return [self.uids[at : at + STEP] for at in range(0, len(self.uids), STEP)]


async def add(account: Account, mailbox: str, source: BinaryIO, flags: Flags, received: int | None) -> int:
    """Store the message that is read from `source`; gives its UID. received: seconds since the epoch, None for now.

    Raises StorageError, Failure when there is no message, OSError when there is no room for it.
    """
    await account.open(mailbox)  # before anything is read: somebody may type it in
    with TemporaryDirectory(prefix="posthouse-") as directory:
        buffer = BodyBuffer(Spool(Path(directory), os.urandom))
        try:
            await _read_in(source, buffer, account.append_limit)
            body = await buffer.finish()
            if not body.size:
                raise Failure("there is no message on standard input", 2)
            system = system_bits(flags.system)
            return (await account.append(mailbox, body, system, flags.keywords, received)).uid
        finally:
            await buffer.discard()


async def _read_in(source: BinaryIO, buffer: BodyBuffer, limit: int) -> None:
    """Raises TooBig as soon as it is more than `limit` octets."""
    ends = LineEnds()
    size = 0
    while octets := source.read(CHUNK):
        octets = ends.convert(octets)
        size += len(octets)
        if size > limit:
            raise TooBig
        await buffer.write(octets)


async def _write_out(mailbox: Mailbox, email: int, out: BinaryIO) -> None:
    content = await mailbox.content(email)
    for at in range(0, content.size, CHUNK):
        octets = await content.read(at, CHUNK)
        out.write(octets)
